import { readFile } from "node:fs/promises";
import { InitwrapError } from "../model/errors.ts";
import { NewFile } from "../store/atomic-file.ts";
import { writeFailure } from "../store/verify.ts";

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

/** More is no list that people or programs write. Bytes. */
const MAX_TEXT = 16 * 1024 * 1024;

/** A small text file, or standard input for `-`. Throws INPUT_NOT_FOUND and INPUT_UNREADABLE. */
export async function readText(path: string, stdin: AsyncIterable<Uint8Array>): Promise<string> {
  try {
    if (path !== "-") return decodeText(await readFile(path));
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of stdin) {
      size += chunk.length;
      if (size > MAX_TEXT) throw new RangeError(`it has more than ${MAX_TEXT} bytes`);
      chunks.push(chunk);
    }
    return decodeText(Buffer.concat(chunks));
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new InitwrapError(
      code === "ENOENT" ? "INPUT_NOT_FOUND" : "INPUT_UNREADABLE",
      code === "ENOENT" ? `there is no ${path}` : `the list cannot be read: ${message}`,
      { where: path, cause },
    );
  }
}

function decodeText(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}
