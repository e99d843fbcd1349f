/**
 * A Dockerfile's stages, as a build of each would run them.
 *
 * What runs today is read from the file as it is, initwrap's own lines included; what initwrap would do is what
 * `judgeDockerfile` says. Bases are asked for once, also where a plan could be made without them: the user and the stop signal
 * are theirs too.
 */
import type { BaseConfig, Evaluation, Stage } from "../dockerfile/evaluate.ts";
import { type FieldOrigin, type OriginField, originOf } from "../dockerfile/origin.ts";
import { findTargets } from "../dockerfile/plan.ts";
import { decode } from "../dockerfile/text.ts";
import { ownBlocks, undoText } from "../dockerfile/undo.ts";
import { decompose } from "../model/compose.ts";
import type { Diagnostic } from "../model/diagnostics.ts";
import { EXIT, InitwrapError } from "../model/errors.ts";
import {
  type Change,
  type Inspected,
  type Inspection,
  type Origin,
  refusal,
  type Setting,
} from "../model/inspection.ts";
import { type Invocation, sameArgv } from "../model/invocation.ts";
import { commandForm, firstProcess } from "../model/pid-one.ts";
import { formatPlatform } from "../model/platform.ts";
import type { Resolution } from "./base-resolver.ts";
import {
  askFor,
  type DockerfileOptions,
  evaluateDockerfile,
  judgeDockerfile,
  parseDockerfile,
  platformOf,
} from "./dockerfile.ts";
import { readInput, readStream } from "./dockerfile-file.ts";
import { buildArgs, givenBase } from "./dockerfile-run.ts";
import { placeFindings } from "./finding-lines.ts";
import type { CompleteInspectRequest } from "./inspect.ts";

/** Inspects the Dockerfile at `file`; `-` is standard input. Throws DOCKERFILE_SYNTAX, STAGE_NOT_FOUND, USAGE. */
export async function inspectDockerfile(file: string, request: CompleteInspectRequest): Promise<Inspection> {
  const name = file === "-" ? "Dockerfile" : file;
  const input = file === "-" ? await readStream(request.stdin) : await readInput(file, { signal: request.signal });
  const options = await optionsOf(name, request);
  const dockerfile = parseDockerfile(input, name);
  const [platform] = request.platforms.length === 1 ? request.platforms : [];
  const evaluateWith = (bases: ReadonlyMap<string, Resolution>): Evaluation =>
    evaluateDockerfile(dockerfile, {
      base: (reference) => configIn(bases, reference),
      buildArgs: options.buildArgs ?? {},
      ...(platform === undefined ? {} : { platform }),
    });
  const blocks = ownBlocks(dockerfile);
  const isOurs = ({ from }: Stage) => blocks.some(({ start, end }) => from.start >= start && from.start < end);
  const first = evaluateWith(new Map());
  const meant = chosen(first, request, name).filter((stage) => !isOurs(stage));
  const bases = new Map<string, Resolution>();
  await Promise.all(meant.map((stage) => ask(rootOf(first, stage), bases, request, options)));
  const evaluation = evaluateWith(bases);
  const own = evaluation.stages.filter((stage) => !isOurs(stage));
  const undone = undoText(dockerfile.text);
  const subjects: Inspected[] = [];
  for (const { index } of meant) {
    const stage = evaluation.stages[index] as Stage;
    const { change, diagnostics } = await changeOf(stage, own, input, options);
    subjects.push({
      ...describe(stage, evaluation, bases, stage === own.at(-1)),
      ...(change.action === "refused" && change.code === "NOT_LINUX" ? { firstProcess: null } : {}),
      change,
      diagnostics: undone.kind === "undone" ? placeFindings(diagnostics, undone.text, dockerfile.text) : diagnostics,
    });
  }
  return { kind: "dockerfile", source: name, digest: null, names: [], subjects };
}

async function optionsOf(name: string, request: CompleteInspectRequest): Promise<DockerfileOptions> {
  const base = await givenBase(request);
  return {
    name,
    platforms: request.platforms.map(formatPlatform),
    buildArgs: buildArgs(request),
    replaceInit: request.replaceInit,
    baseAnswers: new Map(),
    env: request.env,
    insecureRegistries: request.insecureRegistries,
    signal: request.signal,
    ...(base === undefined ? {} : { base }),
    ...(request.baseLayout === undefined ? {} : { baseLayout: request.baseLayout }),
    ...(request.assumeBase === undefined ? {} : { assumeBase: request.assumeBase }),
    ...(request.offline === undefined ? {} : { offline: request.offline }),
    ...(request.force === undefined ? {} : { force: request.force }),
    ...(request.lock === undefined ? {} : { lock: request.lock }),
  };
}

function chosen(evaluation: Evaluation, { target }: CompleteInspectRequest, name: string): readonly Stage[] {
  try {
    return findTargets(evaluation, target === undefined ? { allTargets: true } : { target });
  } catch (error) {
    if (!(error instanceof InitwrapError)) throw error;
    const { code, message, hint } = error;
    throw new InitwrapError(code, message, { where: name, ...(hint === undefined ? {} : { hint }), cause: error });
  }
}

function rootOf({ stages }: Evaluation, stage: Stage): Stage {
  let root = stage;
  while (root.origin.kind === "stage") root = stages[root.origin.parent] as Stage;
  return root;
}

async function ask(
  root: Stage,
  bases: Map<string, Resolution>,
  { platforms }: CompleteInspectRequest,
  options: DockerfileOptions,
): Promise<void> {
  if (root.origin.kind !== "image") return;
  const { reference } = root.origin;
  bases.set(reference, await askFor(reference, platformOf(root, platforms), options));
}

function configIn(bases: ReadonlyMap<string, Resolution>, reference: string): BaseConfig | undefined {
  return bases.get(reference)?.base?.config;
}

/** What initwrap would do about one stage, and what it has to say. */
async function changeOf(
  stage: Stage,
  own: readonly Stage[],
  input: Uint8Array,
  options: DockerfileOptions,
): Promise<{ readonly change: Change; readonly diagnostics: readonly Diagnostic[] }> {
  // Stages that initwrap has put in count for no one else: a number means the file without them.
  const { name } = stage;
  const isNamed = name !== undefined && own.findLast((one) => one.name === name) === stage;
  const target = stage === own.at(-1) ? {} : { target: isNamed ? name : String(own.indexOf(stage)) };
  try {
    const { after, diagnostics } = await judgeDockerfile(input, { ...options, ...target });
    const same = sameArgv(after.entrypoint, stage.config.entrypoint) && sameArgv(after.cmd, stage.config.cmd);
    if (!same) return { change: { action: "wrap", ...after }, diagnostics };
    const reason = decompose(stage.config) === undefined ? "existing-init" : "already";
    return { change: { action: "none", reason }, diagnostics };
  } catch (error) {
    if (!(error instanceof InitwrapError) || error.exit !== EXIT.refused) throw error;
    return { change: refusal(error), diagnostics: [] };
  }
}

function describe(
  stage: Stage,
  evaluation: Evaluation,
  bases: ReadonlyMap<string, Resolution>,
  isDefault: boolean,
): Omit<Inspected, "change" | "diagnostics"> {
  const { config, unknown } = stage;
  const invocation: Invocation = { entrypoint: config.entrypoint, cmd: config.cmd };
  const origin = (field: OriginField) => originOf(evaluation, stage, field, (reference) => configIn(bases, reference));
  const setting = <F extends OriginField>(field: F): Setting<Stage["config"][F]> => {
    const found = origin(field);
    const words: string | readonly string[] | null = config[field];
    const inherited = commandForm(typeof words === "string" ? null : words);
    const form =
      found.kind !== "instruction" || typeof words === "string" ? inherited : found.instruction.exec ? "exec" : "shell";
    return {
      value: config[field],
      known: !unknown.has(field),
      form,
      origin: placeOf(found, bases),
    };
  };
  // What a CMD that is not known would add to an ENTRYPOINT are the first process's arguments.
  const isOpen = unknown.has("entrypoint") || (unknown.has("cmd") && !config.entrypoint?.length);
  return {
    stage: {
      index: stage.index,
      name: stage.name ?? null,
      line: stage.from.range.line,
      isDefault,
    },
    platform: null,
    firstProcess: isOpen ? null : firstProcess(invocation),
    entrypoint: setting("entrypoint"),
    cmd: setting("cmd"),
    stopSignal: setting("stopSignal"),
    user: setting("user"),
  };
}

function placeOf(origin: FieldOrigin, bases: ReadonlyMap<string, Resolution>): Origin {
  switch (origin.kind) {
    case "instruction": {
      const { instruction, stage } = origin;
      const { line, endLine } = instruction.range;
      const text = decode(instruction.line.trim());
      return { kind: "instruction", line, endLine, stage: stage.name ?? String(stage.index), text };
    }
    case "base": {
      const { source, detail } = bases.get(origin.reference)?.base?.provenance ?? { source: "flags" };
      return { kind: "base", reference: origin.reference, source, detail: detail ?? null };
    }
    case "unknown":
      return { ...origin, obstacles: bases.get(origin.reference)?.obstacles ?? [] };
    default:
      return origin;
  }
}
