/** What a stack's detector yields, and what it is told. */
import { InitwrapError } from "../model/errors.ts";
import type { Project } from "./project.ts";
import { chooseVersion, namedVersion } from "./versions.ts";

/** Every stack, in the order in which they are listed to people. */
export const STACK_NAMES = [
  "node-npm",
  "node-pnpm",
  "node-yarn",
  "node-bun",
  "python-pip",
  "python-poetry",
  "python-uv",
  "go",
  "rust",
  "java-maven",
  "java-gradle",
  "dotnet",
  "ruby",
  "php",
  "static",
] as const;

export type StackName = (typeof STACK_NAMES)[number];

/** The Handlebars template of a stack: `templates/dockerfile/NAME.hbs`. */
export type TemplateName =
  | "node"
  | "python"
  | "go"
  | "rust"
  | "maven"
  | "gradle"
  | "dotnet"
  | "ruby"
  | "php"
  | "static";

/** What the user settles; everything else is read from the project. */
export interface Wishes {
  readonly port?: number;
  /** The command, instead of the one that the project's files name. */
  readonly start?: readonly string[];
  /** Which of several programs: a binary, a module, a project. */
  readonly program?: string;
  /** The language's version. */
  readonly runtime?: string;
}

/** One Dockerfile's worth of decisions. `data` is what the template gets, and all that it gets. */
export interface Recipe {
  readonly stack: StackName;
  readonly template: TemplateName;
  /** The language and its version, for people. */
  readonly runtime: string;
  /** What the container will run; undefined when the base image's own command is it. */
  readonly start: readonly string[] | undefined;
  readonly port: number;
  /** False when no lockfile says which versions of the dependencies are meant. */
  readonly locked: boolean;
  readonly data: Readonly<Record<string, unknown>>;
  /** Lines of the `.dockerignore` that belong to this stack. */
  readonly ignore: readonly string[];
}

export interface Stack {
  readonly name: StackName;
  /** Taken only when no other stack is there: a page beside a server is part of it. */
  readonly fallback?: boolean;
  /** The files that show it; none when the project is of another kind. */
  evidence(project: Project): readonly string[];
  /** The decisions. Throws START_UNKNOWN when the files do not say what to run, PROJECT_INVALID. */
  recipe(project: Project, wishes: Wishes): Recipe;
}

/** The refusal of a stack whose start is not written down anywhere. */
export function startUnknown(message: string, hint: string): InitwrapError {
  return new InitwrapError("START_UNKNOWN", message, { hint });
}

/** The version to use: what the user says, what the range allows of the candidates, or what the range names. */
export function settleVersion(
  language: string,
  wishes: Wishes,
  range: string | undefined,
  { candidates, preferred }: { readonly candidates: readonly string[]; readonly preferred: string },
): string {
  const wish = wishes.runtime;
  if (wish !== undefined) {
    if (/^\d+(\.\d+){0,2}$/.test(wish)) return wish;
    throw new InitwrapError("USAGE", `--runtime takes a version such as ${preferred}, not ${wish}`);
  }
  const precision = preferred.split(".").length;
  const version = chooseVersion(range, candidates, preferred) ?? namedVersion(range ?? "", precision);
  if (version !== undefined) return version;
  throw new InitwrapError("PROJECT_INVALID", `no ${language} that initwrap knows fits ${JSON.stringify(range)}`, {
    hint: `Name one with --runtime; known are ${candidates.join(", ")}.`,
  });
}

/** One of several programs: the one that is asked for, the only one, or else a refusal. Throws START_UNKNOWN, USAGE. */
export function settleProgram(programs: readonly string[], wishes: Wishes, preferred?: string): string | undefined {
  const wish = wishes.program;
  if (wish !== undefined) {
    if (programs.includes(wish)) return wish;
    const hint = programs.length === 0 ? {} : { hint: `There are ${programs.join(", ")}.` };
    throw new InitwrapError("USAGE", `the project has no program ${JSON.stringify(wish)}`, hint);
  }
  if (programs.length <= 1) return programs[0];
  if (preferred !== undefined && programs.includes(preferred)) return preferred;
  throw startUnknown(
    `the project has several programs: ${programs.join(", ")}`,
    "Name the one to run with --program NAME.",
  );
}
