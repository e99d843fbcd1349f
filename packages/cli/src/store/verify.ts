/** Streams that are checked as they flow, and errors of the file system in our words. */
import { createHash } from "node:crypto";
import type { Descriptor } from "../model/descriptor.ts";
import { digestOf } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { spent } from "./spent-memory.ts";

/** Documents larger than this are none: the limit that registries set for manifests is 4 MiB. */
export const MAX_DOCUMENT = 8 << 20;

/** The same chunks; throws BLOB_CORRUPT as soon as there are too many bytes, or at the end when digest or size differ. */
export async function* verified(
  descriptor: Descriptor,
  content: AsyncIterable<Uint8Array>,
  onProgress?: (done: number) => void,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of content) {
    size += chunk.length;
    if (size > descriptor.size) throw corrupt(descriptor, `more than ${descriptor.size} bytes`);
    hash.update(chunk);
    yield chunk;
    spent(chunk.length);
    onProgress?.(size);
  }
  if (size !== descriptor.size) throw corrupt(descriptor, `${size} bytes instead of ${descriptor.size}`);
  const digest = `sha256:${hash.digest("hex")}`;
  if (digest !== descriptor.digest) throw corrupt(descriptor, `its content is ${digest}`);
}

/** A whole document, checked. */
export function verifiedBytes(descriptor: Descriptor, bytes: Uint8Array): Uint8Array {
  if (bytes.length !== descriptor.size)
    throw corrupt(descriptor, `${bytes.length} bytes instead of ${descriptor.size}`);
  const digest = digestOf(bytes);
  if (digest !== descriptor.digest) throw corrupt(descriptor, `its content is ${digest}`);
  return bytes;
}

function corrupt(descriptor: Descriptor, problem: string): InitwrapError {
  return new InitwrapError("BLOB_CORRUPT", `the blob ${descriptor.digest} is damaged: ${problem}`, {
    hint: "Copy or pull the image again.",
  });
}

/** One chunk as a stream. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** By the code of the file system: what is wrong, and what to do about it. */
const WRITE_FAILURES: Readonly<Record<string, readonly [reason: string, hint?: string]>> = {
  ENOSPC: ["the disk is full", "Make room, or write to another file system. What was there before is as it was."],
  EDQUOT: ["the quota is used up", "Make room, or write to another file system. What was there before is as it was."],
  EACCES: ["permission denied", "A file is made anew beside the old one: its folder has to be writable."],
  EPERM: ["permission denied", "A file is made anew beside the old one: its folder has to be writable."],
  EROFS: ["the file system is read-only", "Write to another file system."],
  ENOENT: ["the folder does not exist", "Make the folder, or correct the path."],
  ENOTDIR: ["a part of the path is no folder", "Correct the path."],
  EISDIR: ["it is a folder", "Name a file in it."],
  ENAMETOOLONG: ["the name is too long", "Choose a shorter one: most file systems take 255 bytes."],
  ELOOP: ["its links lead in a circle", "Remove the links, or name another file."],
  EFBIG: ["the file would be too large", "Write to another file system."],
  EPIPE: ["the reader has gone"],
};

/** A failed write: OUTPUT_NOT_WRITTEN with the reason in plain words. Coded errors and aborts pass through. */
export function writeFailure(cause: unknown, path: string): unknown {
  const code = (cause as { code?: string }).code;
  if (cause instanceof InitwrapError || code === undefined || (cause as Error).name === "AbortError") return cause;
  const [reason, hint] = WRITE_FAILURES[code] ?? [(cause as Error).message];
  return new InitwrapError("OUTPUT_NOT_WRITTEN", `cannot write ${path}: ${reason}`, {
    where: path,
    ...(hint === undefined ? {} : { hint }),
    cause,
  });
}

const READ_FAILURES: Readonly<Record<string, readonly [reason: string, hint?: string]>> = {
  EACCES: ["permission denied", "Give this user the right to read it, or run as its owner."],
  EPERM: ["permission denied", "Give this user the right to read it, or run as its owner."],
  EISDIR: ["it is a folder"],
  ENAMETOOLONG: ["the name is too long", "Most file systems take 255 bytes."],
  ELOOP: ["its links lead in a circle", "Remove the links, or name another file."],
};

/** A failed read of a file: INPUT_NOT_FOUND or INPUT_UNREADABLE. */
export function readFailure(cause: unknown, path: string): unknown {
  const code = (cause as { code?: string }).code;
  if (cause instanceof InitwrapError || code === undefined) return cause;
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new InitwrapError("INPUT_NOT_FOUND", `there is no ${path}`, { where: path, cause });
  }
  const [reason, hint] = READ_FAILURES[code] ?? [(cause as Error).message];
  return new InitwrapError("INPUT_UNREADABLE", `cannot read ${path}: ${reason}`, {
    where: path,
    ...(hint === undefined ? {} : { hint }),
    cause,
  });
}
