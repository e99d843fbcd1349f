/** How written files are named to people: the inits in `.initwrap`, one for each platform, by their folder. */

const INIT = /^(?<folder>(?:.*\/)?\.initwrap\/)[^/]+\/initwrap$/;

/** The files in their order, with commas between them. */
export function writtenFiles(paths: readonly string[]): string {
  return [...new Set(paths.map((path) => INIT.exec(path)?.groups?.["folder"] ?? path))].join(", ");
}
