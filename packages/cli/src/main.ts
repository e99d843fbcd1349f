/** The program without its start: what `start` loads to run a command, and what the manifest is made from. */
export { COMMANDS, loadCommand } from "./command-table.ts";
export { runCommand } from "./run-command.ts";
