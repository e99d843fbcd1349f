/**
 * Node.js cut down to what the frontend needs of it: a file that is loaded and executed, and nothing else.
 *
 * Two parts go. The symbols and section headers behind the last loaded segment: only debuggers and linkers read them. And the
 * words of human languages in ICU's built-in data: locales other than the root and English, and the tables of character sets
 * other than Unicode's. That data stays where it is, for its places are compiled into the program, but is overwritten with
 * zeros, which compress to nothing; ICU then falls back to the root locale.
 *
 * Sources: elf(5); ICU, icu4c/source/common/ucmndata.h and unicode/udata.h ("CmnD" packages).
 */
import { InitwrapError } from "../model/errors.ts";

const PT_LOAD = 1;

/** The program without what its process never reads. Throws INPUT_UNREADABLE for anything that is not a 64-bit ELF file. */
export function essentialNode(file: Buffer, where: string): Buffer {
  return withoutLanguages(loadedPart(file, where));
}

function loadedPart(elf: Buffer, where: string): Buffer {
  if (elf.length < 64 || elf.readUInt32BE(0) !== 0x7f454c46 || elf[4] !== 2 || elf[5] !== 1) {
    throw new InitwrapError("INPUT_UNREADABLE", "this is no 64-bit little-endian ELF file", { where });
  }
  const headers = Number(elf.readBigUInt64LE(32));
  const size = elf.readUInt16LE(54);
  let end = 0;
  for (let at = headers; at < headers + elf.readUInt16LE(56) * size; at += size) {
    if (elf.readUInt32LE(at) !== PT_LOAD) continue;
    end = Math.max(end, Number(elf.readBigUInt64LE(at + 8) + elf.readBigUInt64LE(at + 32)));
  }
  const loaded = Buffer.from(elf.subarray(0, end));
  loaded.fill(0, 40, 48); // e_shoff
  loaded.fill(0, 58, 64); // e_shentsize, e_shnum, e_shstrndx
  return loaded;
}

/** `icudt78l/de.res`, `icudt78l/coll/zh.res`: a locale, whose names are of two or three letters. */
const LOCALE = /\/[a-z]{2,3}(?:_\w+)?\.res$/;
const KEPT = /\/(?:en|en_US)\.res$/;
const CHARACTER_SET = /\.cnv$/;

/** Overwrites in place; the same program, where it has no such data. */
function withoutLanguages(program: Buffer): Buffer {
  for (let found = program.indexOf("CmnD"); found >= 0; found = program.indexOf("CmnD", found + 1)) {
    // The format's name is 12 bytes into the header, behind its size, a magic number and the version of the header.
    const header = found - 12;
    if (header < 0 || program.readUInt16LE(header + 2) !== 0x27da) continue;
    const contents = header + program.readUInt16LE(header);
    const count = program.readUInt32LE(contents);
    const entry = (index: number): { name: string; start: number } => {
      const name = contents + program.readUInt32LE(contents + 4 + index * 8);
      const start = contents + program.readUInt32LE(contents + 8 + index * 8);
      return { name: program.toString("latin1", name, program.indexOf(0, name)), start };
    };
    // How long the last one is, is written nowhere.
    for (let index = 0; index + 1 < count; index++) {
      const { name, start } = entry(index);
      const isLocale = LOCALE.test(name) && !KEPT.test(name);
      if (isLocale || CHARACTER_SET.test(name)) program.fill(0, start, entry(index + 1).start);
    }
  }
  return program;
}
