/** The tests' C programs as static files, compiled once for each source. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

export const ROOT = join(import.meta.dirname, "../..");
const PROGRAMS = join(ROOT, "test/e2e/programs");

/** By name: tests that run beside each other wait for one compiler. */
const compiled = new Map<string, Promise<string>>();

/** The path of the static executable of `test/e2e/programs/NAME.c`. */
export function compileProgram(name: string): Promise<string> {
  const program = compiled.get(name) ?? compile(name);
  compiled.set(name, program);
  return program;
}

async function compile(name: string): Promise<string> {
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
