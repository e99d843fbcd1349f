import type { Descriptor } from "../model/descriptor.ts";

/** Blobs smaller than this are not worth a line, in bytes. */
const WORTH_A_LINE = 8 << 20;
const STEP_MS = 2000;

/** Plain lines for blobs that take time: one every two seconds while a blob moves, and one at its end. */
export function progressReporter(
  say: (line: string) => void,
  now: () => number = Date.now,
): (descriptor: Descriptor, done: number, total: number) => void {
  let last = now();
  return (descriptor, done, total) => {
    if (total < WORTH_A_LINE) return;
    const time = now();
    if (done < total && time - last < STEP_MS) return;
    last = time;
    say(`${descriptor.digest.slice(7, 19)} ${Math.floor((done / total) * 100)}% of ${(total / 1e6).toFixed(0)} MB`);
  };
}
