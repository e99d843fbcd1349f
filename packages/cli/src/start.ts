/**
 * Starts the CLI: oclif finds the command, and every way a run can fail ends here or in BaseCommand with the exit code of
 * docs/exit-codes.md. oclif's own handler is not used: it exits 1 whatever the error, and prints stacks at people.
 */
import { fileURLToPath } from "node:url";
import { run } from "@oclif/core/run";
import { EXIT } from "./model/errors.ts";
import { presentError } from "./terminal/present-error.ts";
import { ignoreClosedPipe } from "./terminal/streams.ts";

/**
 * Runs one command line and sets `process.exitCode`.
 * `entry` is the URL of the starting script; oclif looks for package.json from there.
 */
export async function start(argv: readonly string[], entry: string): Promise<void> {
  ignoreClosedPipe();
  try {
    await run([...argv], fileURLToPath(entry));
  } catch (error) {
    // process.exitCode may hold a leftover of a command that failed half-way; the error that ended the run decides.
    const passThrough = exitRequest(error);
    process.exitCode = passThrough ?? presentError(error, { json: wantsJson(argv) });
  }
  process.exitCode ??= EXIT.done;
}

/** oclif ends `--help` and `--version` by throwing an error that only carries an exit code. */
function exitRequest(error: unknown): number | undefined {
  const { code, oclif } = error as { code?: unknown; oclif?: { exit?: number } };
  return code === "EEXIT" ? (oclif?.exit ?? 0) : undefined;
}

function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end < 0 ? argv : argv.slice(0, end)).includes("--json");
}
