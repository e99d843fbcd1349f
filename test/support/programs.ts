/** The tests' C programs as static files, compiled once for each source. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

export const ROOT = join(import.meta.dirname, "../..");
const PROGRAMS = join(ROOT, "test/e2e/programs");

/** The path of the static executable of `test/e2e/programs/NAME.c`. */
export async function compileProgram(name: string): Promise<string> {
  const source = join(PROGRAMS, `${name}.c`);
  const hash = createHash("sha256")
    .update(await readFile(source))
    .digest("hex")
    .slice(0, 12);
  const target = join(ROOT, ".cache/programs", `${name}-${hash}`);
  if (existsSync(target)) return target;
  await mkdir(join(ROOT, ".cache/programs"), { recursive: true });
  const fresh = `${target}.${process.pid}`;
  await promisify(execFile)("gcc", [
    "-O1",
    "-static",
    "-Wall",
    "-Wextra",
    "-Wno-unused-result",
    "-s",
    "-o",
    fresh,
    source,
  ]);
  await rename(fresh, target);
  return target;
}

/** The path of a program that needs no compiler. */
export function scriptProgram(name: string): string {
  return join(PROGRAMS, name);
}
