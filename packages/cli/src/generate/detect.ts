/** Which stack a project is made with: exactly one, or a refusal that names the choice. */
import { InitwrapError } from "../model/errors.ts";
import { DOTNET } from "./dotnet.ts";
import { GO } from "./go.ts";
import { GRADLE, MAVEN } from "./java.ts";
import { NODE_STACKS } from "./node.ts";
import { PHP } from "./php.ts";
import type { Project } from "./project.ts";
import { PYTHON_STACKS } from "./python.ts";
import { type Recipe, STACK_NAMES, type Stack, type StackName, type Wishes } from "./recipe.ts";
import { RUBY } from "./ruby.ts";
import { RUST } from "./rust.ts";
import { STATIC_SITE } from "./static-site.ts";

const STACKS: readonly Stack[] = [
  ...NODE_STACKS,
  ...PYTHON_STACKS,
  GO,
  RUST,
  MAVEN,
  GRADLE,
  DOTNET,
  RUBY,
  PHP,
  STATIC_SITE,
];

/** A stack that a project shows signs of. */
export interface Detection {
  readonly stack: StackName;
  readonly evidence: readonly string[];
}

/** Every stack that the project shows signs of; a fallback only when there is no other. */
export function detectStacks(project: Project): readonly Detection[] {
  const found = candidates(project);
  return found.map(({ stack, evidence }) => ({ stack: stack.name, evidence }));
}

/**
 * The one stack: the only one, or the one that `name` says, which may also be the family's (`node`, `python`, `java`).
 * Throws STACK_UNKNOWN and STACK_AMBIGUOUS, and what the stack's recipe throws.
 */
export function cook(project: Project, wishes: Wishes, name?: string): Detection & { readonly recipe: Recipe } {
  const { stack, evidence } = name === undefined ? theOnly(candidates(project)) : theNamed(project, name);
  return { stack: stack.name, evidence, recipe: stack.recipe(project, wishes) };
}

interface Candidate {
  readonly stack: Stack;
  readonly evidence: readonly string[];
}

function candidates(project: Project): readonly Candidate[] {
  const all = STACKS.map((stack) => ({ stack, evidence: stack.evidence(project) })).filter(
    ({ evidence }) => evidence.length > 0,
  );
  const strong = all.filter(({ stack }) => stack.fallback !== true);
  return strong.length > 0 ? strong : all;
}

function theOnly(found: readonly Candidate[]): Candidate {
  const [one, ...others] = found;
  if (one === undefined) {
    throw new InitwrapError("STACK_UNKNOWN", "nothing here says what the project is made with", {
      hint: `initwrap knows ${STACK_NAMES.join(", ")}; is this the project's own folder?`,
    });
  }
  if (others.length === 0) return one;
  const list = found.map(({ stack, evidence }) => `${stack.name} (${evidence.join(", ")})`).join("; ");
  throw new InitwrapError("STACK_AMBIGUOUS", `the project shows several stacks: ${list}`, {
    hint: `Name the one to run: --stack ${one.stack.name}`,
  });
}

function theNamed(project: Project, name: string): Candidate {
  const meant = STACKS.filter((stack) => stack.name === name || stack.name.startsWith(`${name}-`));
  if (meant.length === 0) {
    throw new InitwrapError("USAGE", `there is no stack ${JSON.stringify(name)}`, {
      hint: `The stacks are ${STACK_NAMES.join(", ")}.`,
    });
  }
  const found = meant
    .map((stack) => ({ stack, evidence: stack.evidence(project) }))
    .filter(({ evidence }) => evidence.length > 0);
  if (found.length > 0) return theOnly(found);
  throw new InitwrapError("STACK_UNKNOWN", `nothing here is made with ${name}`, {
    hint: `The project shows ${
      candidates(project)
        .map(({ stack }) => stack.name)
        .join(", ") || "no stack at all"
    }.`,
  });
}
