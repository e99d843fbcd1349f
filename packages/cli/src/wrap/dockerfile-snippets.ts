/** The Handlebars templates of what is inserted into Dockerfiles, as functions. They format and decide nothing. */
import type { Snippets } from "../dockerfile/injection.ts";
import { snippetTemplate } from "./snippet-templates.ts";

let loaded: Snippets | undefined;

/** The snippets, read once in a process. */
export function dockerfileSnippets(): Snippets {
  loaded ??= {
    inlineStage: snippetTemplate("inline-stage"),
    alias: snippetTemplate("alias"),
    copyFrom: snippetTemplate("copy-from"),
    copyContext: snippetTemplate("copy-context"),
    command: snippetTemplate("command"),
  };
  return loaded;
}
