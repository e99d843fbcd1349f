/**
 * Lets a child process copy a large file: on another processor, while this one goes on with its work, and within the kernel.
 *
 * Node has no copy_file_range(2) of its own: a loop of reads and writes takes every byte through user space, and `fs.copyFile`
 * cannot be interrupted. `cat` of coreutils (9.1 and later) has it, that of busybox sendfile(2), and unlike `cp` it writes into a
 * file that is open here already: nothing has to be renamed, closed or opened again when it is done.
 */
import { spawn } from "node:child_process";
import { fstatSync } from "node:fs";

/** From this size on a child pays for its start. Bytes. */
export const COPIED_BY_CHILD = 64 << 20;

/**
 * Copies all of `from`, a file open for reading, into `to`, an empty one open for writing. The child has been started when this
 * returns its promise, and has ended when that is settled. False where there is no `cat`, or where it fails or leaves less than
 * `least` bytes: what stands in `to` then is to be written over. Rejects with the signal's reason.
 */
export async function copyByChild(
  from: number,
  to: number,
  least: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  signal?.throwIfAborted();
  // By its name it is opened anew: from its beginning, and without moving the place of those who share it.
  const child = spawn("cat", ["/dev/stdin"], { stdio: [from, to, "ignore"], ...(signal && { signal }) });
  // Until it has ended, an interrupted one too could still write. A failed start has an error before.
  child.on("error", () => {});
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  signal?.throwIfAborted();
  return code === 0 && fstatSync(to).size >= least;
}
