/** The native addon's prebuilt file, as an installed package has it: `prebuilds/PLATFORM-ARCH/`. */
import { createRequire } from "node:module";
import type { Addon } from "./addon.ts";
import { packageRoot } from "./package-root.ts";

/** Throws what the loader throws, where there is no such file or it cannot be loaded. */
export function prebuiltAddon(): Addon {
  const require = createRequire(import.meta.url);
  const nodeGypBuild = require("node-gyp-build") as (folder: string) => Addon;
  return nodeGypBuild(packageRoot());
}
