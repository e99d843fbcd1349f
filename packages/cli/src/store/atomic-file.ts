/**
 * A file that appears whole or not at all: written under a temporary name in its folder, then renamed.
 *
 * Standard output (`-`), pipes and devices are the exceptions that cannot be: what has been written there is gone, and a file
 * in their place would take them away from everybody else.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants, createWriteStream, readSync, writeSync } from "node:fs";
import { copyFile, type FileHandle, open, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { PassThrough, type Transform, type Writable } from "node:stream";
import * as zlib from "node:zlib";
import { InitwrapError } from "../model/errors.ts";
import { spent } from "./spent-memory.ts";
import { removeAtExit } from "./temporary.ts";
import { zstdCompressor } from "./zstd.ts";

const CHUNK = 256 << 10;
/** From this size on a child process that copies within the kernel pays for its start. Bytes. */
export const COPIED_IN_KERNEL = 64 << 20;

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
  #handle: FileHandle | undefined;
  /** What takes the bytes one behind the other, where there is no file. */
  readonly #stream: Writable | undefined;
  #letGo: () => void = () => {};
  readonly #coder: Transform | undefined;
  readonly #drained: Promise<void> | undefined;
  readonly #signal: AbortSignal | undefined;
  #mode: number | undefined;
  #done = false;
  #broken = false;

  private constructor(
    path: string,
    temporary: string,
    target: FileHandle | Writable,
    coder: Transform | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#path = path;
    this.#temporary = temporary;
    if ("fd" in target && "chmod" in target) this.#handle = target;
    else this.#stream = target as Writable;
    this.#coder = coder;
    this.#signal = signal;
    this.#drained = coder && this.#drain(coder);
    // A failure of the drain is reported by the write or the commit that follows it.
    this.#drained?.catch(() => {});
  }

  static async create(given: string, codec: "gzip" | "zstd" | undefined, signal?: AbortSignal): Promise<NewFile> {
    const { path, stream, mode } = await placeOf(given, signal);
    const temporary = join(
      dirname(path),
      `.${basename(path)}.initwrap-${process.pid}-${(count++).toString(36)}${Date.now().toString(36)}`,
    );
    const target = stream ?? (await open(temporary, "wx", 0o666));
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

  /** Offset at which the next byte goes, before compression. */
  get position(): number {
    return this.#position;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    if (this.#coder) {
      if (!this.#coder.write(bytes)) await Promise.race([once(this.#coder, "drain"), this.#drained]);
    } else await this.#put(bytes, this.#position);
    this.#position += bytes.length;
    this.written += bytes.length;
    spent(bytes.length);
  }

  /** Takes back everything behind `position`. A compressed file or a pipe cannot: then `commit` will refuse. */
  async rewind(position: number): Promise<void> {
    if (this.#handle && !this.#coder) {
      await this.#handle.truncate(position).catch(() => {
        this.#broken = true;
      });
      this.#position = position;
    } else this.#broken = true;
  }

  /** Begins the file with the first `end` bytes of another: shared blocks where the file system can, else a copy. */
  async cloneFrom(source: CloneSource, end: number): Promise<void> {
    if (this.#handle && !this.#coder && source.codec === undefined && source.file !== undefined) {
      // Under a name of its own: a clone that fails removes its target.
      const clone = `${this.#temporary}-clone`;
      try {
        await copyFile(source.file, clone, constants.COPYFILE_FICLONE_FORCE);
        await this.#adopt(clone, end);
        return;
      } catch (cause) {
        await rm(clone, { force: true });
        if ((cause as { code?: string }).code === "ENOSPC") throw cause;
      }
      if (end >= COPIED_IN_KERNEL && (await this.#copyInKernel(source.fd, clone, end))) return;
      await this.#copy(source.fd, end);
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
    if (!this.#handle) return endOf(this.#stream);
    try {
      if (this.#mode !== undefined) await this.#handle.chmod(this.#mode);
      await this.#handle.close();
      await rename(this.#temporary, this.#path);
    } catch (cause) {
      // It is open still when the mode could not be set; closing it twice does no harm.
      await this.#handle.close().catch(() => {});
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
    if (!this.#handle) return;
    await this.#handle.close().catch(() => {});
    await rm(this.#temporary, { force: true });
    this.#letGo();
  }

  /** Takes a copy of the source as the file's beginning, cut after `end` bytes. */
  async #adopt(copy: string, end: number): Promise<void> {
    await this.#handle!.close();
    // A rename that replaces a file makes ext4 write out the new one's blocks at once (auto_da_alloc in ext4(5)).
    await rm(this.#temporary);
    await rename(copy, this.#temporary);
    this.#handle = await open(this.#temporary, "r+");
    await this.#handle.truncate(end);
    this.#position = end;
  }

  /**
   * Lets `cp` copy the source. Node has no copy_file_range(2) of its own: a loop of reads and writes takes every byte
   * through user space, and `fs.copyFile` cannot be interrupted. False where `cp` is missing or fails: the loop that
   * follows then copies, or says what is wrong.
   */
  async #copyInKernel(fd: number, copy: string, end: number): Promise<boolean> {
    try {
      const child = spawn("cp", ["/dev/stdin", copy], {
        stdio: [fd, "ignore", "ignore"],
        ...(this.#signal && { signal: this.#signal }),
      });
      // Until it has ended, an interrupted one too could still make its target. A failed start has an error before.
      child.on("error", () => {});
      const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
      this.#signal?.throwIfAborted();
      if (code !== 0 || (await stat(copy)).size < end) return false;
      await this.#adopt(copy, end);
      this.written += end;
      return true;
    } finally {
      await rm(copy, { force: true });
    }
  }

  /** One buffer for the whole copy: twice as fast as streams, which allocate for every chunk. */
  async #copy(fd: number, end: number): Promise<void> {
    const buffer = Buffer.allocUnsafe(CHUNK);
    const target = this.#handle!.fd;
    for (let at = 0, turn = 0; at < end; turn++) {
      const got = readSync(fd, buffer, 0, Math.min(CHUNK, end - at), at);
      if (got === 0) throw new InitwrapError("ARCHIVE_TRUNCATED", "the source became shorter while it was copied");
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

  async #put(bytes: Uint8Array, at: number): Promise<void> {
    if (this.#handle) {
      let done = 0;
      while (done < bytes.length) {
        done += (await this.#handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
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
  const path = await realpath(given).catch(() => given);
  const found = await stat(given).catch(() => undefined);
  if (found?.isDirectory() || (!found && given.endsWith("/")))
    throw Object.assign(new Error(given), { code: "EISDIR" });
  if (found?.isFIFO()) {
    const { pipeForWriting } = await import("./named-pipe.ts");
    return { path: given, stream: await pipeForWriting(given, signal) };
  }
  if (found && !found.isFile()) return { path: given, stream: quiet((await open(given, "w")).createWriteStream()) };
  return { path, ...(found ? { mode: found.mode & 0o7777 } : {}) };
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
