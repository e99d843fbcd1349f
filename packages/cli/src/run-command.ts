/** Lets oclif find, load and run a command. */
import { fileURLToPath } from "node:url";
import { Config } from "@oclif/core/config";
import { flagFirst, unknownCommand } from "./terminal/present-error.ts";

/** Runs the command that the first word names. Throws what it throws, and USAGE when there is none of that name. */
export async function runCommand([name = "", ...argv]: readonly string[], entry: string): Promise<void> {
  // No plugin is looked for: there are none, and their folder may be one that this user cannot read.
  const config = await Config.load({ root: fileURLToPath(entry), userPlugins: false, devPlugins: false });
  const command = config.findCommand(name);
  if (command === undefined) {
    const { commandIDs } = config;
    throw name.startsWith("-") ? flagFirst([name, ...argv], commandIDs) : unknownCommand(name, commandIDs);
  }
  try {
    await config.runCommand(name, argv, command);
  } catch (error) {
    // oclif ends a run by throwing an error that only carries an exit code.
    const { code, oclif } = error as { code?: unknown; oclif?: { exit?: number } };
    if (code !== "EEXIT") throw error;
    process.exitCode = oclif?.exit ?? 0;
  }
}
