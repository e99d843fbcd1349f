/**
 * What a medium that holds images must offer: four methods to read one, four to write one.
 *
 * Contract, checked by one suite over every adapter (test/contract):
 * - `read` returns bytes whose digest and size are those of the descriptor, or throws BLOB_CORRUPT; for small JSON only.
 * - `open` streams a blob once, from its first byte; the caller verifies it as it flows.
 * - `has` is true only when a later `commit` may rely on the blob; a registry may mount it to make it so.
 * - `put` is atomic for each blob: after a failure the blob is absent, never partial.
 * - nothing is visible to other readers under its name before `commit`; children are put before parents.
 * - `close` may be called at any time and twice; without a `commit` before it, nothing has changed.
 */
import type { Descriptor } from "../model/descriptor.ts";

export interface Source {
  /** The descriptor of what the locator names: an index or a manifest. */
  root(): Promise<Descriptor>;
  /** An index, manifest or config: whole and verified. At most 8 MiB. */
  read(descriptor: Descriptor): Promise<Uint8Array>;
  /** A blob of any size as a stream. */
  open(descriptor: Descriptor): Promise<AsyncIterable<Uint8Array>>;
  close(): Promise<void>;
}

export interface Sink {
  has(descriptor: Descriptor): Promise<boolean>;
  put(descriptor: Descriptor, content: AsyncIterable<Uint8Array>): Promise<void>;
  /** Publishes `root` under the sink's name, when everything it refers to has been put. */
  commit(root: Descriptor): Promise<void>;
  close(): Promise<void>;
}
