/**
 * Several Dockerfiles in one call: those that files, folders and globs mean, or the builds of a Compose or bake file.
 *
 * Each is one run of its own. One that fails does not stop the others; what it failed with is its result.
 */
import { statSync } from "node:fs";
import { relative } from "node:path";
import { encode, toBytes } from "../dockerfile/text.ts";
import type { Diagnostic } from "../model/diagnostics.ts";
import { InitwrapError } from "../model/errors.ts";
import { type BuildUnit, isRemote, type Variables } from "./build-unit.ts";
import { evaluateDockerfile, parseDockerfile } from "./dockerfile.ts";
import { readInput } from "./dockerfile-file.ts";
import { checkCall, type DockerfileRequest, type DockerfileRun, runDockerfile } from "./dockerfile-run.ts";

/** One Dockerfile to work on, and what its build is known to be. */
export interface Subject {
  /** What messages call it. */
  readonly name: string;
  /** The build that names it; undefined for a file that was named itself. */
  readonly unit?: BuildUnit;
}

/** What came of one subject: a run, or the reason why there is none. */
export interface SubjectResult {
  readonly name: string;
  readonly run: DockerfileRun | undefined;
  readonly error: InitwrapError | undefined;
  /** Findings of the run, and of the Compose file that builds it. */
  readonly diagnostics: readonly Diagnostic[];
  /** The source that their lines count in; undefined where it was not read. */
  readonly text: string | undefined;
}

export interface SubjectsRequest {
  readonly inputs: readonly string[];
  /** Compose files, or one folder that holds a project. */
  readonly compose?: readonly string[] | undefined;
  readonly services: readonly string[];
  /** Bake files, merged in order. */
  readonly bake?: readonly string[] | undefined;
  readonly bakeTargets: readonly string[];
  readonly env: Variables;
}

/** Files that are open at once; more gain nothing, for parsing and proving are computation. */
const AT_ONCE = 16;

/** The Dockerfiles that are meant. Throws what finding and reading them throws. */
export async function findSubjects(request: SubjectsRequest): Promise<readonly Subject[]> {
  const { inputs, compose, bake, services, bakeTargets, env } = request;
  if (compose !== undefined) {
    const { readCompose } = await import("./compose-project.ts");
    return readCompose(compose, services, env).map(subjectOf);
  }
  if (bake !== undefined) {
    const { readBakeFile } = await import("./bake-file.ts");
    return (await readBakeFile(bake, bakeTargets, env)).map(subjectOf);
  }
  // A single plain name needs no search, and standard input is not a file.
  if (inputs.length === 1 && !/[*?[\]{}()!+@]/.test(inputs[0] as string) && !isFolder(inputs[0] as string)) {
    return [{ name: inputs[0] as string }];
  }
  if (inputs.includes("-")) {
    throw new InitwrapError("USAGE", "standard input can be the only input", {
      hint: "Leave out - or the other files.",
    });
  }
  const { findDockerfiles } = await import("./find-dockerfiles.ts");
  return (await findDockerfiles(inputs)).map((name) => ({ name }));
}

function isFolder(path: string): boolean {
  if (path === "-") return false;
  try {
    return statSync(path).isDirectory();
  } catch {
    // Reading it tells what is wrong.
    return false;
  }
}

function subjectOf(unit: BuildUnit): Subject {
  const { dockerfile } = unit;
  return { name: dockerfile.kind === "file" ? fromHere(dockerfile.path) : unit.definedIn, unit };
}

/** A path below the working folder as people name it; another one as it is. */
function fromHere(path: string): string {
  const inside = relative(process.cwd(), path);
  return inside.startsWith("..") || isRemote(path) ? path : inside || ".";
}

/** Runs them all; the results are in the order of the subjects. Throws only what is nobody's fault but the program's. */
export async function runSubjects(
  subjects: readonly Subject[],
  request: DockerfileRequest,
): Promise<readonly SubjectResult[]> {
  if (subjects.length > 1) await checkCall(request);
  refuseTwoStages(subjects, request);
  const shared: DockerfileRequest = { ...request, baseAnswers: new Map() };
  const done = new Map<string, Promise<SubjectResult>>();
  const results: Promise<SubjectResult>[] = [];
  const slots: Promise<unknown>[] = [];
  for (const subject of subjects) {
    const own = requestOf(subject, shared);
    // Services that share a build share its run: a file must not be written by two at once.
    const { target, buildArgs, platforms, context } = own;
    const identity = JSON.stringify([subject.name, target, buildArgs, platforms, context, subject.unit?.dockerfile]);
    let result = done.get(identity);
    if (result === undefined) {
      if (slots.length >= AT_ONCE) await slots.shift();
      result = settle(subject, own);
      slots.push(result.catch(() => {}));
      done.set(identity, result);
    }
    results.push(withUnit(result, subject, request));
  }
  const settled = await Promise.allSettled(results);
  const failed = settled.find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
  return settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}

/** Two builds of one file that differ cannot both be written, unless in nothing but the target and all are wrapped. Throws USAGE. */
function refuseTwoStages(subjects: readonly Subject[], request: DockerfileRequest): void {
  if (request.sink.kind !== "in-place" || request.look || request.undo) return;
  const seen = new Map<string, Subject>();
  for (const subject of subjects) {
    if (subject.unit?.dockerfile.kind !== "file") continue;
    const { path } = subject.unit.dockerfile;
    const before = seen.get(path);
    if (before !== undefined && differ(requestOf(before, request), requestOf(subject, request))) {
      const all = { ...request, allTargets: true };
      const isTarget = !differ(requestOf(before, all), requestOf(subject, all));
      throw new InitwrapError(
        "USAGE",
        `${before.unit?.name} and ${subject.unit.name} build ${path} in different ways`,
        {
          where: `${subject.unit.definedIn}:${subject.unit.line}`,
          hint: isTarget
            ? "Wrap both with --all-targets, or one of them with --service or --bake-target."
            : "Wrap one of them with --service or --bake-target.",
        },
      );
    }
    seen.set(path, subject);
  }
}

function differ(a: DockerfileRequest, b: DockerfileRequest): boolean {
  const facts = ({ target, buildArgs, platforms, context }: DockerfileRequest) =>
    JSON.stringify([target, buildArgs, platforms, context]);
  return facts(a) !== facts(b);
}

/** The call's request for one subject: what the call says comes before what the build file says. */
function requestOf({ name, unit }: Subject, request: DockerfileRequest): DockerfileRequest {
  if (unit === undefined) return { ...request, file: name };
  const args = Object.entries(unit.args).map(([key, value]) => `${key}=${value}`);
  return {
    ...request,
    ...(unit.dockerfile.kind === "inline" ? { file: "-", stdin: bytesOf(unit.dockerfile.text) } : { file: name }),
    // With all of them the build's own is among them.
    target: request.allTargets === true ? undefined : (request.target ?? unit.target),
    buildArgs: [...args, ...request.buildArgs],
    platforms: request.platforms ?? (unit.platforms.length > 0 ? unit.platforms : undefined),
    context: request.context ?? fromHere(unit.context),
  };
}

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield toBytes(encode(text));
}

async function settle(subject: Subject, request: DockerfileRequest): Promise<SubjectResult> {
  const { name, unit } = subject;
  try {
    if (unit !== undefined) await refuseUnit(unit, request);
    const run = await runDockerfile(request);
    const text = unit?.dockerfile.kind === "inline" ? undefined : run.text;
    return { name, run, error: undefined, diagnostics: inUnit(run.diagnostics, unit), text };
  } catch (error) {
    if (request.signal.aborted || !(error instanceof InitwrapError)) throw error;
    const isInline = unit?.dockerfile.kind === "inline" && error.code !== "BUILD_FILE_UNSUPPORTED";
    return {
      name,
      run: undefined,
      error: isInline ? errorInUnit(error, unit) : error,
      diagnostics: [],
      text: undefined,
    };
  }
}

/** Findings in a Dockerfile that stands in a build file are at the build that holds it: its lines are not the file's. */
function inUnit(diagnostics: readonly Diagnostic[], unit: BuildUnit | undefined): readonly Diagnostic[] {
  if (unit?.dockerfile.kind !== "inline") return diagnostics;
  const range = { line: unit.line, endLine: unit.line };
  return diagnostics.map((diagnostic) => (diagnostic.range === undefined ? diagnostic : { ...diagnostic, range }));
}

function errorInUnit({ code, message, hint, excerpt, cause }: InitwrapError, unit: BuildUnit): InitwrapError {
  return new InitwrapError(code, `the Dockerfile of ${unit.name}: ${message}`, {
    where: `${unit.definedIn}:${unit.line}`,
    ...(hint === undefined ? {} : { hint }),
    ...(excerpt === undefined ? {} : { excerpt }),
    cause,
  });
}

/** What stands against a build that a file describes. Throws BUILD_FILE_UNSUPPORTED. */
async function refuseUnit(unit: BuildUnit, request: DockerfileRequest): Promise<void> {
  const { dockerfile } = unit;
  const details = (hint: string) => ({ where: `${unit.definedIn}:${unit.line}`, hint });
  if (dockerfile.kind === "remote") {
    throw new InitwrapError("BUILD_FILE_UNSUPPORTED", `${unit.name} builds a remote context, ${unit.context}`, {
      ...details("Wrap the Dockerfile where it is kept."),
    });
  }
  if (dockerfile.kind === "inline" && request.sink.kind === "in-place" && !request.look) {
    throw new InitwrapError("BUILD_FILE_UNSUPPORTED", `the Dockerfile of ${unit.name} is inside ${unit.definedIn}`, {
      ...details("Put it into a file of its own, or say --diff to see what to change."),
    });
  }
  if (unit.namedContexts.length === 0) return;
  const input =
    dockerfile.kind === "inline" ? dockerfile.text : await readInput(dockerfile.path, { signal: request.signal });
  const { stages } = evaluateDockerfile(parseDockerfile(input, request.file), { buildArgs: unit.args });
  const foreign = stages.find(({ base }) => unit.namedContexts.includes(base));
  if (foreign === undefined) return;
  throw new InitwrapError("BUILD_FILE_UNSUPPORTED", `FROM ${foreign.base} takes another context of ${unit.name}`, {
    ...details("Wrap the Dockerfile itself, and say what its base runs with --base-config FILE."),
  });
}

/** Adds what the Compose file does to the image's entrypoint, once there is a wrapped one. */
async function withUnit(
  result: Promise<SubjectResult>,
  { unit, name }: Subject,
  request: DockerfileRequest,
): Promise<SubjectResult> {
  const settled = await result;
  if (settled.run === undefined || request.undo || name === "-") return settled;
  const extra =
    unit === undefined ? await beside(name, request) : await (await import("./compose-file.ts")).composeFindings(unit);
  return extra.length === 0 ? settled : { ...settled, diagnostics: [...settled.diagnostics, ...extra] };
}

async function beside(name: string, request: DockerfileRequest): Promise<readonly Diagnostic[]> {
  const { siblingFindings } = await import("./compose-siblings.ts");
  return siblingFindings(name, request.context, request.env);
}
