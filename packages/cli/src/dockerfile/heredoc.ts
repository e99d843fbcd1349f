/** Which here-documents a line starts. Source: BuildKit's parser: a word of its own, `[n]<<[-]NAME`, quoted or not. */
import { splitWords } from "./words.ts";

/** The start of a heredoc: its terminator, and whether leading tabs are dropped from its lines. */
export interface HeredocStart {
  readonly name: string;
  readonly chomp: boolean;
}

const START = /^\d*<<(-?)([^<]*)$/;
const NOTHING: ReadonlyMap<string, string> = new Map();

/**
 * The heredocs that a whole line starts, in order; none when one of its quotes is left open. `spaced`: whether `<< NAME`,
 * with a space, is one, as it is from Dockerfile syntax 1.16 on.
 */
export function heredocsOf(line: string, spaced: boolean): readonly HeredocStart[] {
  const words = splitWords(line, { escape: "\\", environment: NOTHING, raw: true, skipUnset: true });
  const starts: HeredocStart[] = [];
  for (let index = 0; index < (words?.length ?? 0); index++) {
    let word = words?.[index] as string;
    if (spaced && /^\d*<<-?$/.test(word) && words?.[index + 1] !== undefined) word += words[++index];
    const start = heredocOf(word);
    if (start !== undefined) starts.push(start);
  }
  return starts;
}

/** The heredoc that one word starts, or undefined. */
export function heredocOf(word: string): HeredocStart | undefined {
  const match = START.exec(word);
  if (match === null || match[2] === "") return undefined;
  const words = splitWords(match[2] as string, { escape: "\\", environment: NOTHING, skipUnset: true });
  if (words?.length !== 1) return undefined;
  return { name: words[0] as string, chomp: match[1] === "-" };
}
