/**
 * Reads `WWW-Authenticate`, in which a registry says how it wants to be asked.
 *
 * Source: RFC 9110, section 11.6.1 (a comma separates challenges as well as parameters); distribution, spec/auth/token.md.
 */

/** One challenge: its scheme in lower case, and its parameters by lower-case name, unquoted. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** Longer headers are cut off: nothing a registry has to say needs more. Characters. */
const MAX_HEADER = 8192;

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const VALUE = /"((?:[^"\\]|\\.)*)"|([^\s,"]+)/y;
const GAP = /[\s,]*/y;
const EQUALS = /[ \t]*=[ \t]*/y;

/**
 * The challenges of one or several headers, in order. What cannot be read ends the list: a malformed challenge is no
 * challenge, and the caller then reports that authentication is not possible.
 */
export function parseChallenges(header: string | readonly string[] | undefined): readonly Challenge[] {
  if (header === undefined) return [];
  const text = (typeof header === "string" ? header : header.join(", ")).slice(0, MAX_HEADER);
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) at = pattern.lastIndex;
    return match;
  };
  for (;;) {
    take(GAP);
    const word = take(TOKEN);
    if (!word) return challenges;
    const current = challenges.at(-1);
    if (take(EQUALS)) {
      const value = take(VALUE);
      if (!current || !value) return challenges;
      const name = word[0].toLowerCase();
      // The first one counts, so that a repeated `realm` cannot replace the one that was checked.
      if (!current.parameters.has(name)) {
        current.parameters.set(name, value[1]?.replace(/\\(.)/g, "$1") ?? value[2] ?? "");
      }
    } else {
      challenges.push({ scheme: word[0].toLowerCase(), parameters: new Map() });
    }
  }
}
