/**
 * Where a finding's lines are in the file as it is.
 *
 * A file that initwrap has wrapped before is planned without its lines, and findings count the lines that are left. People
 * and annotations count those of the file.
 */
import { BEGIN_MARKER, END_MARKER } from "../dockerfile/markers.ts";
import type { Diagnostic } from "../model/diagnostics.ts";

/** The same findings with the lines of `text`, given that they count in `source`, which is `text` unwrapped. */
export function placeFindings(diagnostics: readonly Diagnostic[], source: string, text: string): readonly Diagnostic[] {
  if (source === text) return diagnostics;
  const lineAt = lineMap(source.split("\n"), text.split("\n"));
  return diagnostics.map((diagnostic) => {
    const { range } = diagnostic;
    if (range === undefined) return diagnostic;
    const line = lineAt(range.line);
    return { ...diagnostic, range: { line, endLine: Math.max(line, lineAt(range.endLine)) } };
  });
}

/** As `placeFindings`, for one line. */
export function placeLine(line: number, source: string, text: string): number {
  return source === text ? line : lineMap(source.split("\n"), text.split("\n"))(line);
}

/** Lines outside of initwrap's blocks are those of the source but for an edited instruction, somewhere in the middle. */
function lineMap(source: readonly string[], text: readonly string[]): (line: number) => number {
  const kept: number[] = [];
  let inside = false;
  text.forEach((line, index) => {
    const word = line.trim();
    if (word === BEGIN_MARKER) inside = true;
    if (!inside) kept.push(index + 1);
    if (word === END_MARKER) inside = false;
  });
  const same = (a: number, b: number) => source[a]?.trimEnd() === text[(kept[b] ?? 0) - 1]?.trimEnd();
  const shorter = Math.min(source.length, kept.length);
  let head = 0;
  while (head < shorter && same(head, head)) head++;
  let tail = 0;
  while (tail < shorter - head && same(source.length - 1 - tail, kept.length - 1 - tail)) tail++;
  const lastOfMiddle = Math.max(head, kept.length - tail - 1);
  return (line) => {
    const index = line - 1;
    if (index < head) return kept[index] ?? line;
    if (index >= source.length - tail) return kept[kept.length - (source.length - index)] ?? line;
    return kept[Math.min(index, lastOfMiddle)] ?? line;
  };
}
