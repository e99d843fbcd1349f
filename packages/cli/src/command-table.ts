/** The commands by name. A new one is a file in commands/ and a row here. */
import type { Command } from "@oclif/core/command";
import type { Config } from "@oclif/core/config";
import type { RunnableCommand } from "./terminal/runnable-command.ts";

/** How a command is made. oclif's own type for a class does not say that it is not abstract. */
export type CommandConstructor = new (argv: string[], config: Config) => RunnableCommand;

/** What a command's module exports. */
type CommandClass = Command.Class & CommandConstructor;

export const COMMANDS = {
  ci: () => import("./commands/ci.ts"),
  completion: () => import("./commands/completion.ts"),
  config: () => import("./commands/config.ts"),
  dockerfile: () => import("./commands/dockerfile.ts"),
  "frontend-image": () => import("./commands/frontend-image.ts"),
  generate: () => import("./commands/generate.ts"),
  image: () => import("./commands/image.ts"),
  "init-image": () => import("./commands/init-image.ts"),
  inspect: () => import("./commands/inspect.ts"),
  probe: () => import("./commands/probe.ts"),
  run: () => import("./commands/run.ts"),
  verify: () => import("./commands/verify.ts"),
} as const satisfies Readonly<Record<string, () => Promise<{ readonly default: CommandClass }>>>;

export type CommandName = keyof typeof COMMANDS;

export function isCommand(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name);
}

/** The class of a command, which has its name as `id` from now on. */
export async function loadCommand(name: CommandName): Promise<CommandClass> {
  const command: CommandClass = (await COMMANDS[name]()).default;
  command.id = name;
  return command;
}
