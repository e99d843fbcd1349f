/**
 * Whether a layer has something to say about one path of the root: a file, a link, a folder, or that it is removed.
 *
 * A plain tar that lies in a file is looked at by seeking from header to header, which costs milliseconds. Any other layer
 * has to be read and inflated from end to end, which is only done when it is asked for.
 *
 * It is laxer than tar.ts, for layers are written by every tool there is, and nothing is taken from them: a layer that
 * cannot be read as a tar is one that nothing is known of.
 *
 * Source: OCI image-spec, layer.md, "Whiteouts" and "Opaque Whiteout".
 */
import { createHash } from "node:crypto";
import { setImmediate as pause } from "node:timers/promises";
import type { Descriptor } from "../model/descriptor.ts";
import { InitwrapError } from "../model/errors.ts";
import type { Region, Source, StoreContext } from "./contract.ts";
import { decompressed, recognized } from "./decompress.ts";
import { ExpansionLimit } from "./expansion-limit.ts";
import { spent } from "./spent-memory.ts";
import { BLOCK, padded, readHeader, readPax, Window } from "./tar.ts";

export type PathFinding =
  /** The layer does not name the path. */
  | { readonly kind: "absent" }
  /** It removes what layers below have there. */
  | { readonly kind: "removed" }
  | {
      readonly kind: "present";
      readonly type: "file" | "directory" | "symlink" | "hardlink" | "other";
      /** Permission bits, where the header's field can be read. */
      readonly mode?: number;
      /** A small file's content; undefined for anything else. */
      readonly content?: Buffer;
      /** The SHA-256 of `content`, in hexadecimal. */
      readonly sha256?: string;
    };

/** Larger files are not kept: an init is small. Bytes. */
const MAX_CONTENT = 1 << 20;
const MAX_RECORDS = 1 << 20;

/** Bytes one after the other. `read` gives fewer than asked for at the end only. */
interface Bytes {
  read(length: number): Promise<Buffer> | Buffer;
  skip(length: number): Promise<void> | void;
}

/** Looks at a plain tar by seeking; undefined when the layer lies in no file, is compressed, or cannot be read as a tar. */
export async function seekInLayer(
  source: Source,
  layer: Descriptor,
  name: string,
  signal?: AbortSignal,
): Promise<PathFinding | undefined> {
  const region = await source.region?.(layer);
  if (!region) return undefined;
  try {
    return await lax(scan(seeking(region), name, signal));
  } finally {
    await region.close();
  }
}

/**
 * Reads the whole layer; undefined when it cannot be read as a tar. Throws IMAGE_NOT_FOUND when the medium does not hold it,
 * BLOB_CORRUPT when it is not what its digest names, and IMAGE_INVALID when its tar is another one than `diffId` names.
 */
export async function readLayer(
  source: Source,
  layer: Descriptor,
  name: string,
  { env, signal }: Pick<StoreContext, "env" | "signal">,
  diffId?: string,
): Promise<PathFinding | undefined> {
  const hash = createHash("sha256");
  const hashed = async function* (content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      hash.update(chunk);
      yield chunk;
    }
  };
  const checked = toTheEnd(await source.open(layer));
  const content = inflated(checked.content, layer, new ExpansionLimit(env));
  const iterator = (diffId === undefined ? content : hashed(content))[Symbol.asyncIterator]();
  try {
    const result = await lax(
      (async () => {
        const found = await scan(streaming(iterator), name, signal);
        if (diffId === undefined) return found;
        // What stands behind the tar's end counts, too.
        while (!(await iterator.next()).done) signal?.throwIfAborted();
        const is = `sha256:${hash.digest("hex")}`;
        if (is === diffId) return found;
        throw new InitwrapError(
          "IMAGE_INVALID",
          `the config has ${diffId} for the layer ${layer.digest}, whose tar is ${is}`,
          {
            hint: "The image is damaged or was edited by hand; build or pull it again.",
          },
        );
      })(),
    );
    await checked.finish(signal);
    return result;
  } finally {
    await iterator.return?.(undefined);
    await checked.close();
  }
}

/**
 * A stream that whoever reads it may leave early, and its rest: a tar ends before the layer does, and it is at a stream's end
 * that it turns out whether its digest was right. What it found in another one's bytes would be worth nothing.
 */
function toTheEnd(stream: AsyncIterable<Uint8Array>): {
  readonly content: AsyncIterable<Uint8Array>;
  readonly finish: (signal?: AbortSignal) => Promise<void>;
  readonly close: () => Promise<void>;
} {
  const iterator = stream[Symbol.asyncIterator]();
  let failed: { readonly cause: unknown } | undefined;
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    try {
      const chunk = await iterator.next();
      if (!chunk.done) spent(chunk.value.length);
      return chunk;
    } catch (cause) {
      // It may have been a reader that has gone that waited for it.
      failed ??= { cause };
      throw cause;
    }
  };
  return {
    content: { [Symbol.asyncIterator]: () => ({ next }) },
    async finish(signal) {
      while (!(await next()).done) signal?.throwIfAborted();
      if (failed) throw failed.cause;
    },
    async close() {
      await iterator.return?.();
    },
  };
}

/** Looks through a tar that comes as a stream; undefined when it cannot be read as one. */
export function readTar(
  content: AsyncIterable<Uint8Array>,
  name: string,
  signal?: AbortSignal,
): Promise<PathFinding | undefined> {
  return lax(scan(streaming(content[Symbol.asyncIterator]()), name, signal));
}

async function lax(finding: Promise<PathFinding>): Promise<PathFinding | undefined> {
  try {
    return await finding;
  } catch (cause) {
    const { code = "" } = cause as { code?: string };
    if (code.startsWith("ARCHIVE_")) return undefined;
    throw cause;
  }
}

async function scan(bytes: Bytes, wanted: string, signal: AbortSignal | undefined): Promise<PathFinding> {
  let found: PathFinding = { kind: "absent" };
  let path: string | undefined;
  let size: number | undefined;
  for (let count = 0; ; count++) {
    // So that a signal is heard in a layer of many small files.
    if (count % 4096 === 4095) await pause();
    signal?.throwIfAborted();
    const block = await bytes.read(BLOCK);
    // Some writers leave out the two blocks of zeros at the end.
    if (block.length === 0) return found;
    if (block.length < BLOCK) throw new InitwrapError("ARCHIVE_TRUNCATED", "the layer ends in the middle of an entry");
    const header = readHeader(block);
    if (header === undefined) return found;
    const mode = modeIn(block);
    if (header.kind === "x" || header.kind === "g" || header.kind === "L" || header.kind === "K") {
      if (header.size > MAX_RECORDS) throw new InitwrapError("ARCHIVE_INVALID", "an extended header beyond reason");
      const content = Buffer.from(await bytes.read(header.size));
      await bytes.skip(padded(header.size) - header.size);
      if (header.kind === "x") ({ path = path, size = size } = readPax(content, 0));
      if (header.kind === "L") path = content.toString("utf8").replace(/\0.*$/s, "");
      continue;
    }
    const length = TYPES[header.kind] === "file" || size !== undefined ? (size ?? header.size) : 0;
    const parts = (path ?? header.name).split("/").filter((part) => part !== "" && part !== ".");
    path = undefined;
    size = undefined;
    const [first, second] = parts;
    if (first === wanted && parts.length === 1) {
      const type = TYPES[header.kind] ?? "other";
      if (type === "file" && length <= MAX_CONTENT) {
        const content = Buffer.from(await bytes.read(length));
        await bytes.skip(padded(length) - length);
        const sha256 = createHash("sha256").update(content).digest("hex");
        found = { kind: "present", type, ...mode, content, sha256 };
        continue;
      }
      found = { kind: "present", type, ...mode };
    } else if (first === wanted && second !== undefined) {
      // A file in it makes it a folder, also without an entry of its own.
      found = { kind: "present", type: "directory" };
    } else if (parts.length === 1 && (first === `.wh.${wanted}` || first === ".wh..wh..opq")) {
      if (found.kind === "absent") found = { kind: "removed" };
    }
    await bytes.skip(padded(length));
  }
}

function modeIn(block: Buffer): { mode?: number } {
  const text = /^\s*([0-7]{1,7})/.exec(block.toString("latin1", 100, 108))?.[1];
  return text === undefined ? {} : { mode: Number.parseInt(text, 8) & 0o7777 };
}

const TYPES: Readonly<Record<string, "file" | "directory" | "symlink" | "hardlink" | "other">> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  S: "file",
  "1": "hardlink",
  "2": "symlink",
  "5": "directory",
};

function seeking({ fd, offset, size }: Region): Bytes {
  const end = offset + size;
  // A page: layers of many small files would otherwise be read whole.
  const window = new Window(fd, end, 4096);
  let at = offset;
  return {
    read(length) {
      const bytes = window.view(at, Math.min(length, Math.max(0, end - at)));
      at += bytes.length;
      return bytes;
    },
    skip(length) {
      at += length;
      if (at > end) throw new InitwrapError("ARCHIVE_TRUNCATED", "the layer ends in the middle of an entry");
    },
  };
}

function streaming(iterator: AsyncIterator<Uint8Array>): Bytes {
  let rest: Uint8Array = Buffer.alloc(0);
  const more = async (): Promise<boolean> => {
    const { done, value } = await iterator.next();
    if (done) return false;
    rest = value;
    return true;
  };
  return {
    async read(length) {
      const parts: Uint8Array[] = [];
      let missing = length;
      while (missing > 0 && (rest.length > 0 || (await more()))) {
        const part = rest.subarray(0, missing);
        rest = rest.subarray(part.length);
        parts.push(part);
        missing -= part.length;
      }
      return Buffer.concat(parts);
    },
    async skip(length) {
      let missing = length;
      while (missing > 0) {
        if (rest.length === 0 && !(await more())) {
          throw new InitwrapError("ARCHIVE_TRUNCATED", "the layer ends in the middle of an entry");
        }
        const part = Math.min(missing, rest.length);
        rest = rest.subarray(part);
        missing -= part;
      }
    },
  };
}

/** The layer's tar, whatever it is compressed with: the first bytes say it, for media types are often wrong. */
async function* inflated(
  stream: AsyncIterable<Uint8Array>,
  layer: Descriptor,
  limit: ExpansionLimit,
): AsyncGenerator<Uint8Array> {
  const { codec, content } = await recognized(stream);
  if (!codec) {
    yield* content;
    return;
  }
  for await (const chunk of decompressed(content, codec)) {
    // Nothing of it is stored.
    try {
      limit.add(chunk.length, layer.size, false);
    } catch (cause) {
      throw grown(cause, layer);
    }
    yield chunk;
  }
}

/** Unlike a layer that cannot be read, one that is made to take time or disks ends the run. */
function grown(cause: unknown, layer: Descriptor): unknown {
  if (!(cause instanceof InitwrapError)) return cause;
  const { message, hint } = cause;
  return new InitwrapError("IMAGE_INVALID", `the layer ${layer.digest}: ${message}`, {
    ...(hint ? { hint } : {}),
    cause,
  });
}
