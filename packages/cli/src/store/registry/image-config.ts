/** The config of an image in a registry. */
import type { Platform } from "../../model/platform.ts";
import { formatReference, type Reference } from "../../model/reference.ts";
import { configFrom, type FetchedConfig } from "../image-config.ts";
import { openRegistrySource, type RegistryOptions } from "./source.ts";

/**
 * The config of `reference` for `platform`, as `configFrom` reads it; everything is verified against its digest. Throws
 * AUTH_REQUIRED and REGISTRY_FAILED besides.
 */
export async function fetchImageConfig(
  reference: Reference,
  platform: Platform,
  options: RegistryOptions = {},
): Promise<FetchedConfig | undefined> {
  return configFrom(openRegistrySource(reference, options), platform, formatReference(reference));
}
