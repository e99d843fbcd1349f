/**
 * The template of a Dockerfile snippet. The build puts functions in this module's place that were compiled before, for
 * nearly every run needs one: Handlebars' compiler is then neither loaded nor run.
 */
import { shippedTemplate, type Template } from "./templates.ts";

/** `NAME.hbs` of templates/dockerfile-snippets. */
export function snippetTemplate<Data>(name: string): Template<Data> {
  return shippedTemplate("dockerfile-snippets", name);
}
