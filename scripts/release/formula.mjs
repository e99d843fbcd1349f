/** The Homebrew formula: on Linux the standalone program, on macOS, which it does not exist for, the npm package. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ROOT } from "../workspace.mjs";

// The CLI's own dependency.
const handlebars = createRequire(join(ROOT, "packages/cli/package.json"))("handlebars");

/** The formula's text. `npm`, `amd64` and `arm64` are `{ url, sha256 }` of what is downloaded. */
export function renderFormula(data) {
  const source = readFileSync(join(import.meta.dirname, "formula.rb.hbs"), "utf8");
  return handlebars.compile(source, { noEscape: true, strict: true })(data);
}
