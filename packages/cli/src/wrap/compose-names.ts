/** What Compose files are called. Apart from their reading, so that a run without one loads nothing of YAML. */
import { type Stats, statSync } from "node:fs";
import { dirname, join } from "node:path";

/** Names that Compose looks for, in its order, each with those of the file that is merged into it. */
const DEFAULT_FILES: readonly (readonly [string, readonly string[]])[] = [
  ["compose.yaml", ["compose.override.yaml", "compose.override.yml"]],
  ["compose.yml", ["compose.override.yml", "compose.override.yaml"]],
  ["docker-compose.yaml", ["docker-compose.override.yaml", "docker-compose.override.yml"]],
  ["docker-compose.yml", ["docker-compose.override.yml", "docker-compose.override.yaml"]],
];

export const COMPOSE_NAMES: readonly string[] = DEFAULT_FILES.map(([name]) => name);

/** The default Compose file of a folder; undefined when there is none. */
export function composeFileIn(folder: string): string | undefined {
  return COMPOSE_NAMES.map((name) => join(folder, name)).find(isFile);
}

/** A default file with the override beside it; any other file alone. */
export function withOverride(path: string): readonly string[] {
  const overrides = DEFAULT_FILES.find(([name]) => path === name || path.endsWith(`/${name}`))?.[1] ?? [];
  const override = overrides.map((name) => join(dirname(path), name)).find(isFile);
  return override === undefined ? [path] : [path, override];
}

export function isFile(path: string): boolean {
  return factsOf(path)?.isFile() === true;
}

export function isFolder(path: string): boolean {
  return factsOf(path)?.isDirectory() === true;
}

function factsOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // In a folder that cannot be searched there is nothing to be had.
    return undefined;
  }
}
