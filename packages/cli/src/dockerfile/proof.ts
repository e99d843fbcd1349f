/**
 * The proof that a rewrite did what it should and nothing else: the result is read and evaluated anew, by the same model,
 * and compared with the original. Failing it is never the user's fault, and nothing is written.
 */
import { InitwrapError } from "../model/errors.ts";
import { type Invocation, sameArgv } from "../model/invocation.ts";
import type { Edited } from "./edit.ts";
import { type EvaluateOptions, type Evaluation, evaluate, type Stage } from "./evaluate.ts";
import { parseText } from "./parse.ts";
import { type Dockerfile, DockerfileError, type Instruction } from "./syntax.ts";

export interface Claim {
  readonly before: Dockerfile;
  readonly evaluation: Evaluation;
  readonly edited: Edited;
  /** What the images of these stages must run in the end, by the stage's number. */
  readonly after: ReadonlyMap<number, Invocation>;
  /** The stages whose own ENTRYPOINT is edited. */
  readonly rewritten: ReadonlySet<Instruction>;
  readonly options: EvaluateOptions;
}

/** Throws PROOF_FAILED unless the edited text means the original with `after` in those stages. */
export function prove(claim: Claim): void {
  const result = reparse(claim);
  const inserted = (instruction: Instruction) =>
    claim.edited.spans.some(({ start, end }) => instruction.start >= start && instruction.start < end);
  const kept = result.instructions.filter((instruction) => !inserted(instruction));
  sameInstructions(claim, kept);
  const stages = evaluate(result, claim.options).stages.filter((stage) => !inserted(stage.from));
  if (stages.length !== claim.evaluation.stages.length) fail("the number of stages differs");
  const changed = descendants(claim.evaluation, [...claim.after.keys()]);
  claim.evaluation.stages.forEach((before, index) => {
    const expected = claim.after.get(index);
    // A stage built from a wrapped one inherits its entrypoint, which is what was asked for.
    const inherited = expected === undefined && changed.has(index) ? [...claim.after.values()] : [];
    sameStage(before, stages[index] as Stage, expected ?? before.config, inherited);
  });
}

function reparse(claim: Claim): Dockerfile {
  try {
    return parseText(claim.edited.text);
  } catch (error) {
    if (error instanceof DockerfileError) fail(`the result does not parse: ${error.message}`);
    throw error;
  }
}

/** Everything but the edited ENTRYPOINTs reads as it did: keyword, flags, argument, heredocs. */
function sameInstructions({ before, rewritten }: Claim, kept: readonly Instruction[]): void {
  if (kept.length !== before.instructions.length) fail("instructions were lost or joined");
  before.instructions.forEach((instruction, index) => {
    const other = kept[index] as Instruction;
    const isEdited = rewritten.has(instruction);
    const same =
      other.spelled === instruction.spelled &&
      sameArgv(other.flags, instruction.flags) &&
      (isEdited || other.argument === instruction.argument) &&
      other.heredocs.length === instruction.heredocs.length &&
      other.heredocs.every(({ content }, at) => content === instruction.heredocs[at]?.content);
    if (!same) fail(`line ${instruction.range.line} would read differently`);
  });
}

function sameStage(before: Stage, after: Stage, expected: Invocation, inherited: readonly Invocation[]): void {
  const place = `stage ${before.name ?? before.index}`;
  if (before.error !== after.error) fail(`${place} would fail: ${after.error ?? before.error}`);
  const entrypoints = [expected, ...inherited].map(({ entrypoint }) => entrypoint);
  if (!entrypoints.some((one) => sameArgv(after.config.entrypoint, one))) fail(`${place} has another ENTRYPOINT`);
  if (!sameArgv(after.config.cmd, expected.cmd)) fail(`${place} has another CMD`);
  const { os, user, stopSignal } = before.config;
  const same =
    after.config.os === os &&
    after.config.user === user &&
    after.config.stopSignal === stopSignal &&
    sameArgv(after.config.shell, before.config.shell) &&
    sameArgv(after.config.onBuild, before.config.onBuild);
  if (!same) fail(`${place} has another configuration`);
}

/** The stages built from these ones, and those built from them; they themselves are not among them. */
export function descendants({ stages }: Evaluation, ancestors: readonly number[]): ReadonlySet<number> {
  const found = new Set(ancestors);
  for (const { index, origin } of stages) if (origin.kind === "stage" && found.has(origin.parent)) found.add(index);
  for (const index of ancestors) found.delete(index);
  return found;
}

function fail(reason: string): never {
  throw new InitwrapError("PROOF_FAILED", `the rewrite could not be proved: ${reason}`, {
    hint: "Nothing was written; please report this Dockerfile.",
  });
}
