/** The Handlebars templates of what is inserted into Dockerfiles, as functions. They format and decide nothing. */
import type { Snippets } from "../dockerfile/injection.ts";
import { shippedTemplate, type Template } from "./templates.ts";

let loaded: Snippets | undefined;

/** The snippets, compiled once in a process. */
export function dockerfileSnippets(): Snippets {
  loaded ??= {
    inlineStage: snippet("inline-stage"),
    alias: snippet("alias"),
    copyFrom: snippet("copy-from"),
    copyContext: snippet("copy-context"),
    command: snippet("command"),
  };
  return loaded;
}

function snippet<Data>(name: string): Template<Data> {
  return shippedTemplate("dockerfile-snippets", name);
}
