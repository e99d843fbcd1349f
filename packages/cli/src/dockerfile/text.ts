/**
 * A Dockerfile's bytes, held as a string with one character for each byte (latin1).
 *
 * BuildKit reads bytes, not characters: a heredoc may carry a whole program. With one character a byte, every offset is a
 * byte offset and whatever is not edited comes out as it went in. Values that people see are decoded as UTF-8.
 */

/** The bytes as text; the inverse of `toBytes`. */
export function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** The text's bytes; the inverse of `toText`. */
export function toBytes(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}

/** A value as people write it: the bytes read as UTF-8. Bytes that are none become U+FFFD, as in an image config. */
export function decode(text: string): string {
  // Most values are ASCII, and then the text is already the value.
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, "latin1").toString("utf8");
}

/** A value as it stands in a Dockerfile: its UTF-8 bytes, one character each. */
export function encode(value: string): string {
  return /^[\x00-\x7f]*$/.test(value) ? value : Buffer.from(value, "utf8").toString("latin1");
}

// Go's unicode.IsSpace, spelled in UTF-8 bytes.
const SPACE =
  "(?:[\\t\\n\\v\\f\\r ]|\\xc2[\\x85\\xa0]|\\xe1\\x9a\\x80|\\xe2\\x80[\\x80-\\x8a\\xa8\\xa9\\xaf]|\\xe2\\x81\\x9f|\\xe3\\x80\\x80)";
const LEADING_SPACE = new RegExp(`^${SPACE}+`);

/** Length of the white space that `text` begins with, by Unicode's meaning of it. */
export function leadingSpace(text: string): number {
  const first = text.charCodeAt(0);
  // The common cases without a regular expression: nothing to trim.
  if (!(first <= 32 || first >= 0xc2)) return 0;
  return LEADING_SPACE.exec(text)?.[0].length ?? 0;
}

/** Text without Unicode white space at its start. */
export function trimStart(text: string): string {
  const length = leadingSpace(text);
  return length === 0 ? text : text.slice(length);
}

/** Text without Unicode white space at its end. Walks backwards, so that a long run of spaces costs no more than itself. */
export function trimEnd(text: string): string {
  let end = text.length;
  for (;;) {
    const width = spaceBefore(text, end);
    if (width === 0) return end === text.length ? text : text.slice(0, end);
    end -= width;
  }
}

/** Text without Unicode white space at either end. */
export function trim(text: string): string {
  return trimEnd(trimStart(text));
}

/** Bytes of the white-space character that ends at `end`, or 0. */
function spaceBefore(text: string, end: number): number {
  if (end === 0) return 0;
  const last = text.charCodeAt(end - 1);
  if (last === 32 || (last >= 9 && last <= 13)) return 1;
  if (last < 0x80) return 0;
  if (end >= 2 && leadingSpace(text.slice(end - 2, end)) === 2) return 2;
  if (end >= 3 && leadingSpace(text.slice(end - 3, end)) === 3) return 3;
  return 0;
}
