/** How the registries that a command asks may be reached. */
import { string } from "@oclif/core/flags";
import { InitwrapError } from "../model/errors.ts";

export const registryFlags = {
  "insecure-registry": string({
    description: "A registry that may be reached over plain HTTP or with an unknown certificate; may be repeated.",
    helpValue: "HOST[:PORT]",
    multiple: true,
    multipleNonGreedy: true,
  }),
};

const HOST = /^(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::\d{1,5})?$/i;

/** The values of `--insecure-registry`. Throws USAGE for one that no registry's host can be: it would mean none. */
export function insecureRegistries(values: readonly string[] = []): readonly string[] {
  for (const text of values) {
    if (HOST.test(text)) continue;
    const bare = text
      .trim()
      .replace(/^[a-z]+:\/\//i, "")
      .replace(/\/.*$/, "");
    throw new InitwrapError("USAGE", `--insecure-registry: ${text} is no HOST[:PORT]`, {
      hint: HOST.test(bare) ? `Did you mean ${bare}?` : "Write it as localhost:5000, and the flag again for each.",
    });
  }
  return values;
}
