/** The frontend's image, built by the CLI and pushed to a registry of the test's own. */
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { nodeProgram } from "../../scripts/node-program.mjs";
import { initwrapOk } from "./cli.ts";

/** A folder with Node.js for both architectures, the workspace's own and one fetched; undefined when that cannot be had. */
export async function nodeModules(): Promise<string | undefined> {
  const version = process.versions.node;
  const folder = await mkdtemp(join(tmpdir(), "initwrap-node-modules-"));
  for (const arch of ["x64", "arm64"] as const) {
    const program =
      arch === process.arch && process.platform === "linux" ? process.execPath : await nodeProgram(arch, version);
    if (program === undefined) {
      await rm(folder, { recursive: true, force: true });
      return undefined;
    }
    await symlink(dirname(dirname(program)), join(folder, `node-linux-${arch}`));
  }
  return folder;
}

export interface FrontendImageDocument {
  readonly digest: string;
  readonly places: readonly string[];
  readonly platforms: readonly { readonly platform: string; readonly digest: string; readonly size: number }[];
}

/** `initwrap frontend-image --json`, read. */
export async function buildFrontendImage(
  modules: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<FrontendImageDocument> {
  const words = ["frontend-image", "--json", "--node-modules", modules, ...args];
  return JSON.parse((await initwrapOk(words, { env })).stdout.toString()) as FrontendImageDocument;
}
