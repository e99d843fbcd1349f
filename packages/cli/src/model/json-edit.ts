/**
 * Edits JSON text by ranges: what is not touched keeps its bytes, its key order and its white space.
 *
 * Two rules make every edit invertible, which is what undo rests on: a new member or item always goes behind the last
 * one, written in the style of its neighbour; and `removeLast…` takes away from the end of the previous value to the end
 * of its own. An empty or absent container has no neighbour: the caller replaces the whole value and remembers its text.
 *
 * The reader is stricter than JSON.parse: a key that occurs twice is refused, for two readers would see two documents.
 * Source: RFC 8259.
 */
import { InitwrapError } from "./errors.ts";

/** A value with its range in the text: `start` included, `end` not, both in UTF-16 units. */
export type JsonNode = JsonObject | JsonArray | JsonScalar;
export interface JsonObject {
  readonly kind: "object";
  readonly start: number;
  readonly end: number;
  readonly members: readonly JsonMember[];
}
export interface JsonMember {
  readonly key: string;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly value: JsonNode;
}
export interface JsonArray {
  readonly kind: "array";
  readonly start: number;
  readonly end: number;
  readonly items: readonly JsonNode[];
}
export interface JsonScalar {
  readonly kind: "string" | "number" | "true" | "false" | "null";
  readonly start: number;
  readonly end: number;
}

/** Member names and item numbers from the root. */
export type JsonPath = readonly (string | number)[];

/** Deeper nesting is no manifest; the limit keeps the reader's stack bounded. */
const MAX_DEPTH = 200;

/** Bytes to text, exactly: IMAGE_INVALID when they are not UTF-8, so that no byte is lost on the way back. */
export function decodeJson(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new InitwrapError("IMAGE_INVALID", `${what} is not UTF-8 text`, { cause });
  }
}

/**
 * What was read or edited last: an edit looks at one text several times, to see what is there and to change it, and most edits
 * follow another. The nodes of the edited text come from those of the text before: a document is read once.
 */
let latest: { readonly text: string; readonly root: JsonNode } | undefined;

/** Reads JSON with ranges. Throws IMAGE_INVALID with the place for anything that is not JSON, or has a key twice. */
export function parseJson(text: string, what = "the document"): JsonNode {
  if (latest?.text !== text) latest = { text, root: readJson(text, what) };
  return latest.root;
}

/** `depth` is how deep in another document it will stand. */
function readJson(text: string, what: string, depth = 0): JsonNode {
  let at = 0;
  const fail = (problem: string): never => {
    throw new InitwrapError("IMAGE_INVALID", `${what} is not valid JSON: ${problem} at offset ${at}`);
  };
  const space = (): void => {
    for (;;) {
      const c = text.charCodeAt(at);
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return;
      at++;
    }
  };
  /** True when the string has no escape, so that its text is its value. */
  const string = (): boolean => {
    const quote = text.indexOf('"', at + 1);
    if (quote !== -1 && !SPECIAL.test(text.slice(at + 1, quote))) {
      at = quote + 1;
      return true;
    }
    // By hand: a regular expression for it backtracks without bound on a string that never ends.
    for (at++; ; at++) {
      const c = text.charCodeAt(at);
      if (c === 0x22) break;
      if (!(c >= 0x20)) fail("a broken string");
      if (c !== 0x5c) continue;
      ESCAPE.lastIndex = at;
      if (!ESCAPE.test(text)) fail("an unknown escape");
      at = ESCAPE.lastIndex - 1;
    }
    at++;
    return false;
  };
  const value = (depth: number): JsonNode => {
    if (depth > MAX_DEPTH) fail(`nesting deeper than ${MAX_DEPTH}`);
    const start = at;
    const c = text[at];
    if (c === "{") {
      at++;
      const members: JsonMember[] = [];
      const seen = new Set<string>();
      space();
      if (text[at] === "}") at++;
      else {
        for (;;) {
          space();
          const keyStart = at;
          if (text[at] !== '"') fail("a member without a name");
          const isPlain = string();
          const keyEnd = at;
          const key = isPlain
            ? text.slice(keyStart + 1, keyEnd - 1)
            : (JSON.parse(text.slice(keyStart, keyEnd)) as string);
          if (seen.has(key)) fail(`the key ${JSON.stringify(key)} occurs twice`);
          seen.add(key);
          space();
          if (text[at] !== ":") fail("a member without a colon");
          at++;
          space();
          members.push({ key, keyStart, keyEnd, value: value(depth + 1) });
          space();
          if (text[at] === ",") at++;
          else if (text[at] === "}") break;
          else fail("neither a comma nor the end of an object");
        }
        at++;
      }
      return { kind: "object", start, end: at, members };
    }
    if (c === "[") {
      at++;
      const items: JsonNode[] = [];
      space();
      if (text[at] === "]") at++;
      else {
        for (;;) {
          space();
          items.push(value(depth + 1));
          space();
          if (text[at] === ",") at++;
          else if (text[at] === "]") break;
          else fail("neither a comma nor the end of an array");
        }
        at++;
      }
      return { kind: "array", start, end: at, items };
    }
    if (c === '"') {
      string();
      return { kind: "string", start, end: at };
    }
    SCALAR.lastIndex = at;
    const match = SCALAR.exec(text)?.[0];
    if (match === undefined) return fail("no value");
    at += match.length;
    return { kind: match === "true" || match === "false" || match === "null" ? match : "number", start, end: at };
  };
  space();
  const root = value(depth);
  space();
  if (at !== text.length) fail("more text behind the end");
  return root;
}

/** What may not stand in a string as it is: a backslash, and what comes before the space. */
const SPECIAL = /[^ -[\]-\uffff]/;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const SCALAR = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** The node at `path`, or undefined. */
export function nodeAt(root: JsonNode, path: JsonPath): JsonNode | undefined {
  let node: JsonNode | undefined = root;
  for (const step of path) {
    if (node?.kind === "object") node = node.members.find((member) => member.key === step)?.value;
    else if (node?.kind === "array" && typeof step === "number") node = node.items[step];
    else return undefined;
  }
  return node;
}

/** The text of the value at `path`, or undefined. */
export function rawAt(text: string, path: JsonPath): string | undefined {
  const node = nodeAt(parseJson(text), path);
  return node && text.slice(node.start, node.end);
}

/** Replaces the value at `path`, which must exist. */
export function replaceAt(text: string, path: JsonPath, raw: string): string {
  const root = parseJson(text);
  const node = need(nodeAt(root, path));
  const value = shifted(readJson(raw, "the new value", path.length), node.start);
  const edit = { start: node.start, end: node.end, by: raw.length - (node.end - node.start) };
  return edited(splice(text, node.start, node.end, raw), root, edit, (one) => (one === node ? value : undefined));
}

/** Puts a member behind the last one of the object at `path`, which must have one, in that one's style. */
export function addMember(text: string, path: JsonPath, key: string, value: unknown): string {
  const root = parseJson(text);
  const object = need(nodeAt(root, path));
  const last = object.kind === "object" ? object.members.at(-1) : undefined;
  if (object.kind !== "object" || !last) throw new TypeError("an object with members is needed");
  if (object.members.some((member) => member.key === key)) throw new TypeError("there is a value at that path");
  const lead = leadingSpace(text, last.keyStart);
  const name = JSON.stringify(key);
  const colon = text.slice(last.keyEnd, last.value.start);
  const raw = styled(value, lead, text, root);
  const insert = `,${lead}${name}${colon}${raw}`;
  const start = last.value.end;
  const keyStart = start + 1 + lead.length;
  const keyEnd = keyStart + name.length;
  const added = {
    key,
    keyStart,
    keyEnd,
    value: shifted(readJson(raw, "the new value", path.length + 1), keyEnd + colon.length),
  };
  const edit = { start, end: start, by: insert.length };
  return edited(splice(text, start, start, insert), root, edit, (one) =>
    one === object ? { ...object, end: object.end + edit.by, members: [...object.members, added] } : undefined,
  );
}

/** Puts an item behind the last one of the array at `path`, which must have one, in that one's style. */
export function addItem(text: string, path: JsonPath, value: unknown): string {
  const root = parseJson(text);
  const array = need(nodeAt(root, path));
  const last = array.kind === "array" ? array.items.at(-1) : undefined;
  if (array.kind !== "array" || !last) throw new TypeError("an array with items is needed");
  const lead = leadingSpace(text, last.start);
  const raw = styled(value, lead, text, root);
  const insert = `,${lead}${raw}`;
  const start = last.end;
  const added = shifted(readJson(raw, "the new value", path.length + 1), start + 1 + lead.length);
  const edit = { start, end: start, by: insert.length };
  return edited(splice(text, start, start, insert), root, edit, (one) =>
    one === array ? { ...array, end: array.end + edit.by, items: [...array.items, added] } : undefined,
  );
}

/**
 * Exchanges the text of each item of the array at `path` for what `edit` makes of it. Each is edited by itself, and the whole text put
 * together once: with an edit of the whole for each item, a long list would take the square of its length.
 */
export function editItems(text: string, path: JsonPath, edit: (raw: string, place: number) => string): string {
  const array = need(nodeAt(parseJson(text), path));
  if (array.kind !== "array") throw new TypeError("an array is needed");
  const parts: string[] = [];
  let end = 0;
  for (const [place, item] of array.items.entries()) {
    parts.push(text.slice(end, item.start), edit(text.slice(item.start, item.end), place));
    end = item.end;
  }
  parts.push(text.slice(end));
  return parts.join("");
}

/** The range of the old text that was replaced, and how much longer the new text is. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly by: number;
}

/** Remembers `text` as read: the nodes of the text before, `root`, with what `exchange` gives in the places of those it knows. */
function edited(text: string, root: JsonNode, edit: Edit, exchange: (node: JsonNode) => JsonNode | undefined): string {
  const moved = (node: JsonNode): JsonNode => {
    const other = exchange(node);
    if (other) return other;
    if (node.end <= edit.start) return node;
    if (node.start >= edit.end) return shifted(node, edit.by);
    const end = node.end + edit.by;
    if (node.kind === "array") return { ...node, end, items: node.items.map(moved) };
    if (node.kind !== "object") return { ...node, end };
    const members = node.members.map((member) => {
      const offset = member.keyStart >= edit.end ? edit.by : 0;
      const { key, keyStart, keyEnd, value } = member;
      return { key, keyStart: keyStart + offset, keyEnd: keyEnd + offset, value: moved(value) };
    });
    return { ...node, end, members };
  };
  latest = { text, root: moved(root) };
  return text;
}

/** The node and all below it, `by` further on in the text. */
function shifted(node: JsonNode, by: number): JsonNode {
  if (by === 0) return node;
  const [start, end] = [node.start + by, node.end + by];
  if (node.kind === "array") return { kind: "array", start, end, items: node.items.map((item) => shifted(item, by)) };
  if (node.kind !== "object") return { kind: node.kind, start, end };
  const members = node.members.map(({ key, keyStart, keyEnd, value }) => ({
    key,
    keyStart: keyStart + by,
    keyEnd: keyEnd + by,
    value: shifted(value, by),
  }));
  return { kind: "object", start, end, members };
}

/** Takes away the last member of the object or the last item of the array at `path`: the inverse of adding it. */
export function removeLast(text: string, path: JsonPath): string {
  const node = need(nodeAt(parseJson(text), path));
  const values = childrenOf(node);
  const [previous, last] = values.slice(-2);
  if (!previous || !last) throw new TypeError("two members or items are needed");
  return splice(text, previous.end, last.end, "");
}

/** Takes the member at `path` away, which must exist, with the comma that parts it from a neighbour. */
export function removeMember(text: string, path: JsonPath): string {
  const object = need(nodeAt(parseJson(text), path.slice(0, -1)));
  const members = object.kind === "object" ? object.members : [];
  const place = members.findIndex(({ key }) => key === path.at(-1));
  const member = need(members[place]);
  const [previous, next] = [members[place - 1], members[place + 1]];
  if (previous) return splice(text, previous.value.end, member.value.end, "");
  return splice(text, member.keyStart, next?.keyStart ?? member.value.end, "");
}

/** The array `raw` with the strings of `prefix` in front; what was in it keeps its bytes. */
export function prependStrings(raw: string, prefix: readonly string[]): string {
  const array = parseJson(raw);
  if (array.kind !== "array") throw new TypeError("an array is needed");
  const [first, second] = array.items;
  const words = prefix.map((word) => JSON.stringify(word));
  if (!first) return `[${words.join(",")}]`;
  const lead = raw.slice(array.start + 1, first.start);
  const separator = second ? raw.slice(first.end, second.start) : `,${lead}`;
  return splice(raw, first.start, first.start, words.map((word) => word + separator).join(""));
}

/** How many members or items the value at `path` has; 0 for null and for nothing, undefined for any other value. */
export function countAt(text: string, path: JsonPath): number | undefined {
  const node = nodeAt(parseJson(text), path);
  if (!node || node.kind === "null") return 0;
  if (node.kind !== "object" && node.kind !== "array") return undefined;
  return childrenOf(node).length;
}

function childrenOf(node: JsonNode): readonly JsonNode[] {
  if (node.kind === "object") return node.members.map((member) => member.value);
  return node.kind === "array" ? node.items : [];
}

/** JSON of `value`: on one line, or indented as the text is when its neighbour stands on a line of its own. */
function styled(value: unknown, lead: string, text: string, root: JsonNode): string {
  const newline = lead.lastIndexOf("\n");
  if (newline < 0) return JSON.stringify(value);
  const first = root.kind === "object" ? root.members[0]?.keyStart : undefined;
  const unit = first === undefined ? "  " : leadingSpace(text, first).split("\n").at(-1);
  return JSON.stringify(value, null, unit || "  ").replaceAll("\n", lead.slice(newline));
}

function leadingSpace(text: string, at: number): string {
  let start = at;
  while (start > 0 && " \n\r\t".includes(text[start - 1]!)) start--;
  return text.slice(start, at);
}

function splice(text: string, start: number, end: number, insert: string): string {
  return text.slice(0, start) + insert + text.slice(end);
}

function need<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError("there is no value at that path");
  return value;
}
