/**
 * Brings blobs from a source to a sink, children before parents, and publishes the root last.
 *
 * A blob that the sink has is skipped; every other one is streamed once, through a digest and size check in `put`.
 */
import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { isIndexType, isManifestType } from "../model/media-types.ts";
import type { Receipt, Sink, Source } from "./contract.ts";
import { once } from "./verify.ts";

/** A blob to bring: from the source (`bytes` absent), or given here. */
export interface Cargo {
  readonly descriptor: Descriptor;
  readonly bytes?: () => Uint8Array;
  /** True for a document that this run made: hardly anybody has it already. */
  readonly isFresh?: boolean;
}

export interface TransferOutcome extends Receipt {
  readonly put: readonly Descriptor[];
  readonly skipped: readonly Descriptor[];
}

/** Layers that no registry may serve: they are fetched from their `urls`, and may be missing. */
export function isForeign(descriptor: Descriptor): boolean {
  return (
    /\.foreign\.|nondistributable/.test(descriptor.mediaType) &&
    Array.isArray(descriptor.urls) &&
    descriptor.urls.length > 0
  );
}

/**
 * Puts all of `cargo`, then commits `root`. The caller closes both ends. What a manifest refers to is put before it; blobs
 * between two manifests are put side by side where the sink takes several at a time. The first failure stops the others.
 */
export async function transfer(
  cargo: readonly Cargo[],
  root: Descriptor,
  source: Source,
  sink: Sink,
  signal?: AbortSignal,
): Promise<TransferOutcome> {
  const failed = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  const done = new Map<Digest, "put" | "skipped">();
  for (const batch of batches(cargo)) {
    const waiting = [...batch];
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        stop.throwIfAborted();
        done.set(next.descriptor.digest, await bring(next, source, sink, stop));
      }
    };
    const workers = Array.from({ length: Math.min(sink.parallel ?? 1, batch.length) }, () =>
      worker().catch((error: unknown) => {
        failed.abort(error);
        throw error;
      }),
    );
    // Nothing may still be written when the caller closes the sink.
    const results = await Promise.allSettled(workers);
    if (results.some(({ status }) => status === "rejected")) throw stop.reason;
  }
  const receipt = await sink.commit(root);
  const ended = (how: "put" | "skipped"): readonly Descriptor[] =>
    cargo.map(({ descriptor }) => descriptor).filter(({ digest }) => done.get(digest) === how);
  return { ...receipt, put: ended("put"), skipped: ended("skipped") };
}

/** The cargo in order, cut before and after each manifest; a blob that comes twice is brought once. */
function batches(cargo: readonly Cargo[]): readonly (readonly Cargo[])[] {
  const seen = new Set<Digest>();
  const cut: Cargo[][] = [[]];
  for (const one of cargo) {
    const { digest, mediaType } = one.descriptor;
    if (seen.has(digest)) continue;
    seen.add(digest);
    if (isManifestType(mediaType) || isIndexType(mediaType)) cut.push([one], []);
    else cut.at(-1)!.push(one);
  }
  return cut;
}

async function bring(
  { descriptor, bytes, isFresh = false }: Cargo,
  source: Source,
  sink: Sink,
  stop: AbortSignal,
): Promise<"put" | "skipped"> {
  const isThere = () => (bytes && sink.hasIntact ? sink.hasIntact(descriptor) : sink.has(descriptor));
  if (!(isFresh && sink.asksFar) && (await isThere())) return "skipped";
  if (bytes) {
    await sink.put(descriptor, once(bytes()));
    return "put";
  }
  let opened: AsyncIterable<Uint8Array> | undefined;
  try {
    opened = await source.open(descriptor);
  } catch (cause) {
    if (cause instanceof InitwrapError && cause.code === "IMAGE_NOT_FOUND" && isForeign(descriptor)) return "skipped";
    throw cause;
  }
  // An upload that breaks half-way is begun anew, so the content has to be there anew.
  const read = async function* (): AsyncGenerator<Uint8Array> {
    const content = opened ?? (await source.open(descriptor));
    opened = undefined;
    for await (const chunk of content) {
      stop.throwIfAborted();
      yield chunk;
    }
  };
  await sink.put(descriptor, { [Symbol.asyncIterator]: read });
  return "put";
}
