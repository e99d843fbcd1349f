/** Small images made in memory, for stores: every byte is determined by the arguments. */
import { createCipheriv, createHash } from "node:crypto";
import type { Descriptor } from "../../packages/cli/src/model/descriptor.ts";
import { digestOf } from "../../packages/cli/src/model/digest.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER_TAR, OCI_MANIFEST } from "../../packages/cli/src/model/media-types.ts";
import type { Sink } from "../../packages/cli/src/store/contract.ts";

export interface SampleImage {
  readonly root: Descriptor;
  /** Every blob by digest, children before parents. */
  readonly blobs: ReadonlyMap<string, { readonly descriptor: Descriptor; readonly bytes: Uint8Array }>;
}

/** An OCI image with `layers` random-looking layers of the given sizes in bytes; `seed` makes it another image. */
export function sampleImage(
  seed: string,
  layers: readonly number[],
  entrypoint: readonly string[] = ["/app"],
): SampleImage {
  const blobs = new Map<string, { descriptor: Descriptor; bytes: Uint8Array }>();
  const add = (mediaType: string, bytes: Uint8Array): Descriptor => {
    const descriptor: Descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
    blobs.set(descriptor.digest, { descriptor, bytes });
    return descriptor;
  };
  const layerDescriptors = layers.map((size, index) => add(OCI_LAYER_TAR, noise(`${seed}/${index}`, size)));
  const config = add(
    OCI_CONFIG,
    json({
      architecture: "amd64",
      os: "linux",
      config: { Entrypoint: entrypoint, Cmd: ["serve"], Env: [`SEED=${seed}`] },
      rootfs: { type: "layers", diff_ids: layerDescriptors.map(({ digest }) => digest) },
    }),
  );
  const root = add(OCI_MANIFEST, json({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: layerDescriptors }));
  return { root, blobs };
}

/** An index over images, one for each platform (`linux/amd64`). */
export function sampleIndex(images: Readonly<Record<string, SampleImage>>): SampleImage {
  const blobs = new Map(Object.values(images).flatMap((image) => [...image.blobs]));
  const manifests = Object.entries(images).map(([platform, { root }]) => {
    const [os = "", architecture = "", variant] = platform.split("/");
    return { ...root, platform: { os, architecture, ...(variant ? { variant } : {}) } };
  });
  const bytes = json({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });
  const root: Descriptor = { mediaType: OCI_INDEX, digest: digestOf(bytes), size: bytes.length };
  blobs.set(root.digest, { descriptor: root, bytes });
  return { root, blobs };
}

/** Puts a whole image into a sink and commits it. */
export async function putImage(sink: Sink, image: SampleImage): Promise<void> {
  for (const { descriptor, bytes } of image.blobs.values()) {
    if (!(await sink.has(descriptor))) await sink.put(descriptor, once(bytes));
  }
  await sink.commit(image.root);
}

/** Bytes as a stream that can be read once, in chunks of 64 KiB. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65536) yield bytes.subarray(at, at + 65536);
}

/** Bytes as content that can be read again and again. */
export function again(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => once(bytes) };
}

/** Everything an iterable gives, in one piece. */
export async function collect(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** `size` bytes that do not compress and are always the same for one seed. */
export function noise(seed: string, size: number): Uint8Array {
  const key = createHash("sha256").update(seed).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
