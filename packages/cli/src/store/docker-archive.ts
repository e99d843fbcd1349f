/** `docker-archive:PATH[:NAME]`: what docker save writes; `-` is standard input or output. Compressed ones too. */
import { ArchiveSink, ArchiveSource, archiveNames, refuseInPlace } from "./archive.ts";
import type { Medium } from "./contract.ts";
import { splitLocation } from "./location.ts";

export const dockerArchiveMedium: Medium = {
  scheme: "docker-archive",
  source: async (location, options) => {
    const { path, name } = await splitLocation(location);
    return ArchiveSource.open(path, name, options);
  },
  sink: async (location, options) => {
    const { path, name } = await splitLocation(location);
    return new ArchiveSink(path, name, "docker-archive", options);
  },
  checkInPlace: async (location) => refuseInPlace((await splitLocation(location)).path),
  namesFor: archiveNames,
};
