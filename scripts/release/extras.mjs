/** What comes with the program in every package: manual pages, completions, and the licences of what is inside it. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { licenseTexts } from "../third-party.mjs";
import { environment, fail, ROOT } from "../workspace.mjs";

const CLI = join(ROOT, "packages/cli");
const SHELLS = ["bash", "zsh", "fish"];

/** `bundled` is what bundledPackages() of build-binaries.mjs gives, `node` the folder of Node.js's npm package. */
export function extras({ bundled, node }) {
  return { manuals: manuals(), completions: completions(), licenses: licenses(bundled, node) };
}

function manuals() {
  const folder = join(CLI, "man");
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /\.1$/.test(name))
    .sort()
    .map((name) => ({ name, bytes: readFileSync(join(folder, name)) }));
}

function completions() {
  const { commands } = JSON.parse(readFileSync(join(CLI, "oclif.manifest.json"), "utf8"));
  if (!("completion" in commands)) return [];
  return SHELLS.map((shell) => {
    const args = [join(CLI, "bin/run.js"), "completion", shell];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { env: environment() });
    if (status !== 0) fail(`initwrap completion ${shell} failed:\n${stderr}`);
    return { shell, bytes: stdout };
  });
}

function licenses(bundled, node) {
  const { license } = JSON.parse(readFileSync(join(node, "package.json"), "utf8"));
  return licenseTexts([{ name: "Node.js", license, folder: node }, ...bundled]);
}
