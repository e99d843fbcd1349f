/**
 * How the init's file gets into a build, and how its lines are made.
 *
 * - inline: the Dockerfile carries the init itself, one `FROM scratch` stage for each architecture with a heredoc of raw
 *   bytes, in front of the target stage, so that numbers of earlier stages keep their meaning.
 * - context: the build context carries it, under `.initwrap/`.
 * - image: a published image carries it, named by digest.
 *
 * Which architecture is right follows the platform of the target stage: `$TARGETPLATFORM` unless its FROM says otherwise.
 */
import { InitwrapError } from "../model/errors.ts";
import { formatPlatform, normalizePlatform, type Platform, parsePlatform, samePlatform } from "../model/platform.ts";
import { type Evaluation, flagValue, type Stage } from "./evaluate.ts";
import type { Dockerfile } from "./syntax.ts";
import { CHMOD_SYNTAX, frontendOf, HEREDOC_SYNTAX, hasSyntax } from "./syntax-version.ts";

/** An init's bytes as text (one character a byte), for one platform. */
export interface InlineInit {
  readonly platform: Platform;
  readonly text: string;
}

export type Injection =
  | { readonly kind: "inline"; readonly inits: readonly InlineInit[] }
  | { readonly kind: "context"; readonly platforms: readonly Platform[] }
  | { readonly kind: "image"; readonly reference: string };

/** The words of inserted lines. Templates implement it: they format and decide nothing. Lines end in `\n`. */
export interface Snippets {
  /** `FROM scratch AS name` and the COPY that opens the heredoc. */
  inlineStage(data: { k: Keywords; name: string; terminator: string }): string;
  /** `FROM source AS name`: one stage under another name. */
  alias(data: { k: Keywords; name: string; source: string }): string;
  /** The COPY from a stage or an image. */
  copyFrom(data: { k: Keywords; from: string }): string;
  /** The COPY from the context; `variables` are declared first. */
  copyContext(data: { k: Keywords; path: string; variables: readonly string[] }): string;
  /** ENTRYPOINT and CMD in exec form; an absent one is not written. */
  command(data: { k: Keywords; entrypoint?: string; cmd?: string }): string;
}

/** Keywords in the file's own case. */
export type Keywords = Readonly<Record<"FROM" | "AS" | "COPY" | "ARG" | "ENTRYPOINT" | "CMD", string>>;

/** The folder in the context that carries the inits. */
export const CONTEXT_FOLDER = ".initwrap";

/** The file of a platform's init in the context, with `/` between folders. */
export function contextPath(platform: Platform): string {
  return `${CONTEXT_FOLDER}/linux-${platform.architecture}${platform.variant ?? ""}/initwrap`;
}

export interface InjectionText {
  /** Goes in front of the first of the stages; "" when none is needed. Heredoc bodies are in it: it is not to be touched. */
  readonly stages: string;
  /** What goes into each stage, in their order. */
  readonly copies: readonly string[];
}

export interface InjectionRequest {
  readonly dockerfile: Dockerfile;
  readonly evaluation: Evaluation;
  /** The stages that get the init, in the order of the file; at least one. */
  readonly targets: readonly Stage[];
  readonly injection: Injection;
  readonly snippets: Snippets;
  readonly keywords: Keywords;
  readonly lineEnding: string;
}

/** The lines that bring the init into the stages. Throws what stands against it: SYNTAX_TOO_OLD, UNSAFE_EDIT, NO_INIT_FOR_PLATFORM. */
export function injectionText(request: InjectionRequest): InjectionText {
  switch (request.injection.kind) {
    case "inline":
      return inline(request, request.injection.inits);
    case "context":
      return context(request, request.injection.platforms);
    case "image":
      return image(request, request.injection.reference);
  }
}

function inline(request: InjectionRequest, offered: readonly InlineInit[]): InjectionText {
  const { dockerfile, snippets, keywords: k, lineEnding } = request;
  requireSyntax(dockerfile);
  refuseShiftedStages(request);
  const platforms = offered.map(({ platform }) => platform);
  const choices = request.targets.map((target) => choose(request, target, platforms));
  const inits = offered.filter(({ platform }) =>
    choices.some((choice) => choice.platforms.some((chosen) => samePlatform(chosen, platform))),
  );
  const name = freeName(request.evaluation);
  const prefixes = [...new Set(choices.flatMap(({ variable }) => variable?.prefix ?? []))];
  const isOnly = prefixes.length === 0 && inits.length === 1;
  const copies = choices.map(({ variable, platforms: [platform] }) => {
    const own = isOnly ? name : `${name}-${suffix(platform as Platform)}`;
    return snippets.copyFrom({ k, from: variable === undefined ? own : aliasOf(name, variable.prefix, prefixes) });
  });
  return { stages: inlineStages({ offered, inits, prefixes, name, snippets, k, lineEnding }), copies };
}

/** Stages for the build's platform and for the target's may stand in one file. */
function aliasOf(name: string, prefix: string, prefixes: readonly string[]): string {
  return prefix === "BUILD" && prefixes.length > 1 ? `${name}-build` : name;
}

interface InlineStages {
  readonly offered: readonly InlineInit[];
  readonly inits: readonly InlineInit[];
  readonly prefixes: readonly string[];
  readonly name: string;
  readonly snippets: Snippets;
  readonly k: Keywords;
  readonly lineEnding: string;
}

/** Texts of stages by what they are made from. A call that wraps a thousand files would make the same 200 KB a thousand times. */
const made = new WeakMap<readonly InlineInit[], { snippets: Snippets; texts: Map<string, string> }>();

function inlineStages(stages: InlineStages): string {
  const { offered, inits, prefixes, name, snippets, k, lineEnding } = stages;
  let known = made.get(offered);
  if (known?.snippets !== snippets) {
    known = { snippets, texts: new Map() };
    made.set(offered, known);
  }
  const platforms = inits.map(({ platform }) => formatPlatform(platform));
  const key = JSON.stringify([name, k.FROM, k.AS, k.COPY, lineEnding, prefixes, platforms]);
  const text = known.texts.get(key) ?? makeInlineStages(stages);
  known.texts.set(key, text);
  return text;
}

function makeInlineStages({ inits, prefixes, name, snippets, k, lineEnding }: InlineStages): string {
  const opened = (stageName: string, { text }: InlineInit): string => {
    const terminator = terminatorFor(text);
    const head = snippets.inlineStage({ k, name: stageName, terminator }).replaceAll("\n", lineEnding);
    return `${head}${text}${terminator}${lineEnding}`;
  };
  const [only] = inits;
  if (prefixes.length === 0 && inits.length === 1) return opened(name, only as InlineInit);
  const stages = inits.map((init) => opened(`${name}-${suffix(init.platform)}`, init));
  const alias = (alias: string, source: string) =>
    snippets.alias({ k, name: alias, source }).replaceAll("\n", lineEnding);
  const offered = inits.map(({ platform }) => platform);
  for (const init of prefixes.length === 0 ? [] : inits) {
    for (const level of newerLevels(init.platform, offered)) {
      stages.push(alias(`${name}-${level}`, `${name}-${suffix(init.platform)}`));
    }
  }
  for (const prefix of prefixes) {
    stages.push(alias(aliasOf(name, prefix, prefixes), `${name}-\${${prefix}ARCH}\${${prefix}VARIANT}`));
  }
  return stages.join("");
}

function context(request: InjectionRequest, offered: readonly Platform[]): InjectionText {
  const { snippets, keywords: k } = request;
  const copies = request.targets.map((target) => {
    const { platforms, variable } = choose(request, target, offered);
    if (variable === undefined) {
      return snippets.copyContext({ k, path: contextPath(platforms[0] as Platform), variables: [] });
    }
    const variables = [`${variable.prefix}ARCH`, `${variable.prefix}VARIANT`];
    const path = `${CONTEXT_FOLDER}/linux-${variables.map((name) => `\${${name}}`).join("")}/initwrap`;
    return snippets.copyContext({ k, path, variables });
  });
  return { stages: "", copies };
}

function image(request: InjectionRequest, reference: string): InjectionText {
  if (request.targets.some((target) => platformSource(request, target).kind !== "target")) {
    throw new InitwrapError("UNSAFE_EDIT", "the target stage is not built for the target platform, but an image is", {
      hint: "Use --inject inline or --inject context.",
    });
  }
  const copy = request.snippets.copyFrom({ k: request.keywords, from: reference });
  return { stages: "", copies: request.targets.map(() => copy) };
}

/** Which of the offered platforms are to be carried, and the variable that picks one at build time. */
interface Choice {
  readonly platforms: readonly Platform[];
  readonly variable: { readonly prefix: "TARGET" | "BUILD" } | undefined;
}

function choose(request: InjectionRequest, target: Stage, offered: readonly Platform[]): Choice {
  const source = platformSource(request, target);
  if (source.kind === "constant") {
    const fit = offered.find((platform) => samePlatform(platform, source.platform));
    if (fit === undefined) {
      throw new InitwrapError(
        "NO_INIT_FOR_PLATFORM",
        `the target stage is built for ${formatPlatform(source.platform)}, and there is no init for it`,
        { hint: `There are inits for ${offered.map(formatPlatform).join(", ")}.`, line: target.from.range.line },
      );
    }
    return { platforms: [fit], variable: undefined };
  }
  if (offered.length === 1) return { platforms: offered, variable: undefined };
  if (source.kind === "unknown") {
    throw new InitwrapError(
      "UNSAFE_EDIT",
      `the target stage's platform, ${source.expression}, is only known when it is built`,
      { hint: "Name the one platform to build for: --platform linux/amd64", line: target.from.range.line },
    );
  }
  const prefix = source.kind === "target" ? "TARGET" : "BUILD";
  const declared = [`${prefix}ARCH`, `${prefix}VARIANT`].find((name) => request.evaluation.globalNames.has(name));
  if (declared !== undefined) {
    // Measured: an ARG of that name before the first FROM hides the builder's own value, even without a default.
    throw new InitwrapError("UNSAFE_EDIT", `ARG ${declared} before the first FROM hides the platform from the build`, {
      hint: "Take that ARG out (builders define it anyway), or name the one platform to build for: --platform linux/amd64",
    });
  }
  return { platforms: offered, variable: { prefix } };
}

type PlatformSource =
  | { readonly kind: "target" | "build" }
  | { readonly kind: "constant"; readonly platform: Platform }
  | { readonly kind: "unknown"; readonly expression: string };

/** What decides the target stage's platform: the FROM of the stage that its chain of parents begins with. */
function platformSource({ evaluation }: InjectionRequest, target: Stage): PlatformSource {
  let root = target;
  while (root.origin.kind === "stage") root = evaluation.stages[root.origin.parent] as Stage;
  const expression = root.platform;
  if (expression === undefined || /^\$(TARGETPLATFORM|\{TARGETPLATFORM(:?-[^}$]*)?\})$/.test(expression))
    return { kind: "target" };
  if (/^\$(BUILDPLATFORM|\{BUILDPLATFORM(:?-[^}$]*)?\})$/.test(expression)) return { kind: "build" };
  const platform = /[$'"]/.test(expression) ? undefined : parsePlatform(expression);
  return platform === undefined ? { kind: "unknown", expression } : { kind: "constant", platform };
}

function requireSyntax(dockerfile: Dockerfile): void {
  const frontend = frontendOf(dockerfile);
  if (hasSyntax(frontend, HEREDOC_SYNTAX) && hasSyntax(frontend, CHMOD_SYNTAX)) return;
  throw new InitwrapError(
    "SYNTAX_TOO_OLD",
    `# syntax=${frontend.reference} is older than 1.${HEREDOC_SYNTAX} and knows no heredocs`,
    {
      hint: "Use # syntax=docker/dockerfile:1, or --inject context.",
      line: dockerfile.directives.find(({ name }) => name === "syntax")?.line ?? 1,
    },
  );
}

/** New stages move the numbers of the first target and of the stages behind it; refuses when something counts on these. */
function refuseShiftedStages({ dockerfile, targets }: InjectionRequest): void {
  const first = targets[0]?.index ?? 0;
  for (const instruction of dockerfile.instructions) {
    for (const holder of [instruction, ...(instruction.trigger ? [instruction.trigger] : [])]) {
      const names = [
        flagValue(holder, "from"),
        ...holder.flags.map((flag) => /^--mount=(?:.*,)?from=(\d+)(?:,|$)/.exec(flag)?.[1]),
      ];
      const shifted = names.find((name) => name !== undefined && /^\d+$/.test(name) && Number(name) >= first);
      if (shifted === undefined) continue;
      throw new InitwrapError(
        "UNSAFE_EDIT",
        `${holder.keyword} refers to stage ${shifted} by number, which new stages would change`,
        {
          hint: "Give that stage a name (FROM ... AS name), or use --inject context.",
          line: instruction.range.line,
        },
      );
    }
  }
}

/** A stage name that nothing in the file uses, nor begins. */
function freeName(evaluation: Evaluation): string {
  const taken: string[] = [];
  for (const stage of evaluation.stages) {
    taken.push(stage.name ?? "", stage.base.toLowerCase());
    for (const instruction of stage.instructions) {
      for (const flag of [...instruction.flags, ...(instruction.trigger?.flags ?? [])]) {
        const from = /(?:^--|,)from=([^,]+)/.exec(flag)?.[1];
        if (from !== undefined) taken.push(from.toLowerCase());
      }
    }
  }
  for (let number = 1; ; number++) {
    const name = number === 1 ? "initwrap" : `initwrap${number}`;
    if (!taken.some((other) => other === name || other.startsWith(`${name}-`))) return name;
  }
}

/** Terminators by the text that they end. The inits are the same for every file of a call, and are looked through once. */
const terminators = new Map<string, string>();

function terminatorFor(text: string): string {
  const known = terminators.get(text);
  if (known !== undefined) return known;
  refuseUnfitBytes(text);
  const terminator = freeTerminator(text);
  terminators.set(text, terminator);
  return terminator;
}

/** A heredoc terminator that no line of `text` equals. */
function freeTerminator(text: string): string {
  for (let number = 0; ; number++) {
    const name = number === 0 ? "INITWRAP_END" : `INITWRAP_END_${number}`;
    if (!text.includes(name)) return name;
  }
}

function refuseUnfitBytes(text: string): void {
  const long = text.split("\n").some((line) => line.length >= 65_535);
  if (!long && text.endsWith("\n")) return;
  throw new InitwrapError(
    "UNSAFE_EDIT",
    long
      ? "the init holds a line too long for a heredoc"
      : "the init does not end in a line feed, so a heredoc would alter it",
    { hint: "Use --inject context." },
  );
}

/** `amd64`, `armv7`: what `${TARGETARCH}${TARGETVARIANT}` gives. */
function suffix(platform: Platform): string {
  const { architecture, variant } = normalizePlatform(platform);
  return `${architecture}${variant ?? (architecture === "arm" ? "v7" : "")}`;
}

/** Later levels of the architecture, which run the same init, but for those that `offered` names itself. */
export function newerLevels(platform: Platform, offered: readonly Platform[]): readonly string[] {
  const named = new Set(offered.map(suffix));
  return (NEWER_LEVELS[suffix(platform)] ?? []).filter((level) => !named.has(level));
}

const NEWER_LEVELS: Readonly<Record<string, readonly string[]>> = {
  amd64: ["amd64v2", "amd64v3", "amd64v4"],
  armv7: ["armv8"],
};
