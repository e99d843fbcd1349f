/**
 * The configuration file: a map of flags for all commands that have them, and a map for each command. Everything in it is
 * looked at, also what is for other commands: a mistake is told by the first run that could have hidden it.
 */
import { readFileSync } from "node:fs";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
  type Scalar,
  type YAMLError,
} from "yaml";
import { nearest } from "../model/did-you-mean.ts";
import { InitwrapError } from "../model/errors.ts";
import type { CommandReference, FlagReference } from "../reference/command.ts";
import { configurable, initOptions, settingNames } from "../reference/settings.ts";
import { checkValue, valuesOfWord } from "./check.ts";
import { withoutSecrets } from "./secrets.ts";
import type { Setting, Settings } from "./setting.ts";

/** The key that has the init's options by their names. */
const INIT = "init";
const INIT_ARG = "init-arg";

export interface FileOptions {
  /** As it is to be shown. */
  readonly path: string;
  readonly commands: readonly CommandReference[];
  /** Paths in the file count from its folder, and are made to count from here. */
  readonly directory: string;
}

/** Reads the file. Throws INPUT_NOT_FOUND, INPUT_UNREADABLE and CONFIG_INVALID. */
export function readSettingsFile(options: FileOptions): Settings {
  let bytes: Buffer;
  try {
    bytes = readFileSync(resolve(options.directory, options.path));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") {
      throw new InitwrapError("INPUT_NOT_FOUND", "there is no such configuration file", { where: options.path, cause });
    }
    throw new InitwrapError("INPUT_UNREADABLE", `the configuration file cannot be read (${code})`, {
      where: options.path,
      cause,
    });
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new InitwrapError("CONFIG_INVALID", "the configuration file is not UTF-8 text", {
      where: options.path,
      cause,
    });
  }
  return new SettingsFile(options).settingsOf(text);
}

class SettingsFile {
  private readonly options: FileOptions;
  private readonly lines = new LineCounter();
  private readonly settings = new Map<string, Setting>();

  constructor(options: FileOptions) {
    this.options = options;
  }

  settingsOf(text: string): Settings {
    const parsed = parseAllDocuments(text, { lineCounter: this.lines, logLevel: "silent" });
    const documents = Array.isArray(parsed) ? parsed : [];
    // A warning is about a tag that is not understood, and so about a value that is not what it says.
    const [fault] = documents
      .flatMap(({ errors, warnings }) => [...errors, ...warnings])
      .toSorted((a, b) => a.pos[0] - b.pos[0]);
    if (fault !== undefined) throw this.notYaml(fault, text);
    const [document, second] = documents;
    if (second !== undefined) throw this.invalid(second.range[0], "one document is expected, and here is another");
    if (document === undefined || document.contents === null || isNothing(document.contents)) return this.settings;
    const { commands } = this.options;
    const names = settingNames(commands);
    const sections = configurable(commands);
    const shared = new Map(names.filter(({ command }) => command === undefined).map(({ flag }) => [flag.name, flag]));
    const keys = [...shared.keys(), INIT, ...sections.map(({ name }) => name)];
    for (const [name, value, at] of this.entries(document.contents, "the file")) {
      const section = sections.find((command) => command.name === name);
      if (section !== undefined) this.readSection(section, value);
      else this.readFlag(undefined, name, value, at, { flags: shared, keys });
    }
    return this.settings;
  }

  /** The settings of one command. */
  private readSection({ name: command, flags }: CommandReference, node: Node): void {
    const settable = settingNames(this.options.commands).filter((setting) => setting.command === command);
    const own = new Map(settable.map(({ flag }) => [flag.name, flag]));
    const keys = [...own.keys(), ...(flags.some(({ name }) => name === INIT_ARG) ? [INIT] : [])];
    for (const [name, value, at] of this.entries(node, command)) {
      this.readFlag(command, name, value, at, { flags: own, keys });
    }
  }

  private readFlag(
    command: string | undefined,
    name: string,
    node: Node,
    at: number,
    { flags, keys }: { readonly flags: ReadonlyMap<string, FlagReference>; readonly keys: readonly string[] },
  ): void {
    const key = command === undefined ? name : `${command}.${name}`;
    if (name === INIT && keys.includes(INIT)) {
      this.add(command, INIT_ARG, this.initArguments(key, node), { at, key });
      return;
    }
    const flag = flags.get(name);
    if (flag === undefined) throw this.unknown(at, name, command, keys);
    this.add(command, name, this.valuesOf(flag, key, node), { at, key });
  }

  private add(
    command: string | undefined,
    flag: string,
    values: readonly string[],
    { at, key }: { readonly at: number; readonly key: string },
  ): void {
    const name = command === undefined ? flag : `${command}.${flag}`;
    if (this.settings.has(name))
      throw this.invalid(at, `${INIT} and ${INIT_ARG} are both here`, "They are the same: use one of them.");
    const { line, col: column } = this.placeOf(at);
    this.settings.set(name, {
      values,
      place: { kind: "file", path: this.options.path, line, column, key },
    });
  }

  /** `grace: 10s` is `--grace=10s`, `verbose: true` is `--verbose`, `group: false` is `--no-group`. */
  private initArguments(key: string, node: Node): readonly string[] {
    const known = initOptions(this.options.commands);
    return this.entries(node, key).flatMap(([name, value, at]) => {
      const option = known.find((candidate) => candidate.name === name);
      if (option === undefined) {
        throw this.unknown(
          at,
          name,
          key,
          known.map((candidate) => candidate.name),
        );
      }
      if (option.value === undefined) {
        if (this.truth(`${key}.${name}`, value)) return [`--${name}`];
        return name === "group" ? ["--no-group"] : [];
      }
      const values = isSeq(value) ? this.items(value) : [value];
      return [`--${name}=${values.map((item) => this.text(`${key}.${name}`, item)).join(",")}`];
    });
  }

  private valuesOf(flag: FlagReference, key: string, node: Node): readonly string[] {
    if (flag.value === undefined) return [String(this.truth(key, node))];
    if (isSeq(node) && !flag.multiple) throw this.invalid(startOf(node), `${key} takes one value, and here is a list`);
    const items = isSeq(node) ? this.items(node) : [node];
    if (items.length === 0)
      throw this.invalid(startOf(node), `${key} has no value`, "Leave the key out, or name a value.");
    const values = items.flatMap((item) => {
      const where = this.whereIs(startOf(item));
      return valuesOfWord(flag, this.text(key, item)).map((value) => {
        checkValue(flag, value, { code: "CONFIG_INVALID", where, name: key });
        return value;
      });
    });
    return flag.kind === "file" || flag.kind === "folder" ? values.map((value) => this.pathFromHere(value)) : values;
  }

  private truth(key: string, node: Node): boolean {
    if (isScalar(node) && typeof node.value === "boolean") return node.value;
    throw this.invalid(startOf(node), `${key} is neither true nor false`, "Write true or false, without quotes.");
  }

  /** As it is written: 1.10 is no number that could be shortened. */
  private text(key: string, node: Node): string {
    if (isNothing(node)) throw this.invalid(startOf(node), `${key} has no value`, 'Leave the key out, or write "".');
    if (isScalar(node))
      return typeof node.value === "string" ? node.value : ((node as Scalar).source ?? String(node.value));
    throw this.invalid(startOf(node), `${key} takes words, and here is ${isMap(node) ? "a map" : "a list"}`);
  }

  private pathFromHere(value: string): string {
    const { path, directory } = this.options;
    const folder = dirname(resolve(directory, path));
    if (value === "-" || value === "" || isAbsolute(value) || folder === resolve(directory)) return value;
    return relative(directory, resolve(folder, value)) || ".";
  }

  private entries(node: Node, what: string): readonly (readonly [string, Node, number])[] {
    // A section whose lines are all commented out.
    if (isNothing(node)) return [];
    if (!isMap(node)) throw this.invalid(startOf(node), `${what} is expected to be a map of keys and values`);
    return (node.items as Pair<Node, Node | null>[]).map(({ key, value }) => {
      const at = startOf(key);
      if (!isScalar(key)) throw this.invalid(at, "a key is expected to be a word");
      if (value === null) throw this.invalid(at, `${key.value} has no value`);
      return [String(key.value), this.resolved(value), at];
    });
  }

  private items(node: Node): readonly Node[] {
    return isSeq(node) ? (node.items as Node[]).map((item) => this.resolved(item)) : [];
  }

  private resolved(node: Node): Node {
    if (!isAlias(node)) return node;
    throw this.invalid(startOf(node), "references to other places of the file are not followed", "Write the value.");
  }

  private unknown(at: number, name: string, within: string | undefined, keys: readonly string[]): InitwrapError {
    return this.invalid(
      at,
      `there is no ${withoutSecrets(name)}${within === undefined ? "" : ` in ${within}`}`,
      this.elsewhere(name, within, keys) ?? meant(name, keys) ?? `There are ${keys.join(", ")}.`,
    );
  }

  /** What to do with a key that has a meaning, and not here. */
  private elsewhere(name: string, within: string | undefined, keys: readonly string[]): string | undefined {
    const { commands } = this.options;
    if (name === "config" || name === "no-config") return "which file counts is said by --config and --no-config";
    if (within === undefined && commands.some((command) => command.name === name)) {
      return `initwrap ${name} has no settings${name === "run" ? `: write the init's options under ${INIT}:` : ""}`;
    }
    if (within === INIT || within?.endsWith(`.${INIT}`)) return undefined;
    const isInits = keys.includes(INIT) && initOptions(commands).some((option) => option.name === name);
    const having = configurable(commands).filter(({ flags }) => flags.some((flag) => flag.name === name));
    const places = [...(isInits ? [INIT] : []), ...(within === undefined ? having.map((command) => command.name) : [])];
    return places.length === 0 ? undefined : `write it under ${places.map((place) => `${place}:`).join(" or ")}`;
  }

  private notYaml({ code, pos, message }: YAMLError, text: string): InitwrapError {
    const [at] = pos;
    switch (code) {
      case "DUPLICATE_KEY": {
        const [key = "a key"] = /^(?:"[^"\n]*"|'[^'\n]*'|[^\s:]+)/.exec(text.slice(at)) ?? [];
        return this.invalid(at, `${withoutSecrets(key)} is here a second time`, "Keep one of them.");
      }
      case "TAB_AS_INDENT":
        return this.invalid(at, "not YAML: a tab in the indentation", "Indent with spaces.");
      default:
        return this.invalid(at, `not YAML: ${withoutSecrets(message.split(/ at line \d|:?\n/)[0] as string)}`);
    }
  }

  private invalid(at: number, message: string, hint?: string): InitwrapError {
    return new InitwrapError("CONFIG_INVALID", message, { where: this.whereIs(at), ...(hint ? { hint } : {}) });
  }

  private whereIs(at: number): string {
    const { line, col } = this.placeOf(at);
    return `${this.options.path}:${line}:${col}`;
  }

  /** Both from 1. */
  private placeOf(at: number): { readonly line: number; readonly col: number } {
    const { line, col } = this.lines.linePos(at);
    return { line: Math.max(1, line), col: Math.max(1, col) };
  }
}

function meant(name: string, keys: readonly string[]): string | undefined {
  const guess = nearest(name, keys);
  return guess === undefined ? undefined : `Did you mean ${guess}?`;
}

function isNothing(node: unknown): boolean {
  return isScalar(node) && node.value === null;
}

function startOf(node: Node | null): number {
  return node?.range?.[0] ?? 0;
}
