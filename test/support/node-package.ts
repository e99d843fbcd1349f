/** Other Node.js programs than the workspace's own: from the same packages of the npm registry, kept in .cache/nodes. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "./programs.ts";

const exec = promisify(execFile);

/** The program of `node-linux-ARCH` at a version, or undefined when the registry does not give it. */
export async function nodeProgram(arch: "x64" | "arm64", version: string): Promise<string | undefined> {
  const nodes = join(ROOT, ".cache/nodes");
  const name = `node-linux-${arch}`;
  const folder = join(nodes, `${name}-${version}`);
  const file = join(folder, "package/bin/node");
  if (existsSync(file)) return file;
  await mkdir(nodes, { recursive: true });
  const scratch = await mkdtemp(join(nodes, "fetch-"));
  try {
    await exec("npm", ["pack", "--silent", "--pack-destination", scratch, `${name}@${version}`], { cwd: scratch });
    const [archive = ""] = await readdir(scratch);
    await exec("tar", ["-xzf", archive], { cwd: scratch });
    await rm(join(scratch, archive));
    await rename(scratch, folder);
    return file;
  } catch {
    await rm(scratch, { recursive: true, force: true });
    return existsSync(file) ? file : undefined;
  }
}
