/** What a run of `initwrap dockerfile` says to programs (`--json`) and, line by line, to people (`--dry-run`). */
import { formatPlatform } from "../model/platform.ts";
import type { BaseAnswer } from "./dockerfile.ts";
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
          unknown: outcome.target.unknown,
          targets: outcome.targets.map(({ index, name = null, line, before, after, unknown }) => ({
            index,
            name,
            line,
            before,
            after,
            unknown,
          })),
          inject: outcome.inject,
          platforms: outcome.platforms.map(formatPlatform),
          base: outcome.base === undefined ? null : baseDocument(outcome.base),
          bases: outcome.bases.map(baseDocument),
          edits: outcome.edits.map(({ start, end, text, purpose }) => ({ purpose, start, end, bytes: text.length })),
        }),
    contextFiles: run.contextFiles,
    amendedIgnore: run.amendedIgnore ?? null,
    written: run.written,
    diagnostics: run.diagnostics,
  };
}

function baseDocument({ reference, provenance }: BaseAnswer): Readonly<Record<string, unknown>> {
  return { reference, source: provenance.source, detail: provenance.detail ?? null };
}

/** The plan for people, one fact a line. */
export function planLines(file: string, run: DockerfileRun): readonly string[] {
  const { outcome } = run;
  if (outcome === undefined) return [`${file}: ${run.changed ? "initwrap's lines are taken out" : "nothing to do"}`];
  const lines: string[] = [];
  for (const target of outcome.targets) {
    const { name, index, line, before, after, unknown } = target;
    lines.push(`${file}: stage ${name ?? index}, line ${line}`);
    if (target === outcome.target) lines.push(...outcome.bases.map(baseLine));
    lines.push(`entrypoint  ${JSON.stringify(before.entrypoint)} -> ${JSON.stringify(after.entrypoint)}`);
    const cmd = unknown.includes("cmd") ? "as it is; the base image was not asked for it" : JSON.stringify(after.cmd);
    lines.push(`cmd         ${cmd}`);
  }
  if (!run.changed) return [...lines, "nothing to do"];
  lines.push(`init        ${outcome.inject}, for ${outcome.platforms.map(formatPlatform).join(", ")}`);
  for (const path of run.contextFiles) lines.push(`file        ${path}`);
  if (run.amendedIgnore !== undefined) lines.push(`exception   ${run.amendedIgnore}`);
  for (const { purpose, text } of outcome.edits) lines.push(`edit        ${purpose}, ${text.length} bytes`);
  return lines;
}

function baseLine({ reference, provenance: { source, detail } }: BaseAnswer): string {
  const words: Partial<Record<typeof source, string>> = {
    table: "assumed from the table of official images",
    assumed: "assumed to run what is run by",
  };
  const origin = words[source] ?? source;
  return `base        ${reference}: ${origin}${detail === undefined ? "" : ` ${detail}`}`;
}
