/** What is in force for a command, flag by flag, and who said it. */
import { nearest } from "../model/did-you-mean.ts";
import type { CommandReference, FlagReference } from "../reference/command.ts";
import { initOptions, settingNames } from "../reference/settings.ts";
import { chooseSettings } from "./choose.ts";
import type { Place, Settings } from "./setting.ts";
import { type Environment, PREFIX } from "./variables.ts";

export type Source = { readonly kind: "flag" } | { readonly kind: "default" } | { readonly kind: "none" } | Place;

export interface Effective {
  readonly flag: FlagReference;
  /** `true` or `false` for a flag without a value; none where nothing is set and nothing is built in. */
  readonly values: readonly string[];
  readonly source: Source;
  /** Why a setting does not count. */
  readonly unused?: string | undefined;
}

/** A flag on the command line: its values, `true` or `false` where it takes none. */
export type Given = ReadonlyMap<string, readonly string[]>;

/** One for each flag, as the command declares them. */
export function effectiveSettings(
  command: CommandReference,
  given: Given,
  layers: readonly Settings[],
): readonly Effective[] {
  const choices = chooseSettings(command, givenFlags(given), layers);
  return command.flags.map((flag) => {
    const values = given.get(flag.name);
    if (values !== undefined) return { flag, values, source: { kind: "flag" } };
    const choice = choices.find((candidate) => candidate.flag.name === flag.name);
    if (choice) {
      return { flag, values: choice.setting.values, source: choice.setting.place, unused: choice.unused };
    }
    if (flag.default !== undefined) return { flag, values: [flag.default], source: { kind: "default" } };
    return { flag, values: flag.value === undefined ? ["false"] : [], source: { kind: "none" } };
  });
}

/** Whether each given flag is on. */
export function givenFlags(given: Given): ReadonlyMap<string, boolean> {
  return new Map([...given].map(([name, values]) => [name, values.join() !== "false"]));
}

/** A variable that begins as settings do, and is none. */
export interface OtherVariable {
  readonly name: string;
  /** The init reads it when it starts a command. */
  readonly isInits: boolean;
  /** The setting that may have been meant. */
  readonly meant: string | undefined;
}

export function otherVariables(env: Environment, commands: readonly CommandReference[]): readonly OtherVariable[] {
  const inits = initOptions(commands).map(({ name }) => `${PREFIX}${name.replaceAll("-", "_").toUpperCase()}`);
  const known = [...settingNames(commands).map(({ variable }) => variable), ...OTHERS];
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name))
    .toSorted()
    .map((name) => {
      const isInits = inits.includes(name);
      return { name, isInits, meant: isInits ? undefined : nearest(name, known) };
    });
}

/** The file's name, and the list that registries have always read. */
const OTHERS = ["INITWRAP_CONFIG", "INITWRAP_INSECURE_REGISTRIES"];
