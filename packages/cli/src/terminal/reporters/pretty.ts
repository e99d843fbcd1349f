/** Findings for people: `file:line: severity[CODE]: sentence`, the form that editors and terminals make clickable. */
import type { Diagnostic, Severity } from "../../model/diagnostics.ts";
import type { Paint } from "../colour.ts";
import { messageOf } from "../messages.ts";

const COLOURS = { error: "red", warning: "yellow", note: "cyan" } as const satisfies Record<Severity, string>;

/** One finding as one line. */
export function formatDiagnostic(diagnostic: Diagnostic, file: string | undefined, paint: Paint): string {
  const line = diagnostic.range ? `:${diagnostic.range.line}` : "";
  const place = file === undefined ? "" : `${file}${line}: `;
  const severity = paint(["bold", COLOURS[diagnostic.severity]], diagnostic.severity);
  return `${place}${severity}${paint("dim", `[${diagnostic.code}]`)}: ${messageOf(diagnostic)}`;
}
