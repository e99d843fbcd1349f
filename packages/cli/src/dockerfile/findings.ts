/** What a reader should know about a stage that is wrapped. Findings only; none of them changes the plan. */
import type { Diagnostic } from "../model/diagnostics.ts";
import { isScript } from "../model/program-name.ts";
import { unhandledSignal } from "../model/stop-signal.ts";
import type { Stage } from "./evaluate.ts";
import { downloadFindings, triggerFindings } from "./findings-inits.ts";
import type { Dockerfile, Instruction } from "./syntax.ts";
import { decode } from "./text.ts";

/** Findings of one stage, in the order of its lines. */
export function findingsOf(dockerfile: Dockerfile, stage: Stage): readonly Diagnostic[] {
  const findings: Diagnostic[] = [];
  const lines = { line: stage.from.range.line, endLine: stage.instructions.at(-1)?.range.endLine ?? 0 };
  for (const range of dockerfile.blankContinuations) {
    if (range.line >= lines.line && range.line <= lines.endLine) {
      findings.push({ code: "BLANK_CONTINUATION", severity: "note", args: {}, range });
    }
  }
  for (const instruction of stage.instructions) {
    const finding = commandFinding(instruction, stage) ?? stopSignalFinding(instruction);
    if (finding !== undefined) findings.push({ ...finding, range: instruction.range });
  }
  findings.push(...downloadFindings(dockerfile), ...triggerFindings(stage));
  return findings.toSorted((a, b) => (a.range?.line ?? 0) - (b.range?.line ?? 0));
}

function commandFinding(instruction: Instruction, stage: Stage): Diagnostic | undefined {
  const { keyword, argument, exec, words } = instruction;
  if (keyword !== "CMD" && keyword !== "ENTRYPOINT") return undefined;
  if (instruction !== (keyword === "CMD" ? stage.cmd : stage.entrypoint)) return undefined;
  if (argument === "") return { code: "COMMAND_EMPTY", severity: "warning", args: { instruction: keyword } };
  if (!exec && argument.startsWith("[")) {
    return { code: "JSON_FORM_MALFORMED", severity: "warning", args: { instruction: keyword } };
  }
  const noEntrypoint = !stage.unknown.has("entrypoint") && (stage.config.entrypoint ?? []).length === 0;
  if (keyword === "CMD" && exec && noEntrypoint && words[0]?.startsWith("-")) {
    return { code: "CMD_LIKE_FLAG", severity: "warning", args: { word: decode(words[0]) } };
  }
  // A CMD behind an ENTRYPOINT is that program's argument; only what runs as a shell is meant. A script alone, such as official
  // images have, ends by executing what it is given.
  const [entrypoint, ...more] = stage.unknown.has("entrypoint") ? [] : (stage.config.entrypoint ?? []);
  const behindScript = entrypoint !== undefined && more.length === 0 && isScript(entrypoint);
  const runs = keyword === "ENTRYPOINT" || noEntrypoint || behindScript;
  if (!exec && runs && !/^exec\s/.test(argument)) {
    return { code: "SHELL_FORM_NO_EXEC", severity: "note", args: { instruction: keyword } };
  }
  return undefined;
}

function stopSignalFinding(instruction: Instruction): Diagnostic | undefined {
  const signal = instruction.words[0] ?? "";
  if (instruction.keyword !== "STOPSIGNAL" || unhandledSignal(signal) === undefined) return undefined;
  return { code: "STOPSIGNAL_KILL", severity: "warning", args: { signal } };
}
