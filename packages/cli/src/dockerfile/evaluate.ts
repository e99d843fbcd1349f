/**
 * What each stage's image config will be, without building it.
 *
 * The state machine of ENTRYPOINT and CMD is small: CMD marks itself as set in this stage, and either form of ENTRYPOINT
 * clears a CMD that is not so marked. Bases come from outside; what an unknown base would have set is `unknown`, and an
 * instruction that sets the field again makes it known. Source: moby/buildkit, frontend/dockerfile/dockerfile2llb.
 */
import { formatPlatform, type Platform } from "../model/platform.ts";
import { parseReference } from "../model/reference.ts";
import { checkInstruction } from "./check-instruction.ts";
import { parseText } from "./parse.ts";
import { type Dockerfile, DockerfileError, type Instruction } from "./syntax.ts";
import { decode, encode } from "./text.ts";
import { type Environment, expandWord, WordError } from "./words.ts";

/** The fields of a base image's config that a Dockerfile inherits. Absent fields are empty. */
export interface BaseConfig {
  readonly os?: string;
  readonly entrypoint?: readonly string[] | null;
  readonly cmd?: readonly string[] | null;
  readonly shell?: readonly string[] | null;
  readonly user?: string;
  readonly stopSignal?: string;
  readonly onBuild?: readonly string[] | null;
  /** `NAME=value` lines. */
  readonly env?: readonly string[] | null;
}

/** The config of a stage's image, as far as it decides what runs. `null` is "absent". */
export interface StageConfig {
  readonly os: string;
  readonly entrypoint: readonly string[] | null;
  readonly cmd: readonly string[] | null;
  readonly shell: readonly string[] | null;
  readonly user: string;
  readonly stopSignal: string;
  readonly onBuild: readonly string[] | null;
}

/** Fields of a config whose value hangs on a base image that nobody has described. */
export type UnknownField = "os" | "entrypoint" | "cmd" | "shell" | "user" | "stopSignal";

export interface Stage {
  readonly index: number;
  /** Lower-case, as BuildKit compares it. */
  readonly name: string | undefined;
  readonly from: Instruction;
  /** The stage's instructions, FROM not among them. */
  readonly instructions: readonly Instruction[];
  /** What FROM names, variables expanded; as written when they cannot be. */
  readonly base: string;
  /** `--platform` as written, or undefined. */
  readonly platform: string | undefined;
  /** An image (`reference` names it), an earlier stage (`parent` is its index), or nothing. */
  readonly origin:
    | { readonly kind: "image"; readonly reference: string }
    | { readonly kind: "stage"; readonly parent: number }
    | { readonly kind: "scratch" }
    | { readonly kind: "unresolved" };
  readonly config: StageConfig;
  readonly unknown: ReadonlySet<UnknownField>;
  /** True when the stage itself, or a trigger of its base, set CMD, or ENTRYPOINT. */
  readonly cmdSet: boolean;
  readonly entrypointSet: boolean;
  /** The stage's own last ENTRYPOINT and CMD; triggers do not count. */
  readonly entrypoint: Instruction | undefined;
  readonly cmd: Instruction | undefined;
  /** The environment at the stage's end: ENV and ARG. */
  readonly environment: Environment;
  /** Why BuildKit would not build this stage, in its words. */
  readonly error: string | undefined;
}

export interface Evaluation {
  readonly stages: readonly Stage[];
  /** Values of the ARGs before the first FROM, and of the platform ARGs. */
  readonly globals: Environment;
  /** Names of the ARGs before the first FROM. */
  readonly globalNames: ReadonlySet<string>;
}

export interface EvaluateOptions {
  /** What is known of an image; undefined when nothing is. `reference` is as FROM spells it, expanded. */
  readonly base?: (reference: string) => BaseConfig | undefined;
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** The target platform, linux/amd64 unless given. */
  readonly platform?: Platform;
  readonly buildPlatform?: Platform;
}

const AMD64: Platform = { os: "linux", architecture: "amd64" };
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const EMPTY: StageConfig = {
  os: "linux",
  entrypoint: null,
  cmd: null,
  shell: null,
  user: "",
  stopSignal: "",
  onBuild: null,
};

/** Evaluates every stage of a parsed Dockerfile. Never throws for what a file says: faults are in `Stage.error`. */
export function evaluate(dockerfile: Dockerfile, options: EvaluateOptions = {}): Evaluation {
  const { escape: escapeChar } = dockerfile;
  const buildArgs = options.buildArgs ?? {};
  const globals = platformArgs(options.platform ?? AMD64, options.buildPlatform ?? options.platform ?? AMD64);
  for (const [name, value] of Object.entries(buildArgs)) if (globals.has(name)) globals.set(name, encode(value));
  const globalNames = new Set<string>();
  let globalFault: string | undefined;
  const stages: Stage[] = [];
  const parts = split(dockerfile);
  for (const instruction of parts.globals) {
    for (const { name, value } of argDefinitions(instruction)) {
      globalNames.add(name);
      const given = Object.hasOwn(buildArgs, name) ? encode(buildArgs[name] as string) : undefined;
      try {
        const result =
          given ?? (value === undefined ? undefined : expandWord(value, { escape: escapeChar, environment: globals }));
        if (result !== undefined) globals.set(name, result);
      } catch (error) {
        globalFault ??= wordFault(error);
      }
    }
  }
  const faults = new Map<FaultScope, string>();
  if (globalFault !== undefined) faults.set("blank", globalFault);
  for (const part of parts.stages) {
    stages.push(new StageEvaluator(part, stages, { escapeChar, globals, buildArgs, options, faults }).run());
  }
  return { stages, globals, globalNames };
}

interface Part {
  readonly index: number;
  readonly from: Instruction;
  readonly instructions: readonly Instruction[];
}

function split(dockerfile: Dockerfile): { globals: readonly Instruction[]; stages: readonly Part[] } {
  const globals: Instruction[] = [];
  const stages: { index: number; from: Instruction; instructions: Instruction[] }[] = [];
  for (const instruction of dockerfile.instructions) {
    if (instruction.keyword === "FROM") stages.push({ index: stages.length, from: instruction, instructions: [] });
    else (stages.at(-1)?.instructions ?? globals).push(instruction);
  }
  return { globals, stages };
}

interface Surroundings {
  readonly escapeChar: string;
  readonly globals: Environment;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly options: EvaluateOptions;
  /** The first fault of each kind that holds for every later stage. */
  readonly faults: Map<FaultScope, string>;
}

/**
 * A fault found while a stage is evaluated; ends its evaluation. BuildKit reads every FROM before anything else, so a fault
 * there stops the stages behind it too: `blank` ones first, then `name` ones. Other faults stop the stage alone.
 */
class StageFault extends Error {
  readonly scope: FaultScope;
  constructor(message: string, scope: FaultScope = "stage") {
    super(message);
    this.scope = scope;
  }
}

type FaultScope = "blank" | "name" | "stage";

class StageEvaluator {
  private config: { -readonly [K in keyof StageConfig]: StageConfig[K] } = { ...EMPTY };
  private unknown = new Set<UnknownField>();
  private cmdSet = false;
  private entrypointSet = false;
  /** True when the stage begins with an image that nobody has described: its triggers may have set CMD. */
  private triggersUnknown = false;
  private readonly environment = new Map<string, string>();
  private readonly part: Part;
  private readonly earlier: readonly Stage[];
  private readonly around: Surroundings;

  constructor(part: Part, earlier: readonly Stage[], around: Surroundings) {
    this.part = part;
    this.earlier = earlier;
    this.around = around;
  }

  run(): Stage {
    const { from, index, instructions } = this.part;
    const written = from.words[0] as string;
    const platform = flagValue(from, "platform");
    let base = decode(written);
    let origin: Stage["origin"] = { kind: "unresolved" };
    const { faults } = this.around;
    let error: string | undefined;
    let ownName: string | undefined;
    try {
      base = this.baseName(written);
      this.checkPlatform(platform);
      origin = this.originOf(base);
      this.inherit(origin);
      for (const instruction of instructions) this.apply(instruction);
    } catch (fault) {
      error = stageFault(fault);
      if (fault instanceof StageFault && fault.scope !== "stage" && !faults.has(fault.scope)) {
        faults.set(fault.scope, error);
      }
      if (fault instanceof StageFault && fault.scope === "name") ownName = error;
    }
    error = faults.get("blank") ?? ownName ?? faults.get("name") ?? error;
    if (error !== undefined) for (const field of UNKNOWN_FIELDS) this.unknown.add(field);
    return {
      index,
      name: from.words.length === 3 ? (from.words[2] as string).toLowerCase() : undefined,
      from,
      instructions,
      base,
      platform,
      origin,
      config: this.config,
      unknown: this.unknown,
      cmdSet: this.cmdSet,
      entrypointSet: this.entrypointSet,
      entrypoint: instructions.findLast(({ keyword }) => keyword === "ENTRYPOINT"),
      cmd: instructions.findLast(({ keyword }) => keyword === "CMD"),
      environment: this.environment,
      error,
    };
  }

  private baseName(written: string): string {
    let base: string;
    try {
      base = decode(this.expand(written, this.around.globals));
    } catch (error) {
      throw new StageFault(wordFault(error), "blank");
    }
    if (base === "") throw new StageFault(`base name (${decode(written)}) should not be blank`, "blank");
    return base;
  }

  private originOf(base: string): Stage["origin"] {
    if (base === "scratch") return { kind: "scratch" };
    // Of stages with one name the last counts. Upper case never matches: names are kept in lower case.
    const parent = this.earlier.findLast((stage) => stage.name === base);
    if (parent !== undefined) return { kind: "stage", parent: parent.index };
    const fault = referenceFault(base);
    if (fault !== undefined) {
      throw new StageFault(`failed to parse stage name ${JSON.stringify(base)}: ${fault}`, "name");
    }
    return { kind: "image", reference: base };
  }

  private checkPlatform(platform: string | undefined): void {
    if (platform === undefined) return;
    const value = this.expand(platform, this.around.globals);
    if (value === "") throw new StageFault(`empty platform value from expression ${platform}`);
    const os = value.split("/")[0] as string;
    if (value.includes("/")) this.config.os = os.toLowerCase();
    else if (os === "windows") this.config.os = "windows";
  }

  private inherit(origin: Stage["origin"]): void {
    const platformOs = this.config.os;
    let triggers: readonly string[] = [];
    if (origin.kind === "stage") {
      const parent = this.earlier[origin.parent] as Stage;
      if (parent.error !== undefined) throw new StageFault(parent.error);
      this.config = { ...parent.config, onBuild: null };
      this.unknown = new Set(parent.unknown);
      // A parent's ENV is in its image; its ARGs are not.
      for (const [name, value] of parent.environment) if (!isArgOnly(parent, name)) this.environment.set(name, value);
      triggers = parent.config.onBuild ?? [];
    } else if (origin.kind === "image") {
      const known = this.around.options.base?.(origin.reference);
      if (known === undefined) {
        this.unknown = new Set(UNKNOWN_FIELDS);
        this.triggersUnknown = true;
        if (looksLikeWindows(origin.reference)) {
          this.config.os = "windows";
          this.unknown.delete("os");
        }
      } else {
        this.config = {
          os: known.os ?? platformOs,
          entrypoint: known.entrypoint ?? null,
          cmd: known.cmd ?? null,
          shell: known.shell && known.shell.length > 0 ? known.shell : null,
          user: known.user ?? "",
          stopSignal: known.stopSignal ?? "",
          onBuild: null,
        };
        for (const line of known.env ?? []) {
          const equals = line.indexOf("=");
          if (equals > 0) this.environment.set(line.slice(0, equals), encode(line.slice(equals + 1)));
        }
        triggers = known.onBuild ?? [];
      }
    }
    if (!this.environment.has("PATH") && this.config.os !== "windows") this.environment.set("PATH", DEFAULT_PATH);
    for (const trigger of triggers) this.trigger(trigger);
  }

  /** Runs a base's ONBUILD trigger, at the start of the stage, as if it stood there. */
  private trigger(text: string): void {
    let instructions: readonly Instruction[];
    try {
      instructions = parseText(encode(text), { strict: false }).instructions;
    } catch (error) {
      if (error instanceof DockerfileError) throw new StageFault(error.message);
      throw error;
    }
    const [instruction] = instructions;
    if (instruction === undefined || instructions.length !== 1) {
      throw new StageFault("onbuild trigger should be a single expression");
    }
    const fault = checkInstruction(instruction);
    if (fault !== undefined) throw new StageFault(fault.message);
    this.apply(instruction);
  }

  private apply(instruction: Instruction): void {
    const { keyword, words } = instruction;
    switch (keyword) {
      case "CMD":
        this.set("cmd", instruction);
        this.cmdSet = true;
        break;
      case "ENTRYPOINT":
        this.set("entrypoint", instruction);
        this.entrypointSet = true;
        if (this.config.entrypoint?.length === 0) this.config.entrypoint = null;
        if (!this.cmdSet) {
          this.config.cmd = null;
          if (this.triggersUnknown) this.unknown.add("cmd");
          else this.unknown.delete("cmd");
        }
        break;
      case "SHELL":
        this.config.shell = words.map(decode);
        this.unknown.delete("shell");
        break;
      case "USER":
        this.config.user = decode(this.expand(words[0] as string));
        this.unknown.delete("user");
        break;
      case "STOPSIGNAL":
        this.config.stopSignal = decode(this.expand(words[0] as string));
        this.unknown.delete("stopSignal");
        break;
      case "ONBUILD":
        this.config.onBuild = [...(this.config.onBuild ?? []), triggerText(instruction)];
        break;
      case "ENV":
        this.env(words);
        break;
      case "ARG":
        this.arg(instruction);
        break;
      case "COPY":
      case "ADD":
        this.copy(instruction);
        break;
      case "LABEL":
      case "WORKDIR":
      case "EXPOSE":
      case "VOLUME":
        for (const word of words) this.expand(word);
        break;
      default:
        break;
    }
  }

  /** CMD or ENTRYPOINT: the array, or the shell with the text behind it. Neither expands variables. */
  private set(field: "cmd" | "entrypoint", instruction: Instruction): void {
    if (instruction.exec) {
      this.config[field] = instruction.words.map(decode);
      this.unknown.delete(field);
      return;
    }
    this.config[field] = [...shellOf(this.config), decode(instruction.words[0] ?? "")];
    if (this.unknown.has("shell")) this.unknown.add(field);
    else this.unknown.delete(field);
  }

  private env(words: readonly string[]): void {
    // All values of one ENV see the environment before it.
    const before = new Map(this.environment);
    for (let index = 0; index + 1 < words.length; index += 2) {
      const name = this.expand(words[index] as string, before);
      this.environment.set(name, this.expand(words[index + 1] as string, before));
    }
  }

  private arg(instruction: Instruction): void {
    const { buildArgs, globals } = this.around;
    for (const { name, value } of argDefinitions(instruction)) {
      const given = Object.hasOwn(buildArgs, name) ? encode(buildArgs[name] as string) : undefined;
      const result = given ?? (value === undefined ? globals.get(name) : this.expand(value));
      if (result !== undefined) this.environment.set(name, result);
    }
  }

  private copy(instruction: Instruction): void {
    const source = flagValue(instruction, "from");
    if (source !== undefined && /\$/.test(source)) {
      throw new StageFault(
        "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
      );
    }
    for (const word of instruction.words) this.expand(word);
  }

  private expand(word: string, environment: Environment = this.environment): string {
    return expandWord(word, { escape: this.around.escapeChar, environment });
  }
}

const UNKNOWN_FIELDS: readonly UnknownField[] = ["os", "entrypoint", "cmd", "shell", "user", "stopSignal"];

/** The shell of a stage's shell forms. */
export function shellOf(config: Pick<StageConfig, "os" | "shell">): readonly string[] {
  return config.shell ?? (config.os === "windows" ? ["cmd", "/S", "/C"] : ["/bin/sh", "-c"]);
}

/** The value of `--name=value`, or undefined. */
export function flagValue(instruction: Pick<Instruction, "flags">, name: string): string | undefined {
  const start = `--${name}=`;
  return instruction.flags.findLast((flag) => flag.startsWith(start))?.slice(start.length);
}

/** True for the repositories that hold Windows images only. */
export function looksLikeWindows(reference: string): boolean {
  return /^mcr\.microsoft\.com\/(windows|windows-cssc|dotnet\/framework|powershell\/.*windows)|(^|[:/-])(nanoserver|windowsservercore|servercore)([-:@.]|$)|-nanoserver-/i.test(
    reference,
  );
}

function argDefinitions(instruction: Instruction): readonly { name: string; value: string | undefined }[] {
  return instruction.words.map((word) => {
    const equals = word.indexOf("=");
    return equals < 0
      ? { name: word, value: undefined }
      : { name: word.slice(0, equals), value: word.slice(equals + 1) };
  });
}

function triggerText(instruction: Instruction): string {
  const own = instruction.line.replace(/^\s*ONBUILD\s*/i, "");
  return decode([own, ...instruction.heredocs.map(({ content, name }) => `${content}${name}`)].join("\n"));
}

/** The value that a variable has in the stage's image: what ENV and the base set, as far as the base is known. */
export function imageVariable(stage: Stage, name: string): string | undefined {
  const value = stage.environment.get(name);
  return value === undefined || isArgOnly(stage, name) ? undefined : decode(value);
}

function isArgOnly(stage: Stage, name: string): boolean {
  const sets = (keyword: string) =>
    stage.instructions.some(
      (instruction) =>
        instruction.keyword === keyword &&
        instruction.words.some((word, index) =>
          keyword === "ENV" ? index % 2 === 0 && word === name : word.split("=", 1)[0] === name,
        ),
    );
  return sets("ARG") && !sets("ENV");
}

function platformArgs(target: Platform, build: Platform): Map<string, string> {
  const values = new Map<string, string>();
  for (const [prefix, platform] of [
    ["TARGET", target],
    ["BUILD", build],
  ] as const) {
    values.set(`${prefix}PLATFORM`, formatPlatform(platform));
    values.set(`${prefix}OS`, platform.os);
    values.set(`${prefix}OSVERSION`, "");
    values.set(`${prefix}ARCH`, platform.architecture);
    values.set(`${prefix}VARIANT`, platform.variant ?? "");
  }
  values.set("TARGETSTAGE", "default");
  return values;
}

/** What Docker's reference parser says against a name, or undefined. It looks for upper case before anything else. */
function referenceFault(base: string): string | undefined {
  if (parseReference(base) !== undefined) return undefined;
  if (/^[0-9a-f]{64}$/.test(base)) {
    return `invalid repository name (${base}), cannot specify 64-byte hexadecimal strings`;
  }
  const slash = base.indexOf("/");
  const host = slash < 0 ? "" : base.slice(0, slash);
  const hasHost = /[.:]|^localhost$/.test(host) || host !== host.toLowerCase();
  const path = hasHost ? base.slice(slash + 1) : slash < 0 ? `library/${base}` : base;
  const repository = path.split(":", 1)[0] as string;
  return repository === repository.toLowerCase()
    ? "invalid reference format"
    : `invalid reference format: repository name (${repository}) must be lowercase`;
}

function wordFault(error: unknown): string {
  if (error instanceof WordError) return error.message;
  throw error;
}

function stageFault(error: unknown): string {
  return error instanceof StageFault ? error.message : wordFault(error);
}
