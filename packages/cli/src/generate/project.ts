/**
 * A project as the generator sees it: the names of its files, and the text of those that say what it is.
 *
 * Reading happens in two steps so that nothing here touches a disk: `wantedFiles` says which texts are needed, and whoever
 * can read makes a `Project` of them.
 */
import { InitwrapError } from "../model/errors.ts";
import { isRecord } from "../model/record.ts";

export interface Project {
  /** Paths from the project's root with `/` between folders, in order of name. */
  readonly paths: readonly string[];
  /** The text of the wanted files, by path. */
  readonly texts: ReadonlyMap<string, string>;
}

/** How deep a listing has to go: `src/main/kotlin/com` is of no interest, `services/api/api.csproj` is. */
export const LISTING_DEPTH = 4;

/** Folders that hold what others made: dependencies, results and caches. */
export const SKIPPED_FOLDERS: ReadonlySet<string> = new Set([
  ".git",
  ".gradle",
  ".hg",
  ".idea",
  ".initwrap",
  ".mypy_cache",
  ".next",
  ".nuxt",
  ".pytest_cache",
  ".ruff_cache",
  ".svn",
  ".tox",
  ".venv",
  ".vscode",
  "__pycache__",
  "bower_components",
  "coverage",
  "node_modules",
  "obj",
  "site-packages",
  "target",
  "venv",
]);

const WANTED = [
  // Node
  /^package\.json$/,
  /^(pnpm-lock\.yaml|yarn\.lock|pnpm-workspace\.yaml)$/,
  /^\.(nvmrc|node-version|npmrc|yarnrc\.yml)$/,
  // Python
  /^(pyproject\.toml|requirements\.txt|runtime\.txt|\.python-version)$/,
  /^([^/]+\/){0,2}(main|app|server|wsgi|asgi|api|__init__|__main__)\.py$/,
  /^[^/]+\.py$/,
  // Go
  /^go\.mod$/,
  /^([^/]+|cmd\/[^/]+\/[^/]+)\.go$/,
  // Rust
  /^([^/]+\/){0,2}Cargo\.toml$/,
  /^Cargo\.lock$/,
  // Java
  /^([^/]+\/)?pom\.xml$/,
  /^([^/]+\/)?(build|settings)\.gradle(\.kts)?$/,
  // .NET
  /^([^/]+\/){0,3}[^/]+\.(cs|fs|vb)proj$/,
  // Ruby
  /^(Gemfile|Gemfile\.lock|\.ruby-version)$/,
  // PHP
  /^composer\.json$/,
  /^Procfile$/,
];

/** The files of a listing whose text the detectors read. */
export function wantedFiles(paths: readonly string[]): readonly string[] {
  return paths.filter((path) => WANTED.some((pattern) => pattern.test(path)));
}

/** A project from a table of texts; for each path without text an empty one will do. */
export function projectOf(files: Readonly<Record<string, string>>): Project {
  const paths = Object.keys(files).toSorted();
  const wanted = new Set(wantedFiles(paths));
  return { paths, texts: new Map(paths.filter((path) => wanted.has(path)).map((path) => [path, files[path] ?? ""])) };
}

export function has(project: Project, path: string): boolean {
  return project.paths.includes(path);
}

/** Those of `paths` that exist, in the given order. */
export function present(project: Project, ...paths: readonly string[]): readonly string[] {
  return paths.filter((path) => has(project, path));
}

/** Whether there is anything in this folder. */
export function hasFolder(project: Project, folder: string): boolean {
  return project.paths.some((path) => path.startsWith(`${folder}/`));
}

/** A file's text; "" when it is not there. */
export function textOf(project: Project, path: string): string {
  return project.texts.get(path) ?? "";
}

/** The first word of a file that holds one version, such as `.nvmrc`; comments and blank lines do not count. */
export function versionFile(project: Project, path: string): string | undefined {
  for (const line of textOf(project, path).split("\n")) {
    const word = line.replace(/#.*/, "").trim().split(/\s+/)[0];
    if (word) return word;
  }
  return undefined;
}

/** A JSON file whose top is an object. Throws PROJECT_INVALID. */
export function readJson(project: Project, path: string): Readonly<Record<string, unknown>> {
  const text = textOf(project, path).replace(/^\ufeff/, "");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InitwrapError("PROJECT_INVALID", `${path} is not JSON: ${(error as Error).message}`, {
      where: path,
      cause: error,
    });
  }
  if (isRecord(value)) return value;
  throw new InitwrapError("PROJECT_INVALID", `${path} holds no JSON object`, { where: path });
}

/** A table inside a document that was read; empty when there is none. */
export function table(value: unknown, ...names: readonly string[]): Readonly<Record<string, unknown>> {
  let at = value;
  for (const name of names) at = isRecord(at) && Object.hasOwn(at, name) ? at[name] : undefined;
  return isRecord(at) ? at : {};
}

/** A string field of a document that was read, without white space around it; undefined when it is none or empty. */
export function stringAt(from: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = Object.hasOwn(from, name) ? from[name] : undefined;
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}

/** The strings of a list field; what is no string is left out. */
export function stringsAt(from: Readonly<Record<string, unknown>>, name: string): readonly string[] {
  const value = Object.hasOwn(from, name) ? from[name] : undefined;
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}
