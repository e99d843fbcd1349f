/**
 * From a Dockerfile and what is known of its base images to edits, or to a refusal.
 *
 * The rule itself is `composeEntrypoint`; here is only how its answer is written down: an ENTRYPOINT of the stage's own is
 * edited in place, and without one the stage gets an ENTRYPOINT, and a CMD beside it, for ENTRYPOINT clears an inherited
 * CMD. A file that initwrap has wrapped before is unwrapped first, so that wrapping twice equals wrapping once and a newer
 * initwrap renews its own lines only.
 */
import {
  type ComposePolicy,
  type Composition,
  composeEntrypoint,
  composeError,
  type Init,
  initPrefix,
} from "../model/compose.ts";
import type { Diagnostic } from "../model/diagnostics.ts";
import { InitwrapError } from "../model/errors.ts";
import { argvOf, type Invocation, sameArgv } from "../model/invocation.ts";
import { applyEdits, type Edit } from "./edit.ts";
import {
  type EvaluateOptions,
  type Evaluation,
  evaluate,
  imageVariable,
  looksLikeWindows,
  type Stage,
} from "./evaluate.ts";
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
import { elementsText, replacedInit, undoText } from "./undo.ts";

export interface PlanRequest extends EvaluateOptions {
  /** A stage's name or number; the last stage unless given. */
  readonly target?: string;
  /** Every stage that a build can be asked for by name, and the last. */
  readonly allTargets?: boolean;
  readonly init: Init;
  /** Replace tini, dumb-init, catatonit or docker-init in front; once done, a later plan keeps it without being told. */
  readonly replaceInit?: boolean;
  readonly injection: Injection;
  /** The platforms that were asked for, as they are written; remembered in the file. Empty or absent: all. */
  readonly asked?: readonly string[];
  readonly snippets: Snippets;
  /** Go on although the file's `# syntax=` names a frontend that nobody knows, or supervisord is started. */
  readonly force?: boolean;
}

/** One stage that was meant, and what its image runs before and after. */
export interface TargetPlan {
  readonly index: number;
  readonly name: string | undefined;
  readonly line: number;
  readonly before: Invocation;
  readonly after: Invocation;
  /** `cmd` where it hangs on a base image that nobody has described, and is null in `before` and `after`: it stays as it is. */
  readonly unknown: readonly "cmd"[];
}

export interface DockerfilePlan {
  readonly kind: "changed" | "unchanged";
  /** The stage that is asked for, or with all targets the last; it is among `targets` too. */
  readonly target: TargetPlan;
  /** In the order of the file. */
  readonly targets: readonly TargetPlan[];
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
  const meant = findTargets(evaluation, request);
  const replaceInit = request.replaceInit === true || (undone.kind === "undone" && undone.replaced.length > 0);
  const allowSupervisor = request.force === true || undone.kind === "undone";
  const decisions = meant.flatMap((target) => {
    const decision = inStage(target, meant, () =>
      decideTarget(dockerfile, target, { ...request, replaceInit, allowSupervisor }),
    );
    // Nobody starts such a stage: it is built for its files, and an init would be one more.
    const isIdle = decision.composition.kind === "composed" && argvOf(decision.before).length === 0;
    return isIdle && target !== evaluation.stages.at(-1) && request.allTargets === true ? [] : [decision];
  });
  const findings = unique(decisions.flatMap(({ diagnostics }) => diagnostics));
  const targets = decisions.map(planOf);
  const main = targets.at(-1) as TargetPlan;
  const common = { target: main, targets, before: main.before, after: main.after, source };
  const composed = decisions.filter(isComposed);
  if (composed.length === 0) {
    // What initwrap itself had put in is not wanted any more when the file now begins with another init.
    const already = decisions.every(({ composition }) => "reason" in composition && composition.reason === "already");
    const result = already ? text : source;
    const kind = result === text ? "unchanged" : "changed";
    return { ...common, kind, edits: [], result, diagnostics: findings };
  }
  if (undone.kind === "altered") {
    throw new InitwrapError("UNSAFE_EDIT", undone.reason, {
      hint: "Take out by hand what is left of initwrap's own lines.",
      line: undone.line,
    });
  }
  const wrapped = withoutHeirs(evaluation, composed);
  for (const { target } of wrapped) inStage(target, meant, () => requireKnownCmd(target));
  const edits = editsFor({ dockerfile, evaluation, wrapped, request });
  const edited = applyEdits(source, edits);
  const after = new Map(composed.map(({ target, composition }) => [target.index, composition.invocation]));
  const rewritten = new Set(wrapped.flatMap(({ target }) => target.entrypoint ?? []));
  prove({ before: dockerfile, evaluation, edited, after, rewritten, options: request });
  const kind = edited.text === text ? "unchanged" : "changed";
  const parents = request.allTargets === true ? [] : composed.flatMap((one) => parentFinding(evaluation, one.target));
  return { ...common, kind, edits, result: edited.text, diagnostics: [...findings, ...parents] };
}

/** What the rule says of one stage. */
interface Decision {
  readonly target: Stage;
  readonly before: Invocation;
  readonly composition: Exclude<Composition, { kind: "refused" }>;
  readonly diagnostics: readonly Diagnostic[];
}

type Composed = Decision & { readonly composition: Extract<Composition, { kind: "composed" }> };

function isComposed(decision: Decision): decision is Composed {
  return decision.composition.kind === "composed";
}

function decideTarget(
  dockerfile: Dockerfile,
  target: Stage,
  request: PlanRequest & Pick<ComposePolicy, "allowSupervisor">,
): Decision {
  refuseForeign(dockerfile, target, request);
  const before: Invocation = { entrypoint: target.config.entrypoint, cmd: target.config.cmd };
  requireKnownEntrypoint(target);
  const composition = composeEntrypoint(before, request.init, {
    replaceInit: request.replaceInit === true,
    allowSupervisor: request.allowSupervisor === true,
    variable: (name) => imageVariable(target, name),
  });
  const { range } = target.entrypoint ?? target.from;
  if (composition.kind === "refused") throw atLine(composeError(composition.note), range.line);
  const notes = composition.notes.map(
    ({ code, ...args }): Diagnostic => ({ code, severity: code === "NO_COMMAND" ? "warning" : "note", args, range }),
  );
  return { target, before, composition, diagnostics: [...findingsOf(dockerfile, target), ...notes] };
}

function planOf({ target, before, composition }: Decision): TargetPlan {
  const after = composition.kind === "composed" ? composition.invocation : before;
  const isUnknown = target.unknown.has("cmd");
  const told = ({ entrypoint, cmd }: Invocation): Invocation => ({ entrypoint, cmd: isUnknown ? null : cmd });
  return {
    index: target.index,
    name: target.name,
    line: target.from.range.line,
    before: told(before),
    after: told(after),
    unknown: isUnknown ? ["cmd"] : [],
  };
}

function atLine({ code, message, hint }: InitwrapError, line: number): InitwrapError {
  return new InitwrapError(code, message, { ...(hint === undefined ? {} : { hint }), line });
}

/** Gives what is thrown for a stage its line, and names the stage when several are meant. */
function inStage<T>(stage: Stage, meant: readonly Stage[], work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof InitwrapError)) throw error;
    const { code, message, hint, line = stage.from.range.line } = error;
    throw new InitwrapError(code, meant.length === 1 ? message : `stage ${stage.name ?? stage.index}: ${message}`, {
      ...(hint === undefined ? {} : { hint }),
      line,
      cause: error,
    });
  }
}

/**
 * The stages that have to be edited. A stage that sets no ENTRYPOINT has its parent's, and needs nothing when that is what it
 * must have in the end; the init's file comes with the parent too.
 */
function withoutHeirs({ stages }: Evaluation, composed: readonly Composed[]): readonly Composed[] {
  const results = new Map<number, readonly string[] | null>();
  const wrapped: Composed[] = [];
  for (const stage of stages) {
    const { origin, index } = stage;
    const inherited = !stage.entrypointSet && origin.kind === "stage" ? results.get(origin.parent) : undefined;
    const decision = composed.find(({ target }) => target === stage);
    const wanted = decision?.composition.invocation.entrypoint;
    if (decision === undefined || (inherited && wanted && sameArgv(inherited, wanted))) {
      results.set(index, inherited ?? stage.config.entrypoint);
    } else {
      wrapped.push(decision);
      results.set(index, wanted ?? null);
    }
  }
  return wrapped;
}

function parentFinding(evaluation: Evaluation, target: Stage): readonly Diagnostic[] {
  if (descendants(evaluation, [target.index]).size === 0) return [];
  const args = { stage: target.name ?? target.index };
  return [{ code: "STAGE_IS_PARENT", severity: "warning", args, range: target.from.range }];
}

function unique(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return [...new Map(diagnostics.map((diagnostic) => [JSON.stringify(diagnostic), diagnostic])).values()];
}

/** The stages that are meant, in the order of the file. Throws STAGE_NOT_FOUND. */
export function findTargets(
  evaluation: Evaluation,
  request: Pick<PlanRequest, "target" | "allTargets">,
): readonly Stage[] {
  if (request.allTargets !== true) return [findTarget(evaluation, request.target)];
  const { stages } = evaluation;
  // Of stages with one name the last is the one that the name means.
  return stages.filter(
    (stage) => stage === stages.at(-1) || (stage.name !== undefined && findTarget(evaluation, stage.name) === stage),
  );
}

/** The stage of a name or a number, or the last. Throws STAGE_NOT_FOUND. */
function findTarget(evaluation: Evaluation, name: string | undefined): Stage {
  const { stages } = evaluation;
  const found =
    name === undefined
      ? stages.at(-1)
      : (stages.findLast((stage) => stage.name === name.toLowerCase()) ??
        (/^\d+$/.test(name) ? stages[Number(name)] : undefined));
  if (found !== undefined) return found;
  const names = stages.flatMap((stage) => stage.name ?? []);
  throw new InitwrapError("STAGE_NOT_FOUND", `target stage ${JSON.stringify(name)} could not be found`, {
    hint: names.length === 0 ? "The file names no stage; use a number from 0." : `The file has ${names.join(", ")}.`,
  });
}

function refuseForeign(dockerfile: Dockerfile, target: Stage, request: PlanRequest): void {
  const frontend = frontendOf(dockerfile);
  if (frontend.kind === "custom" && request.force !== true) {
    throw new InitwrapError("FRONTEND_UNKNOWN", `# syntax=${frontend.reference} may give the file another meaning`, {
      hint: "If it reads Dockerfiles as docker/dockerfile does, say --force.",
      line: dockerfile.directives.find(({ name }) => name === "syntax")?.line ?? 1,
    });
  }
  if (target.error !== undefined) {
    throw new InitwrapError("BASE_UNEXPANDED", target.error, {
      hint: "Give the ARG a value with --build-arg NAME=value, as the build does.",
    });
  }
  const hint = "initwrap is for Linux containers; Windows has neither signals nor zombies.";
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
      hint: "Describe the base image with --base-config FILE.",
    });
  }
}

/** Whether what the stage's image runs cannot be told without knowing its base image. */
export function reliesOnBase(dockerfile: Dockerfile, stage: Stage): boolean {
  const { unknown } = stage;
  if (unknown.has("entrypoint") || (unknown.has("os") && dockerfile.escape === "`")) return true;
  return stage.entrypoint === undefined && !stage.cmdSet && unknown.has("cmd");
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
      hint: "Pull the image, or say what it runs: --base-entrypoint '[\"...\"]' --base-cmd '[\"...\"]'",
    },
  );
}

interface Draft {
  readonly dockerfile: Dockerfile;
  readonly evaluation: Evaluation;
  readonly wrapped: readonly Composed[];
  readonly request: PlanRequest;
}

function editsFor({ dockerfile, evaluation, wrapped, request }: Draft): readonly Edit[] {
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
  const first = (wrapped[0] as Composed).target;
  const lineEnding = lineEndingAt(text, lastOf(first));
  const injected = injectionText({
    dockerfile,
    evaluation,
    targets: wrapped.map(({ target }) => target),
    injection: request.injection,
    snippets: request.snippets,
    keywords,
    lineEnding,
  });
  const edits: Edit[] = [];
  if (injected.stages !== "") {
    const start = stagesPosition(dockerfile, first);
    const block = `${BEGIN_MARKER}${lineEnding}${injected.stages}${END_MARKER}${lineEnding}`;
    edits.push({ start, end: start, text: block, purpose: "init-stages" });
  }
  wrapped.forEach((one, index) => {
    const asked = index === 0 ? (request.asked ?? []) : [];
    edits.push(...stageEdits(dockerfile, one, { copy: injected.copies[index] as string, asked, keywords, request }));
  });
  return edits;
}

function lastOf(stage: Stage): Instruction {
  return stage.instructions.at(-1) ?? stage.from;
}

interface StageDraft {
  /** The lines that bring the init in. */
  readonly copy: string;
  /** The platforms to remember. */
  readonly asked: readonly string[];
  readonly keywords: Keywords;
  readonly request: PlanRequest;
}

/** The edits of one stage: its ENTRYPOINT, and the marked lines behind its last instruction. */
function stageEdits(dockerfile: Dockerfile, one: Composed, draft: StageDraft): readonly Edit[] {
  const { text } = dockerfile;
  const { copy, asked, keywords } = draft;
  const { target, composition } = one;
  const last = lastOf(target);
  const edits: Edit[] = [];
  const memories: Memory[] = [];
  let command = "";
  if (target.entrypoint === undefined) {
    command = draft.request.snippets.command({
      k: keywords,
      entrypoint: execText(composition.invocation.entrypoint),
      ...(target.cmdSet ? {} : { cmd: execText(composition.invocation.cmd) }),
    });
  } else {
    const { edit, memory } = ownEntrypoint(dockerfile, one, target.entrypoint);
    edits.push(edit);
    if (memory !== undefined) memories.push(memory);
  }
  const replaced = composition.notes.find(({ code }) => code === "INIT_REPLACED");
  if (replaced?.code === "INIT_REPLACED") memories.push(replacedInit(replaced.init, replaced.options.split(" ")));
  const close = closeContinuation(text, last, edits);
  if (close !== undefined) {
    edits.push(close.edit);
    memories.push(close.memory);
  }
  if (asked.length > 0) memories.push({ what: "platforms", text: asked.join(",") });
  const indentation = indentationOf(text, last);
  const lines = [BEGIN_MARKER, ...memories.map(formatMemory), ...`${copy}${command}`.trimEnd().split("\n"), END_MARKER];
  const indented = lines.map((line) => indentation + line);
  return [...edits, insertLines(text, last, indented, lineEndingAt(text, last))];
}

function execText(words: readonly string[] | null): string {
  return encode(formatExecForm(words ?? []));
}

/** The stage's own ENTRYPOINT: elements in front of an exec form, or the exec form of what a shell form means. */
function ownEntrypoint(
  { text }: Dockerfile,
  { before, composition }: Composed,
  own: Instruction,
): { edit: Edit; memory?: Memory } {
  const prefix = initPrefix(composition.init);
  const after = composition.invocation;
  const argument = text.slice(own.argumentStart, own.end);
  const added = (after.entrypoint?.length ?? 0) - (before.entrypoint?.length ?? 0);
  // An exec form that began with another init, or with ours by hand and other options, is exchanged as a whole.
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
  // Behind a second escape, or alone on its line, its removal would leave another one open; behind a carriage return, it
  // would make another line ending; and a swallowed marker would become a real one.
  const line = text.slice(text.lastIndexOf("\n", openEscape) + 1, openEscape).trim();
  const unsafe = line === "" || line.endsWith(text[openEscape] as string) || text[openEscape - 1] === "\r";
  if (unsafe || text.includes("# initwrap ", openEscape)) {
    throw new InitwrapError("UNSAFE_EDIT", "the instruction's continuation never ends", {
      hint: "Take out the escape character that ends the file.",
      line: last.range.line,
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
