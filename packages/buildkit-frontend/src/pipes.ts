/**
 * Standard input and output as the connection to BuildKit, read and written by calls that wait.
 *
 * A frontend has nothing to do while BuildKit works on its request, so that there is nothing to be notified of: a read that
 * waits is all that is needed. It spares the process the loading of streams and sockets, at every start.
 */
import { readSync, writeSync } from "node:fs";

export interface Connection {
  /** Writes all of it. Throws what the system says, such as EPIPE. */
  write(bytes: Uint8Array): void;
  /** Waits for the next bytes; empty at the end of the stream. */
  read(): Uint8Array;
}

const STDIN = 0;
const STDOUT = 1;
const CHUNK = 64 * 1024;

export function standardStreams(): Connection {
  return {
    write: (bytes) => {
      for (let at = 0; at < bytes.length; ) at += patiently(() => writeSync(STDOUT, bytes, at));
    },
    read: () => {
      const chunk = Buffer.allocUnsafe(CHUNK);
      return chunk.subarray(
        0,
        patiently(() => readSync(STDIN, chunk)),
      );
    },
  };
}

/** Whoever made the pipe may have made it one that does not wait. */
function patiently(call: () => number): number {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}
