/**
 * Named pipes. Opening one waits for its other end, and a thread that waits there cannot be called back: the process could
 * not even end. So they are opened without waiting, and the event loop waits.
 *
 * Source: fifo(7).
 */
import { constants, openSync } from "node:fs";
import { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

/** How often it is looked whether somebody reads. Milliseconds. */
const INTERVAL = 50;

/** The content of a pipe, or of one that is open, once somebody writes into it. Throws what open(2) fails with. */
export function pipeForReading(pipe: string | number): Readable {
  const fd = typeof pipe === "number" ? pipe : openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  return new Socket({ fd, readable: true, writable: false });
}

/** The pipe, once somebody reads from it. Throws what open(2) fails with, and the signal's reason. */
export async function pipeForWriting(path: string, signal?: AbortSignal): Promise<Writable> {
  for (;;) {
    try {
      const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
      const stream = new Socket({ fd, readable: false, writable: true });
      // Who writes is told by the write; without a listener the process would end.
      stream.on("error", () => {});
      return stream;
    } catch (cause) {
      if ((cause as { code?: string }).code !== "ENXIO") throw cause;
    }
    signal?.throwIfAborted();
    await sleep(INTERVAL, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
  }
}
