/** The few words that a command's argument can be, where it can be nothing else. */
import type { CommandReference } from "../command.ts";
import { configurable } from "../settings.ts";

export function argumentWords(
  { name, args }: CommandReference,
  commands: readonly CommandReference[],
): readonly string[] | undefined {
  // It names a command whose settings are asked for.
  if (name === "config") return configurable(commands).map((command) => command.name);
  return args[0]?.options;
}
