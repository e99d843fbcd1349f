/** What a reporter gets: findings with their words, by file. Diagnostics and errors look alike from here on. */
import type { Diagnostic, DiagnosticCode, Range, Severity } from "../../model/diagnostics.ts";
import type { ErrorCode, InitwrapError } from "../../model/errors.ts";
import type { Paint } from "../colour.ts";
import { helpOf, hintOf, messageOf } from "../messages.ts";

/** One finding in words. `args` are a diagnostic's facts; an error has none. */
export interface Finding {
  readonly code: DiagnosticCode | ErrorCode;
  readonly severity: Severity;
  readonly message: string;
  readonly hint: string | undefined;
  readonly help: string;
  readonly range: Range | undefined;
  readonly args: Diagnostic["args"];
}

/** The findings of one file or image. `text` is the source that the ranges count in, where there is one. */
export interface Report {
  readonly file: string | undefined;
  readonly text?: string | undefined;
  readonly findings: readonly Finding[];
}

export interface ReportContext {
  /** initwrap's version. */
  readonly version: string;
  readonly paint: Paint;
}

/** Turns reports into text that ends without a line feed; empty when there is nothing to say. */
export type Reporter = (reports: readonly Report[], context: ReportContext) => string;

export function findingOf(diagnostic: Diagnostic): Finding {
  const { code, severity, range, args } = diagnostic;
  return {
    code,
    severity,
    message: messageOf(diagnostic),
    hint: hintOf(diagnostic),
    help: helpOf(code),
    range,
    args,
  };
}

/** A failure as a finding of `file`. A line is known when the failure's place is one of that file. */
export function findingOfError({ code, message, hint, where }: InitwrapError, file: string | undefined): Finding {
  const tail = file !== undefined && where?.startsWith(`${file}:`) ? where.slice(file.length + 1) : "";
  // A column may follow the line.
  const [, digits] = /^([1-9]\d*)(?::\d+)?$/.exec(tail) ?? [];
  const line = digits === undefined ? undefined : Number(digits);
  const range = line === undefined ? undefined : { line, endLine: line };
  return { code, severity: "error", message, hint, help: helpOf(code), range, args: {} };
}
