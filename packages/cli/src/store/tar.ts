/**
 * Tar archives of image tools: an index made by seeking from header to header, and headers for what is appended.
 *
 * A reader that is laxer than another is how one archive becomes two images. So this one refuses what readers disagree
 * on: bad checksums, a size on an entry that can have none, names that leave the archive, sparse files, a second entry of
 * the same name or one below it, a name given in two ways or as nothing, a prefix that belongs to the name for some only, anything but
 * zeros behind the end. Memory is bounded by the number of
 * entries and the length of all names.
 *
 * Sources: POSIX.1-2024 pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar Format".
 */
import { readSync } from "node:fs";
import { InitwrapError } from "../model/errors.ts";

export const BLOCK = 512;
const MAX_ENTRIES = 200_000;
const MAX_PAX = 1 << 20;
const MAX_LONG_NAME = 4096;
/** Of all names and links together, in characters. Those of a blob are 77 long. */
const MAX_NAMES = 8 << 20;
/** How many folders may be around a file. */
const MAX_DEPTH = 64;

/** One entry. `start` is the offset of its first header block, extended headers included; `data` of its content. */
export interface TarEntry {
  readonly name: string;
  readonly type: "file" | "directory" | "symlink" | "hardlink" | "other";
  readonly link: string;
  readonly start: number;
  readonly data: number;
  readonly size: number;
}

export interface TarIndex {
  /** By normalized name: no `./` in front, no `/` behind. Directories are left out. */
  readonly entries: ReadonlyMap<string, TarEntry>;
  /** Offset of the first of the two zero blocks. */
  readonly end: number;
}

/** Random access to a file's bytes, through one window, so that small entries cost one read for many. */
export class Window {
  readonly size: number;
  readonly #fd: number;
  readonly #buffer: Buffer;
  #start = 0;
  #length = 0;

  constructor(fd: number, size: number, capacity = 1 << 16) {
    this.#fd = fd;
    this.size = size;
    this.#buffer = Buffer.allocUnsafe(capacity);
  }

  /** `length` bytes at `offset`: a view that is valid until the next call. Throws ARCHIVE_TRUNCATED past the end. */
  view(offset: number, length: number): Buffer {
    if (offset + length > this.size) throw truncated(offset);
    if (length > this.#buffer.length) return this.copy(offset, length);
    if (offset < this.#start || offset + length > this.#start + this.#length) {
      this.#start = offset;
      this.#length = this.#fill(this.#buffer, offset);
      if (this.#length < length) throw truncated(offset);
    }
    return this.#buffer.subarray(offset - this.#start, offset - this.#start + length);
  }

  /** The same as bytes of one's own. */
  copy(offset: number, length: number): Buffer {
    if (offset + length > this.size) throw truncated(offset);
    const bytes = Buffer.allocUnsafe(length);
    if (this.#fill(bytes, offset) < length) throw truncated(offset);
    return bytes;
  }

  #fill(target: Buffer, offset: number): number {
    let done = 0;
    while (done < target.length) {
      const got = readSync(this.#fd, target, done, target.length - done, offset + done);
      if (got === 0) break;
      done += got;
    }
    return done;
  }
}

/** Indexes a whole archive. Throws ARCHIVE_INVALID or ARCHIVE_TRUNCATED. */
export function indexTar(file: Window): TarIndex {
  const entries = new Map<string, TarEntry>();
  let at = 0;
  let start = 0;
  let pax: Pax = {};
  let longName: string | undefined;
  let longLink: string | undefined;
  let count = 0;
  let named = 0;
  const folders = new Set<string>();
  if (file.size === 0) throw invalid("the file is empty", 0);
  for (;;) {
    if (at + BLOCK > file.size) {
      if (at === 0) throw invalid("not a tar archive", 0);
      throw truncated(at);
    }
    const header = file.view(at, BLOCK);
    if (isZero(header)) {
      if (start !== at) throw invalid("an extended header without an entry", start);
      endOfArchive(file, at);
      return { entries, end: at };
    }
    if (++count > MAX_ENTRIES) throw invalid(`more than ${MAX_ENTRIES} entries`, at);
    checkSum(header, at);
    const kind = String.fromCharCode(header[156]!);
    const size = readNumber(header.subarray(124, 136), at);
    const data = at + BLOCK;
    switch (kind) {
      case "x":
      case "g": {
        if (size > MAX_PAX) throw invalid("an extended header of more than 1 MiB", at);
        const records = readPax(file.copy(data, size), at);
        if (kind === "x") {
          if (Object.keys(pax).length > 0) throw invalid("two extended headers for one entry", at);
          pax = records;
        } else if (Object.keys(pax).length > 0 || longName !== undefined || longLink !== undefined) {
          throw invalid("a global header between an entry and its own", at);
        } else if (records.path !== undefined || records.linkpath !== undefined || records.size !== undefined) {
          throw invalid("a global header that renames or resizes entries", at);
        }
        at = data + padded(size);
        continue;
      }
      case "L":
      case "K": {
        if (size > MAX_LONG_NAME) throw invalid(`a name longer than ${MAX_LONG_NAME} bytes`, at);
        const text = cString(file.copy(data, size));
        // Some then take the short name of the header.
        if (text === "") throw invalid("an empty name", at);
        if ((kind === "L" ? longName : longLink) !== undefined) throw invalid("two long names for one entry", at);
        if (kind === "L") longName = text;
        else longLink = text;
        at = data + padded(size);
        continue;
      }
    }
    if ((pax.path !== undefined && longName !== undefined) || (pax.linkpath !== undefined && longLink !== undefined)) {
      throw invalid("a name in an extended header and in a long one of GNU", at);
    }
    checkPrefix(header, at);
    const rawName = pax.path ?? longName ?? nameIn(header);
    // Before there was a type for folders their names ended with a slash.
    const type = TYPES[kind] === "file" && rawName.endsWith("/") ? "directory" : TYPES[kind];
    if (type === undefined) throw invalid(`an entry of type ${JSON.stringify(kind)}`, at);
    const link = pax.linkpath ?? longLink ?? cString(header.subarray(157, 257));
    const realSize = pax.size ?? size;
    if (type !== "file" && realSize !== 0) throw invalid(`an entry of type ${JSON.stringify(kind)} with content`, at);
    const name = safeName(rawName, at);
    if (name === "" && type !== "directory") throw invalid("an empty name", at);
    named += name.length + link.length;
    if (Math.max(name.length, link.length) > MAX_LONG_NAME)
      throw invalid(`a name longer than ${MAX_LONG_NAME} bytes`, at);
    if (named > MAX_NAMES) throw invalid("names of more than 8 MiB in all", at);
    if (data + realSize > file.size) throw truncated(at);
    for (const folder of foldersAround(name, at)) {
      if (entries.has(folder))
        throw invalid(`${JSON.stringify(name)} is below ${JSON.stringify(folder)}, which is no folder`, at);
      folders.add(folder);
    }
    if (folders.size > MAX_ENTRIES) throw invalid(`more than ${MAX_ENTRIES} folders`, at);
    if (type === "directory") {
      if (entries.has(name)) throw invalid(`${JSON.stringify(name)} is a folder and something else`, at);
      folders.add(name);
    } else {
      if (folders.has(name)) throw invalid(`${JSON.stringify(name)} is a folder and something else`, at);
      if (entries.has(name)) throw invalid(`two entries are named ${JSON.stringify(name)}`, at);
      entries.set(name, { name, type, link, start, data, size: realSize });
    }
    at = data + padded(realSize);
    start = at;
    pax = {};
    longName = undefined;
    longLink = undefined;
  }
}

const TYPES: Readonly<Record<string, TarEntry["type"]>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "other",
  "4": "other",
  "5": "directory",
  "6": "other",
};

/** A header block by itself, its name as it stands there; undefined for a block of zeros. Throws ARCHIVE_INVALID. */
export function readHeader(
  block: Buffer,
): { readonly name: string; readonly kind: string; readonly size: number } | undefined {
  if (isZero(block)) return undefined;
  checkSum(block, 0);
  return {
    name: nameIn(block),
    kind: String.fromCharCode(block[156]!),
    size: readNumber(block.subarray(124, 136), 0),
  };
}

/** Refuses a first block that no archive with an entry begins with. Throws ARCHIVE_INVALID. */
export function checkStart(block: Buffer): void {
  if (isZero(block)) throw invalid("not a tar archive, or one without an entry", 0);
  checkSum(block, 0);
}

function nameIn(header: Buffer): string {
  const prefix = header.toString("latin1", 257, 262) === "ustar" ? cString(header.subarray(345, 500)) : "";
  const short = cString(header.subarray(0, 100));
  // GNU tar uses the prefix field for times, and says so with its own magic.
  const gnu = header.toString("latin1", 257, 265) === "ustar  \0";
  return prefix && !gnu ? `${prefix}/${short}` : short;
}

/**
 * Refuses a prefix that only some readers put in front of the name: in a header of no known magic; behind the times of star, which leave
 * 131 bytes for it; and in place of the times of GNU, where Go looks for one.
 */
function checkPrefix(header: Buffer, at: number): void {
  const magic = header.toString("latin1", 257, 265);
  if (magic === "ustar  \0") {
    for (const time of [header.subarray(345, 357), header.subarray(357, 369)]) {
      const isTime = time[0] === 0 || (time[0]! & 0x80) !== 0 || /^[ 0-7]*[ \0]*$/.test(time.toString("latin1"));
      if (!isTime) throw invalid("a header with a prefix that readers differ on", at);
    }
    return;
  }
  if (header[345] === 0) return;
  const isStar = header.toString("latin1", 508, 512) === "tar\0";
  const isShort = header.subarray(345, 476).includes(0);
  if (!magic.startsWith("ustar\0") || (isStar && !isShort)) {
    throw invalid("a header with a prefix that readers differ on", at);
  }
}

/** The regular file that `name` means, through links inside the archive; undefined when there is none. */
export function resolveEntry(index: TarIndex, name: string): TarEntry | undefined {
  let entry = index.entries.get(name);
  for (let depth = 0; entry && depth < 8; depth++) {
    if (entry.type === "file") return entry;
    if (entry.type === "other") return undefined;
    const base = entry.type === "symlink" ? entry.name.split("/").slice(0, -1) : [];
    const target = join(entry.link.startsWith("/") ? [] : base, entry.link);
    if (target === undefined) throw invalid(`the link ${JSON.stringify(entry.name)} leaves the archive`, entry.start);
    entry = index.entries.get(target);
  }
  return undefined;
}

/** A ustar header and padding for a regular file: root-owned, time 0, so that equal input gives equal bytes. */
export function tarHeader(name: string, size: number, mode: 0o644 | 0o755 = 0o644): Buffer {
  const header = Buffer.alloc(BLOCK);
  if (Buffer.byteLength(name) > 100) throw new TypeError(`a name of more than 100 bytes: ${name}`);
  header.write(name, 0, "utf8");
  header.write(`0000${mode.toString(8)}\0`, 100, "latin1");
  header.write("0000000\0", 108, "latin1");
  header.write("0000000\0", 116, "latin1");
  writeSize(header, size);
  header.write("00000000000\0", 136, "latin1");
  header.write("        ", 148, "latin1");
  header.write("0", 156, "latin1");
  header.write("ustar\u000000", 257, "latin1");
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

/** Zeros that fill the last block of `size` bytes. */
export function padding(size: number): Buffer {
  return Buffer.alloc(padded(size) - size);
}

/** The two zero blocks that end an archive. */
export const END_OF_ARCHIVE = Buffer.alloc(2 * BLOCK);

/** `size` rounded up to whole blocks. */
export function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

function writeSize(header: Buffer, size: number): void {
  if (size < 8 ** 11) {
    header.write(`${size.toString(8).padStart(11, "0")}\0`, 124, "latin1");
    return;
  }
  // 8 GiB and more: GNU's base-256 form, which every reader of images takes.
  header.writeUInt8(0x80, 124);
  header.writeBigUInt64BE(BigInt(size), 128);
}

/** Octal digits, or base-256 with the top bit set. */
function readNumber(field: Buffer, at: number): number {
  if (field[0]! & 0x80) {
    if (field[0] !== 0x80) throw invalid("a negative or absurd size", at);
    let value = 0n;
    for (const byte of field.subarray(1)) value = (value << 8n) | BigInt(byte);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid("a negative or absurd size", at);
    return Number(value);
  }
  const text = field
    .toString("latin1")
    .replace(/^ +/, "")
    .replace(/[ \0]+$/, "");
  if (!/^[0-7]*$/.test(text)) throw invalid("a size that is no number", at);
  return text === "" ? 0 : Number.parseInt(text, 8);
}

function checkSum(header: Buffer, at: number): void {
  const text = header
    .toString("latin1", 148, 156)
    .replace(/[ \0]+$/, "")
    .replace(/^ +/, "");
  let sum = 8 * 0x20;
  let signed = sum;
  for (let i = 0; i < BLOCK; i++) {
    if (i >= 148 && i < 156) continue;
    const byte = header[i]!;
    sum += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  const said = /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : -1;
  // Some old tars summed signed bytes; both are accepted by every reader.
  if (said === sum || said === signed) return;
  throw invalid(at === 0 ? "not a tar archive" : "a damaged header", at);
}

interface Pax {
  path?: string;
  linkpath?: string;
  size?: number;
}

/** Records are `LENGTH KEY=VALUE\n`, the length counting itself. */
export function readPax(bytes: Buffer, at: number): Pax {
  const pax: Pax = {};
  let offset = 0;
  while (offset < bytes.length) {
    const space = bytes.indexOf(0x20, offset);
    const digits = space < 0 || space - offset > 8 ? "" : bytes.toString("latin1", offset, space);
    const length = /^[1-9]\d*$/.test(digits) ? Number(digits) : 0;
    const end = offset + length;
    if (length === 0 || end > bytes.length || bytes[end - 1] !== 0x0a) throw invalid("a broken extended header", at);
    const equals = bytes.indexOf(0x3d, space + 1);
    if (equals < 0 || equals >= end) throw invalid("a broken extended header", at);
    const key = bytes.toString("utf8", space + 1, equals);
    const value = bytes.toString("utf8", equals + 1, end - 1);
    if (key.startsWith("GNU.sparse.")) throw invalid("a sparse file", at);
    if (key === "path" || key === "linkpath") {
      if (value.includes("\0")) throw invalid("a name with a zero byte", at);
      // Go takes the header's name then, and others an empty one.
      if (value === "") throw invalid("an empty name", at);
      if (pax[key] !== undefined) throw invalid(`two values for ${key} in an extended header`, at);
      pax[key] = value;
    } else if (key === "size") {
      if (!/^\d{1,15}$/.test(value) || pax.size !== undefined) throw invalid("a size that is no number", at);
      pax.size = Number(value);
    }
    offset = end;
  }
  return pax;
}

function safeName(name: string, at: number): string {
  const joined = name.startsWith("/") ? undefined : join([], name);
  if (joined === undefined) throw invalid(`the name ${JSON.stringify(name)} leaves the archive`, at);
  return joined;
}

/** The names of the folders that an entry lies in. */
function foldersAround(name: string, at: number): readonly string[] {
  const folders: string[] = [];
  for (let slash = name.indexOf("/"); slash >= 0; slash = name.indexOf("/", slash + 1)) {
    folders.push(name.slice(0, slash));
    if (folders.length > MAX_DEPTH) throw invalid(`an entry in more than ${MAX_DEPTH} folders`, at);
  }
  return folders;
}

/** Joins lexically; undefined when the result is above the root. */
function join(base: readonly string[], path: string): string | undefined {
  const parts = [...base];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      if (parts.length === 0) return undefined;
      parts.pop();
    } else parts.push(part);
  }
  return parts.join("/");
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end < 0 ? bytes.length : end);
}

const ZERO = Buffer.alloc(BLOCK);

function isZero(block: Buffer): boolean {
  return block.equals(ZERO);
}

/** Two zero blocks end an archive; only zeros may follow, for readers differ on whether they look further. */
function endOfArchive(file: Window, at: number): void {
  if (at + 2 * BLOCK > file.size) throw truncated(at);
  for (let offset = at + BLOCK; offset < file.size; offset += BLOCK) {
    const block = file.view(offset, Math.min(BLOCK, file.size - offset));
    if (!block.equals(ZERO.subarray(0, block.length))) throw invalid("something follows the archive's end", offset);
  }
}

function invalid(problem: string, at: number): InitwrapError {
  return new InitwrapError("ARCHIVE_INVALID", `${problem} (at byte ${at})`, {
    hint: "Use an archive as docker save, skopeo, podman, crane or buildx write it.",
  });
}

function truncated(at: number): InitwrapError {
  return new InitwrapError("ARCHIVE_TRUNCATED", `the archive ends in the middle of an entry (at byte ${at})`, {
    hint: "Copy or save it again.",
  });
}
