import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { InitCoreError } from "./errors.ts";

let found: string | undefined;

/**
 * The folder that holds this package's `inits/` and `prebuilds/`. Found by walking up from this module, so that it is
 * the same whether the code runs from `lib/`, from `dist/` or from a bundle that another package carries beside a copy.
 *
 * @throws {InitCoreError} `E_INIT_DAMAGED` when no folder above has the inits.
 */
export function packageRoot(): string {
  if (found !== undefined) return found;
  const here = dirname(fileURLToPath(import.meta.url));
  for (let folder = here; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "inits", "SHA256SUMS"))) {
      found = folder;
      return folder;
    }
    if (dirname(folder) === folder) {
      throw new InitCoreError("E_INIT_DAMAGED", `no inits/SHA256SUMS in ${here} or any folder above it`);
    }
  }
}
