/**
 * A temporary file for an archive that cannot be read at any place: one that comes as a stream, or is compressed.
 *
 * It holds a stranger's content, so it takes no more than that needs and the disk can spare. Zeros become holes; what
 * expands beyond reason is given up (expansion-limit.ts); and some room is left for everybody else.
 */
import { mkdtemp, open, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { InitwrapError } from "../model/errors.ts";
import { type Codec, decompressed, recognized } from "./decompress.ts";
import type { ExpansionLimit } from "./expansion-limit.ts";
import { spent } from "./spent-memory.ts";
import { BLOCK, checkStart } from "./tar.ts";
import { removeAtExit } from "./temporary.ts";
import { writeFailure } from "./verify.ts";

const CHUNK = 256 << 10;
/** Of a file system this much stays free, or the share of its size where that is less. Bytes. */
const RESERVE = 256 << 20;
const RESERVED_SHARE = 0.05;
/** How much is written before it is looked again how much room there is. Bytes. */
const STEP = 8 << 20;
const ZEROS = Buffer.alloc(CHUNK);

export interface Spool {
  readonly file: string;
  remove(): Promise<void>;
}

/** A place for the file, which goes with the process. Throws OUTPUT_NOT_WRITTEN. */
export async function newSpool(): Promise<Spool> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-")).catch((cause) => {
    throw spoolFailure(cause, tmpdir());
  });
  const letGo = removeAtExit(folder);
  return {
    file: join(folder, "archive.tar"),
    remove: async () => {
      await rm(folder, { recursive: true, force: true });
      letGo();
    },
  };
}

export interface Expansion {
  readonly limit: ExpansionLimit;
  /** The size of what is compressed, in bytes; undefined where only its end says it. */
  readonly size?: number | undefined;
}

/**
 * Writes an archive to `file`, decompressed where its first bytes say so. Gives back how it was compressed. Throws
 * ARCHIVE_INVALID, ARCHIVE_TRUNCATED, OUTPUT_NOT_WRITTEN, and what `stream` throws.
 */
export async function spoolArchive(
  stream: AsyncIterable<Uint8Array>,
  file: string,
  { limit, size }: Expansion,
): Promise<Codec | undefined> {
  const { codec, content } = await recognized(stream);
  let consumed = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      consumed += chunk.length;
      yield chunk;
      spent(chunk.length);
    }
  }
  if (codec === undefined) await writeHoled(tarFrom(content), file, () => {});
  else {
    await writeHoled(tarFrom(decompressed(counted(), codec, CHUNK)), file, (length, isStored) =>
      limit.add(length, size ?? consumed, isStored),
    );
  }
  return codec;
}

/** Writes a stream to `file` as it is. Throws OUTPUT_NOT_WRITTEN, and what `content` throws. */
export async function spoolStream(content: AsyncIterable<Uint8Array>, file: string): Promise<void> {
  await writeHoled(content, file, () => {});
}

/** What is all zeros is not written: the file has a hole there. `count` is told each piece before it is. */
async function writeHoled(
  content: AsyncIterable<Uint8Array>,
  file: string,
  count: (length: number, isStored: boolean) => void,
): Promise<void> {
  const failed = (cause: unknown): never => {
    throw spoolFailure(cause, file);
  };
  const handle = await open(file, "wx", 0o600).catch(failed);
  try {
    let at = 0;
    let unchecked = 0;
    for await (const chunk of content) {
      const isStored = chunk.length > CHUNK || !ZEROS.subarray(0, chunk.length).equals(chunk);
      count(chunk.length, isStored);
      if (isStored) {
        for (let done = 0; done < chunk.length; ) {
          done += (await handle.write(chunk, done, chunk.length - done, at + done).catch(failed)).bytesWritten;
        }
        unchecked += chunk.length;
      }
      at += chunk.length;
      spent(chunk.length);
      if (unchecked < STEP) continue;
      unchecked = 0;
      await requireRoom(file);
    }
    // What is small was never much of the room.
    if (unchecked > 0 && at >= STEP) await requireRoom(file);
    await handle.truncate(at).catch(failed);
  } finally {
    await handle.close();
  }
}

async function requireRoom(file: string): Promise<void> {
  const { bavail, blocks, bsize } = await statfs(dirname(file));
  // Some file systems do not say how large they are.
  if (blocks === 0 || bavail * bsize >= Math.min(RESERVE, blocks * bsize * RESERVED_SHARE)) return;
  throw spoolFailure(Object.assign(new Error("the disk is nearly full"), { code: "ERR_NO_ROOM" }), file);
}

/** What the temporary file failed with. */
export function spoolFailure(cause: unknown, path: string): unknown {
  const failure = writeFailure(cause, path);
  if (!(failure instanceof InitwrapError) || failure === cause) return cause;
  return new InitwrapError(failure.code, `${failure.message}, where the archive is unpacked`, {
    cause,
    where: path,
    hint: "Set TMPDIR to a folder with room for the whole archive.",
  });
}

/** The same bytes; ends at once where they do not begin as a tar does, for such a stream may never end by itself. */
async function* tarFrom(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of content) {
    if (head === undefined) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < BLOCK) continue;
    checkStart(head.subarray(0, BLOCK));
    yield head;
    head = undefined;
  }
  if (head !== undefined) yield head;
}
