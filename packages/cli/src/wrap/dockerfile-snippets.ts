/** The Handlebars templates of what is inserted into Dockerfiles, as functions. They format and decide nothing. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import handlebars from "handlebars";
import type { Snippets } from "../dockerfile/injection.ts";

const FOLDER = "templates/dockerfile-snippets";

let loaded: Snippets | undefined;

/** The snippets, compiled once in a process. */
export function dockerfileSnippets(): Snippets {
  loaded ??= {
    inlineStage: template("inline-stage"),
    alias: template("alias"),
    copyFrom: template("copy-from"),
    copyContext: template("copy-context"),
    command: template("command"),
  };
  return loaded;
}

function template<Data>(name: string): (data: Data) => string {
  const source = readFileSync(join(folder(), `${name}.hbs`), "utf8");
  // Without noEscape Handlebars would write HTML: `&quot;` for every quote of an ENTRYPOINT.
  const render = handlebars.compile<Data>(source, { noEscape: true, strict: true });
  return (data) => render(data);
}

/** The folder beside the sources, or beside the bundle in the published package. */
function folder(): string {
  let place = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(place, FOLDER))) {
    const above = dirname(place);
    if (above === place) throw new Error(`the folder ${FOLDER} is missing from this installation`);
    place = above;
  }
  return join(place, FOLDER);
}
