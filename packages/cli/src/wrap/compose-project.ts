/**
 * The image builds of a Compose project: one for each service with `build`, after its files were brought together.
 *
 * Files are merged in order, the later one's word counts. A service that `extends` another has that one's fields below its own;
 * `include` takes in other projects, each with its own folder and `.env`. Variables come from the environment, and then from `.env`
 * in the folder of the first file, which relative paths count from too.
 * Source: the Compose specification (merge, extends, include), https://github.com/compose-spec/compose-spec, and Docker's
 * documentation of COMPOSE_FILE.
 */
import { readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { InitwrapError } from "../model/errors.ts";
import { type BuildUnit, invalid, isRemote, placeOf, unsupported, type Variables } from "./build-unit.ts";
import {
  type BuildFacts,
  type ComposeFile,
  type Extension,
  type Inclusion,
  parseComposeFile,
  type ServiceFacts,
} from "./compose-file.ts";
import { COMPOSE_NAMES, composeFileIn, isFile, isFolder, withOverride } from "./compose-names.ts";
import { InterpolationError, parseEnvFile } from "./compose-variables.ts";
import { inputError } from "./dockerfile-file.ts";

const RESOLVED = "docker compose config";

/**
 * The builds of the named services, or of all that build something. One input that is a folder means what `docker compose` reads
 * in it: the files of COMPOSE_FILE, or else the default file and its override; so does the default file itself. Any other inputs
 * are merged as they are named. Throws INPUT_NOT_FOUND, INPUT_UNREADABLE, BUILD_FILE_INVALID, BUILD_FILE_UNSUPPORTED and
 * BUILD_NOT_FOUND.
 */
export function readCompose(
  inputs: readonly string[],
  services: readonly string[],
  environment: Variables,
): readonly BuildUnit[] {
  const paths = filesOf(inputs, environment);
  const folder = resolve(dirname(paths[0] as string));
  const [input] = inputs;
  const started = inputs.length === 1 && isFolder(input as string) ? (input as string) : ".";
  const given = { ...envFiles(folder, started, environment), ...environment };
  return unitsOf(
    project(
      paths.map((path) => [path, textOf(path)]),
      folder,
      given,
    ),
    services,
  );
}

/** The builds of one file's text, as `readCompose` gives them of a file at `path`. */
export function parseCompose(
  text: string,
  options: { readonly path: string; readonly services?: readonly string[]; readonly variables?: Variables },
): readonly BuildUnit[] {
  const { path, services = [], variables = {} } = options;
  return unitsOf(project([[path, text]], resolve(dirname(path)), variables), services);
}

/** The project that these files, each a path and its text, are together. */
function project(texts: readonly (readonly [string, string])[], folder: string, given: Variables): Project {
  const variables: Record<string, string | undefined> = { ...given };
  const files = texts.flatMap(([path, text]) => parseComposeFile(text, { path, folder, variables }));
  // No file has been asked for anything but its name yet.
  variables["COMPOSE_PROJECT_NAME"] ||= files.map((file) => file.projectName()).findLast(Boolean) ?? nameOf(folder);
  return new Project(files, { folder, variables, above: [] });
}

/** A project's name by its folder. */
function nameOf(folder: string): string {
  return basename(folder)
    .toLowerCase()
    .replace(/[^-_a-z0-9]/g, "")
    .replace(/^[-_]+/, "");
}

/** What `.env` says, or the files that the environment names instead; these count from where `docker compose` would be called. */
function envFiles(folder: string, started: string, environment: Variables): Variables {
  const named = environment["COMPOSE_ENV_FILES"];
  if (named !== undefined && named !== "") {
    return readEnvFiles(
      named.split(",").map((path) => resolve(started, path)),
      environment,
      "required",
    );
  }
  if (/^(?:1|y|yes|t|true|on)$/i.test(environment["COMPOSE_DISABLE_ENV_FILE"] ?? "")) return {};
  return readEnvFiles([join(folder, ".env")], environment, "optional");
}

/** The later file's word counts; a file sees what those before it say. */
function readEnvFiles(paths: readonly string[], environment: Variables, need: "optional" | "required"): Variables {
  const values: Record<string, string | undefined> = {};
  for (const path of paths) Object.assign(values, dotEnv(path, environment, values, need));
  return values;
}

function filesOf(inputs: readonly string[], environment: Variables): readonly string[] {
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) return inputs;
  const folder = isFolder(input) ? input : undefined;
  if (folder === undefined) return withOverride(input);
  const variables = { ...envFiles(folder, folder, environment), ...environment };
  const listed = variables["COMPOSE_FILE"];
  if (listed !== undefined && listed !== "") {
    const separator = variables["COMPOSE_PATH_SEPARATOR"] || (process.platform === "win32" ? ";" : ":");
    return listed.split(separator).map((path) => resolve(folder, path));
  }
  const found = composeFileIn(folder);
  if (found !== undefined) return withOverride(found);
  throw new InitwrapError("INPUT_NOT_FOUND", `there is no Compose file in ${folder}`, {
    where: folder,
    hint: `It is named ${COMPOSE_NAMES.join(", ")}, or by COMPOSE_FILE.`,
  });
}

interface Scope {
  readonly folder: string;
  readonly variables: Variables;
  /** The files that include this project. */
  readonly above: readonly string[];
}

/** Compose files that are merged, with what they include and extend. */
class Project {
  private readonly files: readonly ComposeFile[];
  private readonly scope: Scope;
  /** What each file includes, by the file. */
  private readonly included: ReadonlyMap<ComposeFile, readonly Project[]>;

  constructor(files: readonly ComposeFile[], scope: Scope) {
    this.files = files;
    this.scope = scope;
    this.included = new Map(
      files.map((file) => [file, file.inclusions().map((inclusion) => this.include(file, inclusion))]),
    );
    for (const [file, projects] of this.included) {
      const names = projects.flatMap((project) => project.names());
      const twice = names.find((name, index) => file.has(name) || names.indexOf(name) < index);
      if (twice !== undefined) {
        throw invalid(file.path, file.has(twice) ? file.lineOf(twice) : 1, `service ${twice} is included as well`);
      }
    }
  }

  names(): readonly string[] {
    const names = this.files.flatMap((file) => [
      ...file.names(),
      ...(this.included.get(file) ?? []).flatMap((project) => project.names()),
    ]);
    return [...new Set(names)];
  }

  get path(): string {
    return (this.files[0] as ComposeFile).path;
  }

  get folder(): string {
    return this.scope.folder;
  }

  /** A service as all files together have it; undefined when none has. `folder` is that of the project which brings it. */
  service(name: string): { readonly facts: ServiceFacts; readonly folder: string } | undefined {
    return this.merged(name, this.files.length, []);
  }

  /** The service as the first `count` files have it. */
  private merged(
    name: string,
    count: number,
    path: readonly string[],
  ): { readonly facts: ServiceFacts; readonly folder: string } | undefined {
    let result: { facts: ServiceFacts; folder: string } | undefined;
    for (const [index, file] of this.files.slice(0, count).entries()) {
      const own = this.inFile(file, index, name, path);
      if (own === undefined) continue;
      result = result === undefined ? own : { facts: mergeFacts(result.facts, own.facts), folder: result.folder };
    }
    return result;
  }

  private inFile(
    file: ComposeFile,
    index: number,
    name: string,
    path: readonly string[],
  ): { facts: ServiceFacts; folder: string } | undefined {
    if (!file.has(name)) {
      for (const project of this.included.get(file) ?? []) {
        const found = project.service(name);
        if (found !== undefined) return found;
      }
      return undefined;
    }
    const extension = file.extension(name);
    const facts = file.facts(name);
    if (extension === undefined) return { facts, folder: this.folder };
    const parent = this.parent(file, index, name, extension, path);
    return { facts: { ...mergeFacts(parent, facts), definedIn: file.path, line: facts.line }, folder: this.folder };
  }

  private parent(
    file: ComposeFile,
    index: number,
    name: string,
    extension: Extension,
    path: readonly string[],
  ): ServiceFacts {
    const here = `${resolve(file.path)} ${name}`;
    if (path.includes(here)) throw invalid(file.path, extension.line, `service ${name} extends itself`);
    const further = [...path, here];
    const { service } = extension;
    const missing = () => invalid(file.path, extension.line, `service ${name} extends ${service}, which is not there`);
    if (extension.file === undefined) {
      // In the file itself, or in those that it is merged into.
      const found = file.has(service)
        ? this.inFile(file, index, service, further)
        : this.merged(service, index, further);
      if (found === undefined) throw missing();
      return found.facts;
    }
    if (isRemote(extension.file)) {
      throw unsupported(file.path, extension.line, `service ${name} extends one in ${extension.file}`, RESOLVED);
    }
    const other = file.place(extension.file);
    const folder = dirname(other);
    const files = this.open(other, folder, this.scope.variables);
    const project = new Project(files, { ...this.scope, folder });
    const found = project.merged(service, files.length, further);
    if (found === undefined) throw missing();
    return found.facts;
  }

  private include(file: ComposeFile, { paths, folder, envFiles, line }: Inclusion): Project {
    const remote = paths.find(isRemote);
    if (remote !== undefined) throw unsupported(file.path, line, `include takes ${remote} from elsewhere`, RESOLVED);
    const files = paths.map((path) => file.place(path));
    const [first] = files;
    if (first === undefined) throw invalid(file.path, line, "include names no file");
    const above = [...this.scope.above, ...this.files.map(({ path }) => resolve(path))];
    const circle = files.find((path) => above.includes(path));
    if (circle !== undefined) throw invalid(file.path, line, `${circle} includes itself`);
    const place = folder === undefined ? dirname(first) : file.place(folder);
    const given = envFiles.length > 0 ? envFiles.map((path) => file.place(path)) : [join(place, ".env")];
    const need = envFiles.length > 0 ? "required" : "optional";
    const variables = { ...readEnvFiles(given, this.scope.variables, need), ...this.scope.variables };
    const opened = files.flatMap((path) => this.open(path, place, variables));
    return new Project(opened, { folder: place, variables, above });
  }

  private open(path: string, folder: string, variables: Variables): readonly ComposeFile[] {
    return parseComposeFile(textOf(path), { path, folder, variables });
  }
}

/** What the later word and the earlier one say together. */
function mergeFacts(base: ServiceFacts, own: ServiceFacts): ServiceFacts {
  const { replaced } = own;
  const later = <T>(name: string, after: T | undefined, before: T | undefined): T | undefined =>
    replaced.has(name) ? after : (after ?? before);
  const build =
    base.build === undefined || own.build === undefined || replaced.has("build")
      ? later("build", own.build, base.build)
      : mergeBuild(base.build, own.build, replaced);
  return {
    definedIn: base.definedIn,
    line: base.line,
    build,
    platform: later("platform", own.platform, base.platform),
    entrypoint: later("entrypoint", own.entrypoint, base.entrypoint),
    init: later("init", own.init, base.init),
    replaced,
  };
}

function mergeBuild(base: BuildFacts, own: BuildFacts, replaced: ReadonlySet<string>): BuildFacts {
  const later = <T>(name: string, after: T | undefined, before: T | undefined): T | undefined =>
    replaced.has(`build.${name}`) ? after : (after ?? before);
  const both = (name: string, before: readonly string[], after: readonly string[]): readonly string[] =>
    replaced.has(`build.${name}`) ? after : [...new Set([...before, ...after])];
  const kept = Object.entries(base.args).filter(([key]) => !replaced.has(`build.args.${key}`));
  return {
    definedIn: own.definedIn,
    line: own.line,
    context: later("context", own.context, base.context),
    dockerfile: later("dockerfile", own.dockerfile, base.dockerfile),
    inline: later("dockerfile_inline", own.inline, base.inline),
    target: later("target", own.target, base.target),
    args: replaced.has("build.args") ? own.args : { ...Object.fromEntries(kept), ...own.args },
    platforms: both("platforms", base.platforms, own.platforms),
    contexts: both("additional_contexts", base.contexts, own.contexts),
  };
}

function unitsOf(project: Project, wanted: readonly string[]): readonly BuildUnit[] {
  const names = project.names();
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new InitwrapError("BUILD_NOT_FOUND", `there is no service ${unknown}`, {
      where: project.path,
      hint: names.length === 0 ? "The file has no services." : `The file has ${names.join(", ")}.`,
    });
  }
  const units: BuildUnit[] = [];
  for (const name of names) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const found = project.service(name);
    const unit = found && unitOf(name, found.facts, found.folder);
    if (unit !== undefined) units.push(unit);
    else if (wanted.length > 0) {
      throw new InitwrapError("BUILD_NOT_FOUND", `service ${name} uses an image and builds nothing`, {
        where: `${found?.facts.definedIn}:${found?.facts.line}`,
        hint: "Wrap the image: initwrap image",
      });
    }
  }
  return units;
}

function unitOf(name: string, facts: ServiceFacts, folder: string): BuildUnit | undefined {
  const { build, platform, definedIn, line } = facts;
  if (build === undefined) return undefined;
  if (build.dockerfile !== undefined && build.inline !== undefined) {
    throw invalid(build.definedIn, build.line, `build of service ${name} has both dockerfile and dockerfile_inline`);
  }
  return {
    name,
    definedIn,
    line,
    ...placeOf(folder, build.context ?? ".", build.dockerfile || undefined, build.inline),
    target: build.target === "" ? undefined : build.target,
    args: withValue(build.args),
    platforms: build.platforms.length > 0 || platform === undefined || platform === "" ? build.platforms : [platform],
    namedContexts: build.contexts,
    entrypointOverride: facts.entrypoint,
    init: facts.init,
  };
}

function withValue(args: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(args).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
  );
}

function dotEnv(path: string, environment: Variables, earlier: Variables, need: "optional" | "required"): Variables {
  if (need === "optional" && !isFile(path)) return {};
  try {
    return parseEnvFile(textOf(path), environment, earlier);
  } catch (error) {
    if (!(error instanceof InterpolationError)) throw error;
    throw new InitwrapError("BUILD_FILE_INVALID", error.message, { where: path });
  }
}

function textOf(path: string): string {
  try {
    return new TextDecoder().decode(readFileSync(path));
  } catch (error) {
    throw inputError(path, error);
  }
}
