/**
 * The init as an image of its own, one platform beside the other, for `COPY --from=REF@sha256:... /initwrap /initwrap`.
 *
 * Everything in it follows from the release of the init: the same release has the same digest wherever it is built. Its
 * layers are those that a wrapped image carries, so a registry that holds one holds the other.
 *
 * Sources: OCI image-spec, config.md, manifest.md, image-index.md.
 */
import { type Init, initFor, initPlatforms } from "@initwrap/init-core";
import { INIT_PATH } from "../model/compose.ts";
import { type Digest, digestOf, isDigest } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST } from "../model/media-types.ts";
import { formatPlatform, type Platform, samePlatform } from "../model/platform.ts";
import {
  type BuiltImage,
  blobList,
  CREATED,
  checkPlaces,
  encodeJson,
  type ImagePlaces,
  platformNamed,
  type WrittenImage,
  writeImage,
} from "./built-image.ts";

/** One platform of the image. */
export interface InitImagePlatform {
  readonly platform: Platform;
  /** The manifest's digest. */
  readonly digest: Digest;
  /** The layer's digest, the same one that images with compressed layers carry when they are wrapped. */
  readonly layer: Digest;
}

/** The init's image. */
export interface InitImage extends BuiltImage {
  readonly platforms: readonly InitImagePlatform[];
  /** The init's version. */
  readonly version: string;
}

/**
 * Builds the image for `platforms`, or for every platform that has an init.
 * Throws NO_INIT_FOR_PLATFORM for one that has none, IMAGE_INVALID when the package's own files are damaged.
 */
export function buildInitImage(platforms?: readonly Platform[]): InitImage {
  const known = initPlatforms();
  const missing = platforms?.find((wanted) => !known.some((one) => samePlatform(bare(one), wanted)));
  if (missing) {
    throw new InitwrapError("NO_INIT_FOR_PLATFORM", `there is no init for ${formatPlatform(missing)}`, {
      flag: "platform",
      hint: `There is one for ${known.map((one) => formatPlatform(bare(one))).join(", ")}.`,
    });
  }
  const chosen = known.map(bare).filter((one) => platforms?.some((wanted) => samePlatform(one, wanted)) ?? true);
  const { blobs, add } = blobList();
  const images = chosen.map((platform) => ({ platform, init: initFor(platform) }));
  const version = images[0]?.init.version ?? "";
  const about = {
    "org.opencontainers.image.title": "initwrap",
    "org.opencontainers.image.description": "A container init: forwards signals and reaps orphans.",
    "org.opencontainers.image.licenses": "MIT",
    "org.opencontainers.image.version": version,
  };
  const entries = images.map(({ platform, init }) => {
    const layer = add(OCI_LAYER_GZIP, layerOf(init));
    const config = add(
      OCI_CONFIG,
      encodeJson({
        created: CREATED,
        architecture: platform.architecture,
        os: platform.os,
        ...(platform.variant ? { variant: platform.variant } : {}),
        config: { Entrypoint: [INIT_PATH, "--"], Labels: about },
        rootfs: { type: "layers", diff_ids: [init.diffId] },
        history: [{ created: CREATED, created_by: `initwrap ${init.version}` }],
      }),
    );
    const manifest = encodeJson({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config,
      layers: [layer],
      annotations: about,
    });
    return { ...add(OCI_MANIFEST, manifest), platform, layer: layer.digest };
  });
  const manifests = entries.map(({ layer: _, ...descriptor }) => descriptor);
  const root = add(OCI_INDEX, encodeJson({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, annotations: about }));
  return {
    root,
    blobs,
    version,
    platforms: entries.map(({ platform, digest, layer }) => ({ platform, digest, layer })),
  };
}

/** What the user asked for. */
export interface InitImageRequest extends ImagePlaces {
  /** `linux/amd64` and the like; empty means all. */
  readonly platforms: readonly string[];
}

export interface InitImageResult extends WrittenImage {
  readonly image: InitImage;
}

/**
 * Builds the image and writes it to the places asked for.
 * Throws USAGE for an empty or unreadable request, and what the sinks throw.
 */
export async function runInitImage(request: InitImageRequest): Promise<InitImageResult> {
  const places = checkPlaces(request);
  const platforms = request.platforms.map(platformNamed);
  const image = buildInitImage(platforms.length > 0 ? platforms : undefined);
  return { image, ...(await writeImage(image, places)) };
}

function layerOf(init: Init): Uint8Array {
  const bytes = init.layer();
  if (isDigest(init.digest) && digestOf(bytes) === init.digest) return bytes;
  throw new InitwrapError("IMAGE_INVALID", `the init layer in ${init.path} is not the one that was packed`, {
    hint: "Install initwrap again.",
  });
}

function bare(platform: { os: string; architecture: string; variant?: string | undefined }): Platform {
  const { os, architecture, variant } = platform;
  return { os, architecture, ...(variant ? { variant } : {}) };
}
