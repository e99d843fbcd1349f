/** What is in force for a command, flag by flag, and who said it. */
import { nearest } from "../model/did-you-mean.ts";
import type { CommandReference, FlagReference } from "../reference/command.ts";
import { initOptions, settingNames } from "../reference/settings.ts";
import { builtIn } from "./built-in.ts";
import { type Choice, chooseSettings } from "./choose.ts";
import type { Place, Settings } from "./setting.ts";
import { type Environment, PREFIX } from "./variables.ts";

export type Source = { readonly kind: "flag" } | { readonly kind: "default" } | { readonly kind: "none" } | Place;

export interface Effective {
  readonly flag: FlagReference;
  /** `true` or `false` for a flag without a value; none where nothing is set and nothing is built in. */
  readonly values: readonly string[];
  readonly source: Source;
  /** Why a setting or a default does not count. */
  readonly unused?: string | undefined;
  /** The variable whose values are among these, besides those of the source. */
  readonly also?: string | undefined;
}

/** A flag on the command line: its values, `true` or `false` where it takes none. */
export type Given = ReadonlyMap<string, readonly string[]>;

export interface EffectiveOptions {
  readonly command: CommandReference;
  readonly given: Given;
  /** Strongest first. */
  readonly layers: readonly Settings[];
  readonly env: Environment;
}

/** One for each flag, as the command declares them. Throws what `chooseSettings` throws. */
export function effectiveSettings({ command, given, layers, env }: EffectiveOptions): readonly Effective[] {
  const choices = chooseSettings(command, givenFlags(given), layers);
  const on = valuesOfThoseOn(command, given, choices);
  const call = { env, value: (name: string) => on.get(name)?.at(-1) };
  return command.flags.map((flag) => {
    const values = given.get(flag.name);
    if (values !== undefined) return withMore({ flag, values, source: { kind: "flag" } }, env);
    const choice = choices.find((candidate) => candidate.flag.name === flag.name);
    if (choice) {
      const { setting, unused } = choice;
      return withMore({ flag, values: setting.values, source: setting.place, unused }, env);
    }
    if (flag.value === undefined) return { flag, values: ["false"], source: { kind: "default" } };
    const usual = flag.default === undefined ? builtIn(command.name, flag.name, call) : { values: [flag.default] };
    if (usual === undefined) return withMore({ flag, values: [], source: { kind: "none" } }, env);
    const { values: built, variable } = usual;
    const source: Source = variable === undefined ? { kind: "default" } : { kind: "variable", name: variable };
    return { flag, values: built, source, unused: whyUnused(flag, on) };
  });
}

function valuesOfThoseOn(command: CommandReference, given: Given, choices: readonly Choice[]): Given {
  const chosen = choices.filter(({ unused }) => unused === undefined);
  const all = new Map([...chosen.map(({ flag, setting }) => [flag.name, setting.values] as const), ...given]);
  const switches = new Set(command.flags.filter(({ value }) => value === undefined).map(({ name }) => name));
  return new Map([...all].filter(([name, values]) => !switches.has(name) || values.at(-1) === "true"));
}

/** A default gives way as a setting does. */
function whyUnused({ exclusive, dependsOn }: FlagReference, on: Given): string | undefined {
  const excluding = exclusive.find((name) => on.has(name));
  if (excluding !== undefined) return `not together with --${excluding}`;
  const missing = dependsOn.find((name) => !on.has(name));
  return missing === undefined ? undefined : `needs --${missing}`;
}

/** The list of registries that a variable of its own adds to whatever is set. */
function withMore(setting: Effective, env: Environment): Effective {
  const listed = setting.flag.name === "insecure-registry" ? (env[INSECURE_REGISTRIES] ?? "") : "";
  const more = listed.split(",").flatMap((host) => host.trim() || []);
  if (more.length === 0) return setting;
  if (setting.source.kind === "none") {
    return { ...setting, values: more, source: { kind: "variable", name: INSECURE_REGISTRIES } };
  }
  return { ...setting, values: [...more, ...setting.values], also: INSECURE_REGISTRIES };
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

const INSECURE_REGISTRIES = "INITWRAP_INSECURE_REGISTRIES";

/** The file's name, the list that registries have always read, and what no flag is for. */
const OTHERS = ["INITWRAP_CONFIG", INSECURE_REGISTRIES, "INITWRAP_UNPACK_LIMIT"];
