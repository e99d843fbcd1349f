/**
 * gzip and zstd streams, decompressed as the formats say: members and frames one behind the other are one content.
 *
 * Node's own streams take a stream's first end for the last one. gunzip ends at zeros behind a member, with what follows left
 * in the pipe; zstd ends at any frame that is not the last thing of a write, and drops the rest of it (nodejs/node#64741). So
 * zstd streams are cut where their frames end, for which no content has to be decoded: each frame and each of its blocks
 * says how long it is. What pzstd, `zstd:chunked` layers and seekable archives are made of, skippable frames included, is
 * then one stream.
 *
 * Sources: RFC 1952, 2.2 (members); RFC 8878, 3.1 (frames, skippable frames, blocks).
 */
import type { Transform } from "node:stream";
import * as zlib from "node:zlib";
import { InitwrapError } from "../model/errors.ts";
import { zstdDecompressor } from "./zstd.ts";

export type Codec = "gzip" | "zstd";

/** How many first bytes say how something is compressed. */
export const MAGIC_LENGTH = 4;
const ZSTD_MAGIC = 0xfd2fb528;
/** The low four bits are the writer's own. */
const SKIPPABLE_MAGIC = 0x184d2a50;

/** How content that begins with these bytes is compressed; undefined when it is not. */
export function codecOf(first: Uint8Array): Codec | undefined {
  if (first[0] === 0x1f && first[1] === 0x8b) return "gzip";
  if (first.length < MAGIC_LENGTH) return undefined;
  const magic = Buffer.from(first.buffer, first.byteOffset, MAGIC_LENGTH).readUInt32LE();
  return magic === ZSTD_MAGIC || isSkippable(magic) ? "zstd" : undefined;
}

/**
 * How a stream is compressed, by its first bytes, and the stream with them. What the stream throws comes through, and it is ended
 * with what is given back for it.
 */
export async function recognized(
  stream: AsyncIterable<Uint8Array>,
): Promise<{ readonly codec: Codec | undefined; readonly content: AsyncGenerator<Uint8Array> }> {
  const iterator = stream[Symbol.asyncIterator]();
  let first: Buffer = Buffer.alloc(0);
  while (first.length < MAGIC_LENGTH) {
    const next = await iterator.next();
    if (next.done) break;
    first = Buffer.concat([first, next.value]);
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      if (first.length > 0) yield first;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { codec: codecOf(first), content: whole() };
}

/**
 * The content of a compressed stream, in pieces of at most `chunkSize` bytes. Throws ARCHIVE_TRUNCATED where the stream ends
 * too early, ARCHIVE_INVALID where it is damaged or something else follows its end, UNSUPPORTED_IMAGE for what this
 * Node.js has no decoder for. What `content` throws comes through.
 */
export async function* decompressed(
  content: AsyncIterable<Uint8Array>,
  codec: Codec,
  chunkSize: number = 64 << 10,
): AsyncGenerator<Buffer> {
  const decoder = codec === "gzip" ? zlib.createGunzip({ chunkSize }) : zstdDecompressor({ chunkSize });
  const feeding = feed(decoder, codec === "gzip" ? content : frames(content), codec);
  // It is told by the decoder, which it breaks, or below.
  feeding.catch((cause) => decoder.destroy(cause as Error));
  try {
    for await (const chunk of decoder as AsyncIterable<Buffer>) yield chunk;
    await feeding;
  } catch (cause) {
    throw failure(cause, codec);
  } finally {
    // The feeding then ends with the piece that it waits for, which may be long in coming: it is not waited for.
    decoder.destroy();
  }
}

/** Gives the decoder one piece after the other, and looks at what is behind the end of a gzip stream. */
async function feed(decoder: Transform, pieces: AsyncIterable<Uint8Array>, codec: Codec): Promise<void> {
  // Of what was written, as much as it has taken: what lies behind an end stays. A write does not always call back then.
  const taken = decoder as Transform & { readonly bytesWritten: number };
  const { promise: stopped, resolve } = Promise.withResolvers<void>();
  for (const event of ["end", "close", "error"]) decoder.once(event, resolve);
  let given = 0;
  let isBehind = false;
  for await (const piece of pieces) {
    if (isBehind) requirePadding(piece, codec);
    else {
      await Promise.race([new Promise<void>((written) => decoder.write(piece, () => written())), stopped]);
      given += piece.length;
      isBehind = taken.bytesWritten < given;
      // It failed, or nobody reads on.
      if (isBehind && decoder.destroyed && !decoder.readableEnded) return;
      if (isBehind) requirePadding(piece.subarray(piece.length - (given - taken.bytesWritten)), codec);
    }
  }
  if (!isBehind) decoder.end();
}

/** Zeros behind a gzip stream fill the last block of a tape or a device; every reader ignores them. */
function requirePadding(bytes: Uint8Array, codec: Codec): void {
  if (codec === "gzip" && bytes.every((byte) => byte === 0)) return;
  throw new InitwrapError("ARCHIVE_INVALID", `something follows the end of the ${codec} stream`, {
    hint: "Copy or save it again.",
  });
}

/** What a parser of frames wants next: so many bytes to look at, so many to pass over, or a cut. */
type Want = { readonly look: number } | { readonly pass: number } | "cut";

/** The frames of a zstd stream, without end. Throws ARCHIVE_INVALID. */
function* frameParser(): Generator<Want, never, Buffer> {
  for (;;) {
    const magic = (yield { look: 4 }).readUInt32LE();
    if (isSkippable(magic)) {
      const size = (yield { look: 4 }).readUInt32LE();
      yield { pass: size };
    } else if (magic === ZSTD_MAGIC) {
      const descriptor = (yield { look: 1 })[0]!;
      const isSingle = (descriptor & 0x20) !== 0;
      const size = descriptor >> 6;
      const windowBytes = isSingle ? 0 : 1;
      const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
      yield { pass: windowBytes + dictionaryBytes + (size === 0 ? Number(isSingle) : 1 << size) };
      for (let isLast = false; !isLast; ) {
        const block = (yield { look: 3 }).readUIntLE(0, 3);
        const isRun = ((block >> 1) & 3) === 1;
        yield { pass: isRun ? 1 : block >> 3 };
        isLast = (block & 1) !== 0;
      }
      // The checksum.
      yield { pass: descriptor & 4 };
    } else {
      throw new InitwrapError("ARCHIVE_INVALID", "something follows the end of the zstd stream", {
        hint: "Copy or save it again.",
      });
    }
    yield "cut";
  }
}

/** The same bytes, cut where a frame ends. Throws ARCHIVE_TRUNCATED in the middle of one. */
async function* frames(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const parser = frameParser();
  let want = parser.next().value as Want;
  let missing = MAGIC_LENGTH;
  let held: Buffer = Buffer.alloc(0);
  /** The first bytes of a frame: which kind it is decides whether they are one. */
  let magic: Buffer | undefined = held;
  for await (const piece of content) {
    const chunk = magic?.length ? Buffer.concat([magic, piece]) : piece;
    if (magic) [held, missing] = [Buffer.alloc(0), MAGIC_LENGTH];
    let start = 0;
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + missing);
      at += part.length;
      missing -= part.length;
      if (want !== "cut" && "look" in want) held = Buffer.concat([held, part]);
      if (magic) magic = held;
      while (missing === 0) {
        const isCut = want === "cut";
        if (isCut) {
          yield chunk.subarray(start, at);
          start = at;
        }
        want = parser.next(held).value;
        held = Buffer.alloc(0);
        magic = isCut ? held : undefined;
        missing = want === "cut" ? 0 : "look" in want ? want.look : want.pass;
      }
    }
    const end = chunk.length - (magic?.length ?? 0);
    if (start < end) yield chunk.subarray(start, end);
  }
  if (magic?.length !== 0) throw truncated("zstd");
}

function isSkippable(magic: number): boolean {
  return (magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC;
}

function failure(cause: unknown, codec: Codec): unknown {
  const { code = "", message = "" } = cause as { code?: string; message?: string };
  if (cause instanceof InitwrapError || !/^(Z_|ZSTD_|ERR_ZLIB)/.test(code)) return cause;
  if (code === "Z_BUF_ERROR") return truncated(codec, cause);
  if (/windowTooLarge/i.test(code)) {
    return new InitwrapError("UNSUPPORTED_IMAGE", "the zstd stream needs a window of more than 128 MiB", {
      hint: "Compress it again without --long and --ultra; zstd -d --long=31 decompresses it.",
      cause,
    });
  }
  const isBehind = codec === "gzip" && /incorrect header check/.test(message);
  return new InitwrapError(
    "ARCHIVE_INVALID",
    isBehind ? "the gzip stream is damaged, or something follows its end" : `the ${codec} stream is damaged`,
    { hint: "Copy or save it again.", cause },
  );
}

function truncated(codec: Codec, cause?: unknown): InitwrapError {
  return new InitwrapError("ARCHIVE_TRUNCATED", `the ${codec} stream ends too early`, {
    hint: "Copy or save it again.",
    ...(cause === undefined ? {} : { cause }),
  });
}
