/**
 * The config of an image, without its layers: what a base image's ENTRYPOINT and CMD are read from.
 */
import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, isDigest } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { isIndexType, isManifestType } from "../model/media-types.ts";
import { formatPlatform, normalizePlatform, type Platform, samePlatform } from "../model/platform.ts";
import type { Source } from "./contract.ts";

/** An image config as its place holds it, parsed, and the digest of the image's root (index or manifest). */
export interface FetchedConfig {
  readonly config: unknown;
  readonly digest: Digest;
}

/** An index in an index is followed so far: deeper ones are made by nobody. */
const MAX_DEPTH = 4;

/**
 * The config for `platform` of the image that `source` holds. Undefined when there is no such image. Closes the source.
 *
 * `name` is what errors call the image. Moves a few kilobytes. Throws IMAGE_NOT_FOUND when the image is there but not for
 * this platform, UNSUPPORTED_IMAGE for what is no container image, and what the source throws.
 */
export async function configFrom(source: Source, platform: Platform, name: string): Promise<FetchedConfig | undefined> {
  try {
    let root: Descriptor;
    try {
      root = (await source.root()).descriptor;
    } catch (error) {
      if (error instanceof InitwrapError && error.code === "IMAGE_NOT_FOUND") return undefined;
      throw error;
    }
    let current = root;
    for (let depth = 0; ; depth++) {
      const document = parseObject(await source.read(current), name);
      if (isManifestType(current.mediaType)) {
        const config = descriptorOf(document["config"]);
        if (!config) throw unsupported(name, "its manifest names no config");
        return { config: parseObject(await source.read(config), name), digest: root.digest };
      }
      if (!isIndexType(current.mediaType)) throw unsupported(name, `its media type is ${current.mediaType}`);
      if (depth >= MAX_DEPTH) throw unsupported(name, "its indexes are nested too deeply");
      current = choose(document, platform, name);
    }
  } finally {
    await source.close();
  }
}

function choose(index: Record<string, unknown>, platform: Platform, name: string): Descriptor {
  const entries = Array.isArray(index["manifests"]) ? index["manifests"].map(descriptorOf) : [];
  const usable = entries.filter((entry) => entry !== undefined);
  const exact = usable.find((entry) => entry.platform && samePlatform(entry.platform, platform));
  // A variant that nobody asked for in particular still runs: the same processor family, the first one listed.
  const family = usable.find(
    ({ platform: theirs }) =>
      theirs?.os === platform.os &&
      theirs.architecture === platform.architecture &&
      normalizePlatform(platform).variant === undefined,
  );
  const nested = usable.find((entry) => entry.platform === undefined && isIndexType(entry.mediaType));
  const chosen = exact ?? family ?? nested;
  if (chosen) return chosen;
  const offered = usable.flatMap((entry) =>
    entry.platform && entry.platform.os !== "unknown" ? [formatPlatform(entry.platform)] : [],
  );
  throw new InitwrapError("IMAGE_NOT_FOUND", `${name} is not there for ${formatPlatform(platform)}`, {
    where: name,
    hint: offered.length > 0 ? `It is there for ${offered.slice(0, 12).join(", ")}.` : "Its index lists no platforms.",
  });
}

function descriptorOf(value: unknown): Descriptor | undefined {
  const entry = value as Partial<Descriptor> | null | undefined;
  if (!isDigest(entry?.digest) || typeof entry.size !== "number" || entry.size < 0) return undefined;
  if (typeof entry.mediaType !== "string") return undefined;
  return entry as Descriptor;
}

function parseObject(bytes: Uint8Array, name: string): Record<string, unknown> {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw unsupported(name, "its manifest or config is not JSON");
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw unsupported(name, "its manifest or config is not a JSON object");
  }
  return document as Record<string, unknown>;
}

function unsupported(name: string, why: string): InitwrapError {
  return new InitwrapError("UNSUPPORTED_IMAGE", `${name} is no image that can be read: ${why}`, { where: name });
}
