/**
 * The one place where variables and the configuration file meet the command line. oclif reads what was typed; what was not
 * typed and is set elsewhere becomes a flag's default for this run. Commands see flags, and not where they came from.
 */
import type { Input, ParserOutput } from "@oclif/core/interfaces";
import { InitwrapError } from "../model/errors.ts";
import type { CommandReference } from "../reference/command.ts";
import { type Choice, chooseSettings } from "../settings/choose.ts";
import { type Given, givenFlags } from "../settings/effective.ts";
import type { Settings } from "../settings/setting.ts";
import { isOff, placeText } from "../settings/setting.ts";

// biome-ignore lint/suspicious/noExplicitAny: oclif's own bound for what a parser yields, which it does not export.
export type Values = Record<string, any>;

/** A command as oclif's parser takes it. */
export type ParserInput = Input<Values, Values, Values>;

export type Parse = <F extends Values, B extends Values, A extends Values>(
  options: Input<F, B, A>,
  argv: string[],
) => Promise<ParserOutput<F, B, A>>;

/** What is asked of a flag's definition; oclif's own types know each kind. */
interface Definition {
  readonly name: string;
  readonly type: "boolean" | "option";
  readonly multiple?: boolean;
  readonly parse?: (input: string, context: unknown, flag: unknown) => Promise<unknown>;
}

type Definitions = Readonly<Record<string, Definition>>;

function definitionsOf(options: ParserInput): Definitions {
  return { ...options.baseFlags, ...options.flags } as unknown as Definitions;
}

/** The flags on a command line, without asking whether they go together. Throws oclif's error for one that there is not. */
export async function readGiven(options: ParserInput, argv: readonly string[], parse: Parse): Promise<Given> {
  const definitions = definitionsOf(options);
  const lenient = Object.fromEntries(
    Object.entries(definitions).map(([name, definition]) => [
      name,
      // Any flag without a value can be switched off, for it may be on by a setting.
      { ...definition, default: undefined, dependsOn: [], exclusive: [], required: false, allowNo: true },
    ]),
  );
  const { raw } = await parse({ args: {}, flags: lenient as unknown as ParserInput["flags"] & {}, strict: false }, [
    ...argv,
  ]);
  const given = new Map<string, readonly string[]>();
  for (const token of raw) {
    if (token.type !== "flag") continue;
    const isOption = definitions[token.flag]?.type === "option";
    const value = isOption ? token.input : String(token.input !== `--no-${token.flag}`);
    given.set(token.flag, isOption ? [...(given.get(token.flag) ?? []), value] : [value]);
  }
  return given;
}

export interface SettleOptions {
  readonly command: CommandReference;
  readonly given: Given;
  readonly layers: readonly Settings[];
}

/** The settings that count, for a command line with these flags. */
export function settle({ command, given, layers }: SettleOptions): readonly Choice[] {
  return chooseSettings(command, givenFlags(given), layers).filter(({ unused }) => unused === undefined);
}

/** Parses the command line with the settings as defaults. */
export async function parseSettled<F extends Values, B extends Values, A extends Values>(
  options: Input<F, B, A>,
  argv: readonly string[],
  { given, choices, parse }: { readonly given: Given; readonly choices: readonly Choice[]; readonly parse: Parse },
): Promise<ParserOutput<F, B, A>> {
  const definitions: Record<string, Definition> = {
    ...definitionsOf(options as ParserInput),
  };
  for (const { flag, setting } of choices) {
    const definition = definitions[flag.name];
    if (definition === undefined) continue;
    const { values, place } = setting;
    const read = async (text: string) => {
      try {
        return definition.parse === undefined ? text : await definition.parse(text, {}, definition);
      } catch (cause) {
        const message = `--${flag.name}: ${(cause as Error).message}`;
        throw new InitwrapError(place.kind === "file" ? "CONFIG_INVALID" : "USAGE", message, {
          where: placeText(place),
          cause,
        });
      }
    };
    const value =
      definition.type === "boolean"
        ? !isOff(flag, setting)
        : definition.multiple
          ? await Promise.all(values.map(read))
          : await read(values.join(" "));
    definitions[flag.name] = { ...definition, default: async () => value } as Definition;
  }
  const off = [...given].filter(([, values]) => values.join() === "false").map(([name]) => name);
  const end = argv.indexOf("--");
  const words = argv.filter((word, at) => (end >= 0 && at >= end) || !off.some((name) => word === `--no-${name}`));
  const { args, strict } = options;
  const parsed = await parse<F, B, A>(
    { args, strict, flags: definitions, baseFlags: {} } as unknown as Input<F, B, A>,
    [...words],
  );
  for (const name of off) (parsed.flags as Record<string, unknown>)[name] = false;
  return parsed;
}
