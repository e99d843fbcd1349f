/**
 * Lets a child process copy a large file: on another processor, while this one goes on with its work, and within the kernel.
 *
 * Node has no copy_file_range(2) of its own: a loop of reads and writes takes every byte through user space, and `fs.copyFile`
 * cannot be interrupted. `cat` of coreutils (9.1 and later) has it, that of busybox sendfile(2), and unlike `cp` it writes into a
 * file that is open here already: nothing has to be renamed, closed or opened again when it is done.
 *
 * ext4 looks for a place for each piece of a growing file; where the whole place is asked for at once, a copy takes about three
 * quarters of the time. That is done for a file that will have a new name. One that will replace another is written out by ext4
 * at its rename, so that a crash leaves the old or the new content (auto_da_alloc in ext4(5)); it does not do that for blocks
 * that were asked for before.
 */
import { spawn } from "node:child_process";
import { fstatSync, statfsSync } from "node:fs";

/** From this size on a child pays for its start. Bytes. */
export const COPIED_BY_CHILD = 64 << 20;

/** Of ext2, ext3 and ext4. Source: statfs(2). */
const EXT = 0xef53;

export interface ChildCopy {
  /** So many bytes have to be there afterwards. */
  readonly least: number;
  /** The folder that a file with a new name is to be in; undefined when it will replace another. */
  readonly newIn?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Copies all of `from`, a file open for reading, into `to`, an empty one open for writing. The children have been
 * started when this returns its promise, and have ended when that is settled. False where there is no `cat`, or where it fails or
 * leaves less than `least` bytes: what stands in `to` then is to be written over. Rejects with the signal's reason.
 */
export async function copyByChild(from: number, to: number, { least, newIn, signal }: ChildCopy): Promise<boolean> {
  signal?.throwIfAborted();
  // By its name it is opened anew: from its beginning, and without moving the place of those who share it.
  const copied = run("cat", ["/dev/stdin"], [from, to, "ignore"], signal);
  // Beside the copy, and whether it can or not. The size stays what was written, by which a short copy is known.
  const hasPlace =
    newIn !== undefined &&
    statfsSync(newIn).type === EXT &&
    run("fallocate", ["--keep-size", "--length", String(least), "/dev/stdin"], [to, "ignore", "ignore"], signal);
  const [code] = await Promise.all([copied, hasPlace]);
  signal?.throwIfAborted();
  return code === 0 && fstatSync(to).size >= least;
}

/** The exit code; null for a program that was not started, or was ended by a signal. Never rejects. */
function run(
  program: string,
  words: readonly string[],
  stdio: (number | "ignore")[],
  signal: AbortSignal | undefined,
): Promise<number | null> {
  const child = spawn(program, words, { stdio, ...(signal && { signal }) });
  // Until it has ended, an interrupted one too could still write. A failed start has an error before.
  child.on("error", () => {});
  return new Promise((resolve) => child.on("close", (code) => resolve(code)));
}
