/**
 * A platform in the words of the OCI image specification (`os`, `architecture`, `variant`; image-spec/image-index.md):
 * GOOS and GOARCH values, with the variant of the instruction set for arm and arm64.
 */
export interface InitPlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

/**
 * The name of the folder under `inits/` whose init runs on `platform`: `linux-amd64`, `linux-arm-v7`.
 *
 * Only 32-bit arm is built per variant; without one it is v7, and `7` is `v7`, as Docker normalises it (containerd/platforms,
 * `normalizeArch`). v8 is 32-bit code for a CPU that has 64 bits too, which runs what v7 does. For every other architecture the
 * one build runs on all variants: `arm64/v8`, `amd64/v3`.
 */
export function initName(platform: InitPlatform): string {
  const name = `${platform.os}-${platform.architecture}`;
  return platform.architecture === "arm" ? `${name}-${armVariant(platform.variant)}` : name;
}

function armVariant(variant: string | undefined): string {
  if (!variant || /^v?[78]$/.test(variant)) return "v7";
  return /^[56]$/.test(variant) ? `v${variant}` : variant;
}

/** The reverse of {@link initName}, for a folder's name. */
export function platformOf(name: string): InitPlatform {
  const [os = "", architecture = "", variant] = name.split("-");
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}
