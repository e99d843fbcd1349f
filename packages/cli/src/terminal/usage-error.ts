/**
 * What is wrong with the words of a call, in ours: oclif's complaints name its own concepts, are laid out as tables, and send
 * people to `--help` without saying whose.
 */
import { nearest } from "../model/did-you-mean.ts";
import { InitwrapError } from "../model/errors.ts";

/** A complaint of oclif's parser about a call of `command` as a USAGE error. */
export function usageError(error: Error, command: string | undefined): InitwrapError {
  const help = command === undefined ? PROGRAM_HELP : `initwrap ${command} --help lists what it takes.`;
  const { message, guess, more } = missingArguments(error) ?? complaint(error);
  const hints = [guess === undefined ? undefined : `Did you mean ${guess}?`, more, help];
  return new InitwrapError("USAGE", message, {
    hint: hints.filter((hint) => hint !== undefined).join("\n"),
    cause: error,
  });
}

const PROGRAM_HELP = "initwrap --help lists the commands.";

interface Complaint {
  readonly message: string;
  /** What may have been meant. */
  readonly guess?: string | undefined;
  /** What a value can be. */
  readonly more?: string | undefined;
}

/** The arguments that are missing. Undefined for any other complaint. */
function missingArguments(error: Error): Complaint | undefined {
  const { args } = error as { args?: unknown };
  if (!error.message.startsWith("Missing ") || !Array.isArray(args) || args.length === 0) return undefined;
  const missing = args as readonly { readonly name: string; readonly options?: readonly string[] }[];
  const names = missing.map(({ name }) => name.toUpperCase());
  const choices = missing.flatMap(({ name, options }) =>
    options === undefined ? [] : `${name.toUpperCase()} is one of ${options.join(", ")}.`,
  );
  return {
    message: `${names.join(" and ")} ${names.length === 1 ? "is" : "are"} missing`,
    more: choices.length === 0 ? undefined : choices.join("\n"),
  };
}

function complaint(error: Error): Complaint {
  // oclif colours a few of its messages itself.
  const lines = error.message
    .replace(/\x1b\[[\d;]*m/g, "")
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("See more help"));
  // What is announced is in the next lines; a message has to say it itself.
  if (/^The following errors? occurred:$/.test(lines[0] ?? "") && lines.length > 1) lines.shift();
  const [first = "", ...rest] = lines.map((line) => line.trim());
  return {
    message: inOurWords(first.replace(/\.$/, "")),
    guess: flagMeant(error) ?? valueMeant(first),
    more: rest.length === 0 ? undefined : rest.map((line) => `${inOurWords(line)}.`).join("\n"),
  };
}

/** How oclif says what is said otherwise here. A value may have line ends in it. */
const WORDS: readonly (readonly [pattern: RegExp, ours: string])[] = [
  [/^(--[\w-]+)(?:=.*)? cannot also be provided when using (--[\w-]+)/s, "$2 and $1 exclude each other"],
  [/^All of the following must be provided when using (--[\w-]+): (--[\w-]+)$/, "$1 needs $2"],
  [/^Nonexistent flags?: /, "there is no flag "],
  [/^Unexpected arguments?: /, "unexpected argument: "],
  [/^Flag (--[\w-]+) can only be specified once$/, "$1 is given more than once"],
  [/^Flag (--[\w-]+) expects a value$/, "$1 needs a value"],
  [/^Flag (--[\w-]+) expects one of these values: /, "$1 needs a value, one of "],
  [/^Expected (--[\w-]+)=(.*) to be one of: /s, "$1 $2: the value is none of "],
  [/^Expected (.*) to be one of: /s, "$1 is none of "],
];

function inOurWords(message: string): string {
  const found = WORDS.find(([pattern]) => pattern.test(message));
  return found === undefined ? message : message.replace(...found);
}

/** The flag that an unknown one is most like. Undefined for any other complaint. */
function flagMeant(error: Error): string | undefined {
  const { flags, parse } = error as { flags?: unknown; parse?: { input?: { flags?: object } } };
  const known = parse?.input?.flags;
  if (!Array.isArray(flags) || typeof flags[0] !== "string" || known === undefined) return undefined;
  const name = nearest(flags[0].replace(/^-+/, "").split("=", 1)[0] as string, Object.keys(known));
  return name === undefined ? undefined : `--${name}`;
}

/** The value that a wrong one of an argument or flag is most like, by what oclif says of it. */
function valueMeant(message: string): string | undefined {
  const [, value, options] = /^Expected (?:--\S+?=)?(\S+) to be one of: (.+)$/.exec(message) ?? [];
  return value === undefined ? undefined : nearest(value, (options as string).split(", "));
}

/** Asked for by other programs in this way. */
const VERSION = new Set(["version", "-v", "-V"]);

/** What is thrown for a command that is none of `commands`. */
export function unknownCommand(name: string, commands: readonly string[]): InitwrapError {
  const guess = VERSION.has(name) ? "--version" : nearest(name, commands);
  return new InitwrapError("USAGE", `there is no command ${name}`, { hint: meant(guess, commands) });
}

/** What is thrown for a flag where the command should be. */
export function flagFirst(argv: readonly string[], commands: readonly string[]): InitwrapError {
  const [flag = ""] = argv;
  const at = argv.findIndex((word) => commands.includes(word));
  const turned = at < 0 ? undefined : [argv[at], ...argv.slice(at + 1), ...argv.slice(0, at)].join(" ");
  return new InitwrapError("USAGE", `${flag} stands where the command should be`, {
    hint: meant(VERSION.has(flag) ? "--version" : turned, commands),
  });
}

function meant(guess: string | undefined, commands: readonly string[]): string {
  return guess === undefined
    ? `The commands are ${commands.join(", ")}.\n${PROGRAM_HELP}`
    : `Did you mean initwrap ${guess}?\n${PROGRAM_HELP}`;
}
