/**
 * GitLab's Code Quality report: a JSON array. Source: GitLab's documentation, "Code Quality report format". Every entry needs a
 * path and a line, so what is about the whole file points at its first one.
 */
import type { Severity } from "../../model/diagnostics.ts";
import { fingerprints } from "./fingerprint.ts";
import { relativePath } from "./path.ts";
import type { Report } from "./report.ts";

const SEVERITIES = { error: "critical", warning: "minor", note: "info" } as const satisfies Record<Severity, string>;

export default function gitlab(reports: readonly Report[]): string {
  const marks = fingerprints(reports);
  const entries = reports.flatMap(({ file, findings }) =>
    findings.map((finding) => ({
      description: finding.hint === undefined ? finding.message : `${finding.message} (${finding.hint})`,
      check_name: finding.code,
      fingerprint: marks.get(finding),
      severity: SEVERITIES[finding.severity],
      location: {
        path: relativePath(file ?? "Dockerfile"),
        lines: { begin: finding.range?.line ?? 1, end: finding.range?.endLine ?? 1 },
      },
    })),
  );
  return JSON.stringify(entries, undefined, 2);
}
