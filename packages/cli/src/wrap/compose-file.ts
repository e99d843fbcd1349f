/**
 * The image builds that a Compose file describes: one for each service with `build`.
 *
 * Only what decides which Dockerfile is built, and what runs in the container, is read. Variables come from the environment and
 * from `.env` beside the file, the environment first. A service that needs `extends`, and a file that needs `include`, is
 * refused: what other files say of it is not known here.
 * Source: the Compose specification (build, services, interpolation), https://github.com/compose-spec/compose-spec.
 */
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument, visit } from "yaml";
import type { Diagnostic } from "../model/diagnostics.ts";
import { InitwrapError } from "../model/errors.ts";
import { type BuildUnit, invalid, placeOf, unsupported, type Variables } from "./build-unit.ts";
import { InterpolationError, interpolate, parseEnvFile } from "./compose-variables.ts";
import { readInput } from "./dockerfile-file.ts";
import { splitWords } from "./split-words.ts";

const RESOLVED = "docker compose config";

/**
 * The builds of the named services, or of all that build something. Throws INPUT_NOT_FOUND, INPUT_UNREADABLE,
 * BUILD_FILE_INVALID, BUILD_FILE_UNSUPPORTED and BUILD_NOT_FOUND.
 */
export async function readComposeFile(
  path: string,
  services: readonly string[],
  environment: Variables,
): Promise<readonly BuildUnit[]> {
  const text = new TextDecoder().decode(await readInput(path));
  const envPath = join(dirname(path), ".env");
  const envText = await readFile(envPath, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw new InitwrapError("INPUT_UNREADABLE", `${envPath} cannot be read (${error.code})`, {
      where: envPath,
      cause: error,
    });
  });
  return parseCompose(text, {
    path,
    services,
    variables: { ...envFile(envText, envPath, environment), ...environment },
  });
}

function envFile(text: string, path: string, environment: Variables): Variables {
  try {
    return parseEnvFile(text, environment);
  } catch (error) {
    if (error instanceof InterpolationError)
      throw new InitwrapError("BUILD_FILE_INVALID", error.message, { where: path });
    throw error;
  }
}

export interface ComposeOptions {
  /** The file's path: its folder is where relative paths count from. */
  readonly path: string;
  /** Services to take; all unless given. */
  readonly services?: readonly string[];
  readonly variables?: Variables;
}

/** The builds that a Compose file's text describes, in the order of its services. */
export function parseCompose(text: string, options: ComposeOptions): readonly BuildUnit[] {
  const { path, services: wanted = [], variables = {} } = options;
  const lines = new LineCounter();
  // `<<` is part of YAML 1.1 only, and Compose files use it.
  const document = parseDocument(text, { lineCounter: lines, merge: true, logLevel: "silent" });
  const [fault] = document.errors;
  if (fault !== undefined) {
    throw invalid(
      path,
      fault.linePos?.[0].line ?? 1,
      (fault.message.split("\n")[0] as string).replace(/ at line.*$/, ""),
      fault,
    );
  }
  refuseResets(document, lines, path);
  const root = toPlain(document, path);
  if (!isRecord(root)) throw invalid(path, 1, "a Compose file is a mapping with services in it");
  const lineAt = (...keys: string[]) => lineOf(document, lines, keys);
  if (root["include"] !== undefined && root["include"] !== null) {
    throw unsupported(path, lineAt("include"), "include names other Compose files", RESOLVED);
  }
  const services = root["services"] ?? {};
  if (!isRecord(services)) throw invalid(path, lineAt("services"), "services is not a mapping");
  for (const name of wanted) {
    if (!Object.hasOwn(services, name)) throw unknownService(path, name, Object.keys(services));
  }
  const units: BuildUnit[] = [];
  for (const [name, service] of Object.entries(services)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const line = lineAt("services", name);
    if (!isRecord(service)) throw invalid(path, line, `service ${name} is not a mapping`);
    if (service["extends"] !== undefined) {
      throw unsupported(path, lineAt("services", name, "extends"), `service ${name} extends another`, RESOLVED);
    }
    const reader = new ServiceReader({ path, name, line, service, variables, lineAt });
    const unit = reader.unit();
    if (unit !== undefined) units.push(unit);
    else if (wanted.length > 0) {
      throw new InitwrapError("BUILD_NOT_FOUND", `service ${name} uses an image and builds nothing`, {
        where: `${path}:${line}`,
        hint: "wrap the image: initwrap image",
      });
    }
  }
  return units;
}

function unknownService(path: string, name: string, names: readonly string[]): InitwrapError {
  return new InitwrapError("BUILD_NOT_FOUND", `there is no service ${name}`, {
    where: path,
    hint: names.length === 0 ? "the file has no services" : `the file has ${names.join(", ")}`,
  });
}

interface ServiceContext {
  readonly path: string;
  readonly name: string;
  readonly line: number;
  readonly service: Readonly<Record<string, unknown>>;
  readonly variables: Variables;
  readonly lineAt: (...keys: string[]) => number;
}

/** Reads the fields of one service, each checked for its type and with its variables put in. */
class ServiceReader {
  private readonly of: ServiceContext;

  constructor(context: ServiceContext) {
    this.of = context;
  }

  unit(): BuildUnit | undefined {
    const { service, path, name, line } = this.of;
    const written = service["build"];
    if (written === undefined || written === null) return undefined;
    const build = typeof written === "string" ? { context: written } : written;
    if (!isRecord(build)) throw this.wrong("build", "is neither a path nor a mapping");
    const dockerfile = this.text(build["dockerfile"], "build", "dockerfile");
    const inline = this.text(build["dockerfile_inline"], "build", "dockerfile_inline");
    if (dockerfile !== undefined && inline !== undefined) {
      throw this.wrong("build", "has both dockerfile and dockerfile_inline");
    }
    const platform = this.text(service["platform"], "platform");
    const platforms = this.list(build["platforms"], "build", "platforms");
    const target = this.text(build["target"], "build", "target");
    return {
      name,
      definedIn: path,
      line,
      ...placeOf(resolve(dirname(path)), this.text(build["context"], "build", "context") ?? ".", dockerfile, inline),
      target: target === "" ? undefined : target,
      args: this.args(build["args"]),
      platforms: platforms.length > 0 || platform === undefined || platform === "" ? platforms : [platform],
      namedContexts: this.names(build["additional_contexts"]),
      entrypointOverride: this.entrypoint(service["entrypoint"]),
      init: this.flag(service["init"]),
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

  /** A mapping, or a list of `NAME=value`; a name without a value takes the environment's, and is left out without one. */
  private args(value: unknown): Readonly<Record<string, string>> {
    if (value === undefined || value === null) return {};
    const pairs = Array.isArray(value)
      ? this.list(value, "build", "args").map((word) => {
          const equals = word.indexOf("=");
          return equals < 0 ? ([word, undefined] as const) : ([word.slice(0, equals), word.slice(equals + 1)] as const);
        })
      : isRecord(value)
        ? Object.entries(value).map(([key, word]) => [key, this.text(word, "build", "args", key)] as const)
        : undefined;
    if (pairs === undefined) throw this.wrong("build.args", "is neither a mapping nor a list");
    const given: Record<string, string> = {};
    for (const [key, word] of pairs) {
      const result = word ?? this.of.variables[key];
      if (result !== undefined) given[key] = result;
    }
    return given;
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
    try {
      return interpolate(text, this.of.variables);
    } catch (error) {
      if (!(error instanceof InterpolationError)) throw error;
      throw invalid(this.of.path, this.of.lineAt("services", this.of.name, ...keys), error.message, error);
    }
  }

  private wrong(field: string, what: string): InitwrapError {
    const { path, name, lineAt } = this.of;
    return invalid(path, lineAt("services", name, ...field.split(".")), `${field} of service ${name} ${what}`);
  }
}

/** Tags that change how files are merged mean something only beside another file. */
function refuseResets(document: Document, lines: LineCounter, path: string): void {
  visit(document, {
    Node(_key, node) {
      const { tag, range } = node as Node & { tag?: string };
      if (tag !== "!reset" && tag !== "!override") return;
      throw unsupported(path, lines.linePos(range?.[0] ?? 0).line, `${tag} changes what another file says`, RESOLVED);
    },
  });
}

function toPlain(document: Document, path: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // An alias to nothing, or aliases that multiply without end.
    throw invalid(path, 1, (error as Error).message, error);
  }
}

/** The line of the deepest of `keys` that is written in the text itself; a merged key stands elsewhere. */
function lineOf(document: Document, lines: LineCounter, keys: readonly string[]): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const key of keys) {
    if (!isMap(node)) break;
    const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key);
    if (pair === undefined) break;
    offset = (pair.key as Node).range?.[0] ?? offset;
    node = pair.value;
  }
  return lines.linePos(offset).line;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
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
