/** Milliseconds since some moment, and never less than before. Node has to load `performance` first, which takes as long as a request. */
export function monotonic(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}
