/** What the user knows of the image that a Dockerfile is built on. */
import { boolean, string } from "@oclif/core/flags";

export const baseImageFlags = {
  "base-entrypoint": string({ description: "The base image's ENTRYPOINT, as a JSON array.", helpValue: "JSON" }),
  "base-cmd": string({ description: "The base image's CMD, as a JSON array.", helpValue: "JSON" }),
  "base-config": string({
    description: "The base image's config: the output of docker inspect, or an OCI config.",
    helpValue: "FILE",
  }),
  "base-layout": string({
    description: "The base image, in an OCI image layout.",
    helpValue: "FOLDER[:NAME]",
    exclusive: ["base-config", "base-entrypoint", "base-cmd"],
  }),
  "assume-base": boolean({
    description: "Take an unknown tag of a known official image to run what the image's other tags run.",
  }),
};
