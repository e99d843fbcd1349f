/** The Dockerfiles of test/fixtures/dockerfile/real, the context that they are built in, and the images they are built from. */
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { contextFiles } from "../../packages/cli/src/wrap/dockerfile-context.ts";
import { buildFile } from "./builders.ts";
import type { Engine } from "./engine.ts";
import { provideBaseImage } from "./images.ts";
import { ROOT } from "./programs.ts";

export const REAL_DOCKERFILES = join(ROOT, "test/fixtures/dockerfile/real");

/** The engines' platform. */
export const PLATFORM = { os: "linux", architecture: process.arch === "x64" ? "amd64" : process.arch } as const;

const BASES = ["programs", "both", "cmd", "entrypoint", "shell", "user", "health"];
const TRIGGERS = ["onbuild-entrypoint", "onbuild-cmd", "onbuild-shell", "onbuild-app"];
const PROGRAMS = ["e", "e1", "e2", "c", "c1", "c2", "be", "bc", "oe", "oc"];

/** The files' bytes by name. */
export async function readRealDockerfiles(): Promise<ReadonlyMap<string, Buffer>> {
  const names = (await readdir(REAL_DOCKERFILES)).filter((file) => file.endsWith(".Dockerfile")).toSorted();
  const files = names.map(
    async (name) => [name.replace(".Dockerfile", ""), await readFile(join(REAL_DOCKERFILES, name))] as const,
  );
  return new Map(await Promise.all(files));
}

/** Makes the build context in `folder`: one program under many names, a file to copy, and the init. */
export async function makeRealContext(folder: string): Promise<void> {
  await mkdir(join(folder, "bin"), { recursive: true });
  await writeFile(join(folder, "app.conf"), "port = 80\n");
  const program = await readFile(join(REAL_DOCKERFILES, "program.sh"));
  for (const name of PROGRAMS) {
    await writeFile(join(folder, "bin", name), program);
    await chmod(join(folder, "bin", name), 0o755);
  }
  for (const { path, bytes } of contextFiles([PLATFORM])) {
    await mkdir(join(folder, dirname(path)), { recursive: true });
    await writeFile(join(folder, path), bytes, { mode: 0o755 });
  }
}

/** Builds the images that the files name in FROM; they stay, for the next run finds them in the builder's cache. */
export async function provideRealBases(engine: Engine, context: string): Promise<void> {
  await provideBaseImage(engine);
  for (const name of [...BASES, ...TRIGGERS]) {
    const file = join(REAL_DOCKERFILES, "bases", `${name}.Dockerfile`);
    const fault = await buildFile(engine, { buildkit: true }, { file, tag: `initwrap-real/${name}:1`, context });
    if (fault !== undefined) throw new Error(`the base ${name} cannot be built: ${fault}`);
  }
}
