/** How the registries that a command asks may be reached. */
import { string } from "@oclif/core/flags";

export const registryFlags = {
  "insecure-registry": string({
    description: "A registry that may be reached over plain HTTP or with an unknown certificate; may be repeated.",
    helpValue: "HOST[:PORT]",
    multiple: true,
    multipleNonGreedy: true,
  }),
};
