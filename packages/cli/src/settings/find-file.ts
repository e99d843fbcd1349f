/**
 * The configuration file of a working directory: in it, or in a folder above it up to the root of the repository. Outside a
 * repository only the directory itself counts, for a file further up may be anyone's.
 */
import { type Stats, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { InitwrapError } from "../model/errors.ts";

export const FILE_NAME = ".initwrap.yaml";

/** What someone may have called it. */
const OTHER_NAME = ".initwrap.yml";

/**
 * The file's path; undefined when there is none. Throws CONFIG_INVALID when there is one by a slightly other name, alone or
 * beside it: it would be passed over.
 */
export function findFile(directory: string): string | undefined {
  const folders = foldersUpToRepository(directory);
  for (const folder of folders) {
    const path = join(folder, FILE_NAME);
    const other = join(folder, OTHER_NAME);
    const found = isFile(path);
    if (isFile(other)) {
      throw new InitwrapError("CONFIG_INVALID", `the configuration file is called ${FILE_NAME}`, {
        where: other,
        hint: found ? "There is one beside it: put both into it." : "Rename it, or name it with --config.",
      });
    }
    if (found) return path;
  }
  return undefined;
}

/** The files further up that do not count, for there is a nearer one. */
export function filesAbove(directory: string): readonly string[] {
  const paths = foldersUpToRepository(directory).map((folder) => join(folder, FILE_NAME));
  return paths.filter(isFile).slice(1);
}

function foldersUpToRepository(directory: string): readonly string[] {
  const folders: string[] = [];
  for (let folder = directory; ; folder = dirname(folder)) {
    folders.push(folder);
    // A worktree and a submodule have a file of that name.
    if (factsOf(join(folder, ".git")) !== undefined) return folders;
    if (folder === dirname(folder)) return [directory];
  }
}

function isFile(path: string): boolean {
  return factsOf(path)?.isFile() ?? false;
}

/** Undefined also for what cannot be looked at: a folder above may be closed to this user. */
function factsOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
