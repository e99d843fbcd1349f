/** Shows help on stdout, as wide as the terminal and in bold where it has colours. */
import { readFileSync } from "node:fs";
import { type CommandReference, commandsOf, type Manifest } from "../reference/command.ts";
import { commandHelp, type HelpOptions, programHelp, topicHelp } from "../reference/help.ts";
import { paintFor } from "./colour.ts";
import { writeProduct } from "./streams.ts";
import { unknownCommand } from "./usage-error.ts";

/** What is shown where the output is no terminal. */
const USUAL_WIDTH = 80;

/** The commands, from the manifest that the package brings. */
export function shippedCommands(manifest: URL): readonly CommandReference[] {
  return commandsOf(JSON.parse(readFileSync(manifest, "utf8")) as Manifest);
}

/** The help of the command or the subject `name`, or of the program. Throws USAGE when there is no such command. */
export function showHelp(name: string | undefined, commands: readonly CommandReference[]): Promise<void> {
  if (name === undefined) return writeProduct(programHelp(commands, helpOptions()));
  const command = commands.find((candidate) => candidate.name === name);
  if (command !== undefined) return showCommandHelp(command);
  const topic = topicHelp(name, helpOptions());
  if (topic !== undefined) return writeProduct(topic);
  throw unknownCommand(
    name,
    commands.map((candidate) => candidate.name),
  );
}

/** The help of one command. */
export function showCommandHelp(command: CommandReference): Promise<void> {
  return writeProduct(commandHelp(command, helpOptions()));
}

/** COLUMNS, where a shell exports it, is what the user wants. */
function helpOptions(): HelpOptions {
  const told = process.env["COLUMNS"] ?? "";
  const width = /^[1-9]\d{0,3}$/.test(told) ? Number(told) : (process.stdout.columns ?? USUAL_WIDTH);
  const paint = paintFor(process.stdout);
  return { width, heading: (text) => paint("bold", text) };
}
