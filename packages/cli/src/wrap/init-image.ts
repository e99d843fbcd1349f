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
import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, digestOf, isDigest } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST } from "../model/media-types.ts";
import { formatPlatform, type Platform, parsePlatform, samePlatform } from "../model/platform.ts";
import { formatReference, parseReference, type Reference } from "../model/reference.ts";
import type { Receipt, Sink, StoreContext } from "../store/contract.ts";
import { mediumOf } from "../store/media.ts";
import { registryOptions } from "../store/registry/medium.ts";
import { openRegistrySink } from "../store/registry/sink.ts";

/** A blob of the image, in memory: the whole image is some tens of kilobytes. */
interface Blob {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** One platform of the image. */
export interface InitImagePlatform {
  readonly platform: Platform;
  /** The manifest's digest. */
  readonly digest: Digest;
  /** The layer's digest, the same one that wrapped images carry. */
  readonly layer: Digest;
}

/** The image, ready to be written. */
export interface InitImage {
  /** The index. */
  readonly root: Descriptor;
  /** Every blob, children before parents; the index is the last. */
  readonly blobs: readonly Blob[];
  readonly platforms: readonly InitImagePlatform[];
  /** The init's version. */
  readonly version: string;
}

/** A fixed time: when it was built says nothing about what is in it. */
const CREATED = "1970-01-01T00:00:00Z";

/**
 * Builds the image for `platforms`, or for every platform that has an init.
 * Throws NO_INIT_FOR_PLATFORM for one that has none, IMAGE_INVALID when the package's own files are damaged.
 */
export function buildInitImage(platforms?: readonly Platform[]): InitImage {
  const known = initPlatforms();
  const missing = platforms?.find((wanted) => !known.some((one) => samePlatform(bare(one), wanted)));
  if (missing) {
    throw new InitwrapError("NO_INIT_FOR_PLATFORM", `there is no init for ${formatPlatform(missing)}`, {
      hint: `There is one for ${known.map((one) => formatPlatform(bare(one))).join(", ")}.`,
    });
  }
  const chosen = known.map(bare).filter((one) => platforms?.some((wanted) => samePlatform(one, wanted)) ?? true);
  const blobs: Blob[] = [];
  const add = (mediaType: string, bytes: Uint8Array): Descriptor => {
    const descriptor: Descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
    // Two platforms may share a layer: a blob is written once.
    if (!blobs.some((blob) => blob.descriptor.digest === descriptor.digest)) blobs.push({ descriptor, bytes });
    return descriptor;
  };
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
      encode({
        created: CREATED,
        architecture: platform.architecture,
        os: platform.os,
        ...(platform.variant ? { variant: platform.variant } : {}),
        config: { Entrypoint: [INIT_PATH, "--"], Labels: about },
        rootfs: { type: "layers", diff_ids: [init.diffId] },
        history: [{ created: CREATED, created_by: `initwrap ${init.version}` }],
      }),
    );
    const manifest = encode({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer], annotations: about });
    return { ...add(OCI_MANIFEST, manifest), platform, layer: layer.digest };
  });
  const manifests = entries.map(({ layer: _, ...descriptor }) => descriptor);
  const root = add(OCI_INDEX, encode({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, annotations: about }));
  return {
    root,
    blobs,
    version,
    platforms: entries.map(({ platform, digest, layer }) => ({ platform, digest, layer })),
  };
}

/** What the user asked for: at least one of `push` and `output`. */
export interface InitImageRequest {
  /** A reference to push to. */
  readonly push?: string;
  /** An OCI layout's folder, or an OCI archive when it ends in `.tar`. */
  readonly output?: string;
  /** `linux/amd64` and the like; empty means all. */
  readonly platforms: readonly string[];
  readonly insecureRegistries: readonly string[];
  readonly context: StoreContext;
}

export interface InitImageResult {
  readonly image: InitImage;
  /** Where it now is, each with its digest: `REF@sha256:...`, `oci:FOLDER@sha256:...`. */
  readonly places: readonly string[];
  readonly bytesMoved: number;
}

/**
 * Builds the image and writes it to the places asked for.
 * Throws USAGE for an empty or unreadable request, and what the sinks throw.
 */
export async function runInitImage(request: InitImageRequest): Promise<InitImageResult> {
  const { push, output, context } = request;
  if (push === undefined && output === undefined) {
    throw new InitwrapError("USAGE", "nothing says where the image goes", {
      hint: "Use --push REF, --output PATH or both.",
    });
  }
  const platforms = request.platforms.map((text) => {
    const platform = parsePlatform(text);
    if (platform) return platform;
    throw new InitwrapError("USAGE", `${text} is no platform`, {
      hint: "A platform is written like linux/amd64 or linux/arm/v7.",
    });
  });
  const reference = push === undefined ? undefined : pushReference(push);
  const image = buildInitImage(platforms.length > 0 ? platforms : undefined);
  const places: string[] = [];
  let bytesMoved = 0;
  const write = async (place: string, sink: Sink): Promise<void> => {
    bytesMoved += (await writeInitImage(image, sink)).bytesMoved;
    places.push(`${place}@${image.root.digest}`);
  };
  if (output !== undefined) {
    const scheme = output.endsWith(".tar") ? "oci-archive" : "oci";
    const names = reference ? [formatReference(reference)] : [];
    await write(`${scheme}:${output}`, await (await mediumOf(scheme)).sink(output, { ...context, names }));
  }
  if (reference) {
    const { insecureRegistries } = request;
    await write(push!, openRegistrySink(reference, registryOptions({ ...context, insecureRegistries })));
  }
  return { image, places, bytesMoved };
}

function pushReference(text: string): Reference {
  const reference = parseReference(text);
  if (!reference) throw new InitwrapError("USAGE", `${text} is no image reference`, { where: text });
  if (reference.digest !== undefined) {
    throw new InitwrapError("USAGE", `${text} names a digest; the image's own is known only when it is built`, {
      hint: "Push to a tag; the digest is printed.",
    });
  }
  return reference;
}

/** Writes the image to a sink: what is there already is left, the name moves last. Closes the sink, also on failure. */
export async function writeInitImage(image: InitImage, sink: Sink): Promise<Receipt> {
  try {
    for (const { descriptor, bytes } of image.blobs) {
      if (!(await sink.has(descriptor))) await sink.put(descriptor, repeatable(bytes));
    }
    return await sink.commit(image.root);
  } finally {
    await sink.close();
  }
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

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function repeatable(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  return {
    async *[Symbol.asyncIterator]() {
      yield bytes;
    },
  };
}
