/** The lines of a source around a finding, numbered, those that are meant marked, as BuildKit shows them. */
import type { Range } from "../model/diagnostics.ts";

const AROUND = 1;
const MOST = 8;
const WIDTH = 160;

/** The excerpt, ready to print; undefined when the text has no such line. Control characters never reach the terminal. */
export function sourceExcerpt(text: string, { line, endLine }: Range): string | undefined {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  if (line < 1 || line > lines.length) return undefined;
  const last = Math.min(Math.max(endLine, line), line + MOST - 1, lines.length);
  const from = Math.max(1, line - AROUND);
  const to = Math.min(lines.length, last + AROUND);
  const digits = String(to).length;
  const shown: string[] = [];
  for (let number = from; number <= to; number++) {
    const marker = number >= line && number <= last ? ">>>" : "   ";
    const visible = (lines[number - 1] as string).replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "").slice(0, WIDTH);
    shown.push(`${String(number).padStart(digits + 2)} | ${marker} ${visible}`.trimEnd());
  }
  return shown.join("\n");
}
