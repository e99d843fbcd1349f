/**
 * A JavaScript runtime for musl, on this machine: Bun's, which is the one that npm has. It is a program of musl's loader and C
 * library, those of Debian's package musl; no Node.js for musl is to be had from npm or Debian. The C++ library that it wants
 * beside them is Debian's, which musl's loader takes when test/init/programs/glibc-names.c lends it a few names.
 */
import { execFile } from "node:child_process";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { fetchPackage } from "./npm-registry.ts";
import { ROOT } from "./programs.ts";

const exec = promisify(execFile);
const PACKAGE = "@oven/bun-linux-x64-musl-baseline@1.4.5";
const NAMES = join(ROOT, "test/init/programs/glibc-names.c");

export interface MuslRuntime {
  /** The program; it is started with {@link env}. */
  readonly program: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Unpacks the runtime into an empty folder. Needs musl-gcc, on x64. */
export async function muslRuntime(folder: string): Promise<MuslRuntime> {
  const libraries = join(folder, "lib");
  await mkdir(libraries);
  await exec("tar", ["-xzf", await fetchPackage(PACKAGE), "-C", folder]);
  for (const name of ["libstdc++.so.6", "libgcc_s.so.1"]) {
    const { stdout } = await exec("gcc", [`-print-file-name=${name}`]);
    await copyFile(stdout.trim(), join(libraries, name));
  }
  await exec("musl-gcc", ["-shared", "-fPIC", "-O1", "-o", join(libraries, "ld-linux-x86-64.so.2"), NAMES]);
  return { program: join(folder, "package/bin/bun"), env: { LD_LIBRARY_PATH: libraries } };
}
