/** The word that someone who mistyped it may have meant. */

/**
 * The nearest of `candidates`, when it is near enough: one slip for each three letters, and one at least. Undefined when
 * none is, or when two are as near as each other.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3));
  const ranked = candidates
    .map((candidate) => ({ candidate, slips: slipsBetween(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ slips }) => slips <= limit)
    .toSorted((a, b) => a.slips - b.slips);
  const [first, second] = ranked;
  return first !== undefined && first.slips !== second?.slips ? first.candidate : undefined;
}

/**
 * How many letters were left out, put in, mistaken or swapped with their neighbour: the optimal string alignment distance.
 */
function slipsBetween(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const mistaken = (last[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let slips = Math.min((last[j] as number) + 1, (row[j - 1] as number) + 1, mistaken);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        slips = Math.min(slips, (beforeLast[j - 2] as number) + 1);
      }
      row.push(slips);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length] as number;
}
