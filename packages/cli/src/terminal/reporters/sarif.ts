/**
 * SARIF 2.1.0, as code scanning services read it. Source: OASIS, "Static Analysis Results Interchange Format", and GitHub's
 * "SARIF support for code scanning".
 */
import { DIAGNOSTICS, type DiagnosticCode, type Severity } from "../../model/diagnostics.ts";
import { fingerprints } from "./fingerprint.ts";
import { relativePath } from "./path.ts";
import type { Finding, Report, ReportContext } from "./report.ts";

const LEVELS = { error: "error", warning: "warning", note: "note" } as const satisfies Record<Severity, string>;

export default function sarif(reports: readonly Report[], { version }: ReportContext): string {
  const marks = fingerprints(reports);
  const rules = rulesOf(reports);
  const codes = rules.map(({ id }) => id);
  const log = {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "initwrap", semanticVersion: version, rules } },
        columnKind: "utf16CodeUnits",
        results: reports.flatMap(({ file, findings }) =>
          findings.map((finding) => ({
            ruleId: finding.code,
            ruleIndex: codes.indexOf(finding.code),
            level: LEVELS[finding.severity],
            message: { text: finding.hint === undefined ? finding.message : `${finding.message}. ${finding.hint}` },
            ...(file === undefined ? {} : { locations: [{ physicalLocation: place(file, finding) }] }),
            partialFingerprints: { "initwrapFinding/v1": marks.get(finding) },
          })),
        ),
      },
    ],
  };
  return JSON.stringify(log, undefined, 2);
}

function place(file: string, { range }: Finding): object {
  const uri = relativePath(file).split("/").map(encodeURIComponent).join("/");
  const region = range === undefined ? {} : { region: { startLine: range.line, endLine: range.endLine } };
  return { artifactLocation: { uri, ...(uri.startsWith("/") ? {} : { uriBaseId: "%SRCROOT%" }) }, ...region };
}

/** The rules that have results, in order of their names. */
function rulesOf(reports: readonly Report[]) {
  const found = new Map<string, Finding>();
  for (const { findings } of reports) for (const finding of findings) found.set(finding.code, finding);
  return [...found.values()]
    .toSorted((a, b) => (a.code < b.code ? -1 : 1))
    .map(({ code, help, severity }) => ({
      id: code,
      name: code,
      shortDescription: { text: DIAGNOSTICS[code as DiagnosticCode] ?? "initwrap could not wrap this" },
      helpUri: help,
      defaultConfiguration: { level: LEVELS[severity] },
    }));
}
