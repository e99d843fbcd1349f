/**
 * One failure, shown to a person on stderr or to a program on stdout. The JSON's fields are named here one by one, so that
 * nothing internal of a library's error gets out.
 */
import { nearest } from "../model/did-you-mean.ts";
import { EXIT, type Exit, InitwrapError, messageWith } from "../model/errors.ts";
import { type Paint, paintFor } from "./colour.ts";
import { writeLine } from "./streams.ts";

export interface PresentOptions {
  readonly json: boolean;
}

/** Shows `error` and returns the exit code that the run must end with. */
export function presentError(error: unknown, options: PresentOptions): Exit {
  const shown = asInitwrapError(error);
  if (shown === undefined) return presentBug(error, options);
  if (options.json) {
    process.stdout.write(`${JSON.stringify(errorDocument(shown), undefined, 2)}\n`);
  } else {
    writeLine(formatError(shown, paintFor(process.stderr)));
  }
  return shown.exit;
}

/** Shows what several files failed with to people: what is the same for some of them is said once, and then where. */
export function presentErrors(errors: readonly InitwrapError[]): void {
  const groups = new Map<string, InitwrapError[]>();
  for (const error of errors) {
    const { code, message, hint, excerpt } = error;
    const key = JSON.stringify([code, message, hint, excerpt]);
    groups.set(key, [...(groups.get(key) ?? []), error]);
  }
  const paint = paintFor(process.stderr);
  const reasons = [...groups.values()].flatMap(([first]) => first?.reasons ?? []);
  const common = new Set(reasons.filter((reason, index) => reasons.indexOf(reason) < index));
  for (const reason of common) writeLine(`${paint(["bold", "red"], "error")}: ${reason}`);
  for (const group of groups.values()) {
    writeLine(
      formatTogether(
        group,
        (error) =>
          messageWith(
            error,
            error.reasons.filter((one) => !common.has(one)),
          ),
        paint,
      ),
    );
  }
}

/** The published shape of a failure under `--json`. */
export function errorDocument(error: InitwrapError): object {
  const { code, message, exit, where, hint } = error;
  return { version: 1, error: { code, message, exit, ...(where ? { where } : {}), ...(hint ? { hint } : {}) } };
}

function formatError(error: InitwrapError, paint: Paint): string {
  return [headOf(error.code, error.message, error.where, paint), ...tailOf(error, paint)].join("\n");
}

/** One error of several files; a place that they share is said with it. */
function formatTogether(
  errors: readonly InitwrapError[],
  messageOf: (error: InitwrapError) => string,
  paint: Paint,
): string {
  const [first] = errors as [InitwrapError];
  const places = [...new Set(errors.map(({ where }) => where))];
  const message = messageOf(first);
  if (places.length === 1) return [headOf(first.code, message, places[0], paint), ...tailOf(first, paint)].join("\n");
  return [
    headOf(first.code, message, undefined, paint),
    ...places.map((place) => `  ${place ?? "elsewhere"}`),
    ...tailOf(first, paint),
  ].join("\n");
}

/** Longer is what a file that is none was quoted for. Characters. */
const LONGEST = 4000;

function headOf(code: string, whole: string, where: string | undefined, paint: Paint): string {
  const message = whole.length > LONGEST ? `${whole.slice(0, LONGEST)}...` : whole;
  return `${paint(["bold", "red"], "error")}${paint("dim", `[${code}]`)}: ${placeBefore(where, message)}${message}`;
}

function tailOf({ excerpt, hint }: InitwrapError, paint: Paint): readonly string[] {
  return [...(excerpt ? [excerpt] : []), ...(hint ? [`${paint("cyan", "hint")}: ${hint}`] : [])];
}

/** The place, unless the message says it. */
function placeBefore(where: string | undefined, message: string): string {
  if (!where) return "";
  const said =
    message.startsWith(`${where} `) ||
    message.startsWith(`${where}:`) ||
    message.startsWith(JSON.stringify(where)) ||
    message.endsWith(` ${where}`) ||
    message.includes(` ${where}: `);
  return said ? "" : `${where}: `;
}

function presentBug(error: unknown, options: PresentOptions): Exit {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  if (options.json) {
    const message = error instanceof Error ? error.message : String(error);
    process.stdout.write(
      `${JSON.stringify({ version: 1, error: { code: "BUG", message, exit: EXIT.bug } }, undefined, 2)}\n`,
    );
  }
  writeLine(
    `${paintFor(process.stderr)(["bold", "red"], "bug")}: this should not have happened; please report it with what follows\n${text}`,
  );
  return EXIT.bug;
}

/** Our own errors as they are; oclif's complaints about the command line as a usage error; anything else is a bug. */
function asInitwrapError(error: unknown): InitwrapError | undefined {
  if (error instanceof InitwrapError) return error;
  if (!(error instanceof Error) || !("oclif" in error)) return undefined;
  // oclif colours a few of its messages itself.
  const message = error.message.replace(/\x1b\[[\d;]*m/g, "");
  const lines = message.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("See more help"));
  const missing = /^Missing \d+ required args?:$/.test(lines[0] ?? "") ? lines.slice(1) : [];
  if (missing.length > 0) {
    // A table of names and descriptions, and advice that suits other calls.
    const names = missing.filter((line) => !/^(?:Note:|Alternatively,)/.test(line)).map((line) => line.trim());
    return new InitwrapError("USAGE", `there is no ${names.map((line) => line.split(/\s/)[0]).join(" and no ")}`, {
      hint: `${names.map((line) => line.replace(/\s{2,}/, ": ")).join("\n")}\ninitwrap help, or the command with --help, lists what it takes`,
      cause: error,
    });
  }
  // oclif announces what is in the next lines; a message has to say it itself.
  if (/^The following errors? occurred:$/.test(lines[0] ?? "") && lines.length > 1) lines.shift();
  const [first = "", ...rest] = lines.map((line) => line.trim());
  const guess = flagMeant(error) ?? valueMeant(first);
  const detail = [...rest, ...(guess === undefined ? [] : [`did you mean ${guess}?`])].join("\n");
  return new InitwrapError("USAGE", flagsTogether(first.replace(/\.$/, "")), {
    hint: `${detail === "" ? "" : `${detail}\n`}initwrap help, or the command with --help, lists what it takes`,
    cause: error,
  });
}

/** What oclif says of two flags in the words of the flags. */
function flagsTogether(message: string): string {
  const excluded = /^(--[\w-]+)(?:=.*)? cannot also be provided when using (--[\w-]+)/s.exec(message);
  if (excluded !== null) return `${excluded[2]} and ${excluded[1]} exclude each other`;
  const needed = /^All of the following must be provided when using (--[\w-]+): (--[\w-]+)$/.exec(message);
  return needed === null ? message : `${needed[1]} needs ${needed[2]}`;
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

/** What is thrown for a command that is none of `commands`. */
export function unknownCommand(name: string, commands: readonly string[]): InitwrapError {
  const guess = nearest(name, commands);
  const question = guess === undefined ? `there are ${commands.join(", ")}` : `did you mean initwrap ${guess}?`;
  return new InitwrapError("USAGE", `there is no command ${name}`, {
    hint: `${question}\ninitwrap help, or the command with --help, lists what it takes`,
  });
}

/** What is thrown for a flag where the command should be. */
export function flagFirst(argv: readonly string[], commands: readonly string[]): InitwrapError {
  const [flag = ""] = argv;
  const at = argv.findIndex((word) => commands.includes(word));
  const meant = at < 0 ? undefined : [argv[at], ...argv.slice(at + 1), ...argv.slice(0, at)].join(" ");
  return new InitwrapError("USAGE", `${flag} stands where the command should be`, {
    hint: `${meant === undefined ? `there are ${commands.join(", ")}` : `did you mean initwrap ${meant}?`}
initwrap help, or the command with --help, lists what it takes`,
  });
}
