/** An operating system and CPU. Source: OCI image-spec, image-index.md, `platform`; the text form is Docker's `os/arch[/variant]`. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** `linux/arm/v7` for people and flags. */
export function formatPlatform(platform: Platform): string {
  const base = `${platform.os}/${platform.architecture}`;
  return platform.variant ? `${base}/${platform.variant}` : base;
}

const ALIASES: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  x86: "386",
  i386: "386",
  aarch64: "arm64",
  armhf: "arm/v7",
  armel: "arm/v6",
};

/**
 * Reads `os/arch[/variant]`, or `arch` alone for Linux, with the aliases that Docker takes (`x86_64`, `aarch64`).
 * Returns undefined when the text is no platform. arm64's only real variant, v8, is the default and dropped,
 * as containerd does (platforms.Normalize).
 */
export function parsePlatform(text: string): Platform | undefined {
  const parts = text.trim().toLowerCase().split("/");
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+$/.test(part))) return undefined;
  const [first, second, third] = parts as [string, string?, string?];
  const named =
    second === undefined
      ? ["linux", ...(ALIASES[first] ?? first).split("/")]
      : [first, ...(ALIASES[second] ?? second).split("/")];
  const [os, architecture, aliasVariant] = named as [string, string, string?];
  return normalizePlatform({ os, architecture, ...variantOf(third ?? aliasVariant) });
}

/** The one spelling of a platform that may be compared: default variants dropped, and `7` for arm is `v7`. */
export function normalizePlatform(platform: Platform): Platform {
  const { os, architecture } = platform;
  const bare = architecture === "arm" && /^[5-8]$/.test(platform.variant ?? "");
  const variant = bare ? `v${platform.variant}` : platform.variant;
  const isDefault =
    !variant ||
    (architecture === "arm64" && (variant === "v8" || variant === "8")) ||
    (architecture === "amd64" && variant === "v1");
  return { os, architecture, ...(isDefault ? {} : { variant }) };
}

/** True when both name the same platform; arm without a variant is v7, as engines take it. */
export function samePlatform(a: Platform, b: Platform): boolean {
  const full = (platform: Platform): string => {
    const { os, architecture, variant } = normalizePlatform(platform);
    return `${os}/${architecture}/${variant ?? (architecture === "arm" ? "v7" : "")}`;
  };
  return full(a) === full(b);
}

function variantOf(variant: string | undefined): { variant?: string } {
  return variant ? { variant } : {};
}
