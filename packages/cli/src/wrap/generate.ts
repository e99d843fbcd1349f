/**
 * `initwrap generate`: from a folder to a Dockerfile with an init in it, and what the build needs beside it.
 *
 * Listing and reading are here, the decisions in `generate/`, the words in `templates/dockerfile`. What a template renders
 * goes through the same plan and proof as any other Dockerfile.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join, relative, resolve } from "node:path";
import { suggest } from "../dockerfile/suggest.ts";
import { cook } from "../generate/detect.ts";
import { ignoreData } from "../generate/ignore.ts";
import { LISTING_DEPTH, type Project, SKIPPED_FOLDERS, wantedFiles } from "../generate/project.ts";
import type { Recipe, Wishes } from "../generate/recipe.ts";
import type { Diagnostic } from "../model/diagnostics.ts";
import { InitwrapError } from "../model/errors.ts";
import { readArgv } from "./base-config.ts";
import { type DockerfileOptions, type DockerfileOutcome, type InjectKind, planDockerfile } from "./dockerfile.ts";
import {
  type ContextFile,
  contextFiles,
  findIgnoreFile,
  ignoredInit,
  staleFiles,
  writeContextFiles,
} from "./dockerfile-context.ts";
import { writeAtomically } from "./dockerfile-file.ts";
import { compileTemplate, templateFolder } from "./templates.ts";

export interface GenerateRequest {
  readonly folder: string;
  readonly stack?: string | undefined;
  /** A folder with templates that stand in for those of initwrap. */
  readonly templates?: string | undefined;
  /** The Dockerfile's path; undefined for the one in the folder, `-` to hand it back and write nothing. */
  readonly output?: string | undefined;
  readonly force: boolean;
  /** Write nothing. What writing would refuse is refused all the same. */
  readonly look: boolean;
  readonly port?: number | undefined;
  /** JSON, as it is typed. */
  readonly start?: string | undefined;
  readonly program?: string | undefined;
  readonly runtime?: string | undefined;
  readonly platforms: readonly string[];
  readonly inject?: InjectKind | undefined;
  readonly initImage?: string | undefined;
  readonly amendIgnore: boolean;
  readonly offline: boolean;
  readonly insecureRegistries: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** What became of one file. */
export interface GeneratedFile {
  readonly path: string;
  readonly state: "written" | "planned" | "kept";
}

export interface GenerateRun {
  readonly evidence: readonly string[];
  readonly recipe: Recipe;
  readonly outcome: DockerfileOutcome;
  readonly dockerfile: Uint8Array;
  /** The ignore file that belongs to it; undefined when one was there. */
  readonly ignore: string | undefined;
  readonly files: readonly GeneratedFile[];
  readonly diagnostics: readonly Diagnostic[];
}

/** The platforms that a context carries inits for unless more are asked for: two small files, not a dozen. */
const USUAL_PLATFORMS = ["linux/amd64", "linux/arm64"];

/** Runs one request. Throws InitwrapError; a Dockerfile is only written when all else is. */
export async function runGenerate(request: GenerateRequest): Promise<GenerateRun> {
  const toStdout = request.output === "-";
  const inject = request.inject ?? (request.initImage === undefined ? (toStdout ? "inline" : "context") : "image");
  if (toStdout && inject === "context") {
    throw new InitwrapError("USAGE", "with --output - nothing is written beside the Dockerfile", {
      hint: "Use --inject inline, or --output FILE.",
    });
  }
  const path = toStdout ? undefined : (request.output ?? join(request.folder, "Dockerfile"));
  const project = await readProject(request.folder);
  if (path !== undefined && !request.force) await refuseExisting(path);
  const { recipe, evidence } = cook(project, wishesOf(request), request.stack);
  const text = await render(request, recipe.template, recipe.data);
  const ignoreText = await render(request, "dockerignore", ignoreData(recipe));
  const outcome = await plan(text, recipe, inject, request);
  const context = await contextPart(request, path, inject, outcome, ignoreText);
  const written: ContextFile[] = [...context.stale];
  if (path !== undefined && !request.look) {
    await writeContextFiles(request.folder, written, request.signal);
    if (context.ignore !== undefined) {
      await writeAtomically(context.ignore.path, Buffer.from(context.ignore.text), { signal: request.signal });
    }
    await writeAtomically(path, outcome.result, { signal: request.signal });
  }
  const state = request.look ? ("planned" as const) : ("written" as const);
  const files: GeneratedFile[] =
    path === undefined
      ? []
      : [
          { path, state },
          ...(context.ignore === undefined ? [] : [{ path: context.ignore.path, state }]),
          ...(context.kept === undefined ? [] : [{ path: context.kept, state: "kept" as const }]),
          ...written.map((file) => ({ path: join(request.folder, file.path), state })),
        ];
  return {
    evidence,
    recipe,
    outcome,
    dockerfile: outcome.result,
    ignore: context.ignore?.text,
    files,
    diagnostics: outcome.diagnostics,
  };
}

function wishesOf(request: GenerateRequest): Wishes {
  const start = request.start === undefined ? undefined : readArgv(request.start, "--start");
  if (start?.length === 0 || start === null) {
    throw new InitwrapError("USAGE", "--start takes a command", {
      hint: 'Write it as one argument: --start \'["python", "app.py"]\'',
    });
  }
  if (request.port !== undefined && !(request.port >= 1 && request.port <= 65_535)) {
    throw new InitwrapError("USAGE", `there is no port ${request.port}`);
  }
  return {
    ...(request.port === undefined ? {} : { port: request.port }),
    ...(start === undefined ? {} : { start }),
    ...(request.program === undefined ? {} : { program: request.program }),
    ...(request.runtime === undefined ? {} : { runtime: request.runtime }),
  };
}

async function refuseExisting(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  // A device or a pipe, such as /dev/stdout, has nothing to lose.
  if (found === undefined || (!found.isFile() && !found.isDirectory())) return;
  throw new InitwrapError("OUTPUT_EXISTS", `${path} is there already`, {
    where: path,
    hint: "Say --force to replace it; to put an init into it as it is, use initwrap dockerfile --write.",
  });
}

/** More files than any project has at this depth; a listing that long is of a wrong folder. */
const MAX_FILES = 50_000;
const MAX_TEXT = 8 * 1024 * 1024;

/** Lists a folder and reads what the detectors want. Throws INPUT_NOT_FOUND, INPUT_UNREADABLE. */
export async function readProject(folder: string): Promise<Project> {
  const paths: string[] = [];
  await list(folder, "", paths);
  const sorted = paths.toSorted();
  const texts = new Map<string, string>();
  for (const path of wantedFiles(sorted)) {
    const text = await readText(join(folder, path));
    if (text !== undefined) texts.set(path, text);
  }
  return { paths: sorted, texts };
}

async function list(root: string, folder: string, into: string[]): Promise<void> {
  const place = join(root, folder);
  const entries = await readdir(place, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    // A folder inside that is closed to us is none of the files that are looked for.
    if (folder !== "") return [];
    const missing = error.code === "ENOENT" || error.code === "ENOTDIR";
    throw new InitwrapError(
      missing ? "INPUT_NOT_FOUND" : "INPUT_UNREADABLE",
      missing ? `there is no folder ${root}` : `${root} cannot be read (${error.code})`,
      { where: root, cause: error },
    );
  });
  for (const entry of entries) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isFile()) into.push(path);
    // A link may lead out of the project, and a build would not follow it there.
    else if (entry.isDirectory() && !SKIPPED_FOLDERS.has(entry.name) && path.split("/").length < LISTING_DEPTH) {
      await list(root, path, into);
    }
    if (into.length > MAX_FILES) {
      throw new InitwrapError("INPUT_UNREADABLE", `${root} holds too many files to be one project`, { where: root });
    }
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return (await stat(path)).size > MAX_TEXT ? undefined : await readFile(path, "utf8");
  } catch (error) {
    throw new InitwrapError("INPUT_UNREADABLE", `${path} cannot be read (${(error as NodeJS.ErrnoException).code})`, {
      where: path,
      cause: error,
    });
  }
}

/** Renders the user's template of that name, or initwrap's. Throws TEMPLATE_INVALID. */
async function render(
  request: GenerateRequest,
  name: string,
  data: Readonly<Record<string, unknown>>,
): Promise<string> {
  const own = request.templates === undefined ? undefined : join(request.templates, `${name}.hbs`);
  const source = own === undefined ? undefined : await readOwnTemplate(own, request.templates as string);
  const path = source === undefined ? join(templateFolder("dockerfile"), `${name}.hbs`) : (own as string);
  try {
    return compileTemplate(source ?? (await readFile(path, "utf8")))(data);
  } catch (error) {
    if (source === undefined) throw error;
    throw new InitwrapError("TEMPLATE_INVALID", `${path}: ${(error as Error).message.split("\n")[0]}`, {
      where: path,
      hint: `A template of ${name} has ${Object.keys(data).toSorted().join(", ")}.`,
      cause: error,
    });
  }
}

/** A template that is not there is initwrap's; a folder without any, or without a Dockerfile's, is a mistake. */
async function readOwnTemplate(path: string, folder: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT") {
      throw new InitwrapError("INPUT_UNREADABLE", `${path} cannot be read (${code})`, { where: path, cause: error });
    }
  }
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    throw new InitwrapError("INPUT_NOT_FOUND", `there is no folder ${folder}`, { where: folder, cause: error });
  });
  const templates = names.filter((name) => name.endsWith(".hbs"));
  if (templates.length === 0) {
    const near = suggest(basename(path), names);
    throw new InitwrapError("INPUT_NOT_FOUND", `there is no template in ${folder}`, {
      where: folder,
      hint:
        near === undefined
          ? `A template is called ${basename(path)}.`
          : `Did you mean ${near} to be ${basename(path)}?`,
    });
  }
  return undefined;
}

/**
 * Plans the init into what was rendered. The tags of the templates are in the built-in table, which gives the same file on
 * every machine; an engine or a registry is only asked for what is not in it.
 */
async function plan(
  text: string,
  recipe: Recipe,
  inject: InjectKind,
  request: GenerateRequest,
): Promise<DockerfileOutcome> {
  const options: DockerfileOptions = {
    name: request.templates === undefined ? "Dockerfile" : `${recipe.template}.hbs`,
    inject,
    platforms: request.platforms.length > 0 ? request.platforms : inject === "context" ? USUAL_PLATFORMS : [],
    ...(request.initImage === undefined ? {} : { initImage: request.initImage }),
    insecureRegistries: request.insecureRegistries,
    env: request.env,
    signal: request.signal,
  };
  try {
    return await planDockerfile(text, { ...options, offline: true });
  } catch (error) {
    if (!(error instanceof InitwrapError)) throw error;
    if (error.code === "BASE_UNKNOWN" && !request.offline) return planDockerfile(text, options);
    if (error.code === "DOCKERFILE_SYNTAX" && request.templates !== undefined) {
      throw new InitwrapError("TEMPLATE_INVALID", `the template renders no Dockerfile: ${error.message}`, {
        ...(error.where === undefined ? {} : { where: error.where }),
        ...(error.excerpt === undefined ? {} : { excerpt: error.excerpt }),
        cause: error,
      });
    }
    throw error;
  }
}

interface ContextPart {
  readonly stale: readonly ContextFile[];
  readonly ignore: { readonly path: string; readonly text: string } | undefined;
  readonly kept: string | undefined;
}

/** The init's files and the ignore file. One that is there is the user's: it is kept, and must not hide the init. */
async function contextPart(
  request: GenerateRequest,
  path: string | undefined,
  inject: InjectKind,
  outcome: DockerfileOutcome,
  ignoreText: string,
): Promise<ContextPart> {
  if (path === undefined) return { stale: [], ignore: undefined, kept: undefined };
  const files = inject === "context" ? contextFiles(outcome.platforms) : [];
  const stale = await staleFiles(request.folder, files);
  const existing = await findIgnoreFile(request.folder, path);
  if (existing === undefined) {
    const ignore = { path: join(request.folder, ".dockerignore"), text: ignoreText };
    return { stale, ignore, kept: undefined };
  }
  const finding = await ignoredInit(request.folder, path, files);
  if (finding === undefined) return { stale, ignore: undefined, kept: existing.path };
  if (!request.amendIgnore) {
    throw new InitwrapError("CONTEXT_IGNORED", `${finding.path} hides ${finding.file} from the build`, {
      where: `${finding.path}:${finding.line}`,
      hint: "Say --amend-dockerignore to add an exception at its end, or use --inject inline.",
    });
  }
  return { stale, ignore: { path: finding.path, text: finding.amended }, kept: undefined };
}

/** What a run says to programs. Its shape is published in docs/generate.md; `version` changes with it. */
export function generateDocument(
  folder: string,
  run: GenerateRun,
): { readonly version: 1 } & Readonly<Record<string, unknown>> {
  const { recipe, outcome } = run;
  return {
    version: 1,
    folder: resolve(folder),
    stack: recipe.stack,
    evidence: run.evidence,
    runtime: recipe.runtime,
    port: recipe.port,
    locked: recipe.locked,
    entrypoint: outcome.after.entrypoint,
    cmd: outcome.after.cmd,
    base: outcome.base?.reference ?? null,
    files: run.files.map(({ path, state }) => ({ path: relative(folder, path) || path, state })),
    dockerfile: outcome.inject === "inline" ? null : Buffer.from(run.dockerfile).toString("utf8"),
    diagnostics: run.diagnostics,
  };
}

/** The plan for people, one fact a line. */
export function generateLines(run: GenerateRun): readonly string[] {
  const { recipe, outcome } = run;
  return [
    `stack       ${recipe.stack}, by ${run.evidence.join(", ")}`,
    `runtime     ${recipe.runtime}`,
    `entrypoint  ${JSON.stringify(outcome.after.entrypoint)}`,
    `cmd         ${JSON.stringify(outcome.after.cmd)}`,
    `port        ${recipe.port}`,
    ...(recipe.locked ? [] : ["lockfile    none: the versions of dependencies are those of the day of the build"]),
    ...run.files.map(({ path, state }) => `file        ${path}${state === "kept" ? " (kept as it is)" : ""}`),
  ];
}
