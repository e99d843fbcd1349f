/**
 * The package's files, which are assets of the program, where the code looks for them: below a folder that is on no disk.
 *
 * The CLI reads its manifest, templates and inits by node:fs. The few functions by which it does are replaced by ones that
 * know the folder, and hand every other path to Node's own. Nothing is unpacked: the program also runs where it can write nowhere.
 */
import fs, { type Dirent } from "node:fs";
import { join } from "node:path";
import { getAssetKeys, getRawAsset } from "node:sea";
import { fileURLToPath } from "node:url";

/** The folder. /proc/self has the kernel's entries and no other, so nobody can put a file there. */
export const ROOT = "/proc/self/initwrap";

/** A packed file's bytes, by its path below the root; the caller's own to change. */
export function packedFile(name: string): Buffer {
  return Buffer.from(new Uint8Array(getRawAsset(name)));
}

/** Lets node:fs see the packed files. */
export function showPackedFiles(): void {
  const { existsSync, readFileSync, readdirSync } = fs;
  const { readFile } = fs.promises;
  const replacements = {
    existsSync: (path: unknown) => {
      const name = nameOf(path);
      return name === undefined ? existsSync(path as string) : files().has(name) || folders().has(name);
    },
    readFileSync: (path: unknown, options?: unknown) => {
      const name = nameOf(path);
      return name === undefined ? readFileSync(path as string, options as undefined) : read(name, options);
    },
    readdirSync: (path: unknown, options?: unknown) => {
      const name = nameOf(path);
      return name === undefined ? readdirSync(path as string, options as undefined) : list(name, options);
    },
  };
  Object.assign(fs, replacements);
  Object.assign(fs.promises, {
    readFile: async (path: unknown, options?: unknown) => {
      const name = nameOf(path);
      return name === undefined ? readFile(path as string, options as undefined) : read(name, options);
    },
  });
}

/** A path or URL below the root, without it; undefined for every other. */
function nameOf(place: unknown): string | undefined {
  const path = place instanceof URL && place.protocol === "file:" ? fileURLToPath(place) : place;
  if (typeof path !== "string" || !path.startsWith(ROOT)) return undefined;
  return path === ROOT ? "" : path[ROOT.length] === "/" ? join(path.slice(ROOT.length + 1)) : undefined;
}

let known: ReadonlySet<string> | undefined;

function files(): ReadonlySet<string> {
  known ??= new Set(getAssetKeys());
  return known;
}

let tree: ReadonlyMap<string, ReadonlyMap<string, boolean>> | undefined;

/** Each folder's entries, and whether they are folders themselves. */
function folders(): ReadonlyMap<string, ReadonlyMap<string, boolean>> {
  if (tree) return tree;
  const made = new Map<string, Map<string, boolean>>();
  for (const file of files()) {
    const parts = file.split("/");
    for (let depth = 0; depth < parts.length; depth++) {
      const folder = parts.slice(0, depth).join("/");
      const entries = made.get(folder) ?? new Map<string, boolean>();
      made.set(folder, entries.set(parts[depth]!, depth + 1 < parts.length));
    }
  }
  tree = made;
  return made;
}

function read(name: string, options: unknown): Buffer | string {
  if (!files().has(name)) throw missing("open", name);
  const encoding = typeof options === "string" ? options : (options as { encoding?: string } | undefined)?.encoding;
  const bytes = packedFile(name);
  return encoding ? bytes.toString(encoding as BufferEncoding) : bytes;
}

function list(name: string, options: unknown): string[] | Dirent[] {
  const entries = folders().get(name);
  if (!entries) throw missing("scandir", name);
  if ((options as { withFileTypes?: boolean } | undefined)?.withFileTypes !== true) return [...entries.keys()];
  return [...entries].map(([entry, isFolder]) => {
    const kinds = { isDirectory: () => isFolder, isFile: () => !isFolder, isSymbolicLink: () => false };
    return { name: entry, parentPath: join(ROOT, name), ...kinds } as Dirent;
  });
}

function missing(syscall: string, name: string): NodeJS.ErrnoException {
  const path = join(ROOT, name);
  return Object.assign(new Error(`ENOENT: no such file or directory, ${syscall} '${path}'`), {
    code: "ENOENT",
    errno: -2,
    syscall,
    path,
  });
}
