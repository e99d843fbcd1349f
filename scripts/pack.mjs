/** Packs the npm packages as they are published. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { PNPM, ROOT, run } from "./workspace.mjs";

/** Writes both tarballs to `folder` and gives their paths, the one that the other depends on first. */
export function pack(folder) {
  for (const name of ["init-core", "cli"]) {
    run("npx", ["--yes", "--prefer-offline", PNPM, "pack", "--pack-destination", folder], {
      cwd: join(ROOT, "packages", name),
      stdio: ["ignore", "ignore", 2],
    });
  }
  const tarballs = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  return tarballs.sort((a, b) => b.length - a.length).map((name) => join(folder, name));
}
