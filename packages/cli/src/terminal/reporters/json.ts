/** Findings for programs: one document, whose shape schemas/report.schema.json publishes. */
import type { Report, ReportContext } from "./report.ts";

export default function json(reports: readonly Report[], { version }: ReportContext): string {
  const document = {
    version: 1,
    tool: { name: "initwrap", version },
    files: reports.map(({ file, findings }) => ({
      file: file ?? null,
      findings: findings.map(({ code, severity, message, hint, help, range, args }) => ({
        code,
        severity,
        message,
        hint: hint ?? null,
        help,
        range: range === undefined ? null : { line: range.line, endLine: range.endLine },
        args,
      })),
    })),
  };
  return JSON.stringify(document, undefined, 2);
}
