/** How a file is written, so that inserted lines look like their neighbours: line ending, indentation, keyword case. */
import type { Dockerfile, Instruction } from "./syntax.ts";

/** `\r\n` when the line of `instruction` ends so, or, at a file's unfinished last line, when the line before it does. */
export function lineEndingAt(text: string, instruction: Instruction): "\n" | "\r\n" {
  let feed = text.indexOf("\n", instruction.end);
  if (feed < 0) feed = text.lastIndexOf("\n");
  return feed > 0 && text[feed - 1] === "\r" ? "\r\n" : "\n";
}

/** Spaces and tabs in front of the instruction. */
export function indentationOf(text: string, instruction: Instruction): string {
  return /^[ \t]*/.exec(text.slice(instruction.start, instruction.end))?.[0] ?? "";
}

/** The case that most keywords of the file have; a builder's check asks for one case throughout. */
export function keywordCase(dockerfile: Dockerfile): (keyword: string) => string {
  let lower = 0;
  for (const { spelled } of dockerfile.instructions) {
    if (spelled === spelled.toLowerCase()) lower++;
    else if (spelled === spelled.toUpperCase()) lower--;
  }
  return lower > 0 ? (keyword) => keyword.toLowerCase() : (keyword) => keyword;
}
