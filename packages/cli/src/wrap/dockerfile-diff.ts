/** A unified diff of two Dockerfiles for people. The bytes of an init are summed up in one line. */
import { createHash } from "node:crypto";
import { parseText } from "../dockerfile/parse.ts";
import { decode, toBytes } from "../dockerfile/text.ts";

/** One line of a diff: a header, or a line that is kept, taken out or put in. */
export interface DiffLine {
  readonly kind: "header" | "hunk" | "same" | "removed" | "added";
  readonly text: string;
}

const CONTEXT = 3;

/** The diff from `before` to `after`; empty when they are equal. `name` is the file's. */
export function unifiedDiff(before: string, after: string, name: string): readonly DiffLine[] {
  const old = displayLines(before);
  const now = displayLines(after);
  const script = editScript(old, now);
  const changed = script.flatMap((line, index) => (line.kind === "same" ? [] : [index]));
  if (changed.length === 0) return [];
  const result: DiffLine[] = [
    { kind: "header", text: `--- ${name}` },
    { kind: "header", text: `+++ ${name}` },
  ];
  let start = 0;
  while (start < changed.length) {
    let end = start;
    while (end + 1 < changed.length && (changed[end + 1] as number) - (changed[end] as number) <= 2 * CONTEXT) end++;
    const from = Math.max(0, (changed[start] as number) - CONTEXT);
    const to = Math.min(script.length, (changed[end] as number) + CONTEXT + 1);
    result.push(hunkHeader(script, from, to), ...script.slice(from, to));
    start = end + 1;
  }
  return result;
}

function hunkHeader(script: readonly DiffLine[], from: number, to: number): DiffLine {
  const count = (lines: readonly DiffLine[], without: DiffLine["kind"]) =>
    lines.filter(({ kind }) => kind !== without).length;
  const range = (without: DiffLine["kind"]) => {
    const length = count(script.slice(from, to), without);
    const start = count(script.slice(0, from), without) + (length === 0 ? 0 : 1);
    return `${start},${length}`;
  };
  return { kind: "hunk", text: `@@ -${range("added")} +${range("removed")} @@` };
}

/** The text's lines as a terminal can show them; a heredoc with bytes that are no text is one line. */
function displayLines(text: string): readonly string[] {
  let shown = text;
  const bodies = text.includes("\x00") ? parseText(text).instructions.flatMap(({ heredocs }) => heredocs) : [];
  for (const { content } of bodies) {
    if (!content.includes("\x00")) continue;
    const sum = createHash("sha256").update(toBytes(content)).digest("hex");
    const at = shown.indexOf(content);
    shown = `${shown.slice(0, at)}[${content.length} bytes, sha256 ${sum.slice(0, 16)}]\n${shown.slice(at + content.length)}`;
  }
  const lines = shown.split("\n");
  const unfinished = lines.at(-1) !== "";
  if (!unfinished) lines.pop();
  return lines.map((line, index) => {
    const visible = decode(line).replace(/[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f]/g, printable);
    return unfinished && index === lines.length - 1 ? `${visible}\n\\ No newline at end of file` : visible;
  });
}

/** A control character in a spelling that does nothing to a terminal; a carriage return stays visible as such. */
function printable(char: string): string {
  return char === "\r" ? "␍" : `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

/** Lines kept, removed and added, by the longest common subsequence between the equal head and tail. */
function editScript(old: readonly string[], now: readonly string[]): readonly DiffLine[] {
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head++;
  let tail = 0;
  while (
    tail < old.length - head &&
    tail < now.length - head &&
    old[old.length - 1 - tail] === now[now.length - 1 - tail]
  ) {
    tail++;
  }
  const same = (text: string): DiffLine => ({ kind: "same", text });
  return [
    ...old.slice(0, head).map(same),
    ...middleScript(old.slice(head, old.length - tail), now.slice(head, now.length - tail)),
    ...old.slice(old.length - tail).map(same),
  ];
}

const MAX_TABLE = 16_000_000;

function middleScript(old: readonly string[], now: readonly string[]): readonly DiffLine[] {
  if (old.length * now.length > MAX_TABLE) {
    return [
      ...old.map((text): DiffLine => ({ kind: "removed", text })),
      ...now.map((text): DiffLine => ({ kind: "added", text })),
    ];
  }
  // common[i][j]: the length of the longest common subsequence of old from i and now from j.
  const common = Array.from({ length: old.length + 1 }, () => new Uint32Array(now.length + 1));
  for (let i = old.length - 1; i >= 0; i--) {
    const row = common[i] as Uint32Array;
    const below = common[i + 1] as Uint32Array;
    for (let j = now.length - 1; j >= 0; j--) {
      row[j] = old[i] === now[j] ? (below[j + 1] as number) + 1 : Math.max(below[j] as number, row[j + 1] as number);
    }
  }
  const script: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      script.push({ kind: "same", text: old[i] as string });
      i++;
      j++;
    } else if (j >= now.length || (i < old.length && (common[i + 1]?.[j] ?? 0) >= (common[i]?.[j + 1] ?? 0))) {
      script.push({ kind: "removed", text: old[i++] as string });
    } else {
      script.push({ kind: "added", text: now[j++] as string });
    }
  }
  return script;
}
