/**
 * One run of `initwrap dockerfile`: read, plan, check the context, write. What is shown to people is the command's affair.
 */
import { dirname, join } from "node:path";
import type { BaseConfig } from "../dockerfile/evaluate.ts";
import { decode, toText } from "../dockerfile/text.ts";
import { undoText } from "../dockerfile/undo.ts";
import type { Diagnostic } from "../model/diagnostics.ts";
import { InitwrapError } from "../model/errors.ts";
import { readArgv, readBaseConfig } from "./base-config.ts";
import type { BaseLock } from "./base-lock.ts";
import {
  type DockerfileOptions,
  type DockerfileOutcome,
  type DockerfileVerdict,
  type InjectKind,
  judgeDockerfile,
  planDockerfile,
  presentInjection,
  requireDigest,
  undoDockerfile,
} from "./dockerfile.ts";
import {
  type ContextFile,
  contextFiles,
  findIgnoreFile,
  ignoredInit,
  staleFiles,
  writeContextFiles,
} from "./dockerfile-context.ts";
import { type DiffLine, unifiedDiff } from "./dockerfile-diff.ts";
import { readInput, readStream, writeAtomically } from "./dockerfile-file.ts";
import { choosePlatforms } from "./dockerfile-inits.ts";
import { placeFindings } from "./finding-lines.ts";
import { checkInitOptions } from "./init-options.ts";

export interface DockerfileRequest {
  /** The file, or `-` for `stdin`. */
  readonly file: string;
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Write to the file itself, to another, or hand the bytes back. */
  readonly sink:
    | { readonly kind: "in-place" }
    | { readonly kind: "file"; readonly path: string }
    | { readonly kind: "none" };
  /** Only look: write nothing, whatever the sink. */
  readonly look: boolean;
  /** Refuse what writing would refuse, where looking alone would warn of it. */
  readonly refuseAsWritten: boolean;
  /** Only whether something would change, and the findings, are asked for: the run then holds neither result nor outcome. */
  readonly verdictOnly?: boolean | undefined;
  readonly undo: boolean;
  readonly target?: string | undefined;
  readonly allTargets?: boolean | undefined;
  readonly replaceInit?: boolean | undefined;
  readonly buildArgs: readonly string[];
  /** Undefined: as an earlier wrap has them. Empty words are dropped, so that one alone asks for all. */
  readonly platforms?: readonly string[] | undefined;
  /** Undefined: as an earlier wrap has them. Empty words are dropped, so that one alone clears them. */
  readonly initOptions?: readonly string[] | undefined;
  readonly inject?: InjectKind | undefined;
  readonly initImage?: string | undefined;
  /** The build context; the file's folder unless given. */
  readonly context?: string | undefined;
  readonly amendIgnore: boolean;
  readonly baseEntrypoint?: string | undefined;
  readonly baseCmd?: string | undefined;
  readonly baseConfig?: string | undefined;
  readonly baseLayout?: string | undefined;
  readonly assumeBase?: boolean | undefined;
  readonly lock?: BaseLock | undefined;
  readonly reportDrift?: boolean | undefined;
  /** Answers about bases that several runs of one call share. */
  readonly baseAnswers?: DockerfileOptions["baseAnswers"];
  readonly offline: boolean;
  readonly insecureRegistries: readonly string[];
  readonly force: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

export interface DockerfileRun {
  readonly changed: boolean;
  /** Absent after an undo, and where only the verdict was asked for. */
  readonly outcome: DockerfileOutcome | undefined;
  /** The Dockerfile's bytes as they should be. */
  readonly result: Uint8Array;
  /** Files of the context that were written, or would be. */
  readonly contextFiles: readonly string[];
  /** The ignore file that was amended, or would be. */
  readonly amendedIgnore: string | undefined;
  readonly written: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
  /** The Dockerfile's text as it was read: what the lines of `diagnostics` count in. */
  readonly text: string;
  readonly diff: () => readonly DiffLine[];
}

/** Runs one request. Throws InitwrapError; nothing is half-written then. */
export async function runDockerfile(request: DockerfileRequest): Promise<DockerfileRun> {
  const name = request.file === "-" ? "Dockerfile" : request.file;
  if (request.file === "-" && request.sink.kind === "in-place") {
    throw new InitwrapError("USAGE", "standard input cannot be written in place", { hint: "Use --output FILE." });
  }
  const input =
    request.file === "-" ? await readStream(request.stdin) : await readInput(request.file, { signal: request.signal });
  const before = toText(input);
  if (request.undo) {
    const result = undoDockerfile(input, name);
    const changed = Buffer.compare(input, result) !== 0;
    const product = productOf(request, before, result, undefined);
    return finish(request, before, { changed, diagnostics: [], product }, { diagnostics: [], files: [] });
  }
  const options = await optionsOf(request, name, before);
  if (request.verdictOnly) {
    const verdict = await judgeDockerfile(input, options);
    const { changed, diagnostics } = verdict;
    const extra = await contextPart(request, verdict);
    return finish(request, before, { changed, diagnostics, product: NO_PRODUCT }, extra);
  }
  const outcome = await planDockerfile(input, options);
  const { changed, diagnostics } = outcome;
  const extra = await contextPart(request, outcome);
  const product = productOf(request, before, outcome.result, outcome);
  return finish(request, before, { changed, diagnostics, product }, extra);
}

/**
 * What is wrong with the call itself, whatever the files hold: said once, before any of them is read. Throws USAGE,
 * NO_INIT_FOR_PLATFORM, and what reading `--base-config` throws.
 */
export async function checkCall(request: DockerfileRequest): Promise<void> {
  if (request.undo) return;
  buildArgs(request);
  await givenBase(request);
  choosePlatforms((request.platforms ?? []).filter((word) => word !== ""));
  checkInitOptions((request.initOptions ?? []).filter((word) => word !== ""));
  if (request.initImage !== undefined) requireDigest(request.initImage);
}

interface Extra {
  readonly diagnostics: readonly Diagnostic[];
  readonly files: readonly ContextFile[];
  readonly context?: string;
  readonly ignore?: { readonly path: string; readonly amended: string };
}

/** What the build context needs: the init's files, and an ignore file that does not hide them. */
async function contextPart(request: DockerfileRequest, outcome: DockerfileVerdict): Promise<Extra> {
  const dockerfile = request.file === "-" ? undefined : request.file;
  const context = request.context ?? (dockerfile === undefined ? undefined : dirname(dockerfile));
  const wrapped = outcome.edits.length > 0;
  if (outcome.inject !== "context" || !wrapped) {
    // A Dockerfile from a pipe is built without the ignore file that stands beside it.
    const lost = request.sink.kind === "none" && dockerfile !== undefined && !request.look;
    const ignore = lost ? await findIgnoreFile(dirname(dockerfile), dockerfile) : undefined;
    if (dockerfile === undefined || ignore?.path !== `${join(dockerfile)}.dockerignore`)
      return { diagnostics: [], files: [] };
    return {
      diagnostics: [{ code: "DOCKERIGNORE_LOST", severity: "warning", args: { path: ignore.path } }],
      files: [],
    };
  }
  if (context === undefined) {
    throw new InitwrapError("USAGE", "with --inject context and standard input the build context must be named", {
      hint: "Add --context DIR.",
    });
  }
  const all = contextFiles(outcome.platforms);
  const finding = await ignoredInit(context, dockerfile, all);
  const files = await staleFiles(context, all);
  if (finding === undefined) return { diagnostics: [], files, context };
  const diagnostic: Diagnostic = {
    code: "DOCKERIGNORE_HIDES_INIT",
    severity: "warning",
    args: { path: finding.path, file: finding.file, line: finding.line },
  };
  if (request.amendIgnore || (request.look && !request.refuseAsWritten)) {
    // Who asked for the amendment needs no warning of what it settles.
    const diagnostics = request.amendIgnore ? [] : [diagnostic];
    return { diagnostics, files, context, ignore: { path: finding.path, amended: finding.amended } };
  }
  throw new InitwrapError("CONTEXT_IGNORED", `${finding.path} hides ${finding.file} from the build`, {
    where: `${finding.path}:${finding.line}`,
    hint: "Say --amend-dockerignore to add an exception at its end, or use --inject inline.",
  });
}

interface Rewrite {
  readonly changed: boolean;
  readonly diagnostics: readonly Diagnostic[];
  readonly product: Product;
}

async function finish(
  request: DockerfileRequest,
  before: string,
  { changed: rewritten, diagnostics, product }: Rewrite,
  extra: Extra,
): Promise<DockerfileRun> {
  const written: string[] = [];
  const { signal } = request;
  if (!request.look) {
    // The Dockerfile comes last: until it is there, nothing refers to the files.
    if (extra.files.length > 0) await writeContextFiles(extra.context as string, extra.files, signal);
    written.push(...extra.files.map(({ path }) => join(extra.context as string, path)));
    if (extra.ignore !== undefined) {
      await writeAtomically(extra.ignore.path, Buffer.from(extra.ignore.amended), { signal });
      written.push(extra.ignore.path);
    }
    const path = request.sink.kind === "file" ? request.sink.path : request.file;
    if (request.sink.kind === "file" || (request.sink.kind === "in-place" && rewritten)) {
      await writeAtomically(path, product.result, { signal });
      written.push(path);
    }
  }
  return {
    changed: rewritten || extra.files.length > 0 || extra.ignore !== undefined,
    ...product,
    contextFiles: extra.files.map(({ path }) => join(extra.context as string, path)),
    amendedIgnore: extra.ignore?.path,
    written,
    diagnostics: [...placed(diagnostics, before), ...extra.diagnostics],
    text: decode(before),
  };
}

type Product = Pick<DockerfileRun, "outcome" | "result" | "diff">;

/** Refers to nothing: a thousand verdicts must not hold a thousand results. */
const NO_PRODUCT: Product = { outcome: undefined, result: new Uint8Array(), diff: () => [] };

function productOf(
  { file }: DockerfileRequest,
  before: string,
  result: Uint8Array,
  outcome: DockerfileOutcome | undefined,
): Product {
  const name = file === "-" ? "Dockerfile" : file;
  return { outcome, result, diff: () => unifiedDiff(before, toText(result), name) };
}

function placed(diagnostics: readonly Diagnostic[], before: string): readonly Diagnostic[] {
  const undone = undoText(before);
  return undone.kind === "undone" ? placeFindings(diagnostics, undone.text, before) : diagnostics;
}

async function optionsOf(request: DockerfileRequest, name: string, text: string): Promise<DockerfileOptions> {
  const base = await givenBase(request);
  const inject = request.inject ?? (request.initImage === undefined ? defaultInject(request, text) : "image");
  return {
    name,
    inject,
    ...(request.target === undefined ? {} : { target: request.target }),
    ...(request.allTargets === undefined ? {} : { allTargets: request.allTargets }),
    ...(request.replaceInit === undefined ? {} : { replaceInit: request.replaceInit }),
    buildArgs: buildArgs(request),
    ...(request.platforms === undefined ? {} : { platforms: request.platforms.filter((word) => word !== "") }),
    ...(request.initOptions === undefined ? {} : { initOptions: request.initOptions.filter((word) => word !== "") }),
    ...(request.baseLayout === undefined ? {} : { baseLayout: request.baseLayout }),
    ...(request.assumeBase === undefined ? {} : { assumeBase: request.assumeBase }),
    ...(request.initImage === undefined ? {} : { initImage: request.initImage }),
    ...(base === undefined ? {} : { base }),
    ...(request.lock === undefined ? {} : { lock: request.lock }),
    ...(request.baseAnswers === undefined ? {} : { baseAnswers: request.baseAnswers }),
    ...(request.reportDrift === undefined ? {} : { reportDrift: request.reportDrift }),
    offline: request.offline,
    insecureRegistries: request.insecureRegistries,
    force: request.force,
    env: request.env,
    signal: request.signal,
  };
}

/** As the file has it; else in the context for a file that is kept, and inline for one that goes elsewhere. */
function defaultInject(request: DockerfileRequest, text: string): InjectKind {
  let present: ReturnType<typeof presentInjection>;
  try {
    present = presentInjection(text);
  } catch {
    // What is wrong with the file is said when it is planned.
    present = undefined;
  }
  return present?.kind ?? (request.sink.kind === "in-place" ? "context" : "inline");
}

/** `NAME=value`, or `NAME` for the environment's value, as the build takes them. Throws USAGE. */
export function buildArgs(request: Pick<DockerfileRequest, "buildArgs" | "env">): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const argument of request.buildArgs) {
    const equals = argument.indexOf("=");
    const name = equals < 0 ? argument : argument.slice(0, equals);
    if (name === "") throw new InitwrapError("USAGE", `--build-arg takes NAME=value, not ${argument}`);
    const value = equals < 0 ? request.env[name] : argument.slice(equals + 1);
    if (value !== undefined) values[name] = value;
  }
  return values;
}

/** What the `--base-*` flags say of the base image; undefined when they say nothing. Throws USAGE. */
export async function givenBase(
  request: Pick<DockerfileRequest, "baseConfig" | "baseEntrypoint" | "baseCmd">,
): Promise<BaseConfig | undefined> {
  const { baseConfig, baseEntrypoint, baseCmd } = request;
  if (baseConfig === undefined && baseEntrypoint === undefined && baseCmd === undefined) return undefined;
  const read = baseConfig === undefined ? { os: "linux" } : await configFile(baseConfig);
  return {
    ...read,
    ...(baseEntrypoint === undefined ? {} : { entrypoint: readArgv(baseEntrypoint, "--base-entrypoint") }),
    ...(baseCmd === undefined ? {} : { cmd: readArgv(baseCmd, "--base-cmd") }),
  };
}

async function configFile(path: string): Promise<BaseConfig> {
  const bytes = await readInput(path, {
    hint: "--base-config names a file: the output of docker inspect, or an OCI image config.",
  });
  let document: unknown;
  try {
    document = JSON.parse(decode(toText(bytes)));
  } catch (error) {
    throw new InitwrapError("USAGE", `--base-config: ${(error as Error).message}`, { where: path, cause: error });
  }
  return readBaseConfig(document, path);
}
