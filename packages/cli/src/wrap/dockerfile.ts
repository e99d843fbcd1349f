/**
 * The Dockerfile use-cases: parse, evaluate, plan, and wrap a file.
 *
 * The pure core plans with what it is told of base images; here is where that is found out. A file that sets its own
 * ENTRYPOINT needs nothing of its base, so a base is asked for only when the plan cannot be made without it.
 */
import type { Edit } from "../dockerfile/edit.ts";
import {
  type BaseConfig,
  type EvaluateOptions,
  type Evaluation,
  evaluate,
  type Stage,
} from "../dockerfile/evaluate.ts";
import type { Injection } from "../dockerfile/injection.ts";
import { parseText } from "../dockerfile/parse.ts";
import { findTargets, plan, reliesOnBase, type TargetPlan } from "../dockerfile/plan.ts";
import { type Dockerfile, DockerfileError } from "../dockerfile/syntax.ts";
import { decode, encode, toBytes, toText } from "../dockerfile/text.ts";
import { ownBlocks, undoText } from "../dockerfile/undo.ts";
import { decompose, INIT_PATH, type Init } from "../model/compose.ts";
import type { Diagnostic } from "../model/diagnostics.ts";
import { InitwrapError } from "../model/errors.ts";
import { type Invocation, sameArgv } from "../model/invocation.ts";
import { type Platform, parsePlatform } from "../model/platform.ts";
import { parseReference } from "../model/reference.ts";
import { type BaseLock, driftOf } from "./base-lock.ts";
import {
  type Provenance,
  type Resolution,
  type ResolvedBase,
  type ResolverOptions,
  resolveBase,
  resolveLive,
} from "./base-resolver.ts";
import { choosePlatforms, inlineInits, inlineStandIns } from "./dockerfile-inits.ts";
import { dockerfileSnippets } from "./dockerfile-snippets.ts";
import { placeLine } from "./finding-lines.ts";
import { checkInitOptions } from "./init-options.ts";

/** A Dockerfile as bytes, or as text that is encoded as UTF-8. */
export type DockerfileInput = Uint8Array | string;

export type InjectKind = "inline" | "context" | "image";

export interface DockerfileOptions {
  /** What to call the file in messages; `Dockerfile` unless given. */
  readonly name?: string;
  /** A stage's name or number; the last stage unless given. */
  readonly target?: string;
  /** Every stage that a build can be asked for by name, and the last. */
  readonly allTargets?: boolean;
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** `linux/amd64` and the like. Unless given, those of an earlier wrap are kept; an empty list means every one with an init. */
  readonly platforms?: readonly string[];
  /** The init's own options. Unless given, those of an earlier wrap are kept; an empty list clears them. */
  readonly initOptions?: readonly string[];
  /** Replace tini, dumb-init, catatonit or docker-init instead of leaving them in front. */
  readonly replaceInit?: boolean;
  /** How the init gets into the build; as the file has it already, or else inline. */
  readonly inject?: InjectKind;
  /** For `image`: the reference, with its digest. */
  readonly initImage?: string;
  /** What the base image of the target stage runs, when the caller knows it. */
  readonly base?: BaseConfig;
  /** An OCI image layout that holds the base image, `FOLDER[:NAME]`. */
  readonly baseLayout?: string;
  /** Take an unknown tag of a known official image to run what the image's other tags run. */
  readonly assumeBase?: boolean;
  /** Ask neither an engine nor a registry. */
  readonly offline?: boolean;
  /** Registries that may be reached without TLS, or with any certificate. */
  readonly insecureRegistries?: readonly string[];
  /** What bases were found to run before; it is asked before anything else, and takes new answers in. */
  readonly lock?: BaseLock;
  /** Answers about bases that several plans of one call share; an empty map in the beginning. */
  readonly baseAnswers?: Map<string, Promise<Resolution>>;
  /** Ask engines and registry nonetheless, and report what a base has otherwise than the lock. */
  readonly reportDrift?: boolean;
  /** Go on although `# syntax=` names a frontend that nobody knows, or supervisord is started. */
  readonly force?: boolean;
  /** DOCKER_HOST, DOCKER_CONFIG and the like; nothing unless given. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
}

/** A base image that was asked for, and who answered. */
export interface BaseAnswer {
  readonly reference: string;
  readonly provenance: Provenance;
}

/** The outcome of a plan. `result` holds the bytes to be written. */
export interface DockerfileOutcome {
  readonly changed: boolean;
  /** The stage that was asked for, or with all targets the last. */
  readonly target: TargetPlan;
  /** All stages that were meant, in the order of the file. */
  readonly targets: readonly TargetPlan[];
  readonly before: Invocation;
  readonly after: Invocation;
  readonly inject: InjectKind;
  readonly platforms: readonly Platform[];
  /** The base of `target`, when it was asked for. */
  readonly base: BaseAnswer | undefined;
  /** Every base that was asked for. */
  readonly bases: readonly BaseAnswer[];
  readonly edits: readonly Edit[];
  readonly diagnostics: readonly Diagnostic[];
  readonly result: Uint8Array;
}

/** Reads a Dockerfile. Throws DOCKERFILE_SYNTAX with file, line and an excerpt. */
export function parseDockerfile(input: DockerfileInput, name = "Dockerfile"): Dockerfile {
  const text = textOf(input);
  return named(name, text, () => parseText(text));
}

/** What each stage's image will be. Bases that `options.base` does not know leave their fields in `Stage.unknown`. */
export function evaluateDockerfile(dockerfile: Dockerfile, options: EvaluateOptions = {}): Evaluation {
  return evaluate(dockerfile, options);
}

/**
 * Plans the rewrite of a Dockerfile and proves it: entrypoint' = init + entrypoint, cmd' = cmd, all else as before.
 *
 * Asks for the base image only when the answer depends on it. Throws InitwrapError: DOCKERFILE_SYNTAX, BASE_UNKNOWN and the
 * other codes of docs/errors.md. Writes nothing.
 */
export async function planDockerfile(
  input: DockerfileInput,
  options: DockerfileOptions = {},
): Promise<DockerfileOutcome> {
  const { result, ...judged } = await planned(input, options, false);
  let bytes: Uint8Array | undefined;
  return {
    ...judged,
    get result() {
      bytes ??= toBytes(result);
      return bytes;
    },
  };
}

/** A plan without the bytes that it would write. */
export type DockerfileVerdict = Omit<DockerfileOutcome, "result">;

/**
 * As `planDockerfile` for who asks only whether something would change, and for the findings. A Dockerfile that carries no init
 * yet gets a line in the place of each: what the bytes are decides nothing, and they are most of the work for a small file.
 */
export async function judgeDockerfile(
  input: DockerfileInput,
  options: DockerfileOptions = {},
): Promise<DockerfileVerdict> {
  const { result: _, ...verdict } = await planned(input, options, true);
  return verdict;
}

async function planned(
  input: DockerfileInput,
  options: DockerfileOptions,
  verdictOnly: boolean,
): Promise<Omit<DockerfileOutcome, "result"> & { readonly result: string }> {
  const name = options.name ?? "Dockerfile";
  const text = textOf(input);
  const asked = options.platforms ?? named(name, text, () => presentPlatforms(text));
  const platforms = choosePlatforms(asked);
  const init = initOf(options.initOptions ?? named(name, text, () => presentOptions(text, options)));
  const injection = named(name, text, () => injectionFor(text, options, platforms, verdictOnly));
  const attempt = (bases: ReadonlyMap<string, BaseConfig>) =>
    named(name, text, () =>
      plan(text, {
        ...meant(options),
        ...(options.replaceInit === undefined ? {} : { replaceInit: options.replaceInit }),
        ...(platforms.length === 1 ? { platform: platforms[0] as Platform } : {}),
        ...(options.force === undefined ? {} : { force: options.force }),
        base: (reference) => bases.get(reference),
        init,
        injection,
        asked,
        snippets: dockerfileSnippets(),
      }),
    );
  const { outcome, base, bases, notes } = await withBases(text, options, platforms, attempt);
  return {
    changed: outcome.kind === "changed",
    target: outcome.target,
    targets: outcome.targets,
    before: outcome.before,
    after: outcome.after,
    inject: injection.kind,
    platforms,
    base,
    bases,
    edits: outcome.edits,
    diagnostics: [...notes, ...outcome.diagnostics],
    result: outcome.result,
  };
}

/** Puts an init in front of what a Dockerfile runs: the rewritten Dockerfile. `planDockerfile` with nothing but the result. */
export async function wrapDockerfile(input: DockerfileInput, options: DockerfileOptions = {}): Promise<Uint8Array> {
  return (await planDockerfile(input, options)).result;
}

/** Takes initwrap's own lines out again. The input itself when it has none. Throws UNSAFE_EDIT when they were altered. */
export function undoDockerfile(input: DockerfileInput, name = "Dockerfile"): Uint8Array {
  const text = textOf(input);
  const undone = named(name, text, () => undoText(text));
  if (undone.kind === "altered") {
    throw new InitwrapError("UNSAFE_EDIT", `initwrap's own lines were altered: ${undone.reason}`, {
      where: `${name}:${undone.line}`,
      hint: "Take them out by hand.",
    });
  }
  return toBytes(undone.kind === "undone" ? undone.text : text);
}

type Attempt = (bases: ReadonlyMap<string, BaseConfig>) => ReturnType<typeof plan>;

interface Attempted {
  readonly outcome: ReturnType<typeof plan>;
  readonly base: BaseAnswer | undefined;
  readonly bases: readonly BaseAnswer[];
  readonly notes: readonly Diagnostic[];
}

/** Plans without the bases, and with them only when they have to be known; what the user says of them always counts. */
async function withBases(
  text: string,
  options: DockerfileOptions,
  platforms: readonly Platform[],
  attempt: Attempt,
): Promise<Attempted> {
  if (options.base === undefined) {
    try {
      return { outcome: attempt(new Map()), base: undefined, bases: [], notes: [] };
    } catch (error) {
      if (!(error instanceof InitwrapError) || error.code !== "BASE_UNKNOWN") throw error;
    }
  }
  const roots = rootStages(text, options);
  const answers = new Map<string, BaseAnswer>();
  const configs = new Map<string, BaseConfig>();
  const notes: Diagnostic[] = [];
  const obstacles: string[] = [];
  for (const { root } of roots) {
    const reference = root.origin.kind === "image" ? root.origin.reference : undefined;
    if (reference === undefined || configs.has(reference)) continue;
    const resolution = await askFor(reference, platformOf(root, platforms), options);
    const { base } = resolution;
    if (base === undefined) {
      obstacles.push(...resolution.obstacles);
      continue;
    }
    configs.set(reference, base.config);
    answers.set(reference, { reference, provenance: base.provenance });
    notes.push(baseNote(reference, base.provenance, root), ...(await driftFindings(base, root, platforms, options)));
  }
  try {
    const outcome = attempt(configs);
    const origin = roots.find(({ target }) => target.index === outcome.target.index)?.root.origin;
    const base = origin?.kind === "image" ? answers.get(origin.reference) : undefined;
    return { outcome, base, bases: [...answers.values()], notes };
  } catch (error) {
    if (!(error instanceof InitwrapError) || error.code !== "BASE_UNKNOWN" || obstacles.length === 0) throw error;
    const { code, message, where, hint } = error;
    throw new InitwrapError(code, message, {
      reasons: [...new Set(obstacles)],
      ...(where === undefined ? {} : { where }),
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** Asks what a base image runs, as the options say whom to ask; a lock that takes new answers gets this one. */
export async function askFor(reference: string, platform: Platform, options: DockerfileOptions): Promise<Resolution> {
  const resolution = await resolveBase(reference, platform, resolverOptions(options));
  if (resolution.base !== undefined) options.lock?.record(resolution.base, platform);
  return resolution;
}

function resolverOptions(options: DockerfileOptions): ResolverOptions {
  const { lock } = options;
  return {
    env: options.env ?? {},
    ...(options.baseAnswers === undefined ? {} : { answers: options.baseAnswers }),
    ...(lock === undefined ? {} : { locked: (...question) => lock.find(...question) }),
    ...(options.signal ? { signal: options.signal } : {}),
    ...(options.offline === undefined ? {} : { offline: options.offline }),
    ...(options.insecureRegistries === undefined ? {} : { insecureRegistries: options.insecureRegistries }),
    ...(options.base === undefined ? {} : { given: options.base }),
    ...(options.baseLayout === undefined ? {} : { layout: options.baseLayout }),
    ...(options.assumeBase === undefined ? {} : { assume: options.assumeBase }),
  };
}

/** What a locked base has otherwise by now, where someone can be asked. */
async function driftFindings(
  { reference, config, provenance }: ResolvedBase,
  root: Stage,
  platforms: readonly Platform[],
  options: DockerfileOptions,
): Promise<readonly Diagnostic[]> {
  if (options.reportDrift !== true || options.offline === true || provenance.source !== "lock") return [];
  const live = await resolveLive(reference, platformOf(root, platforms), resolverOptions(options));
  if (live === undefined) return [];
  const source = [live.provenance.source, live.provenance.detail].filter(Boolean).join(" ");
  return driftOf(config, live.config).map(({ field, was, is }) => ({
    code: "BASE_DRIFT",
    severity: "error",
    args: { reference, field, was, is, source },
    range: root.from.range,
  }));
}

function baseNote(reference: string, { source, detail }: Provenance, root: Stage): Diagnostic {
  const { range } = root.from;
  if (source === "table" || source === "assumed") {
    const like = detail === undefined ? {} : { like: detail };
    return { code: "BASE_ASSUMED", severity: "note", args: { reference, ...like }, range };
  }
  const origin = [source, detail].filter(Boolean).join(" ");
  return { code: "BASE_RESOLVED", severity: "note", args: { reference, source: origin }, range };
}

function meant(
  options: DockerfileOptions,
): Pick<DockerfileOptions, "target" | "allTargets"> & Pick<EvaluateOptions, "buildArgs"> {
  return {
    ...(options.target === undefined ? {} : { target: options.target }),
    ...(options.allTargets === undefined ? {} : { allTargets: options.allTargets }),
    ...(options.buildArgs === undefined ? {} : { buildArgs: options.buildArgs }),
  };
}

/** The targets whose command hangs on their base, each with the stage that its chain of parents begins with. */
function rootStages(
  text: string,
  options: DockerfileOptions,
): readonly { readonly target: Stage; readonly root: Stage }[] {
  const undone = undoText(text);
  const request = meant(options);
  const dockerfile = parseText(undone.kind === "undone" ? undone.text : text);
  const evaluation = evaluate(dockerfile, request);
  const targets = findTargets(evaluation, request);
  // What the user says of a base counts in any case.
  const dependent = options.base === undefined ? targets.filter((target) => reliesOnBase(dockerfile, target)) : targets;
  return dependent.map((target) => {
    let root = target;
    while (root.origin.kind === "stage") root = evaluation.stages[root.origin.parent] as Stage;
    return { target, root };
  });
}

/** The platform whose base image is meant: that of the stage's FROM, else the only one that was asked for, else linux/amd64. */
export function platformOf(root: Stage, platforms: readonly Platform[]): Platform {
  const constant = root.platform === undefined || /\$/.test(root.platform) ? undefined : parsePlatform(root.platform);
  const [only] = platforms.length === 1 ? platforms : [];
  return constant ?? only ?? { os: "linux", architecture: "amd64" };
}

/** The init with its options. Throws USAGE. */
function initOf(options: readonly string[]): Init {
  checkInitOptions(options);
  return { path: INIT_PATH, options };
}

/** The platforms that an earlier run of initwrap was asked to carry the init for; none when it was not told. */
function presentPlatforms(text: string): readonly string[] {
  const undone = undoText(text);
  return undone.kind === "undone" ? undone.platforms : [];
}

/** The init's options as an earlier run of initwrap wrote them into a target stage, without those of an init it replaced. */
function presentOptions(text: string, options: DockerfileOptions): readonly string[] {
  const undone = undoText(text);
  if (undone.kind !== "undone") return [];
  const request = meant(options);
  // A number counts the stages that the file had before initwrap put its own among them.
  const targets = findTargets(evaluate(parseText(undone.text), request), request);
  const dockerfile = parseText(text);
  const blocks = ownBlocks(dockerfile);
  const isOurs = ({ from }: Stage) => blocks.some(({ start, end }) => from.start >= start && from.start < end);
  const stages = evaluate(dockerfile, request).stages.filter((stage) => !isOurs(stage));
  const wrapped = targets
    .map(({ index }) => stages[index] as Stage)
    .findLast(({ config }) => decompose(config) !== undefined);
  const present = (wrapped && decompose(wrapped.config))?.init.options ?? [];
  const replaced = undone.replaced.find(
    (options) => options.length > 0 && sameArgv(options, present.slice(0, options.length)),
  );
  return present.slice(replaced?.length ?? 0);
}

function injectionFor(
  text: string,
  options: DockerfileOptions,
  platforms: readonly Platform[],
  verdictOnly: boolean,
): Injection {
  const present = presentInjection(text);
  const kind = options.inject ?? (options.initImage === undefined ? present?.kind : "image") ?? "inline";
  if (kind === "inline") {
    const standIns = verdictOnly && present === undefined && undoText(text).kind === "nothing";
    return { kind, inits: standIns ? inlineStandIns(platforms) : inlineInits(platforms) };
  }
  if (kind === "context") return { kind, platforms };
  return { kind, reference: requireDigest(options.initImage ?? present?.reference) };
}

/** The reference of the init's image. Throws USAGE for one without a digest, and for none. */
export function requireDigest(reference: string | undefined): string {
  if (reference !== undefined && parseReference(reference)?.digest !== undefined) return reference;
  throw new InitwrapError("USAGE", "--inject image needs an image named by its digest", {
    hint: "Write it with its digest, as initwrap init-image --push REF prints it: --init-image REF@sha256:...",
  });
}

/** How an earlier run of initwrap brought the init into this file; undefined when none did. */
export function presentInjection(text: string): { readonly kind: InjectKind; readonly reference?: string } | undefined {
  if (undoText(text).kind !== "undone") return undefined;
  const copy = parseText(text).instructions.findLast(
    ({ keyword, words }) => keyword === "COPY" && words.length === 2 && words[1] === INIT_PATH,
  );
  const from = copy?.flags.find((flag) => flag.startsWith("--from="))?.slice("--from=".length);
  if (copy === undefined) return undefined;
  if (from === undefined) return { kind: copy.heredocs.length > 0 ? "inline" : "context" };
  return from.includes("@sha256:") ? { kind: "image", reference: from } : { kind: "inline" };
}

function textOf(input: DockerfileInput): string {
  return typeof input === "string" ? encode(input) : toText(input);
}

/** Runs `work`, and gives what it throws the file's name, the line, and an excerpt of the text. */
function named<T>(name: string, text: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof DockerfileError) {
      throw new InitwrapError("DOCKERFILE_SYNTAX", error.message, {
        where: error.line > 0 ? `${name}:${error.line}` : name,
        ...(error.line > 0 ? { excerpt: excerptOf(text, error.line, error.endLine) } : {}),
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        cause: error,
      });
    }
    if (error instanceof InitwrapError && error.where === undefined) {
      const { code, message, hint, line } = error;
      const where = line === undefined ? name : `${name}:${lineIn(text, line)}`;
      throw new InitwrapError(code, message, { where, ...(hint === undefined ? {} : { hint }), cause: error });
    }
    throw error;
  }
}

/** A line of the plan, which is made without initwrap's own lines, in the text as it is. */
function lineIn(text: string, line: number): number {
  const undone = undoText(text);
  return undone.kind === "undone" ? placeLine(line, undone.text, text) : line;
}

/** The lines around a fault, numbered, those at fault marked, as BuildKit shows them. */
function excerptOf(text: string, line: number, endLine: number): string {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const last = Math.min(Math.max(endLine, line), line + 8);
  const around = last > line ? 1 : 2;
  const shown: string[] = [];
  for (let number = Math.max(1, line - around); number <= Math.min(lines.length, last + around); number++) {
    const marker = number >= line && number <= last ? ">>>" : "   ";
    const visible = decode(lines[number - 1] as string).replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "");
    shown.push(`${String(number).padStart(4)} | ${marker} ${visible.slice(0, 160)}`.trimEnd());
  }
  return shown.join("\n");
}
