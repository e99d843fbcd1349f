/**
 * Which line of releases a project's version range asks for.
 *
 * Ranges are npm's and PEP 440's, as far as people write them. A candidate such as `24` or `3.13` stands for the newest
 * release of its line, for that is what its image tag gives.
 */

interface Comparator {
  readonly operator: string;
  readonly parts: readonly number[];
}

/** A number above every real part. */
const NEWEST = 1_000_000;

/** The candidate to take: the preferred one when the range allows it, or else the newest that it allows. */
export function chooseVersion(
  range: string | undefined,
  candidates: readonly string[],
  preferred: string,
): string | undefined {
  const alternatives = parseRange(range ?? "");
  // A name such as lts/* or an alias says nothing that can be compared.
  if (alternatives === undefined) return preferred;
  const fitting = candidates.filter((candidate) => satisfies(candidate, alternatives));
  if (fitting.includes(preferred)) return preferred;
  return fitting.toSorted((a, b) => compare(numbers(b), numbers(a)))[0];
}

/** The first version that a range names, cut to `precision` parts; what is asked for when no candidate fits. */
export function namedVersion(range: string, precision: number): string | undefined {
  const found = /\d+(?:\.\d+)*/.exec(range)?.[0].split(".");
  return found === undefined || found.length < precision ? undefined : found.slice(0, precision).join(".");
}

/** Compares versions part by part; an absent part counts as 0. */
export function compare(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}

export function numbers(version: string): readonly number[] {
  return version.split(".").map(Number);
}

function satisfies(candidate: string, alternatives: readonly (readonly Comparator[])[]): boolean {
  const line = numbers(candidate);
  return alternatives.some((comparators) => comparators.every((comparator) => allows(comparator, line)));
}

function allows({ operator, parts }: Comparator, line: readonly number[]): boolean {
  const newest = [...line, NEWEST, NEWEST];
  const shared = Math.min(line.length, parts.length);
  const sameLine = compare(line.slice(0, shared), parts.slice(0, shared)) === 0;
  switch (operator) {
    case ">=":
      return compare(newest, parts) >= 0;
    case ">":
      // Above a whole line begins with the next line.
      return parts.length <= line.length ? compare(line.slice(0, shared), parts) > 0 : compare(newest, parts) > 0;
    case "<":
      return compare(newest, parts) < 0;
    case "<=":
      return parts.length <= line.length ? compare(line.slice(0, shared), parts) <= 0 : compare(newest, parts) <= 0;
    case "!=":
      return parts.length > line.length || !sameLine;
    case "^":
      return compare(newest, parts) >= 0 && line[0] === parts[0];
    case "~":
      return sameLine;
    case "~=": {
      const fixed = Math.min(parts.length - 1, line.length);
      return compare(newest, parts) >= 0 && compare(line.slice(0, fixed), parts.slice(0, fixed)) === 0;
    }
    default:
      return sameLine;
  }
}

/** Alternatives of comparators that all must hold; undefined for what is no range. */
function parseRange(range: string): readonly (readonly Comparator[])[] | undefined {
  const alternatives: Comparator[][] = [];
  for (const alternative of range.split("||")) {
    const spread = alternative.replace(/^\s*v?([\d.]+)\s+-\s+v?([\d.]+)\s*$/, ">=$1 <=$2");
    const comparators: Comparator[] = [];
    const rest = spread.replace(
      /(>=|<=|==?=?|!=|~=|[<>^~])?\s*v?(\d+(?:\.(?:\d+|[xX*]))*|[xX*])(?:[-+][\w.+-]*)?/g,
      (_, operator: string | undefined, version: string) => {
        const parts = version.split(".").filter((part) => /^\d+$/.test(part));
        if (parts.length > 0) comparators.push({ operator: operator ?? "=", parts: parts.map(Number) });
        return "";
      },
    );
    if (/[^\s,]/.test(rest)) return undefined;
    alternatives.push(comparators);
  }
  return alternatives;
}
