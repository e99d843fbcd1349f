/**
 * Findings for people: `file:line: severity[CODE]: sentence`, the form that editors and terminals make clickable, then the
 * source with a marker, what to do, and where to read more.
 */
import type { Severity } from "../../model/diagnostics.ts";
import type { Paint } from "../colour.ts";
import { sourceExcerpt } from "../source-excerpt.ts";
import type { Finding, Report, ReportContext } from "./report.ts";

const COLOURS = { error: "red", warning: "yellow", note: "cyan" } as const satisfies Record<Severity, string>;

export default function pretty(reports: readonly Report[], { paint }: ReportContext): string {
  return reports
    .flatMap((report) => report.findings.map((finding) => formatFinding(finding, report, paint)))
    .join("\n");
}

/** One finding. A note is one line: it asks nothing of the reader. */
function formatFinding(finding: Finding, { file, text }: Report, paint: Paint): string {
  const { code, severity, message, hint, help, range } = finding;
  const place = file === undefined ? "" : `${file}${range === undefined ? "" : `:${range.line}`}: `;
  const lines = [
    `${place}${paint(["bold", COLOURS[severity]], severity)}${paint("dim", `[${code}]`)}: ${visible(message)}`,
  ];
  if (severity === "note") return lines[0] as string;
  const excerpt = text === undefined || range === undefined ? undefined : sourceExcerpt(text, range);
  if (excerpt !== undefined) lines.push(excerpt);
  if (hint !== undefined) lines.push(`  ${paint("cyan", "hint")}: ${hint}`);
  lines.push(`  ${paint("cyan", "help")}: ${help}`);
  return lines.join("\n");
}

/** What images and containers say of themselves must not steer the terminal. */
function visible(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, " ");
}
