/** The table of media: every kind of place that can hold an image is one row. */
import type { Medium } from "./contract.ts";
import { dockerArchiveMedium } from "./docker-archive.ts";
import { dockerDaemonMedium } from "./docker-daemon.ts";
import { ociArchiveMedium } from "./oci-archive.ts";
import { ociLayoutMedium } from "./oci-layout.ts";

/** By scheme. A row that few calls need is loaded when it is asked for, to keep the start fast. */
const MEDIA: Readonly<Record<string, () => Medium | Promise<Medium>>> = Object.freeze({
  "containers-storage": async () => (await import("./containers-storage.ts")).containersStorageMedium,
  docker: () => dockerDaemonMedium,
  "docker-archive": () => dockerArchiveMedium,
  oci: () => ociLayoutMedium,
  "oci-archive": () => ociArchiveMedium,
  podman: async () => (await import("./podman.ts")).podmanMedium,
  registry: async () => (await import("./registry/medium.ts")).registryMedium,
});

export const SCHEMES: readonly string[] = Object.keys(MEDIA);

/** The medium of a scheme of SCHEMES. */
export async function mediumOf(scheme: string): Promise<Medium> {
  const row = MEDIA[scheme];
  if (!row) throw new TypeError(`no medium ${scheme}`);
  return row();
}
