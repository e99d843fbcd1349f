/** Settings from the environment. Only their own names are looked at: the init's variables are none of them. */
import { InitwrapError } from "../model/errors.ts";
import { splitWords } from "../model/split-words.ts";
import type { CommandReference, FlagReference } from "../reference/command.ts";
import { settingNames } from "../reference/settings.ts";
import { checkValue, valuesOfWord } from "./check.ts";
import { withoutSecrets } from "./secrets.ts";
import type { Setting, Settings } from "./setting.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export const PREFIX = "INITWRAP_";

/** True when there may be a setting: the commands need not be known to say that there is none. */
export function hasVariables(env: Environment): boolean {
  return Object.keys(env).some((name) => name.startsWith(PREFIX));
}

/** The settings. An empty variable counts as not set. Throws USAGE for a value that its flag does not take. */
export function readVariables(env: Environment, commands: readonly CommandReference[]): Settings {
  const settings = new Map<string, Setting>();
  for (const { flag, key, variable } of settingNames(commands)) {
    const text = env[variable];
    if (text === undefined || text === "") continue;
    const values = valuesOf(flag, text, variable);
    if (flag.value !== undefined) {
      for (const value of values) checkValue(flag, value, { code: "USAGE", where: variable, name: `--${flag.name}` });
    }
    settings.set(key, { values, place: { kind: "variable", name: variable } });
  }
  return settings;
}

/** Words as a shell would split them for a flag that may be repeated, split further where the flag itself takes a list. */
function valuesOf(flag: FlagReference, text: string, variable: string): readonly string[] {
  if (flag.value === undefined) return [truth(text, variable)];
  if (!flag.multiple) return [text];
  return splitWords(text).flatMap((word) => valuesOfWord(flag, word));
}

function truth(text: string, variable: string): "true" | "false" {
  if (/^(?:1|true|yes|on)$/i.test(text)) return "true";
  if (/^(?:0|false|no|off)$/i.test(text)) return "false";
  throw new InitwrapError("USAGE", `${withoutSecrets(text)} is neither yes nor no`, {
    where: variable,
    hint: "It takes 1 or 0, true or false, yes or no, on or off.",
  });
}
