/** The kinds of place that can hold an image, by the word in front of a locator's colon. media.ts has what each is. */
export const SCHEMES = [
  "containers-storage",
  "docker",
  "docker-archive",
  "oci",
  "oci-archive",
  "podman",
  "registry",
] as const;

export type Scheme = (typeof SCHEMES)[number];

/** Those of engines, which have a store of their own: what one holds is not read unless it has to go elsewhere. */
export const ENGINES: ReadonlySet<string> = new Set<Scheme>(["docker", "podman", "containers-storage"]);

/** The scheme that a locator begins with. Undefined for a path or a bare name. */
export function schemeIn(locator: string): Scheme | undefined {
  return SCHEMES.find((scheme) => locator.startsWith(`${scheme}:`));
}
