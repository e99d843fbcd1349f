/** Images that initwrap builds itself: held in memory, the same bytes each time, written to a registry, a layout or an archive. */
import type { Descriptor } from "../model/descriptor.ts";
import { digestOf } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { type Platform, parsePlatform } from "../model/platform.ts";
import { formatReference, parseReference, type Reference, referenceHint } from "../model/reference.ts";
import type { Receipt, Sink, StoreContext } from "../store/contract.ts";
import { mediumOf } from "../store/media.ts";
import { registryOptions } from "../store/registry/medium.ts";
import { openRegistrySink } from "../store/registry/sink.ts";

/** A fixed time: when an image was built says nothing about what is in it. */
export const CREATED = "1970-01-01T00:00:00Z";

interface Blob {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** An image in memory, ready to be written. */
export interface BuiltImage {
  /** The index. */
  readonly root: Descriptor;
  /** Every blob, children before parents; the index is the last. */
  readonly blobs: readonly Blob[];
}

/** Where an image goes: at least one of `push` and `output`. */
export interface ImagePlaces {
  /** A reference to push to. */
  readonly push?: string;
  /** An OCI layout's folder, or an OCI archive when it ends in `.tar`. */
  readonly output?: string;
  readonly insecureRegistries: readonly string[];
  readonly context: StoreContext;
}

export interface WrittenImage {
  /** Where it now is, each with its digest: `REF@sha256:...`, `oci:FOLDER@sha256:...`. */
  readonly places: readonly string[];
  readonly bytesMoved: number;
}

/** A list of blobs that grows: two platforms may share a blob, which is in it once. */
export function blobList(): { blobs: readonly Blob[]; add: (mediaType: string, bytes: Uint8Array) => Descriptor } {
  const blobs: Blob[] = [];
  const add = (mediaType: string, bytes: Uint8Array): Descriptor => {
    const descriptor: Descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
    if (!blobs.some((blob) => blob.descriptor.digest === descriptor.digest)) blobs.push({ descriptor, bytes });
    return descriptor;
  };
  return { blobs, add };
}

/** Throws USAGE when a request names no place, or one that cannot be; before anything is built. */
export function checkPlaces(places: ImagePlaces): ImagePlaces & { readonly reference: Reference | undefined } {
  const { push, output } = places;
  if (push === undefined && output === undefined) {
    throw new InitwrapError("USAGE", "nothing says where the image goes", {
      hint: "Use --push REF, --output PATH or both.",
    });
  }
  if (output !== undefined && ["", "-"].includes(outputPlace(output).location)) {
    throw new InitwrapError("USAGE", "--output needs a folder, or a file that ends in .tar", {
      hint: "An index of several platforms goes to a place of its own; standard output has its digest.",
    });
  }
  return { ...places, reference: push === undefined ? undefined : pushReference(push) };
}

/** Throws USAGE for text that is no platform. */
export function platformNamed(text: string): Platform {
  const platform = parsePlatform(text);
  if (platform) return platform;
  throw new InitwrapError("USAGE", `${text} is no platform`, {
    hint: "A platform is written like linux/amd64 or linux/arm/v7.",
    flag: "platform",
  });
}

/** Writes an image to every place. Throws what the sinks throw. */
export async function writeImage(image: BuiltImage, request: ReturnType<typeof checkPlaces>): Promise<WrittenImage> {
  const { push, output, context, insecureRegistries, reference } = request;
  const places: string[] = [];
  let bytesMoved = 0;
  const write = async (place: string, sink: Sink): Promise<void> => {
    bytesMoved += (await writeTo(image, sink)).bytesMoved;
    places.push(`${place}@${image.root.digest}`);
  };
  if (output !== undefined) {
    const { scheme, location } = outputPlace(output);
    const names = reference ? [formatReference(reference)] : [];
    await write(`${scheme}:${location}`, await (await mediumOf(scheme)).sink(location, { ...context, names }));
  }
  if (reference) {
    await write(push!, openRegistrySink(reference, registryOptions({ ...context, insecureRegistries })));
  }
  return { places, bytesMoved };
}

/** What is there already is left, the name moves last. Closes the sink, also on failure. */
async function writeTo(image: BuiltImage, sink: Sink): Promise<Receipt> {
  try {
    for (const { descriptor, bytes } of image.blobs) {
      if (!(await sink.has(descriptor))) await sink.put(descriptor, repeatable(bytes));
    }
    return await sink.commit(image.root);
  } finally {
    await sink.close();
  }
}

/** The kind of place is told by how the path ends, or said in front of it. */
function outputPlace(output: string): { readonly scheme: string; readonly location: string } {
  const [, said, path] = /^(oci|oci-archive):(.*)$/s.exec(output) ?? [];
  const location = path ?? output;
  return { scheme: said ?? (location.endsWith(".tar") ? "oci-archive" : "oci"), location };
}

function pushReference(text: string): Reference {
  const reference = parseReference(text);
  if (!reference) {
    throw new InitwrapError("USAGE", `${JSON.stringify(text)} is no image reference`, { hint: referenceHint(text) });
  }
  if (reference.digest !== undefined) {
    throw new InitwrapError("USAGE", `${text} names a digest; the image's own is known only when it is built`, {
      hint: "Push to a tag; the digest is printed.",
    });
  }
  return reference;
}

/** JSON as bytes. */
export function encodeJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function repeatable(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  return {
    async *[Symbol.asyncIterator]() {
      yield bytes;
    },
  };
}
