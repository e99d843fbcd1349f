/** Finds, loads and runs a command. */
import { COMMANDS, type CommandConstructor, isCommand, loadCommand } from "./command-table.ts";
import { programConfig } from "./program-config.ts";
import { presented } from "./terminal/presented.ts";
import { flagFirst, unknownCommand } from "./terminal/usage-error.ts";

/** Runs the command that the first word names, and sets `process.exitCode`. `entry` is as `start` has it. Never rejects. */
export function runCommand(argv: readonly string[], entry: string): Promise<void> {
  return presented(argv, () => run(argv, new URL("..", entry)));
}

async function run([name = "", ...argv]: readonly string[], root: URL): Promise<void> {
  if (!isCommand(name)) {
    const names = Object.keys(COMMANDS);
    throw name.startsWith("-") ? flagFirst([name, ...argv], names) : unknownCommand(name, names);
  }
  try {
    const Loaded: CommandConstructor = await loadCommand(name);
    await new Loaded(argv, programConfig(root)).execute();
  } catch (error) {
    // oclif ends a run by throwing an error that only carries an exit code.
    const { code, oclif } = error as { code?: unknown; oclif?: { exit?: number } };
    if (code !== "EEXIT") throw error;
    process.exitCode = oclif?.exit ?? 0;
  }
}
