/**
 * Taking initwrap's own lines away again, byte for byte.
 *
 * Blocks between markers go as a whole. An ENTRYPOINT that was edited in place loses the elements that were put in front, or
 * gets the text back that its block remembers. What a person changed since makes undo refuse rather than guess.
 */
import { decompose, initPrefix } from "../model/compose.ts";
import { applyEdits, type Edit } from "./edit.ts";
import { formatWord } from "./exec-form.ts";
import { BEGIN_MARKER, END_MARKER, type Memory, parseMemory } from "./markers.ts";
import { parseText } from "./parse.ts";
import type { Dockerfile, Instruction } from "./syntax.ts";
import { decode, encode } from "./text.ts";

export type Undone =
  | { readonly kind: "nothing" }
  | {
      readonly kind: "undone";
      readonly text: string;
      /** For each block that replaced another init, the options that stand for that one's. */
      readonly replaced: readonly (readonly string[])[];
      /** The platforms that were asked for; empty when none were. */
      readonly platforms: readonly string[];
    }
  | { readonly kind: "altered"; readonly line: number; readonly reason: string };

/** The text as it was before initwrap touched it. Throws DockerfileError when the text is no Dockerfile. */
export function undoText(text: string): Undone {
  if (!text.includes(BEGIN_MARKER) && !text.includes(END_MARKER)) return { kind: "nothing" };
  const dockerfile = parseText(text);
  const blocks = findBlocks(dockerfile);
  if (blocks.length === 0) return { kind: "nothing" };
  const edits: Edit[] = [];
  const replaced: (readonly string[])[] = [];
  for (const block of blocks) {
    if ("reason" in block) return { kind: "altered", ...block };
    edits.push({ start: block.start, end: block.end, text: "", purpose: "init-lines" });
    const inside = (instruction: Instruction) => instruction.start >= block.start && instruction.start < block.end;
    if (dockerfile.instructions.some((instruction) => inside(instruction) && instruction.keyword === "FROM")) continue;
    const before = dockerfile.instructions.filter(({ start }) => start < block.start);
    const last = before.at(-1);
    const init = block.memories.find(({ what }) => what === "init");
    if (init !== undefined) replaced.push(optionsIn(init));
    const escaped = block.memories.find(({ what }) => what === "escape");
    if (escaped !== undefined && last !== undefined) {
      edits.push({ start: last.end, end: last.end, text: escaped.text, purpose: "close-continuation" });
    }
    const hasOwn = dockerfile.instructions.some((one) => inside(one) && one.keyword === "ENTRYPOINT");
    if (hasOwn) continue;
    const from = before.findLastIndex(({ keyword }) => keyword === "FROM");
    const entrypoint = before.slice(from + 1).findLast(({ keyword }) => keyword === "ENTRYPOINT");
    const edit = entrypoint && restoreEntrypoint(dockerfile.text, entrypoint, block.memories);
    if (edit === undefined) {
      const line = entrypoint?.range.line ?? block.line;
      return { kind: "altered", line, reason: "ENTRYPOINT is not as initwrap wrote it" };
    }
    edits.push(edit);
  }
  const asked = blocks.flatMap((block) => ("memories" in block ? block.memories : []));
  const platforms = asked.find(({ what }) => what === "platforms")?.text.split(",") ?? [];
  return { kind: "undone", text: applyEdits(text, merged(edits)).text, replaced, platforms };
}

/** The ranges of what initwrap has put in, where its markers are whole; edits of an ENTRYPOINT in place are not among them. */
export function ownBlocks(dockerfile: Dockerfile): readonly { readonly start: number; readonly end: number }[] {
  return findBlocks(dockerfile).flatMap((block) => ("reason" in block ? [] : [block]));
}

/** The memory of an init that is replaced: its name, and the options of ours that do what its own did. */
export function replacedInit(name: string, options: readonly string[]): Memory {
  return { what: "init", text: `${name} as ${options.join(" ")}` };
}

function optionsIn(memory: Memory): readonly string[] {
  return /^\S+ as (.*)$/.exec(memory.text)?.[1]?.split(" ") ?? [];
}

/** What puts `prefix` in front of the elements of an exec form, right behind its `[`, in the spacing that it has. */
export function elementsText(prefix: readonly string[], behindBracket: string, empty: boolean): string {
  const space = /^[ \t]*/.exec(behindBracket)?.[0] ?? "";
  const words = encode(prefix.map(formatWord).join(", "));
  if (empty) return `${space}${words}`;
  return `${space}${words},${space === "" ? " " : ""}`;
}

interface Block {
  readonly line: number;
  readonly start: number;
  readonly end: number;
  readonly memories: readonly Memory[];
}

type Fault = { readonly line: number; readonly reason: string };

/** The marked blocks, in order; a fault for a marker that has lost its other half. */
function findBlocks(dockerfile: Dockerfile): readonly (Block | Fault)[] {
  const { text } = dockerfile;
  const blocks: (Block | Fault)[] = [];
  let open: number | undefined;
  for (const { index: at, 1: bom, 2: kind } of text.matchAll(
    /^(\xef\xbb\xbf)?[ \t]*# initwrap (begin|end)[ \t]*\r*$/gm,
  )) {
    const index = at + (bom?.length ?? 0);
    // A body of a heredoc may hold such a line; it is no comment then.
    if (dockerfile.instructions.some(({ start, end }) => index > start && index < end)) continue;
    if ((kind === "begin") !== (open === undefined)) {
      return [...blocks, { line: lineOf(text, index), reason: `a "# initwrap ${kind}" line without its other half` }];
    }
    if (kind === "begin") open = index;
    else {
      blocks.push(blockOf(text, open as number, index));
      open = undefined;
    }
  }
  if (open !== undefined) {
    blocks.push({ line: lineOf(text, open), reason: `"${BEGIN_MARKER}" without a "${END_MARKER}" behind it` });
  }
  return blocks;
}

function blockOf(text: string, begin: number, endMarker: number): Block {
  const feed = text.indexOf("\n", endMarker);
  const line = lineOf(text, begin);
  const memories: Memory[] = [];
  for (const comment of text.slice(begin, endMarker).split("\n", 5)) {
    const memory = parseMemory(comment.trim());
    if (memory !== undefined) memories.push(memory);
  }
  if (feed >= 0) return { line, start: begin, end: feed + 1, memories };
  // The file had no last line feed; the one in front of the block came with it.
  const start = text.endsWith("\r\n", begin) || text.slice(0, begin).endsWith("\r\n") ? begin - 2 : begin - 1;
  return { line, start: Math.max(start, 0), end: text.length, memories };
}

function restoreEntrypoint(text: string, entrypoint: Instruction, memories: readonly Memory[]): Edit | undefined {
  const words = entrypoint.words.map(decode);
  const previous = entrypoint.exec ? decompose({ entrypoint: words, cmd: null }) : undefined;
  if (previous === undefined) return undefined;
  const was = memories.find(({ what }) => what === "entrypoint");
  const start = entrypoint.argumentStart;
  if (was !== undefined) {
    // A bare ENTRYPOINT had no argument, and no space in front of one.
    const bare = /^\s|^$/.test(was.text) && text[start - 1] === " " ? 1 : 0;
    return { start: start - bare, end: entrypoint.end, text: was.text, purpose: "entrypoint-exec-form" };
  }
  const rest = text.slice(start + 1, entrypoint.end);
  const added = elementsText(initPrefix(previous.init), rest, previous.invocation.entrypoint === null);
  if (!rest.startsWith(added)) return undefined;
  return { start: start + 1, end: start + 1 + added.length, text: "", purpose: "entrypoint-elements" };
}

/** Edits in order, with a removal that begins where an insertion stands put behind it. */
function merged(edits: readonly Edit[]): readonly Edit[] {
  return edits.toSorted((a, b) => a.start - b.start || a.end - b.end);
}

function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) line++;
  return line;
}
