/**
 * Bytes to instructions, exactly as BuildKit's parser reads them, keeping every position.
 *
 * The parser works line by line: a logical line is its physical lines with the continuations taken out, and `Joined`
 * remembers where each piece came from. Source: moby/buildkit, frontend/dockerfile/parser, read for its behaviour.
 */
import type { Range } from "../model/diagnostics.ts";
import { checkInstruction } from "./check-instruction.ts";
import { readExecForm } from "./exec-form.ts";
import { readFlags } from "./flags.ts";
import { heredocsOf } from "./heredoc.ts";
import { type Directive, type Dockerfile, DockerfileError, type Heredoc, type Instruction } from "./syntax.ts";
import { frontendOf, HEREDOC_GRAMMAR, hasSyntax, SPACED_HEREDOC_SYNTAX, STRICT_JSON_SYNTAX } from "./syntax-version.ts";
import { decode, leadingSpace, trim, trimEnd } from "./text.ts";

const MAX_LINE = 65_535;
const BOM = "\xef\xbb\xbf";
const DIRECTIVE = /^#[\t\n\f\r ]*([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*([^\n]+?)[\t\n\f\r ]*$/;
const WHITE_SPACE = /[\t\v\f\r ]+/;
const NOT_STRINGS = "when using JSON array syntax, arrays must be comprised of strings only";

/**
 * Parses a Dockerfile held as text (see text.ts). Throws DockerfileError with BuildKit's words.
 * `strict: false` leaves out what BuildKit checks of each instruction's arguments, as for a trigger that is only stored.
 */
export function parseText(text: string, options: { readonly strict?: boolean } = {}): Dockerfile {
  const strict = options.strict !== false;
  if (strict && latest?.text === text) return latest;
  const dockerfile = new Parser(text).parse();
  if (!strict) return dockerfile;
  checkStructure(dockerfile);
  latest = dockerfile;
  return dockerfile;
}

/** The last text that was read: a file is looked at several times before the next one's turn. */
let latest: Dockerfile | undefined;

interface Line {
  /** Offset of the first byte. */
  readonly start: number;
  /** Offset of the line feed, or the end of the text. */
  readonly end: number;
}

class Parser {
  private at = 0;
  private lineNumber = 0;
  private readonly directives: Directive[] = [];
  private directivesDone = false;
  private escape: "\\" | "`" = "\\";
  private readonly blankContinuations: Range[] = [];
  private lenientJson = false;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  parse(): Dockerfile {
    const instructions: Instruction[] = [];
    for (let line = this.next(); line !== undefined; line = this.next()) {
      const instruction = this.instruction(line);
      if (instruction !== undefined) instructions.push(instruction);
    }
    if (instructions.length === 0) throw new DockerfileError("file with no instructions", this.lineNumber);
    return {
      text: this.text,
      directives: this.directives,
      escape: this.escape,
      instructions,
      blankContinuations: this.blankContinuations,
    };
  }

  /** The next physical line; undefined at the end. A last line without a line feed counts, an empty one does not. */
  private next(): Line | undefined {
    const start = this.at;
    if (start >= this.text.length) return undefined;
    const feed = this.text.indexOf("\n", start);
    const end = feed < 0 ? this.text.length : feed;
    if (end - start + (feed < 0 ? 0 : 1) > MAX_LINE) {
      throw new DockerfileError(
        `dockerfile line greater than maximum allowed size of ${MAX_LINE}`,
        this.lineNumber + 1,
        this.lineNumber + 1,
        "Break the line with the escape character, or copy the text from a file.",
      );
    }
    this.at = feed < 0 ? end : feed + 1;
    this.lineNumber++;
    return { start, end };
  }

  private instruction(first: Line): Instruction | undefined {
    const firstNumber = this.lineNumber;
    let start = first.start;
    if (firstNumber === 1 && this.text.startsWith(BOM, start)) start += BOM.length;
    const end = this.contentEnd({ start, end: first.end });
    const head = start + leadingSpace(this.text.slice(start, end));
    if (this.text[head] === "#" || !this.directivesDone) this.directive(this.text.slice(head, end), firstNumber);
    if (head === end || this.text[head] === "#") return undefined;

    const joined = new Joined(this.text);
    let open = this.append(joined, head, end);
    // An escape alone on its line continues into the next one; BuildKit reads on.
    let last = first;
    let blank = false;
    while (open) {
      const line = this.next();
      if (line === undefined) break;
      last = line;
      const lineEnd = this.contentEnd(line);
      const content = line.start + leadingSpace(this.text.slice(line.start, lineEnd));
      if (this.text[content] === "#" && content < lineEnd) continue;
      if (content >= lineEnd) {
        blank = true;
        continue;
      }
      open = this.append(joined, line.start, lineEnd);
    }
    const range = { line: firstNumber, endLine: this.lineNumber };
    if (blank) this.blankContinuations.push(range);
    const parsed = this.parsed(joined, range);
    const heredocs = this.heredocs(parsed, joined.text, range);
    const lastLine = heredocs.last ?? last;
    return {
      ...parsed,
      heredocs: heredocs.list,
      range: { line: firstNumber, endLine: this.lineNumber },
      start,
      end: this.contentEnd(lastLine),
      openEscape: open ? joined.continuation : undefined,
    };
  }

  /** Offset behind a line's content: carriage returns before the line feed are no part of it. */
  private contentEnd(line: Line): number {
    let end = line.end;
    while (end > line.start && this.text.charCodeAt(end - 1) === 13) end--;
    return end;
  }

  /** Adds a physical line, without its continuation character; true when it had one. */
  private append(joined: Joined, start: number, end: number): boolean {
    let cut = end;
    while (cut > start && (this.text[cut - 1] === " " || this.text[cut - 1] === "\t")) cut--;
    const continues =
      cut > start && this.text[cut - 1] === this.escape && (cut - 1 === start || this.text[cut - 2] !== this.escape);
    joined.append(start, continues ? cut - 1 : end);
    joined.continuation = cut - 1;
    return continues;
  }

  private directive(line: string, number: number): void {
    if (this.directivesDone) return;
    const match = DIRECTIVE.exec(line);
    const name = match?.[1]?.toLowerCase();
    if (match === null || (name !== "syntax" && name !== "escape" && name !== "check")) {
      this.directivesDone = true;
      return;
    }
    if (this.directives.some((directive) => directive.name === name)) {
      throw new DockerfileError(`only one ${name} parser directive can be used`, number);
    }
    const value = decode(match[2] as string);
    this.directives.push({ name, value, line: number });
    if (name === "escape") {
      if (value !== "\\" && value !== "`") {
        throw new DockerfileError(`invalid escape token '${value}' does not match \` or \\`, number);
      }
      this.escape = value;
    }
    if (name === "syntax") {
      this.lenientJson = !hasSyntax(frontendOf({ directives: this.directives }), STRICT_JSON_SYNTAX);
    }
  }

  private parsed(joined: Joined, range: Range): Parsed & { argumentStart: number } {
    try {
      const { argumentAt, ...parsed } = parseLine(joined.text, this.escape, this.lenientJson);
      return { ...parsed, argumentStart: joined.offsetOf(argumentAt) };
    } catch (error) {
      if (error instanceof LineError) throw new DockerfileError(error.message, range.line, range.endLine, error.hint);
      throw error;
    }
  }

  private heredocs(parsed: Parsed, line: string, range: Range): { list: readonly Heredoc[]; last?: Line } {
    const holder = parsed.trigger ?? parsed;
    if (!HEREDOC_KEYWORDS.has(holder.keyword) || holder.exec || !line.includes("<<")) return { list: [] };
    const frontend = frontendOf({ directives: this.directives });
    if (!hasSyntax(frontend, HEREDOC_GRAMMAR)) return { list: [] };
    const list: Heredoc[] = [];
    let last: Line | undefined;
    for (const { name, chomp } of heredocsOf(line, hasSyntax(frontend, SPACED_HEREDOC_SYNTAX))) {
      const bodyStart = this.at;
      if (!chomp) this.skipBody(name);
      for (;;) {
        last = this.next();
        if (last === undefined) {
          throw new DockerfileError(
            "unterminated heredoc",
            range.line,
            this.lineNumber,
            `End the text with a line that holds only ${name}.`,
          );
        }
        let content = this.text.slice(last.start, this.contentEnd(last));
        if (chomp) content = content.replace(/^\t+/, "");
        if (content === name) break;
      }
      list.push({ name, content: this.text.slice(bodyStart, last.start) });
    }
    return last === undefined ? { list } : { list, last };
  }

  /**
   * Goes on to the first line that begins with the terminator, lines and their lengths counted. A body may be a whole program,
   * and most of its lines need not be looked at one by one.
   */
  private skipBody(terminator: string): void {
    const { text } = this;
    const found = text.startsWith(terminator, this.at) ? this.at : text.indexOf(`\n${terminator}`, this.at) + 1;
    // Without one, reading on line by line finds the end of the text, and says so.
    if (found === 0) return;
    let start = this.at;
    while (start < found) {
      const feed = text.indexOf("\n", start);
      // The line is too long, which is said where it is read.
      if (feed - start + 1 > MAX_LINE) break;
      this.lineNumber++;
      start = feed + 1;
    }
    this.at = start;
  }
}

/** A logical line: pieces of the text put together, and where each came from. */
class Joined {
  text = "";
  /** Offset of the last piece's continuation character, when it had one. */
  continuation: number | undefined;
  private readonly pieces: { at: number; offset: number }[] = [];
  private end = 0;
  private readonly source: string;

  constructor(source: string) {
    this.source = source;
  }

  append(start: number, end: number): void {
    this.pieces.push({ at: this.text.length, offset: start });
    this.text += this.source.slice(start, end);
    this.end = end;
  }

  /** The offset in the source of the character at `position` of the joined text. */
  offsetOf(position: number): number {
    if (position >= this.text.length) return this.end;
    const piece = this.pieces.findLast(({ at }) => at <= position) as { at: number; offset: number };
    return piece.offset + (position - piece.at);
  }
}

const HEREDOC_KEYWORDS: ReadonlySet<string> = new Set(["RUN", "COPY", "ADD"]);

interface Parsed {
  readonly keyword: string;
  readonly spelled: string;
  readonly flags: readonly string[];
  readonly argument: string;
  readonly words: readonly string[];
  readonly exec: boolean;
  readonly trigger?: Instruction;
  readonly line: string;
}

/** What is wrong with a line, before its number is known. */
class LineError extends Error {
  readonly hint: string | undefined;
  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** Splits a logical line into keyword, flags and argument, and the argument by the keyword's own rule. */
function parseLine(line: string, escapeChar: string, lenientJson: boolean): Parsed & { argumentAt: number } {
  const lead = leadingSpace(line);
  const trimmed = trimEnd(line.slice(lead));
  const separator = WHITE_SPACE.exec(trimmed);
  const spelled = separator === null ? trimmed : trimmed.slice(0, separator.index);
  const rest = separator === null ? "" : trimmed.slice(separator.index + separator[0].length);
  const { flags, rest: behindFlags } = readFlags(rest);
  const untrimmed = rest.slice(behindFlags);
  const argument = trim(untrimmed);
  const argumentAt = lead + trimmed.length - rest.length + behindFlags + leadingSpace(untrimmed);
  const keyword = spelled.toUpperCase();
  const form = argumentForm(keyword, argument, escapeChar, lenientJson);
  return { keyword, spelled, flags, argument, line, argumentAt, ...form };
}

type Form = Pick<Parsed, "words" | "exec" | "trigger">;

function argumentForm(keyword: string, argument: string, escapeChar: string, lenientJson: boolean): Form {
  switch (keyword) {
    case "CMD":
    case "ENTRYPOINT":
    case "RUN":
    case "SHELL":
      return execOr(argument, lenientJson, () => [argument]);
    case "ADD":
    case "COPY":
    case "VOLUME":
      return execOr(argument, lenientJson, () => argument.split(WHITE_SPACE));
    case "HEALTHCHECK":
      return healthcheck(argument, lenientJson);
    case "ENV":
    case "LABEL":
      return { words: pairs(keyword, argument, escapeChar), exec: false };
    case "ARG":
      return { words: lineWords(argument, escapeChar), exec: false };
    case "EXPOSE":
    case "FROM":
      return { words: argument === "" ? [] : argument.split(WHITE_SPACE), exec: false };
    case "ONBUILD":
      return onbuild(argument, escapeChar, lenientJson);
    default:
      return { words: argument === "" ? [] : [argument], exec: false };
  }
}

function execOr(argument: string, lenientJson: boolean, otherwise: () => readonly string[]): Form {
  if (argument === "") return { words: [], exec: false };
  const words = readExecForm(argument, lenientJson);
  if (words === "not-strings") throw new LineError(NOT_STRINGS, 'Put every element in double quotes: ["a", "1"]');
  return words === undefined ? { words: otherwise(), exec: false } : { words, exec: true };
}

function healthcheck(argument: string, lenientJson: boolean): Form {
  if (argument === "") return { words: [], exec: false };
  const [type = "", rest = ""] =
    /^([^\t\n\v\f\r \x85\xa0]+)[\t\n\v\f\r \x85\xa0]*([\s\S]*)$/.exec(argument)?.slice(1) ?? [];
  const command = execOr(rest, lenientJson, () => [rest]);
  return { words: [type, ...command.words], exec: command.exec };
}

function onbuild(argument: string, escapeChar: string, lenientJson: boolean): Form {
  if (argument === "") return { words: [], exec: false };
  const { argumentAt: _, ...trigger } = parseLine(argument, escapeChar, lenientJson);
  const nowhere = {
    heredocs: [],
    range: { line: 0, endLine: 0 },
    start: 0,
    end: 0,
    argumentStart: 0,
    openEscape: undefined,
  };
  return { words: [trigger.spelled, ...trigger.words], exec: false, trigger: { ...trigger, ...nowhere } };
}

/** `name`, `value` pairs of `NAME=value ...`, or of the old `NAME value`. */
function pairs(keyword: string, argument: string, escapeChar: string): readonly string[] {
  const words = lineWords(argument, escapeChar);
  const first = words[0];
  if (first === undefined) return [];
  if (!first.includes("=")) {
    const separator = WHITE_SPACE.exec(argument);
    if (separator === null) throw new LineError(`${keyword} must have two arguments`, `Write ${keyword} name=value.`);
    return [argument.slice(0, separator.index), argument.slice(separator.index + separator[0].length)];
  }
  return words.flatMap((word) => {
    const equals = word.indexOf("=");
    if (equals < 0) {
      throw new LineError(
        `Syntax error - can't find = in ${JSON.stringify(decode(word))}. Must be of the form: name=value`,
        "Put a value that holds spaces in quotes.",
      );
    }
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

/** Words between white space, quotes and escapes kept. Source: BuildKit's parseWords. */
function lineWords(text: string, escapeChar: string): readonly string[] {
  const words: string[] = [];
  let word = "";
  let quote = "";
  let started = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (quote === "" && leadingSpace(char) > 0) {
      if (started) words.push(word);
      word = "";
      started = false;
      continue;
    }
    started = true;
    word += char;
    if (quote !== "") {
      if (char === quote) quote = "";
      else if (char === escapeChar && quote !== "'" && at + 1 < text.length) word += text[++at];
    } else if (char === "'" || char === '"') quote = char;
    else if (char === escapeChar) {
      if (at + 1 === text.length) word = word.slice(0, -1);
      else word += text[++at];
    }
  }
  if (started && word !== "") words.push(word);
  return words;
}

/** What BuildKit checks after the lines are read: each instruction's arguments, and that stages come first. */
function checkStructure(dockerfile: Dockerfile): void {
  let stages = 0;
  for (const instruction of dockerfile.instructions) {
    const { line, endLine } = instruction.range;
    const fault = checkInstruction(instruction);
    if (fault !== undefined) {
      throw new DockerfileError(`dockerfile parse error on line ${line}: ${fault.message}`, line, endLine, fault.hint);
    }
    if (instruction.keyword === "FROM") stages++;
    else if (stages === 0 && instruction.keyword !== "ARG") {
      throw new DockerfileError(
        "no build stage in current context",
        line,
        endLine,
        "A Dockerfile begins with FROM; only ARG may stand before it.",
      );
    }
  }
  if (stages === 0)
    throw new DockerfileError("dockerfile contains no stages to build", 0, 0, "Add a FROM instruction.");
}
