/**
 * Gives back the memory of chunks that have gone through.
 *
 * Layers pass in chunks that are garbage at once. They lie outside of V8's heap, and V8 looks for them only when 64 MB of them
 * are there, or when its own young generation, which they do not fill, is full. So the collector of the young generation is
 * called every few megabytes: it takes less than a millisecond, and the memory of a run then does not depend on the image.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Bytes that may be garbage before it is collected. */
const STEP = 8 << 20;

let bytes = 0;
let collect: ((options: { type: "minor" }) => void) | undefined;

/** To be told of every chunk that was read, written or unpacked, by its length in bytes. */
export function spent(length: number): void {
  bytes += length;
  if (bytes < STEP) return;
  bytes = 0;
  collect ??= exposed();
  collect({ type: "minor" });
}

function exposed(): NonNullable<typeof collect> {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as NonNullable<typeof collect>;
  // Compiled code from the cache counts for unchanged flags only.
  setFlagsFromString("--no-expose-gc");
  return gc;
}
