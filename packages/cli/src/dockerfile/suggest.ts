/** "Did you mean": the known word nearest to an unknown one, at most two letters away. */

/** The nearest of `options`, or undefined. */
export function suggest(word: string, options: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = 3;
  for (const option of options) {
    if (Math.abs(option.length - word.length) >= least) continue;
    const distance = editDistance(word, option);
    if (distance < least) {
      least = distance;
      nearest = option;
    }
  }
  return nearest;
}

/** Levenshtein's distance: how many letters must be added, dropped or changed. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
