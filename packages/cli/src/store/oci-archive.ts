/** `oci-archive:PATH[:NAME]`: an OCI layout in a tar, as skopeo, podman and buildx write it. */
import { ArchiveSink, ArchiveSource, archiveNames, refuseInPlace } from "./archive.ts";
import type { Medium } from "./contract.ts";
import { splitLocation } from "./location.ts";

export const ociArchiveMedium: Medium = {
  scheme: "oci-archive",
  source: async (location, options) => {
    const { path, name } = await splitLocation(location);
    return ArchiveSource.open(path, name, options);
  },
  sink: async (location, options) => {
    const { path, name } = await splitLocation(location);
    return new ArchiveSink(path, name, "oci-archive", options);
  },
  checkInPlace: async (location) => refuseInPlace((await splitLocation(location)).path),
  namesFor: archiveNames,
};
