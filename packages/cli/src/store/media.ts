/** The table of media: every kind of place that can hold an image is one row. */
import type { Medium } from "./contract.ts";
import type { Scheme } from "./schemes.ts";

/** By scheme. A row is loaded when it is asked for, to keep the start fast. */
const MEDIA: Readonly<Record<Scheme, () => Promise<Medium>>> = Object.freeze({
  "containers-storage": async () => (await import("./containers-storage.ts")).containersStorageMedium,
  docker: async () => (await import("./docker-daemon.ts")).dockerDaemonMedium,
  "docker-archive": async () => (await import("./docker-archive.ts")).dockerArchiveMedium,
  oci: async () => (await import("./oci-layout.ts")).ociLayoutMedium,
  "oci-archive": async () => (await import("./oci-archive.ts")).ociArchiveMedium,
  podman: async () => (await import("./podman.ts")).podmanMedium,
  registry: async () => (await import("./registry/medium.ts")).registryMedium,
});

/** The medium of a scheme of SCHEMES. */
export async function mediumOf(scheme: string): Promise<Medium> {
  const row = MEDIA[scheme as Scheme];
  if (!row) throw new TypeError(`no medium ${scheme}`);
  return row();
}
