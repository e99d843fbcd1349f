/**
 * Reading a Dockerfile, and writing one so that at every moment either the old or the new file is there, whole.
 *
 * The new bytes go to a file of their own in the same folder, are forced to disk, and then take the old name. A symbolic link
 * stays one: what it points to is replaced. Mode and, where permitted, owner are kept.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { open, readFile, realpath, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { addAbortSignal } from "node:stream";
import { InitwrapError } from "../model/errors.ts";

/** The file's bytes. Throws INPUT_NOT_FOUND or INPUT_UNREADABLE, and the reason of `signal` while a pipe is waited for. */
export async function readInput(
  path: string,
  { hint = DOCKERFILE_HINT, signal }: { readonly hint?: string; readonly signal?: AbortSignal | undefined } = {},
): Promise<Uint8Array> {
  try {
    const stats = statSync(path);
    // An ordinary file is there at once, and a call may read a thousand; a pipe may keep us waiting, and must not keep signals.
    if (stats.isFIFO()) {
      const pipe = (await import("../store/named-pipe.ts")).pipeForReading(path);
      return await readStream(signal ? addAbortSignal(signal, pipe) : pipe);
    }
    return stats.isFile() ? readFileSync(path) : await readFile(path);
  } catch (error) {
    signal?.throwIfAborted();
    throw inputError(path, error, hint);
  }
}

const DOCKERFILE_HINT = "Give the Dockerfile's path, or - to read it from standard input.";

/** INPUT_NOT_FOUND or INPUT_UNREADABLE, for what reading `path` failed with. `hint` is for a file that is not there. */
export function inputError(path: string, error: unknown, hint?: string): InitwrapError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new InitwrapError("INPUT_NOT_FOUND", `there is no file ${path || '""'}`, {
      where: path,
      ...(hint === undefined ? {} : { hint }),
      cause: error,
    });
  }
  const isDockerfile = code === "EISDIR" && hint === DOCKERFILE_HINT;
  return new InitwrapError("INPUT_UNREADABLE", `${path} cannot be read (${code})`, {
    where: path,
    ...(isDockerfile ? { hint: `This is a folder; did you mean ${join(path, "Dockerfile")}?` } : {}),
    cause: error,
  });
}

/** All of a stream's bytes. */
export async function readStream(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export interface WriteOptions {
  readonly signal?: AbortSignal;
  /** The mode the file must have, whatever the umask; without it an old file's mode is kept. */
  readonly mode?: number;
}

const REASONS: Readonly<Record<string, string>> = {
  EISDIR: "it is a folder",
  ENOENT: "its folder is not there",
  ENOSPC: "the disk is full",
  EROFS: "its file system is read-only",
};

/** Replaces or makes the file. Throws OUTPUT_NOT_WRITTEN, and the old file is as it was. */
export async function writeAtomically(path: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<void> {
  try {
    await replace(path, bytes, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw notWritten(path, error);
  }
}

/** What is thrown for a file that could not be written, or for want of its folder. */
export function notWritten(path: string, error: unknown): InitwrapError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new InitwrapError("OUTPUT_NOT_WRITTEN", `${path} was not written: ${REASONS[code ?? ""] ?? code ?? message}`, {
    where: path,
    hint: "What was there before is unchanged.",
    cause: error,
  });
}

async function replace(path: string, bytes: Uint8Array, options: WriteOptions): Promise<void> {
  const target = await realpath(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return path;
    throw error;
  });
  const old = await stat(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (old?.isDirectory()) throw Object.assign(new Error("is a folder"), { code: "EISDIR" });
  if (old !== undefined && !old.isFile()) return writeThrough(target, bytes);
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    const file = await open(temporary, "wx", 0o666);
    try {
      await file.writeFile(bytes, options.signal ? { signal: options.signal } : {});
      if (old !== undefined) {
        await file.chown(old.uid, old.gid).catch(() => {});
        await file.chmod(old.mode & 0o7777);
      }
      if (options.mode !== undefined) await file.chmod(options.mode);
      await file.sync();
    } finally {
      await file.close();
    }
    options.signal?.throwIfAborted();
    await rename(temporary, target);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(target));
}

/** A device or a pipe has no old content to keep. */
async function writeThrough(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.writeFile(bytes);
  } finally {
    await file.close();
  }
}

/** Makes the new name durable; some file systems cannot, and the content is safe without. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r").catch(() => undefined);
  await folder?.sync().catch(() => {});
  await folder?.close();
}
