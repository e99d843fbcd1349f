/** Renders the files that other repositories look for in this one, with the release that package.json says. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { build } from "./build.mjs";
import { environment, fail, install, node, ROOT } from "./workspace.mjs";

/** Each file, and the `initwrap ci` that prints it. */
export const RENDERED = {
  "action.yml": "github-action",
  "templates/initwrap.yml": "gitlab",
  ".pre-commit-hooks.yaml": "pre-commit-hooks",
};

if (process.argv[1] === join(ROOT, "scripts/render-ci.mjs")) {
  install();
  build();
  for (const [file, provider] of Object.entries(RENDERED)) {
    const args = [join(ROOT, "packages/cli/bin/run.js"), "ci", provider, "-o", join(ROOT, file), "--force"];
    const { status } = spawnSync(node(), args, { stdio: "inherit", env: environment() });
    if (status !== 0) fail(`${file} could not be rendered`);
  }
}
