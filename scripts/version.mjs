/**
 * `pnpm release:version`: applies the changesets, and renews everything that has the release's number in it: CHANGELOG.md, the
 * documentation's examples and the files for fleets, the lockfile, the inits with their layers and bill of materials (clang 19 and lld 19), and the files that
 * `initwrap ci` renders.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renumbered, withRelease } from "./release/changelog.mjs";
import { install, node, PNPM, ROOT, run, say } from "./workspace.mjs";

const PACKAGES = ["cli", "init-core"];
const read = (...path) => readFileSync(join(ROOT, ...path), "utf8");
const versionNow = () => JSON.parse(read("packages/cli/package.json")).version;

install();
const before = versionNow();
run(join(ROOT, "node_modules/.bin/changeset"), ["version"]);
const version = versionNow();
if (version === before) {
  say(`there is no changeset: this stays ${version}`);
} else {
  renew("CHANGELOG.md", (text) =>
    withRelease(
      text,
      version,
      PACKAGES.map((name) => read("packages", name, "CHANGELOG.md")),
    ),
  );
  for (const file of documents()) renew(file, (text) => renumbered(text, before, version));
  run("npx", ["--yes", PNPM, "install", "--lockfile-only"]);
  run(node(), [join(ROOT, "packages/init-core/build.mjs")]);
  run(node(), [join(ROOT, "scripts/render-ci.mjs")]);
  run(join(ROOT, "node_modules/.bin/biome"), ["check", "--write", "packages", "package.json"]);
}

function documents() {
  const pages = readdirSync(join(ROOT, "docs"), { recursive: true }).map((name) => join("docs", name));
  const readmes = ["README.md", ...PACKAGES.map((name) => join("packages", name, "README.md"))];
  const fleets = readdirSync(join(ROOT, "templates/fleet")).map((name) => join("templates/fleet", name));
  return [...readmes, ...fleets, ...pages.filter((name) => name.endsWith(".md") && !name.includes("node_modules"))];
}

function renew(file, change) {
  const [old, text] = [read(file), change(read(file))];
  if (text !== old) writeFileSync(join(ROOT, file), text);
}
