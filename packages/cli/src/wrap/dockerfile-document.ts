/** What a run of `initwrap dockerfile` says to programs (`--json`) and, line by line, to people (`--dry-run`). */
import { formatPlatform } from "../model/platform.ts";
import type { DockerfileRun } from "./dockerfile-run.ts";

/** The one JSON document of a run. Its shape is published in docs/dockerfile.md; `version` changes with it. */
export function dockerfileDocument(
  file: string,
  run: DockerfileRun,
): { readonly version: 1 } & Readonly<Record<string, unknown>> {
  const { outcome } = run;
  return {
    version: 1,
    file,
    changed: run.changed,
    ...(outcome === undefined
      ? {}
      : {
          target: { index: outcome.target.index, name: outcome.target.name ?? null, line: outcome.target.line },
          before: outcome.before,
          after: outcome.after,
          inject: outcome.inject,
          platforms: outcome.platforms.map(formatPlatform),
          base:
            outcome.base === undefined
              ? null
              : {
                  reference: outcome.base.reference,
                  source: outcome.base.provenance.source,
                  detail: outcome.base.provenance.detail ?? null,
                },
          edits: outcome.edits.map(({ start, end, text, purpose }) => ({ purpose, start, end, bytes: text.length })),
        }),
    contextFiles: run.contextFiles,
    amendedIgnore: run.amendedIgnore ?? null,
    written: run.written,
    diagnostics: run.diagnostics,
  };
}

/** The plan for people, one fact a line. */
export function planLines(file: string, run: DockerfileRun): readonly string[] {
  const { outcome } = run;
  if (outcome === undefined) return [`${file}: ${run.changed ? "initwrap's lines are taken out" : "nothing to do"}`];
  const { target, before, after, base } = outcome;
  const stage = target.name === undefined ? `stage ${target.index}` : `stage ${target.name}`;
  const lines = [`${file}: ${stage}, line ${target.line}`];
  if (base !== undefined) {
    const { source, detail } = base.provenance;
    const origin = source === "table" ? "assumed from the table of official images" : source;
    lines.push(`base        ${base.reference}: ${origin}${detail === undefined ? "" : ` ${detail}`}`);
  }
  lines.push(`entrypoint  ${JSON.stringify(before.entrypoint)} -> ${JSON.stringify(after.entrypoint)}`);
  lines.push(`cmd         ${JSON.stringify(after.cmd)}`);
  if (!run.changed) return [...lines, "nothing to do"];
  lines.push(`init        ${outcome.inject}, for ${outcome.platforms.map(formatPlatform).join(", ")}`);
  for (const path of run.contextFiles) lines.push(`file        ${path}`);
  if (run.amendedIgnore !== undefined) lines.push(`exception   ${run.amendedIgnore}`);
  for (const { purpose, text } of outcome.edits) lines.push(`edit        ${purpose}, ${text.length} bytes`);
  return lines;
}
