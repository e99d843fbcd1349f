/**
 * Annotations of GitHub Actions: one workflow command a finding. Source: GitHub's "Workflow commands" and actions/toolkit's
 * rules of escaping. A command is one line of the log, on either stream.
 */
import type { Severity } from "../../model/diagnostics.ts";
import type { Finding, Report } from "./report.ts";

const COMMANDS = { error: "error", warning: "warning", note: "notice" } as const satisfies Record<Severity, string>;

export default function github(reports: readonly Report[]): string {
  return reports.flatMap(({ file, findings }) => findings.map((finding) => command(finding, file))).join("\n");
}

function command({ code, severity, message, hint, help, range }: Finding, file: string | undefined): string {
  const properties = [
    ...(file === undefined ? [] : [["file", file]]),
    ...(file === undefined || range === undefined
      ? []
      : [
          ["line", String(range.line)],
          ["endLine", String(range.endLine)],
        ]),
    ["title", `initwrap ${code}`],
  ].map(([name, value]) => `${name}=${escapeProperty(value as string)}`);
  const text = [message, ...(hint === undefined ? [] : [`hint: ${hint}`]), help].join("\n");
  return `::${COMMANDS[severity]} ${properties.join(",")}::${escapeData(text)}`;
}

function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

/** A property's value also ends at a comma, and the properties at a colon. */
function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
