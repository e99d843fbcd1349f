/**
 * From a Dockerfile and what is known of its base images to edits, or to a refusal.
 *
 * The rule itself is `composeEntrypoint`; here is only how its answer is written down: an ENTRYPOINT of the stage's own is
 * edited in place, and without one the stage gets an ENTRYPOINT, and a CMD beside it, for ENTRYPOINT clears an inherited
 * CMD. A file that initwrap has wrapped before is unwrapped first, so that wrapping twice equals wrapping once and a newer
 * initwrap renews its own lines only.
 */
import { composeEntrypoint, type Init, initPrefix } from "../model/compose.ts";
import type { Diagnostic } from "../model/diagnostics.ts";
import { InitwrapError } from "../model/errors.ts";
import type { Invocation } from "../model/invocation.ts";
import { applyEdits, type Edit } from "./edit.ts";
import { type EvaluateOptions, type Evaluation, evaluate, looksLikeWindows, type Stage } from "./evaluate.ts";
import { formatExecForm } from "./exec-form.ts";
import { findingsOf } from "./findings.ts";
import { type Injection, injectionText, type Keywords, type Snippets } from "./injection.ts";
import { BEGIN_MARKER, END_MARKER, formatMemory, type Memory } from "./markers.ts";
import { parseText } from "./parse.ts";
import { descendants, prove } from "./proof.ts";
import { indentationOf, keywordCase, lineEndingAt } from "./style.ts";
import type { Dockerfile, Instruction } from "./syntax.ts";
import { frontendOf } from "./syntax-version.ts";
import { encode } from "./text.ts";
import { elementsText, undoText } from "./undo.ts";

export interface PlanRequest extends EvaluateOptions {
  /** A stage's name or number; the last stage unless given. */
  readonly target?: string;
  readonly init: Init;
  readonly injection: Injection;
  readonly snippets: Snippets;
  /** Go on although the file's `# syntax=` names a frontend that nobody knows. */
  readonly force?: boolean;
}

export interface DockerfilePlan {
  readonly kind: "changed" | "unchanged";
  readonly target: { readonly index: number; readonly name: string | undefined; readonly line: number };
  readonly before: Invocation;
  readonly after: Invocation;
  /** Ranges of `source`, which is the given text without what an earlier run of initwrap had put in. */
  readonly edits: readonly Edit[];
  readonly source: string;
  /** The text to be written; equals the given text when unchanged. */
  readonly result: string;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Plans the rewrite of `text`, and proves it. Throws DockerfileError for a text that is no Dockerfile, and InitwrapError with
 * the code of what stands against the rewrite.
 */
export function plan(text: string, request: PlanRequest): DockerfilePlan {
  const undone = undoText(text);
  const source = undone.kind === "undone" ? undone.text : text;
  const dockerfile = parseText(source);
  const evaluation = evaluate(dockerfile, request);
  const target = findTarget(evaluation, request.target);
  refuseForeign(dockerfile, target, request);
  const before: Invocation = { entrypoint: target.config.entrypoint, cmd: target.config.cmd };
  const findings = [...findingsOf(dockerfile, target)];
  const place = { index: target.index, name: target.name, line: target.from.range.line };
  requireKnownEntrypoint(target);
  const composition = composeEntrypoint(before, request.init);
  if (composition.kind === "refused") {
    throw new InitwrapError("MUST_BE_PID1", `${composition.note.init} has to be PID 1 itself`, {
      hint: "it reaps orphans and forwards signals already; such an image needs no other init",
    });
  }
  for (const note of composition.notes) {
    const args: Diagnostic["args"] = note.code === "NO_COMMAND" ? {} : { init: note.init };
    const range = (target.entrypoint ?? target.from).range;
    if (note.code === "NO_COMMAND") findings.push({ code: note.code, severity: "warning", args, range });
    if (note.code === "EXISTING_INIT") findings.push({ code: note.code, severity: "note", args, range });
  }
  if (composition.kind === "unchanged") {
    // What initwrap itself had put in is not wanted any more when the file now begins with another init.
    const result = composition.reason === "already" ? text : source;
    const kind = result === text ? "unchanged" : "changed";
    return { kind, target: place, before, after: before, edits: [], source, result, diagnostics: findings };
  }
  if (undone.kind === "altered") {
    throw new InitwrapError("UNSAFE_EDIT", `line ${undone.line}: ${undone.reason}`, {
      hint: "take out by hand what is left of initwrap's own lines",
    });
  }
  const after = composition.invocation;
  requireKnownCmd(target);
  if (descendants({ evaluation, target }).size > 0) {
    findings.push({
      code: "STAGE_IS_PARENT",
      severity: "warning",
      args: { stage: target.name ?? target.index },
      range: target.from.range,
    });
  }
  const edits = editsFor({ dockerfile, evaluation, target, before, after, request });
  const edited = applyEdits(source, edits);
  prove({ before: dockerfile, evaluation, target, edited, after, options: request });
  return {
    kind: edited.text === text ? "unchanged" : "changed",
    target: place,
    before,
    after,
    edits,
    source,
    result: edited.text,
    diagnostics: findings,
  };
}

/** The stage that is meant: by name, by number, or the last. Throws STAGE_NOT_FOUND. */
export function findTarget(evaluation: Evaluation, name: string | undefined): Stage {
  const { stages } = evaluation;
  const found =
    name === undefined
      ? stages.at(-1)
      : (stages.findLast((stage) => stage.name === name.toLowerCase()) ??
        (/^\d+$/.test(name) ? stages[Number(name)] : undefined));
  if (found !== undefined) return found;
  const names = stages.flatMap((stage) => stage.name ?? []);
  throw new InitwrapError("STAGE_NOT_FOUND", `target stage ${JSON.stringify(name)} could not be found`, {
    hint: names.length === 0 ? "the file names no stage; use a number from 0" : `the file has ${names.join(", ")}`,
  });
}

function refuseForeign(dockerfile: Dockerfile, target: Stage, request: PlanRequest): void {
  const frontend = frontendOf(dockerfile);
  if (frontend.kind === "custom" && request.force !== true) {
    throw new InitwrapError("FRONTEND_UNKNOWN", `# syntax=${frontend.reference} may give the file another meaning`, {
      hint: "if it reads Dockerfiles as docker/dockerfile does, say --force",
    });
  }
  if (target.error !== undefined) {
    throw new InitwrapError("BASE_UNEXPANDED", target.error, {
      hint: "give the ARG a value with --build-arg NAME=value, as the build does",
    });
  }
  const hint = "initwrap is for Linux containers; Windows has neither signals nor zombies";
  if (target.config.os !== "linux") {
    throw new InitwrapError("NOT_LINUX", `stage ${target.name ?? target.index} is built for ${target.config.os}`, {
      hint,
    });
  }
  const shell = target.config.shell?.[0] ?? "";
  if (target.unknown.has("os") && (/^(cmd|powershell)(\.exe)?$/i.test(shell) || looksLikeWindows(target.base))) {
    throw new InitwrapError("NOT_LINUX", `SHELL ${shell} is that of a Windows image`, { hint });
  }
  if (target.unknown.has("os") && dockerfile.escape === "`") {
    throw new InitwrapError("BASE_UNKNOWN", "nothing is known of the base image, and the file is written for Windows", {
      hint: "describe the base image with --base-config FILE",
    });
  }
}

function requireKnownEntrypoint(target: Stage): void {
  if (!target.unknown.has("entrypoint")) return;
  refuseUnknown(target, target.entrypoint === undefined ? "ENTRYPOINT" : "SHELL");
}

function requireKnownCmd(target: Stage): void {
  if (target.entrypoint === undefined && !target.cmdSet && target.unknown.has("cmd")) refuseUnknown(target, "CMD");
}

function refuseUnknown(target: Stage, field: string): never {
  throw new InitwrapError(
    "BASE_UNKNOWN",
    `the ${field} of ${target.base} is not known, and this Dockerfile relies on it`,
    {
      hint: "pull the image, or say what it runs: --base-entrypoint '[\"...\"]' --base-cmd '[\"...\"]'",
    },
  );
}

interface Draft {
  readonly dockerfile: Dockerfile;
  readonly evaluation: Evaluation;
  readonly target: Stage;
  readonly before: Invocation;
  readonly after: Invocation;
  readonly request: PlanRequest;
}

function editsFor(draft: Draft): readonly Edit[] {
  const { dockerfile, evaluation, target, after, request } = draft;
  const { text } = dockerfile;
  const cased = keywordCase(dockerfile);
  const keywords: Keywords = {
    FROM: cased("FROM"),
    AS: cased("AS"),
    COPY: cased("COPY"),
    ARG: cased("ARG"),
    ENTRYPOINT: cased("ENTRYPOINT"),
    CMD: cased("CMD"),
  };
  const last = target.instructions.at(-1) ?? target.from;
  const lineEnding = lineEndingAt(text, last);
  const injected = injectionText({
    dockerfile,
    evaluation,
    target,
    injection: request.injection,
    snippets: request.snippets,
    keywords,
    lineEnding,
  });
  const edits: Edit[] = [];
  const memories: Memory[] = [];
  if (injected.stages !== "") {
    const start = stagesPosition(dockerfile, target);
    const block = `${BEGIN_MARKER}${lineEnding}${injected.stages}${END_MARKER}${lineEnding}`;
    edits.push({ start, end: start, text: block, purpose: "init-stages" });
  }
  let command = "";
  if (target.entrypoint === undefined) {
    command = request.snippets.command({
      k: keywords,
      entrypoint: execText(after.entrypoint),
      ...(target.cmdSet ? {} : { cmd: execText(after.cmd) }),
    });
  } else {
    const { edit, memory } = ownEntrypoint(draft, target.entrypoint);
    edits.push(edit);
    if (memory !== undefined) memories.push(memory);
  }
  const close = closeContinuation(text, last, edits);
  if (close !== undefined) {
    edits.push(close.edit);
    memories.push(close.memory);
  }
  const indentation = indentationOf(text, last);
  const lines = [
    BEGIN_MARKER,
    ...memories.map(formatMemory),
    ...`${injected.copy}${command}`.trimEnd().split("\n"),
    END_MARKER,
  ];
  edits.push(
    insertLines(
      text,
      last,
      lines.map((line) => indentation + line),
      lineEnding,
    ),
  );
  return edits;
}

function execText(words: readonly string[] | null): string {
  return encode(formatExecForm(words ?? []));
}

/** The stage's own ENTRYPOINT: elements in front of an exec form, or the exec form of what a shell form means. */
function ownEntrypoint(
  { dockerfile, after, before, request }: Draft,
  own: Instruction,
): { edit: Edit; memory?: Memory } {
  const { text } = dockerfile;
  const prefix = initPrefix(request.init);
  const argument = text.slice(own.argumentStart, own.end);
  const added = (after.entrypoint?.length ?? 0) - (before.entrypoint?.length ?? 0);
  // An exec form that already began with our init, by hand and with other options, is exchanged as a whole.
  if (own.exec && argument.startsWith("[") && added === prefix.length) {
    const start = own.argumentStart + 1;
    const words = elementsText(prefix, text.slice(start, own.end), own.words.length === 0);
    return { edit: { start, end: start, text: words, purpose: "entrypoint-elements" } };
  }
  // A bare ENTRYPOINT has nothing behind the keyword but, perhaps, blanks or an open escape.
  const space = /^\s|^$/.test(argument) ? " " : "";
  return {
    edit: {
      start: own.argumentStart,
      end: own.end,
      text: `${space}${execText(after.entrypoint)}`,
      purpose: "entrypoint-exec-form",
    },
    memory: { what: "entrypoint", text: argument },
  };
}

/** Takes away the escape that ends the file, for it would join the inserted lines to the last instruction. */
function closeContinuation(
  text: string,
  last: Instruction,
  edits: readonly Edit[],
): { edit: Edit; memory: Memory } | undefined {
  const { openEscape } = last;
  if (openEscape === undefined) return undefined;
  if (edits.some(({ start, end }) => start <= openEscape && openEscape < end)) return undefined;
  // Behind a second escape, or alone on its line, its removal would leave another one open; and a swallowed marker would
  // become a real one.
  const line = text.slice(text.lastIndexOf("\n", openEscape) + 1, openEscape).trim();
  if (line === "" || line.endsWith(text[openEscape] as string) || text.includes("# initwrap ", openEscape)) {
    throw new InitwrapError("UNSAFE_EDIT", `line ${last.range.line}: the instruction's continuation never ends`, {
      hint: "take out the escape character that ends the file",
    });
  }
  const end = openEscape + (/^.[ \t]*/.exec(text.slice(openEscape))?.[0].length ?? 1);
  return {
    edit: { start: openEscape, end, text: "", purpose: "close-continuation" },
    memory: { what: "escape", text: text.slice(openEscape, end) },
  };
}

function insertLines(text: string, last: Instruction, lines: readonly string[], lineEnding: string): Edit {
  const feed = text.indexOf("\n", last.end);
  if (feed >= 0) {
    const block = lines.map((line) => line + lineEnding).join("");
    return { start: feed + 1, end: feed + 1, text: block, purpose: "init-lines" };
  }
  // Behind a lone carriage return only a full ending can be told from it when the block is taken out again.
  const first = text.endsWith("\r") ? "\r\n" : lineEnding;
  return { start: text.length, end: text.length, text: first + lines.join(lineEnding), purpose: "init-lines" };
}

/**
 * Where new stages go: in front of the target's FROM and of the comment right above it, which describes the target. Never
 * above the directives, nor above a comment that heads the file.
 */
function stagesPosition({ text, directives, instructions }: Dockerfile, target: Stage): number {
  const { from } = target;
  const previous = instructions[instructions.indexOf(from) - 1];
  if (previous === undefined && directives.length + 1 === from.range.line) return from.start;
  let position = from.start;
  for (;;) {
    if (position === 0) return from.start;
    const above = text.lastIndexOf("\n", position - 2) + 1;
    if (previous !== undefined && above < previous.end) return position;
    const line = text.slice(above, position);
    if (!/^[ \t]*#/.test(line)) return previous === undefined && line.trim() !== "" ? from.start : position;
    if (above === 0) return from.start;
    position = above;
  }
}
