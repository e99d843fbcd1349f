/**
 * stdout is the product, stderr is everything said to people. Nothing else in the program writes to either.
 */
import { once } from "node:events";

/** Writes the product's bytes to stdout and waits until the pipe took them. */
export async function writeProduct(content: Uint8Array | string): Promise<void> {
  if (!process.stdout.write(content)) await once(process.stdout, "drain");
}

/** One line, or several, to people on stderr. */
export function writeLine(text: string): void {
  process.stderr.write(`${shown(text)}\n`);
}

/**
 * Text in which strangers' words may stand, without what a terminal would act on: control characters but line feeds, tabs
 * and colours, and characters that turn the direction of a line.
 */
export function shown(text: string): string {
  return text.replace(STRANGE, (found) => (found.startsWith("\x1b[") ? found : "\ufffd"));
}

const STRANGE = /\x1b\[[\d;]*m|\r(?!\n|$)|[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * A reader that closed its end of stdout (`initwrap ... | head`) ends the program quietly, as it ends any filter. Any other
 * failure of stdout is an output that was not written. One of stderr, such as of a terminal that was closed, takes nothing away
 * but words: the work is done, and the exit code says how it went.
 */
export function ignoreClosedPipe(): void {
  for (const name of ["stdout", "stderr"] as const) {
    const own = Object.getOwnPropertyDescriptor(process, name);
    if (own === undefined) continue;
    // Node opens a stream when it is first asked for, which takes milliseconds: a run that has nothing to say there need not.
    const get = () => {
      Object.defineProperty(process, name, own);
      return process[name].on("error", (error: NodeJS.ErrnoException) => {
        if (name === "stderr") return;
        if (error.code === "EPIPE") process.exit(0);
        const reason = error.code === "ENOSPC" ? "the disk is full" : error.message;
        writeLine(`error[OUTPUT_NOT_WRITTEN]: cannot write standard output: ${reason}`);
        process.exit(7);
      });
    };
    Object.defineProperty(process, name, { configurable: true, enumerable: true, get });
  }
}

/** stdin, which is opened when it is read. Reading it throws the signal's reason once that is aborted. */
export function standardInput(signal: AbortSignal): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => {
      signal.throwIfAborted();
      // A terminal, or a pipe that nobody writes to, would be waited for.
      signal.addEventListener("abort", () => process.stdin.destroy(signal.reason as Error), { once: true });
      return process.stdin[Symbol.asyncIterator]();
    },
  };
}
