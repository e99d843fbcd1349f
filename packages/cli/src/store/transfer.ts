/**
 * Brings blobs from a source to a sink, children before parents, and publishes the root last.
 *
 * A blob that the sink has is skipped; every other one is streamed once, through a digest and size check in `put`.
 */
import type { Descriptor } from "../model/descriptor.ts";
import { InitwrapError } from "../model/errors.ts";
import type { Receipt, Sink, Source } from "./contract.ts";
import { once } from "./verify.ts";

/** A blob to bring: from the source (`bytes` absent), or given here. */
export interface Cargo {
  readonly descriptor: Descriptor;
  readonly bytes?: () => Uint8Array;
}

export interface TransferOutcome extends Receipt {
  readonly put: readonly Descriptor[];
  readonly skipped: readonly Descriptor[];
}

/** Layers that no registry may serve: they are fetched from their `urls`, and may be missing. */
function isForeign(descriptor: Descriptor): boolean {
  return (
    /\.foreign\.|nondistributable/.test(descriptor.mediaType) &&
    Array.isArray(descriptor.urls) &&
    descriptor.urls.length > 0
  );
}

/** Puts all of `cargo` in order, then commits `root`. The caller closes both ends. */
export async function transfer(
  cargo: readonly Cargo[],
  root: Descriptor,
  source: Source,
  sink: Sink,
  signal?: AbortSignal,
): Promise<TransferOutcome> {
  const put: Descriptor[] = [];
  const skipped: Descriptor[] = [];
  for (const { descriptor, bytes } of cargo) {
    signal?.throwIfAborted();
    if (await sink.has(descriptor)) {
      skipped.push(descriptor);
      continue;
    }
    let content: AsyncIterable<Uint8Array>;
    try {
      content = bytes ? once(bytes()) : await source.open(descriptor);
    } catch (cause) {
      if (cause instanceof InitwrapError && cause.code === "IMAGE_NOT_FOUND" && isForeign(descriptor)) {
        skipped.push(descriptor);
        continue;
      }
      throw cause;
    }
    await sink.put(descriptor, content);
    put.push(descriptor);
  }
  return { ...(await sink.commit(root)), put, skipped };
}
