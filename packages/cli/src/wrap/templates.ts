/** The Handlebars templates, as functions. They format and decide nothing. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import handlebars from "handlebars";

/** Without the helper that writes to standard output, which is the product's. */
const engine = handlebars.create();
engine.unregisterHelper("log");

/** What Handlebars does anyway; said, it does not write about it to standard error. */
const OWN_ONLY = { allowProtoPropertiesByDefault: false, allowProtoMethodsByDefault: false };

/** A template that has been read: from data to text. A field that the data lacks is an error, not an empty string. */
export type Template<Data> = (data: Data) => string;

/**
 * Compiles a template's text. Faults of its syntax show when it is first used. `partials` are texts that it may include.
 * `markup` is for HTML and SVG, where values are text that must not become elements.
 */
export function compileTemplate<Data>(
  source: string,
  partials: Readonly<Record<string, string>> = {},
  { markup = false }: { readonly markup?: boolean } = {},
): Template<Data> {
  // Without noEscape Handlebars would write HTML: `&quot;` for every quote of an ENTRYPOINT. Partials are compiled likewise.
  const render = engine.compile<Data>(source, { noEscape: !markup, strict: true });
  // Handlebars replaces the texts by functions, in an object of its own.
  return (data) => render(data, { partials: { ...partials } as Record<string, never>, ...OWN_ONLY });
}

/** One of the templates that come with initwrap: `NAME.hbs` of a folder under `templates/`; so are the partials. */
export function shippedTemplate<Data>(
  folder: string,
  name: string,
  partials: readonly string[] = [],
  options: { readonly markup?: boolean } = {},
): Template<Data> {
  const text = (one: string): string => readFileSync(join(templateFolder(folder), `${one}.hbs`), "utf8");
  return compileTemplate(text(name), Object.fromEntries(partials.map((one) => [one, text(one)])), options);
}

/** A folder under `templates/`, which is beside the sources, or beside the bundle in the published package. */
export function templateFolder(name: string): string {
  const wanted = join("templates", name);
  let place = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(place, wanted))) {
    const above = dirname(place);
    if (above === place) throw new Error(`the folder ${wanted} is missing from this installation`);
    place = above;
  }
  return join(place, wanted);
}
