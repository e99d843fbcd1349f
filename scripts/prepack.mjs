/** Before the CLI is packed: refuses what would give a package that cannot be installed or does not run. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fail, ROOT } from "./workspace.mjs";

const cli = join(ROOT, "packages/cli");
const { version } = JSON.parse(readFileSync(join(cli, "package.json"), "utf8"));
if (!process.env.npm_config_user_agent?.startsWith("pnpm/")) {
  fail("only pnpm replaces the workspace: versions of dependencies: run npx pnpm@12 pack, or node scripts/release.mjs");
}
if (!existsSync(join(cli, "dist/.built"))) fail("there is no build: run node scripts/build.mjs");
const manifest = JSON.parse(readFileSync(join(cli, "oclif.manifest.json"), "utf8"));
if (manifest.version !== version) fail(`the build is of ${manifest.version}: run node scripts/build.mjs`);
