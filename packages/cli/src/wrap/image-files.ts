import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { InitwrapError } from "../model/errors.ts";
import { NewFile } from "../store/atomic-file.ts";
import { isSameFile, splitLocation } from "../store/location.ts";
import { parseLocator } from "../store/locator.ts";
import { writeFailure } from "../store/verify.ts";
import { PATH_SCHEMES } from "./image-moves.ts";

/** Writes a small file whole or not at all. Throws OUTPUT_NOT_WRITTEN. */
export async function writeWhole(path: string, text: string): Promise<void> {
  try {
    const file = await NewFile.create(path, undefined);
    try {
      await file.write(new TextEncoder().encode(text));
      await file.commit();
    } finally {
      await file.discard();
    }
  } catch (cause) {
    throw writeFailure(cause, path);
  }
}

/** A file about what `work` results in, and its text. Without a path it is not wanted. */
export interface ResultFile<T> {
  /** The flag that names it. */
  readonly flag: string;
  readonly path: string | undefined;
  readonly text: (result: T) => string;
}

/**
 * Does `work`, and writes files about its result. They are begun before: what cannot be written is found out while nothing
 * has been done. Throws OUTPUT_NOT_WRITTEN and what `work` throws; then none of them is there.
 */
export async function withResultFiles<T>(files: readonly ResultFile<T>[], work: () => Promise<T>): Promise<T> {
  const begun: { readonly path: string; readonly file: NewFile; readonly text: (result: T) => string }[] = [];
  try {
    for (const { path, text } of files) {
      if (path === undefined) continue;
      const file = await NewFile.create(path, undefined).catch((cause) => {
        throw writeFailure(cause, path);
      });
      begun.push({ path, file, text });
    }
    const result = await work();
    for (const { path, file, text } of begun) {
      try {
        await file.write(new TextEncoder().encode(text(result)));
        await file.commit();
      } catch (cause) {
        throw writeFailure(cause, path);
      }
    }
    return result;
  } finally {
    for (const { file } of begun) await file.discard();
  }
}

/** Where a run reads and writes: the locator of an image, and that of its result. */
interface Places {
  readonly sources: readonly string[];
  readonly sinks: readonly string[];
  /** A file that is no image, such as a list of them. */
  readonly files?: readonly string[];
}

/**
 * Finds out before anything is done that a file about the result would take the place of what the run reads or writes, or of
 * another such file. Throws USAGE.
 */
export async function checkResultFiles(
  files: readonly { readonly flag: string; readonly path: string | undefined }[],
  { sources, sinks, files: read = [] }: Places,
): Promise<void> {
  if (files.every(({ path }) => path === undefined)) return;
  const images = await Promise.all([
    ...sources.map((source) => pathOf(source, "source")),
    ...sinks.map((sink) => pathOf(sink, "sink")),
  ]);
  const taken = [...images, ...read].flatMap((path) => (path === undefined ? [] : [{ path, by: "the run itself" }]));
  for (const { flag, path } of files) {
    if (path === undefined) continue;
    if (path === "-") {
      throw new InitwrapError("USAGE", `--${flag}: standard output has the result's name and digest already`, {
        hint: "Name a file, or use --json, which prints a document with all of it.",
      });
    }
    for (const other of taken) {
      if (!(await isInTheWay(path, other.path))) continue;
      throw new InitwrapError("USAGE", `--${flag}: ${path} is used by ${other.by}`, { hint: "Name another file." });
    }
    taken.push({ path, by: `--${flag}` });
  }
}

/** Of an image in a file or folder. What nothing can be made of is told of when it is opened. */
async function pathOf(text: string, purpose: "source" | "sink"): Promise<string | undefined> {
  const locator = await parseLocator(text, purpose).catch(() => undefined);
  if (locator === undefined || !PATH_SCHEMES.has(locator.scheme)) return undefined;
  const { path } = await splitLocation(locator.location);
  return path === "-" && purpose === "source" ? undefined : path;
}

const STANDARD_OUTPUT = /^\/(?:dev\/stdout|(?:dev|proc\/self)\/fd\/1)$/;

/** Pipes and devices take what several write, unless that is an image. */
async function isInTheWay(path: string, other: string): Promise<boolean> {
  if (other === "-") return STANDARD_OUTPUT.test(path);
  if (!(await isSameFile(path, other))) return false;
  const found = await stat(path).catch(() => undefined);
  return found === undefined || found.isFile();
}

/** More is no list that people or programs write. Bytes. */
const MAX_TEXT = 16 * 1024 * 1024;

/** A small text file, or standard input for `-`. Throws INPUT_NOT_FOUND and INPUT_UNREADABLE. */
export async function readText(path: string, stdin: AsyncIterable<Uint8Array>): Promise<string> {
  try {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of path === "-" ? stdin : await contentOf(path)) {
      size += chunk.length;
      if (size > MAX_TEXT) throw new RangeError(`it has more than ${MAX_TEXT} bytes`);
      chunks.push(chunk);
    }
    return decodeText(Buffer.concat(chunks));
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const where = path === "-" ? "standard input" : path;
    if (code === "ENOENT") throw new InitwrapError("INPUT_NOT_FOUND", `there is no ${path}`, { where, cause });
    throw new InitwrapError("INPUT_UNREADABLE", `the list cannot be read: ${REASONS[code ?? ""] ?? message}`, {
      where,
      hint:
        code === "EACCES"
          ? "Give this user the right to read it, or run as its owner."
          : "A list is UTF-8 text with one image a line.",
      cause,
    });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EISDIR: "it is a folder",
  EACCES: "permission denied",
  ERR_ENCODING_INVALID_ENCODED_DATA: "it is not UTF-8 text",
};

/** A pipe is waited for by the event loop, which signals still reach. */
async function contentOf(path: string): Promise<AsyncIterable<Uint8Array>> {
  if (!(await stat(path)).isFIFO()) return createReadStream(path);
  const { pipeForReading } = await import("../store/named-pipe.ts");
  return pipeForReading(path);
}

function decodeText(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}
