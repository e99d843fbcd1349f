/**
 * `pnpm release:version`: applies the changesets, and renews everything that has the release's number in it: the lockfile, the inits with
 * their layers and bill of materials (clang 19 and lld 19), and the files that `initwrap ci` renders.
 */
import { join } from "node:path";
import { install, node, PNPM, ROOT, run } from "./workspace.mjs";

install();
run(join(ROOT, "node_modules/.bin/changeset"), ["version"]);
run("npx", ["--yes", PNPM, "install", "--lockfile-only"]);
run(node(), [join(ROOT, "packages/init-core/build.mjs")]);
run(node(), [join(ROOT, "scripts/render-ci.mjs")]);
run(join(ROOT, "node_modules/.bin/biome"), ["check", "--write", "packages", "package.json"]);
