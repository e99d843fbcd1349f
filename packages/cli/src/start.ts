/**
 * Starts the CLI: oclif finds the command, and every way a run can fail ends here or in BaseCommand with the exit code of
 * docs/exit-codes.md. oclif's own handler is not used: it exits 1 whatever the error, and prints stacks at people.
 */
import { fileURLToPath } from "node:url";
import { Config } from "@oclif/core/config";
import { run } from "@oclif/core/run";
import { EXIT } from "./model/errors.ts";
import { presentError, unknownCommand } from "./terminal/present-error.ts";
import { ignoreClosedPipe } from "./terminal/streams.ts";

/**
 * Runs one command line and sets `process.exitCode`.
 * `entry` is the URL of the starting script; oclif looks for package.json from there.
 */
export async function start(argv: readonly string[], entry: string): Promise<void> {
  ignoreClosedPipe();
  try {
    // `initwrap help image` is what people try first.
    await run(argv[0] === "help" ? [...argv.slice(1), "--help"] : [...argv], fileURLToPath(entry));
  } catch (error) {
    // process.exitCode may hold a leftover of a command that failed half-way; the error that ended the run decides.
    const passThrough = exitRequest(error);
    process.exitCode =
      passThrough ?? presentError((await withoutCommand(error, entry)) ?? error, { json: wantsJson(argv) });
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

/** The error for a command that does not exist, in place of oclif's, which joins its name and arguments by colons. */
async function withoutCommand(error: unknown, entry: string): Promise<Error | undefined> {
  const name = /^command ([^:\s]+)\S* not found\.?$/i.exec((error as Error).message ?? "")?.[1];
  if (name === undefined || !("oclif" in (error as object))) return undefined;
  const { commandIDs } = await Config.load(fileURLToPath(entry));
  return unknownCommand(name, commandIDs);
}
