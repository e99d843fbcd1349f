/** Node.js for either architecture: the workspace's own, or fetched from the same packages of the npm registry into .cache/nodes. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "./workspace.mjs";

const exec = promisify(execFile);

/** The program of `node-linux-ARCH` at a version, or undefined when the registry does not give it. */
export async function nodeProgram(arch, version) {
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
    await check(join(scratch, archive), `${name}@${version}`);
    await exec("tar", ["-xzf", archive], { cwd: scratch });
    await rm(join(scratch, archive));
    await rename(scratch, folder);
    return file;
  } catch {
    await rm(scratch, { recursive: true, force: true });
    return existsSync(file) ? file : undefined;
  }
}

/** The version that the lockfile has is the one whose bytes it says; of others npm's word is taken. */
async function check(archive, specifier) {
  const lock = await readFile(join(ROOT, "pnpm-lock.yaml"), "utf8");
  const [, wanted] = lock.match(new RegExp(`^  ${specifier}:\\n    resolution: \\{integrity: (\\S+)\\}$`, "m")) ?? [];
  const found = `sha512-${createHash("sha512")
    .update(await readFile(archive))
    .digest("base64")}`;
  if (wanted !== undefined && wanted !== found) throw new Error(`${specifier} is not what the lockfile says`);
}
