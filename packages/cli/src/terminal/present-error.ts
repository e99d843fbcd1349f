/**
 * One failure, shown to a person on stderr or to a program on stdout. The JSON's fields are named here one by one, so that
 * nothing internal of a library's error gets out.
 */
import { EXIT, type Exit, InitwrapError, messageWith } from "../model/errors.ts";
import { type Paint, paintFor } from "./colour.ts";
import { writeLine } from "./streams.ts";
import { usageError } from "./usage-error.ts";

export interface PresentOptions {
  readonly json: boolean;
  /** The command that was called, where there is one. */
  readonly command?: string | undefined;
}

/** Shows `error` and returns the exit code that the run must end with. */
export function presentError(error: unknown, options: PresentOptions): Exit {
  const shown = asInitwrapError(error, options.command);
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
  return [
    ...(excerpt ? [excerpt] : []),
    ...(hint ? [`${paint("cyan", "hint")}: ${hint.replaceAll("\n", HANGING)}`] : []),
  ];
}

/** A line of a hint below its first stands where that one begins. */
const HANGING = `\n${" ".repeat("hint: ".length)}`;

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
function asInitwrapError(error: unknown, command: string | undefined): InitwrapError | undefined {
  if (error instanceof InitwrapError) return error;
  return error instanceof Error && "oclif" in error ? usageError(error, command) : undefined;
}
