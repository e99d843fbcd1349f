/**
 * How far something compressed may expand before it is taken for a decompression bomb.
 *
 * What a ratio says depends on what is done with the content. deflate reaches 1032:1 and zstd 30,000:1 on zeros, and images
 * have gigabytes of them: empty databases, swap files, disk images. Zeros are not stored, so they cost time alone. What is
 * stored is text, programs and the like, which no producer gets to a fiftieth of its size.
 *
 * - Stored bytes: at most 200 times the compressed size, or 128 MiB.
 * - All bytes: at most 1100 times the compressed size, which no gzip stream can exceed, or 4 GiB.
 *
 * INITWRAP_UNPACK_LIMIT puts a number of bytes in place of both.
 *
 * Sources: RFC 1951, 3.2.5 (a code of two bits for 258 bytes); zlib's technical details, "Maximum Compression Factor".
 */
import { InitwrapError } from "../model/errors.ts";

const FREE_STORED = 128 << 20;
const MAX_STORED_RATIO = 200;
const FREE_TOTAL = 4 * 2 ** 30;
const MAX_RATIO = 1100;

export const UNPACK_LIMIT = "INITWRAP_UNPACK_LIMIT";

type Environment = Readonly<Record<string, string | undefined>>;

export class ExpansionLimit {
  readonly #set: number | undefined;
  #total = 0;
  #stored = 0;

  /** Throws USAGE when the variable has a value that is no size. */
  constructor(env: Environment) {
    this.#set = readLimit(env[UNPACK_LIMIT]);
  }

  /**
   * Counts a piece of `length` bytes that came out of `compressed` bytes: the whole size where it is known, else what was read
   * so far. Throws ARCHIVE_INVALID when it is too much.
   */
  add(length: number, compressed: number, isStored: boolean): void {
    this.#total += length;
    if (isStored) this.#stored += length;
    if (this.#set !== undefined) {
      if (this.#total > this.#set) throw tooLarge(`it expands to more than ${UNPACK_LIMIT} allows`);
    } else if (this.#stored > Math.max(FREE_STORED, compressed * MAX_STORED_RATIO)) {
      throw tooLarge(`it expands to more than ${MAX_STORED_RATIO} times its size, as decompression bombs do`);
    } else if (this.#total > Math.max(FREE_TOTAL, compressed * MAX_RATIO)) {
      throw tooLarge(`it expands to more than ${MAX_RATIO} times its size, as decompression bombs do`);
    }
  }
}

function tooLarge(message: string): InitwrapError {
  return new InitwrapError("ARCHIVE_INVALID", message, {
    hint: `If it is really an image, set ${UNPACK_LIMIT} to what it may expand to, 20GiB for instance.`,
  });
}

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

function readLimit(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  const [, digits, unit = ""] = /^(\d{1,15})\s?([kmgt]?)(?:i?b)?$/i.exec(text.trim()) ?? [];
  if (digits === undefined) {
    throw new InitwrapError("USAGE", `${JSON.stringify(text)} is no size`, {
      where: UNPACK_LIMIT,
      hint: "It takes bytes, or a number with KiB, MiB, GiB or TiB behind it.",
    });
  }
  return Number(digits) * UNITS[unit.toLowerCase()]!;
}
