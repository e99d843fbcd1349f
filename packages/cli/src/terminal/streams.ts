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
  process.stderr.write(`${text}\n`);
}

/**
 * A reader that closed its end (`initwrap ... | head`) ends the program quietly, as it ends any filter.
 * Any other failure of stdout is an output that was not written.
 */
export function ignoreClosedPipe(): void {
  for (const name of ["stdout", "stderr"] as const) {
    const own = Object.getOwnPropertyDescriptor(process, name);
    if (own === undefined) continue;
    // Node opens a stream when it is first asked for, which takes milliseconds: a run that has nothing to say there need not.
    const get = () => {
      Object.defineProperty(process, name, own);
      return process[name].on("error", (error: NodeJS.ErrnoException) => {
        process.exit(error.code === "EPIPE" ? 0 : 7);
      });
    };
    Object.defineProperty(process, name, { configurable: true, enumerable: true, get });
  }
}

/** stdin, which is opened when it is read. */
export const standardInput: AsyncIterable<Uint8Array> = {
  [Symbol.asyncIterator]: () => process.stdin[Symbol.asyncIterator](),
};
