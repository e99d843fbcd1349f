/**
 * One failure, shown to a person on stderr or to a program on stdout. The JSON's fields are named here one by one, so that
 * nothing internal of a library's error gets out.
 */

import { nearest } from "../model/did-you-mean.ts";
import { EXIT, type Exit, InitwrapError } from "../model/errors.ts";
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

/** The published shape of a failure under `--json`. */
export function errorDocument(error: InitwrapError): object {
  const { code, message, exit, where, hint } = error;
  return { version: 1, error: { code, message, exit, ...(where ? { where } : {}), ...(hint ? { hint } : {}) } };
}

function formatError(error: InitwrapError, paint: Paint): string {
  const lines = [
    `${paint(["bold", "red"], "error")}${paint("dim", `[${error.code}]`)}: ${placeBefore(error)}${error.message}`,
  ];
  if (error.excerpt) lines.push(error.excerpt);
  if (error.hint) lines.push(`${paint("cyan", "hint")}: ${error.hint}`);
  return lines.join("\n");
}

/** The place, unless the message says it. */
function placeBefore({ where, message }: InitwrapError): string {
  if (!where) return "";
  const said =
    message.startsWith(`${where} `) ||
    message.startsWith(`${where}:`) ||
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
  const lines = error.message.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("See more help"));
  // oclif announces what is in the next lines; a message has to say it itself.
  if (/^The following errors? occurred:$/.test(lines[0] ?? "") && lines.length > 1) lines.shift();
  const [first = "", ...rest] = lines.map((line) => line.trim());
  const guess = flagMeant(error) ?? valueMeant(first);
  const detail = [...rest, ...(guess === undefined ? [] : [`did you mean ${guess}?`])].join("\n");
  return new InitwrapError("USAGE", first.replace(/\.$/, ""), {
    hint: `${detail === "" ? "" : `${detail}\n`}initwrap help, or the command with --help, lists what it takes`,
    cause: error,
  });
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
