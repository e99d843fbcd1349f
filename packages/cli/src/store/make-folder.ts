/**
 * A folder with all that is above it. Node's own recursive mkdir says of a read-only file system that something is missing, and
 * never ends where a parent cannot be made, as in /proc.
 */
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** Gives back the uppermost folder that was not there before; undefined when all were. Throws what mkdir(2) fails with. */
export async function makeFolder(path: string): Promise<string | undefined> {
  const missing: string[] = [];
  for (let at = path; !(await isThere(at)); at = dirname(at)) {
    missing.unshift(at);
    if (dirname(at) === at) break;
  }
  let first: string | undefined;
  for (const folder of missing) {
    try {
      await mkdir(folder);
      first ??= folder;
    } catch (cause) {
      // Another process was faster.
      if ((cause as { code?: string }).code !== "EEXIST") throw cause;
    }
  }
  return first;
}

async function isThere(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
    throw Object.assign(new Error(path), { code: "ENOTDIR" });
  } catch (cause) {
    if ((cause as { code?: string }).code === "ENOENT") return false;
    throw cause;
  }
}
