/** How a place that holds an image is named, as help and completion say it; a bare name and a path need no scheme. */
export interface LocatorForm {
  readonly scheme: string;
  /** The whole locator, its parts in capitals. */
  readonly form: string;
  /** What is there, in a few words. */
  readonly meaning: string;
}

export const LOCATOR_FORMS: readonly LocatorForm[] = [
  { scheme: "docker", form: "docker:[ENGINE]NAME", meaning: "Image of a Docker engine" },
  { scheme: "podman", form: "podman:[HOST]NAME", meaning: "Image of a podman service" },
  { scheme: "registry", form: "registry:NAME", meaning: "Image in a registry" },
  { scheme: "oci", form: "oci:FOLDER[:NAME]", meaning: "Image in an OCI layout" },
  { scheme: "oci-archive", form: "oci-archive:FILE[:NAME]", meaning: "Image in an archive of an OCI layout" },
  { scheme: "docker-archive", form: "docker-archive:FILE[:NAME]", meaning: "Image in an archive of docker save" },
  { scheme: "containers-storage", form: "containers-storage:[STORE]NAME", meaning: "Image in podman's storage" },
];
