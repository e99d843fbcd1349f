/** Where an image that initwrap builds goes. */
import { string } from "@oclif/core/flags";

export const imagePlaceFlags = {
  push: string({ description: "Push it to a registry under this name.", helpValue: "REF" }),
  output: string({
    char: "o",
    description: "Write it to an OCI layout (a folder), or to an OCI archive when the name ends in .tar.",
    helpValue: "PATH",
  }),
};
