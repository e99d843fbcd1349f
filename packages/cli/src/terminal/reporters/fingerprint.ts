/**
 * What makes a finding the same finding in the next run: its code, its file and the text of its lines, not their numbers, so
 * that an edit elsewhere in the file leaves it known. Equal ones are told apart by their order.
 */
import { createHash } from "node:crypto";
import type { Finding, Report } from "./report.ts";

/** The fingerprints of all findings: 64 hexadecimal digits each, none twice. */
export function fingerprints(reports: readonly Report[]): ReadonlyMap<Finding, string> {
  const result = new Map<Finding, string>();
  const seen = new Map<string, number>();
  for (const report of reports) {
    for (const finding of report.findings) {
      const identity = JSON.stringify([finding.code, report.file ?? "", contentOf(finding, report)]);
      const count = seen.get(identity) ?? 0;
      seen.set(identity, count + 1);
      result.set(finding, createHash("sha256").update(`${identity}#${count}`).digest("hex"));
    }
  }
  return result;
}

/** The lines without what white space may change; without a source, the sentence. */
function contentOf({ range, message }: Finding, { text }: Report): string {
  if (range === undefined || text === undefined) return message;
  const lines = text.split("\n").slice(range.line - 1, range.endLine);
  return lines.map((line) => line.trim().replace(/\s+/g, " ")).join("\n");
}
