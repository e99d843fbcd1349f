/**
 * A file that appears whole or not at all: written under a temporary name in its folder, then renamed.
 *
 * Standard output (`-`), pipes and devices are the exceptions that cannot be: what has been written there is gone, and a file
 * in their place would take them away from everybody else.
 */

import { once } from "node:events";
import {
  close,
  closeSync,
  constants,
  copyFileSync,
  createWriteStream,
  fchmod,
  fstatSync,
  ftruncateSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  write,
  writeSync,
} from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { PassThrough, type Transform, type Writable } from "node:stream";
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import { InitwrapError } from "../model/errors.ts";
import { COPIED_BY_CHILD, copyByChild } from "./child-copy.ts";
import { spent } from "./spent-memory.ts";
import { removeAtExit } from "./temporary.ts";
import { zstdCompressor } from "./zstd.ts";

const CHUNK = 256 << 10;
/** What is shorter than this is gathered: headers, documents and their padding go to a file in one write. Bytes. */
const GATHERED = 64 << 10;

const closeAsync = promisify(close);
const chmodAsync = promisify(fchmod);
const writeAsync = promisify(write) as unknown as (
  fd: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
) => Promise<{ bytesWritten: number }>;

/** Of the files that this process makes: no two have one temporary name. */
let count = 0;

/** Where a clone's bytes come from: an open file, or a stream where it must pass a compressor. */
export interface CloneSource {
  /** The file; undefined where there is none that could be copied by its name. */
  readonly file: string | undefined;
  readonly codec: string | undefined;
  readonly fd: number;
  prefix(end: number): AsyncIterable<Uint8Array>;
}

export class NewFile {
  /** Bytes handed to `write`, and copied by a clone that was none. */
  written = 0;
  #position = 0;
  readonly #path: string;
  readonly #temporary: string;
  #fd: number | undefined;
  /** What takes the bytes one behind the other, where there is no file. */
  readonly #stream: Writable | undefined;
  #letGo: () => void = () => {};
  readonly #coder: Transform | undefined;
  readonly #drained: Promise<void> | undefined;
  readonly #signal: AbortSignal | undefined;
  #mode: number | undefined;
  /** The file's last bytes before `#position`, which are not in it yet. */
  readonly #gathered: Buffer = Buffer.allocUnsafe(GATHERED);
  #held = 0;
  #done = false;
  #broken = false;

  private constructor(
    path: string,
    temporary: string,
    target: number | Writable,
    coder: Transform | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#path = path;
    this.#temporary = temporary;
    if (typeof target === "number") this.#fd = target;
    else this.#stream = target;
    this.#coder = coder;
    this.#signal = signal;
    this.#drained = coder && this.#drain(coder);
    // A failure of the drain is reported by the write or the commit that follows it.
    this.#drained?.catch(() => {});
  }

  /** Nothing is waited for unless it is a pipe or a device: see `cloneFrom`. */
  static async create(given: string, codec: "gzip" | "zstd" | undefined, signal?: AbortSignal): Promise<NewFile> {
    const { path, stream, mode } = await placeOf(given, signal);
    const temporary = join(
      dirname(path),
      `.${beginningOf(basename(path))}.initwrap-${process.pid}-${(count++).toString(36)}${Date.now().toString(36)}`,
    );
    const target = stream ?? openSync(temporary, "wx", 0o666);
    const coder =
      codec === "gzip"
        ? zlib.createGzip({ chunkSize: CHUNK })
        : codec === "zstd"
          ? zstdCompressor({ chunkSize: CHUNK })
          : undefined;
    const file = new NewFile(path, temporary, target, coder, signal);
    file.#mode = mode;
    if (!stream) file.#letGo = removeAtExit(temporary);
    return file;
  }

  /** True where what was written is gone: standard output, a pipe, a device. */
  get isStream(): boolean {
    return this.#stream !== undefined;
  }

  /** Offset at which the next byte goes, before compression. */
  get position(): number {
    return this.#position;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    if (this.#coder) {
      if (!this.#coder.write(bytes)) await Promise.race([once(this.#coder, "drain"), this.#drained]);
    } else if (this.#fd === undefined || bytes.length >= GATHERED) {
      await this.#flush();
      await this.#put(bytes, this.#position);
    } else {
      if (this.#held + bytes.length > GATHERED) await this.#flush();
      this.#gathered.set(bytes, this.#held);
      this.#held += bytes.length;
    }
    this.#position += bytes.length;
    this.written += bytes.length;
    spent(bytes.length);
  }

  /** Takes back everything behind `position`. A compressed file or a pipe cannot: then `commit` will refuse. */
  async rewind(position: number): Promise<void> {
    if (this.#fd === undefined || this.#coder) {
      this.#broken = true;
      return;
    }
    // What is in the file behind this is written over, or cut off at the end.
    this.#held = Math.max(0, this.#held - (this.#position - position));
    this.#position = position;
  }

  /**
   * Begins the file with the first `end` bytes of another: shared blocks where the file system can, else a copy. A large one
   * is under way as soon as the program gets to its next `await`: whatever else it does then is done meanwhile.
   */
  async cloneFrom(source: CloneSource, end: number): Promise<void> {
    if (this.#fd !== undefined && !this.#coder && source.codec === undefined && source.file !== undefined) {
      if (this.#share(source.file)) {
        if (fstatSync(this.#fd).size < end) throw shorter();
        this.#position = end;
      } else if (end >= COPIED_BY_CHILD && (await this.#copyByChild(source.fd, end))) {
        this.#position = end;
        this.written += end;
      } else await this.#copy(source.fd, this.#fd, end);
      return;
    }
    for await (const chunk of source.prefix(end)) await this.write(chunk);
  }

  async commit(): Promise<void> {
    if (this.#broken) throw new InitwrapError("OUTPUT_NOT_WRITTEN", `${this.#path} holds half a blob`);
    if (this.#coder) {
      this.#coder.end();
      await this.#drained;
    }
    this.#signal?.throwIfAborted();
    this.#done = true;
    if (this.#fd === undefined) return endOf(this.#stream);
    try {
      await this.#flush();
      // A copy brought the whole of its source; of a blob that was taken back something may stand there.
      if (!this.#coder && fstatSync(this.#fd).size > this.#position) ftruncateSync(this.#fd, this.#position);
      if (this.#mode !== undefined) await chmodAsync(this.#fd, this.#mode);
      await this.#close();
      await rename(this.#temporary, this.#path);
    } catch (cause) {
      await this.#close().catch(() => {});
      await rm(this.#temporary, { force: true });
      throw cause;
    } finally {
      this.#letGo();
    }
  }

  /** Removes what has been written, unless it was committed. */
  async discard(): Promise<void> {
    if (this.#done) return;
    this.#done = true;
    this.#coder?.destroy();
    if (this.#stream && !isShared(this.#stream)) this.#stream.destroy();
    if (this.#fd === undefined) return;
    await this.#close().catch(() => {});
    await rm(this.#temporary, { force: true });
    this.#letGo();
  }

  async #close(): Promise<void> {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) await closeAsync(fd);
  }

  /** Makes the file a clone of the source, of which it may be cut later. False where the file system cannot. */
  #share(source: string): boolean {
    // Under a name of its own: a clone that fails removes its target.
    const clone = `${this.#temporary}-clone`;
    try {
      // What somebody else puts there meanwhile, a link to elsewhere too, is not written through.
      copyFileSync(source, clone, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
      const empty = this.#fd!;
      this.#fd = openSync(clone, constants.O_RDWR | constants.O_NOFOLLOW);
      closeSync(empty);
      // A rename that replaces a file makes ext4 write out the new one's blocks at once (auto_da_alloc in ext4(5)).
      rmSync(this.#temporary);
      renameSync(clone, this.#temporary);
      return true;
    } catch (cause) {
      rmSync(clone, { force: true });
      const { code, syscall } = cause as NodeJS.ErrnoException;
      if (code === "ENOSPC" || syscall !== "copyfile") throw cause;
      return false;
    }
  }

  #copyByChild(source: number, end: number): Promise<boolean> {
    // Only a file that is there has a mode to keep.
    const newIn = this.#mode === undefined ? dirname(this.#temporary) : undefined;
    return copyByChild(source, this.#fd!, { least: end, newIn, signal: this.#signal });
  }

  /** One buffer for the whole copy: twice as fast as streams, which allocate for every chunk. */
  async #copy(fd: number, target: number, end: number): Promise<void> {
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (let at = 0, turn = 0; at < end; turn++) {
      const got = readSync(fd, buffer, 0, Math.min(CHUNK, end - at), at);
      if (got === 0) throw shorter();
      let done = 0;
      while (done < got) done += writeSync(target, buffer, done, got - done, at + done);
      at += got;
      // The loop is synchronous for speed; every 64 MiB it lets a signal through.
      if (turn % 256 === 255) {
        await new Promise((resolve) => setImmediate(resolve));
        this.#signal?.throwIfAborted();
      }
    }
    this.#position = end;
    this.written += end;
  }

  async #flush(): Promise<void> {
    if (this.#held === 0) return;
    await this.#put(this.#gathered.subarray(0, this.#held), this.#position - this.#held);
    this.#held = 0;
  }

  async #put(bytes: Uint8Array, at: number): Promise<void> {
    if (this.#fd !== undefined) {
      let done = 0;
      while (done < bytes.length) {
        done += (await writeAsync(this.#fd, bytes, done, bytes.length - done, at + done)).bytesWritten;
      }
    } else {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      // One that was broken before is not written to any more, and calls back with another error.
      this.#stream!.write(bytes, (cause) => (cause ? reject(this.#stream!.errored ?? cause) : resolve()));
      await promise;
    }
  }

  async #drain(coder: Transform): Promise<void> {
    const out = new PassThrough({ highWaterMark: CHUNK });
    coder.pipe(out);
    coder.on("error", (cause) => out.destroy(cause));
    let at = 0;
    for await (const chunk of out as AsyncIterable<Buffer>) {
      await this.#put(chunk, at);
      at += chunk.length;
      spent(chunk.length);
    }
  }
}

function shorter(): InitwrapError {
  return new InitwrapError("ARCHIVE_TRUNCATED", "the source became shorter while it was copied");
}

/** So much of a name that one which goes on is none too long: 255 bytes are most file systems' limit. */
function beginningOf(name: string): string {
  return Buffer.byteLength(name) < 180 ? name : name.slice(0, 40);
}

/** Where a path leads to through links, also when nothing is there yet. Throws ELOOP for links in a circle. */
function targetOf(given: string): string {
  let path = given;
  // As many links as the kernel follows.
  for (let links = 0; links < 40; links++) {
    try {
      return realpathSync.native(path);
    } catch (cause) {
      if ((cause as { code?: string }).code === "ELOOP") throw cause;
      const from = path;
      const target = tried(() => readlinkSync(from));
      if (target === undefined) return path;
      const folder = dirname(path);
      path = resolve(tried(() => realpathSync.native(folder)) ?? folder, target);
    }
  }
  return path;
}

interface Place {
  readonly path: string;
  /** What is there takes a stream of bytes, and is no file that could be replaced. */
  readonly stream?: Writable;
  /** Of the file that is replaced: its mode is kept. */
  readonly mode?: number;
}

/** This process's own streams under their names as files: what stands behind them may be a file that others hold open. */
const OWN_STREAM = /^\/(?:dev|proc\/self)\/fd\/(\d{1,9})$/;

async function placeOf(given: string, signal: AbortSignal | undefined): Promise<Place> {
  if (given === "-" || given === "/dev/stdout") return { path: given, stream: process.stdout };
  if (given === "/dev/stderr") return { path: given, stream: process.stderr };
  const own = OWN_STREAM.exec(given)?.[1];
  // As it is: what it is open for may be a socket, which cannot be opened again.
  if (own !== undefined)
    return { path: given, stream: quiet(createWriteStream("", { fd: Number(own), autoClose: false })) };
  // A link stays one, and what it leads to is replaced.
  const path = targetOf(given);
  const found = tried(() => statSync(given));
  if (found?.isDirectory() || (!found && given.endsWith("/")))
    throw Object.assign(new Error(given), { code: "EISDIR" });
  if (found?.isFIFO()) {
    const { pipeForWriting } = await import("./named-pipe.ts");
    return { path: given, stream: await pipeForWriting(given, signal) };
  }
  if (found && !found.isFile()) return { path: given, stream: quiet((await open(given, "w")).createWriteStream()) };
  return { path, ...(found ? { mode: found.mode & 0o7777 } : {}) };
}

/** Undefined where it fails. */
function tried<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** Who writes is told by the write; without a listener the process would end. */
function quiet<T extends Writable>(stream: T): T {
  return stream.on("error", () => {});
}

/** These stay open for what else is said there. */
function isShared(stream: Writable | undefined): boolean {
  return stream === process.stdout || stream === process.stderr;
}

/** Waits until everything has been taken. */
async function endOf(stream: Writable | undefined): Promise<void> {
  if (stream === undefined || isShared(stream)) return;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  stream.on("error", reject);
  stream.end(() => resolve());
  await promise;
}
