/**
 * Help for a terminal of any width: examples first, for that is what is read. Made from the manifest alone, so that nothing
 * of a command, and nothing of oclif, is loaded to show it.
 */
import { type CommandReference, type FlagReference, flagWords, piecesOf } from "./command.ts";
import { PROGRAM } from "./program.ts";

export interface HelpOptions {
  /** Columns of the terminal. */
  readonly width: number;
  /** Makes a heading stand out, where that can be shown. */
  readonly heading: (text: string) => string;
}

/** Lines longer than this are hard to read, whatever the terminal has. */
const WIDEST = 100;
/** Below this, what something means stands under its name and not beside it. */
const NARROW = 60;
const INDENT = "  ";

/** The help of the program: what there is. */
export function programHelp(commands: readonly CommandReference[], options: HelpOptions): string {
  return document([
    ...wrapped(PROGRAM.summary, "", options),
    ...section("Examples", PROGRAM.examples.map(shellLine), options),
    ...section("Usage", [shellLine(`${PROGRAM.name} ${PROGRAM.usage}`)], options),
    ...section(
      "Commands",
      table(
        commands.map(({ name, summary }) => [name, summary]),
        options,
      ),
      options,
    ),
    ...section(
      "More",
      table(
        PROGRAM.topics.map(([what, how]) => [how, what]),
        options,
      ),
      options,
    ),
  ]);
}

const VARIABLES = `Every flag of a command is also a variable: INITWRAP_, the command and the flag, in capitals and with underscores.
Some can be set for all commands, without the command's name. "initwrap config" shows what is set. These are read as well:`;

/** The help of a subject that is no command; undefined where there is none of that name. */
export function topicHelp(name: string, options: HelpOptions): string | undefined {
  if (name === "exit-codes") return document(section("Exit codes", table(PROGRAM.exits, options), options).slice(1));
  if (name !== "environment") return undefined;
  return document([
    ...wrapped(VARIABLES, "", options),
    ...section("Environment", table(PROGRAM.environment, options), options),
  ]);
}

/** The help of one command. */
export function commandHelp(command: CommandReference, options: HelpOptions): string {
  const rows = (flags: readonly FlagReference[]) =>
    table(
      flags.map((flag) => flagRow(flag)),
      options,
    );
  const description = piecesOf(command.description).flatMap(({ kind, lines }, index) => [
    ...(index === 0 ? [] : [""]),
    ...(kind === "block"
      ? lines.map((line) => `${INDENT}${INDENT}${line}`)
      : wrapped(lines.join(" "), INDENT, options)),
  ]);
  const args = command.args.map(({ name, description: text, options: values }) => [
    name.toUpperCase(),
    values === undefined ? text : `${text} One of ${values.join(", ")}.`,
  ]);
  return document([
    ...wrapped(command.summary, "", options),
    ...section("Examples", command.examples.map(shellLine), options),
    ...section("Usage", [shellLine(`${PROGRAM.name} ${command.usage}`)], options),
    ...section("Description", description, options),
    ...section("Arguments", table(args, options), options),
    ...section("Flags", rows(command.flags.filter(({ global }) => !global)), options),
    ...section("Flags of every command", rows(command.flags.filter(({ global }) => global)), options),
  ]);
}

/** `--name VALUE` and what it means; what excludes it, which is long, is told by the reference page. */
function flagRow(flag: FlagReference): readonly [string, string] {
  const words = flag.char === undefined ? `    ${flagWords(flag)}` : flagWords(flag);
  const usual = flag.default === undefined ? "" : `Default: ${flag.default}.`;
  const needs = flag.dependsOn.length === 0 ? "" : `Needs ${flag.dependsOn.map((name) => `--${name}`).join(", ")}.`;
  return [words, [flag.description, usual, needs].filter(Boolean).join(" ")];
}

function document(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

function section(title: string, lines: readonly string[], { heading }: HelpOptions): readonly string[] {
  return lines.length === 0 ? [] : ["", heading(title.toUpperCase()), ...lines];
}

/** Never wrapped: it is there to be copied. */
function shellLine(command: string): string {
  return `${INDENT}$ ${command}`;
}

/** Two columns, or one below the other where the terminal is narrow or the first one long. */
function table(rows: readonly (readonly string[])[], options: HelpOptions): readonly string[] {
  const width = widthOf(options);
  const longest = Math.max(0, ...rows.map(([name = ""]) => name.length));
  const column = Math.min(longest, Math.floor(width * 0.4));
  return rows.flatMap(([name = "", text = ""]) => {
    if (width < NARROW) return [`${INDENT}${name.trimStart()}`, ...wrapped(text, INDENT.repeat(3), options)];
    const beside = `${INDENT}${" ".repeat(column)}${INDENT}`;
    const [first, ...rest] = wrapped(text, beside, options);
    if (name.length > column) return [`${INDENT}${name}`, ...(first === undefined ? [] : [first, ...rest])];
    return [`${INDENT}${name.padEnd(column)}${(first ?? "").slice(INDENT.length + column)}`.trimEnd(), ...rest];
  });
}

/** Words in lines that fit, each with `indent` in front. A word that does not fit has a line of its own. */
function wrapped(text: string, indent: string, options: HelpOptions): string[] {
  const room = widthOf(options) - indent.length;
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/).filter(Boolean)) {
    if (line !== "" && line.length + 1 + word.length > room) {
      lines.push(indent + line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  return line === "" ? lines : [...lines, indent + line];
}

function widthOf({ width }: HelpOptions): number {
  return Math.min(Math.max(width, 30), WIDEST);
}
