/**
 * One Compose file: its services, each read when it is asked for, with their variables put in.
 *
 * Only what decides which Dockerfile is built, and what runs in the container, is read. How files come together is in
 * compose-project.ts.
 * Source: the Compose specification (build, services, interpolation, merge), https://github.com/compose-spec/compose-spec.
 */
import { resolve } from "node:path";
import { type Document, isMap, isScalar, LineCounter, type Node, parseAllDocuments } from "yaml";
import type { Diagnostic } from "../model/diagnostics.ts";
import type { InitwrapError } from "../model/errors.ts";
import { isRecord } from "../model/record.ts";
import { splitWords } from "../model/split-words.ts";
import { type BuildUnit, invalid, isRemote, type Variables } from "./build-unit.ts";
import { GO_NUMBERS } from "./compose-numbers.ts";
import { InterpolationError, interpolate } from "./compose-variables.ts";

/** What a file says of a service. What it does not say is undefined, and left to the files that it is merged with. */
export interface ServiceFacts {
  readonly definedIn: string;
  readonly line: number;
  readonly build: BuildFacts | undefined;
  readonly platform: string | undefined;
  readonly entrypoint: readonly string[] | undefined;
  readonly init: boolean | undefined;
  /** Fields that are tagged `!reset` or `!override`: what other files say of them does not count. */
  readonly replaced: ReadonlySet<string>;
}

export interface BuildFacts {
  readonly definedIn: string;
  readonly line: number;
  /** An absolute folder, or a remote context as it is written. */
  readonly context: string | undefined;
  readonly dockerfile: string | undefined;
  readonly inline: string | undefined;
  readonly target: string | undefined;
  /** Undefined for one that is named without a value, and that the environment does not have: it takes an earlier value away. */
  readonly args: Readonly<Record<string, string | undefined>>;
  readonly platforms: readonly string[];
  readonly contexts: readonly string[];
}

/** The service that another one builds on; in another file when one is named. */
export interface Extension {
  readonly service: string;
  readonly file: string | undefined;
  readonly line: number;
}

/** Other Compose files whose services become this one's. */
export interface Inclusion {
  readonly paths: readonly string[];
  readonly folder: string | undefined;
  readonly envFiles: readonly string[];
  readonly line: number;
}

export interface ComposeFileOptions {
  readonly path: string;
  /** The folder that relative paths count from. */
  readonly folder: string;
  readonly variables: Variables;
}

/**
 * The documents of a file, which are merged like files. Nothing is read of their services yet, and no variable is asked for.
 * Throws BUILD_FILE_INVALID.
 */
export function parseComposeFile(text: string, options: ComposeFileOptions): readonly ComposeFile[] {
  const lines = new LineCounter();
  // `<<` is part of YAML 1.1 only, and Compose files use it.
  const parsed = parseAllDocuments(text, {
    lineCounter: lines,
    merge: true,
    logLevel: "silent",
    customTags: (tags) => [...GO_NUMBERS, ...tags],
  });
  const documents: readonly Document[] = Array.isArray(parsed) ? parsed : [];
  const written = documents.filter(({ contents, errors }) => contents !== null || errors.length > 0);
  if (written.length === 0) throw invalid(options.path, 1, "a Compose file is a mapping with services in it");
  return written.map((document) => new ComposeFile(document, lines, options));
}

/** One document of a Compose file. */
export class ComposeFile {
  readonly path: string;
  readonly folder: string;
  private readonly variables: Variables;
  private readonly document: Document;
  private readonly lines: LineCounter;
  private readonly root: Readonly<Record<string, unknown>>;
  private readonly services: Readonly<Record<string, unknown>>;

  /** Throws BUILD_FILE_INVALID. */
  constructor(document: Document, lines: LineCounter, { path, folder, variables }: ComposeFileOptions) {
    this.path = path;
    this.folder = folder;
    this.variables = variables;
    this.document = document;
    this.lines = lines;
    const [fault] = this.document.errors;
    if (fault !== undefined) {
      const message = (fault.message.split("\n")[0] as string).replace(/ at line.*$/, "");
      throw invalid(path, fault.linePos?.[0].line ?? 1, message, fault);
    }
    const root = toPlain(this.document, path);
    if (!isRecord(root)) throw invalid(path, 1, "a Compose file is a mapping with services in it");
    const services = root["services"] ?? {};
    if (!isRecord(services)) throw invalid(path, this.lineAt("services"), "services is not a mapping");
    this.root = root;
    this.services = services;
  }

  /** The project's name; undefined when the file does not say. */
  projectName(): string | undefined {
    const name = this.root["name"];
    return typeof name === "string" ? fill(name, this.variables, this.path, this.lineAt("name")) : undefined;
  }

  /** A path of the file as an absolute one; `~` is the user's home. */
  place(path: string): string {
    const home = this.variables["HOME"];
    return resolve(this.folder, path.startsWith("~") && home !== undefined ? `${home}${path.slice(1)}` : path);
  }

  /** The services' names, in the file's order. */
  names(): readonly string[] {
    return Object.keys(this.services);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.services, name);
  }

  lineOf(name: string): number {
    return this.lineAt("services", name);
  }

  facts(name: string): ServiceFacts {
    return new ServiceReader(this.context(name)).facts();
  }

  extension(name: string): Extension | undefined {
    return new ServiceReader(this.context(name)).extension();
  }

  inclusions(): readonly Inclusion[] {
    const written = this.root["include"];
    const line = this.lineAt("include");
    if (written === undefined || written === null) return [];
    if (!Array.isArray(written)) throw invalid(this.path, line, "include is not a list");
    return written.map((entry: unknown) => {
      const one = typeof entry === "string" ? { path: entry } : entry;
      if (!isRecord(one)) throw invalid(this.path, line, "include holds neither a path nor a mapping");
      const texts = (value: unknown): readonly string[] => {
        const list = Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
        if (!list.every((word) => typeof word === "string")) {
          throw invalid(this.path, line, "include holds something else than paths");
        }
        return list.map((word: string) => fill(word, this.variables, this.path, line));
      };
      const [folder] = texts(one["project_directory"]);
      return { paths: texts(one["path"]), folder, envFiles: texts(one["env_file"]), line };
    });
  }

  private context(name: string): ServiceContext {
    const { path, variables } = this;
    const line = this.lineOf(name);
    const service = this.services[name] ?? {};
    if (!isRecord(service)) throw invalid(path, line, `service ${name} is not a mapping`);
    const lineAt = (...keys: readonly string[]) => this.lineAt("services", name, ...keys);
    const tagAt = (...keys: readonly string[]) => this.tagAt("services", name, ...keys);
    return { path, name, line, service, variables, place: (other) => this.place(other), lineAt, tagAt };
  }

  /** The line of the deepest of `keys` that is written in the text itself; a merged key stands elsewhere. */
  private lineAt(...keys: readonly string[]): number {
    let node: unknown = this.document.contents;
    let offset = 0;
    for (const key of keys) {
      const pair = pairOf(node, key);
      if (pair === undefined) break;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value;
    }
    return this.lines.linePos(offset).line;
  }

  private tagAt(...keys: readonly string[]): string | undefined {
    let node: unknown = this.document.contents;
    for (const key of keys) node = pairOf(node, key)?.value;
    return (node as (Node & { tag?: string }) | undefined | null)?.tag;
  }
}

function pairOf(node: unknown, key: string) {
  return isMap(node) ? node.items.find((item) => isScalar(item.key) && item.key.value === key) : undefined;
}

interface ServiceContext {
  readonly path: string;
  readonly name: string;
  readonly line: number;
  readonly place: (path: string) => string;
  readonly service: Readonly<Record<string, unknown>>;
  readonly variables: Variables;
  readonly lineAt: (...keys: readonly string[]) => number;
  readonly tagAt: (...keys: readonly string[]) => string | undefined;
}

/** Reads the fields of one service, each checked for its type and with its variables put in. */
class ServiceReader {
  private readonly of: ServiceContext;
  private readonly replaced = new Set<string>();

  constructor(context: ServiceContext) {
    this.of = context;
  }

  facts(): ServiceFacts {
    const { service, path, line } = this.of;
    const build = this.build(this.tagged(service["build"], "build"));
    const platform = this.text(this.tagged(service["platform"], "platform"), "platform");
    const entrypoint = this.entrypoint(this.tagged(service["entrypoint"], "entrypoint"));
    // Unlike for other fields, nothing is a word too: the image's own again.
    if (service["entrypoint"] === null) this.replaced.add("entrypoint");
    const init = this.flag(this.tagged(service["init"], "init"));
    return { definedIn: path, line, build, platform, entrypoint, init, replaced: this.replaced };
  }

  extension(): Extension | undefined {
    const written = this.of.service["extends"];
    if (written === undefined || written === null) return undefined;
    const line = this.of.lineAt("extends");
    if (typeof written === "string") return { service: this.fill(written, "extends"), file: undefined, line };
    if (!isRecord(written)) throw this.wrong("extends", "is neither a name nor a mapping");
    const service = this.text(written["service"], "extends", "service");
    if (service === undefined) throw this.wrong("extends", "names no service");
    return { service, file: this.text(written["file"], "extends", "file"), line };
  }

  /** The value, or undefined for one that is reset. Remembers that other files do not count. */
  private tagged(value: unknown, ...keys: readonly string[]): unknown {
    const tag = this.of.tagAt(...keys);
    if (tag !== "!reset" && tag !== "!override") return value;
    this.replaced.add(keys.join("."));
    return tag === "!reset" ? undefined : value;
  }

  private build(written: unknown): BuildFacts | undefined {
    if (written === undefined || written === null) return undefined;
    const build = typeof written === "string" ? { context: written } : written;
    if (!isRecord(build)) throw this.wrong("build", "is neither a path nor a mapping");
    const field = (name: string) => this.text(this.tagged(build[name], "build", name), "build", name);
    const context = field("context");
    return {
      definedIn: this.of.path,
      line: this.of.lineAt("build"),
      context: context === undefined || isRemote(context) ? context : this.of.place(context),
      dockerfile: field("dockerfile"),
      inline: field("dockerfile_inline"),
      target: field("target"),
      args: this.args(this.tagged(build["args"], "build", "args")),
      platforms: this.list(this.tagged(build["platforms"], "build", "platforms"), "build", "platforms"),
      contexts: this.names(this.tagged(build["additional_contexts"], "build", "additional_contexts")),
    };
  }

  private entrypoint(value: unknown): readonly string[] | undefined {
    if (value === undefined || value === null) return undefined;
    return typeof value === "string" ? splitWords(this.fill(value, "entrypoint")) : this.list(value, "entrypoint");
  }

  private flag(value: unknown): boolean | undefined {
    const filled = typeof value === "string" ? this.fill(value, "init") : value;
    if (filled === undefined || filled === null) return undefined;
    if (filled === true || filled === "true") return true;
    if (filled === false || filled === "false") return false;
    throw this.wrong("init", "is neither true nor false");
  }

  /** A mapping, or a list of `NAME=value`; a name without a value takes the environment's. */
  private args(value: unknown): Readonly<Record<string, string | undefined>> {
    if (value === undefined || value === null) return {};
    const pairs = Array.isArray(value)
      ? this.list(value, "build", "args").map((word) => {
          const equals = word.indexOf("=");
          return equals < 0 ? ([word, undefined] as const) : ([word.slice(0, equals), word.slice(equals + 1)] as const);
        })
      : isRecord(value)
        ? Object.entries(value).flatMap(([key, word]) => this.argument(key, this.tagged(word, "build", "args", key)))
        : undefined;
    if (pairs === undefined) throw this.wrong("build.args", "is neither a mapping nor a list");
    return Object.fromEntries(pairs.map(([key, word]) => [key, word ?? this.of.variables[key]]));
  }

  private argument(key: string, word: unknown): readonly (readonly [string, string | undefined])[] {
    return this.of.tagAt("build", "args", key) === "!reset" ? [] : [[key, this.text(word, "build", "args", key)]];
  }

  private names(value: unknown): readonly string[] {
    if (isRecord(value)) return Object.keys(value);
    return this.list(value, "build", "additional_contexts").map((word) => word.split("=", 1)[0] as string);
  }

  private list(value: unknown, ...keys: string[]): readonly string[] {
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) throw this.wrong(keys.join("."), "is not a list");
    return value.map((word) => this.text(word, ...keys) ?? "");
  }

  private text(value: unknown, ...keys: string[]): string | undefined {
    if (value === undefined || value === null) return undefined;
    if (typeof value === "string") return this.fill(value, ...keys);
    if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value);
    throw this.wrong(keys.join("."), "is not a text");
  }

  private fill(text: string, ...keys: string[]): string {
    return fill(text, this.of.variables, this.of.path, this.of.lineAt(...keys));
  }

  private wrong(field: string, what: string): InitwrapError {
    const { path, name, lineAt } = this.of;
    return invalid(path, lineAt(...field.split(".")), `${field} of service ${name} ${what}`);
  }
}

function fill(text: string, variables: Variables, path: string, line: number): string {
  try {
    return interpolate(text, variables);
  } catch (error) {
    if (!(error instanceof InterpolationError)) throw error;
    throw invalid(path, line, error.message, error);
  }
}

function toPlain(document: Document, path: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // An alias to nothing, or aliases that multiply without end.
    throw invalid(path, 1, (error as Error).message, error);
  }
}

/** What a service does to the init of the image that it builds. */
export function composeFindings(unit: BuildUnit): readonly Diagnostic[] {
  const args = { path: `${unit.definedIn}:${unit.line}`, service: unit.name };
  const findings: Diagnostic[] = [];
  const words = unit.entrypointOverride;
  if (words !== undefined && words[0] !== "/initwrap") {
    findings.push({ code: "COMPOSE_ENTRYPOINT", severity: "warning", args });
  }
  if (unit.init === true) findings.push({ code: "COMPOSE_INIT", severity: "note", args });
  return findings;
}
