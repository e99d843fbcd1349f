/** The shape of a parsed Dockerfile: ranges over its text, nothing reprinted. Source: Dockerfile reference. */
import type { Range } from "../model/diagnostics.ts";

/** `# syntax=`, `# escape=` or `# check=` in the first lines. `name` is lower-case. */
export interface Directive {
  readonly name: "syntax" | "escape" | "check";
  readonly value: string;
  readonly line: number;
}

/** A here-document of RUN, COPY or ADD. `content` holds the body's bytes as they are, carriage returns included. */
export interface Heredoc {
  readonly name: string;
  readonly content: string;
}

/** How one instruction is written. Positions are offsets into `Dockerfile.text`. */
export interface Instruction {
  /** Upper-case: `ENTRYPOINT`. */
  readonly keyword: string;
  /** As it is written: `entrypoint`. */
  readonly spelled: string;
  /** Leading `--x[=y]` words. */
  readonly flags: readonly string[];
  /** The argument on one line: continuations joined, comments dropped, flags removed, trimmed. */
  readonly argument: string;
  /**
   * The argument as words: the strings of an exec form, the whole text of a shell form, `name`, `value` pairs of ENV and
   * LABEL, otherwise the words between white space.
   */
  readonly words: readonly string[];
  /** True when the argument is a JSON array of strings. */
  readonly exec: boolean;
  readonly heredocs: readonly Heredoc[];
  /** The instruction that an ONBUILD holds. */
  readonly trigger?: Instruction;
  /** The whole instruction on one line. */
  readonly line: string;
  readonly range: Range;
  /** Offset of the first byte of its first line. */
  readonly start: number;
  /** Offset behind its last byte, without the line's ending; a heredoc's terminator is inside. */
  readonly end: number;
  /** Offset of the argument's first byte, or `end` when there is no argument. */
  readonly argumentStart: number;
  /** Offset of the escape character that was still open when the file ended: `RUN x \` and nothing after it. */
  readonly openEscape: number | undefined;
}

/** A Dockerfile that BuildKit parses. */
export interface Dockerfile {
  readonly text: string;
  readonly directives: readonly Directive[];
  /** The escape character: `\` or `` ` ``. */
  readonly escape: "\\" | "`";
  readonly instructions: readonly Instruction[];
  /** Continued instructions that hold a blank line. */
  readonly blankContinuations: readonly Range[];
}

/** A text that BuildKit refuses. `message` is BuildKit's, with no file name; `line` is 0 when no line is to blame. */
export class DockerfileError extends Error {
  override readonly name = "DockerfileError";
  readonly line: number;
  readonly endLine: number;
  readonly hint: string | undefined;

  constructor(message: string, line = 0, endLine = line, hint?: string) {
    super(message);
    this.line = line;
    this.endLine = endLine;
    this.hint = hint;
  }
}
