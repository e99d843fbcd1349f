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
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      process.exit(error.code === "EPIPE" ? 0 : 7);
    });
  }
}
