/** Where a stage has a setting from: an instruction of its own, of a stage that it is built from, a trigger, or its base. */
import type { BaseConfig, Evaluation, Stage } from "./evaluate.ts";
import type { Instruction } from "./syntax.ts";

export type OriginField = "entrypoint" | "cmd" | "user" | "stopSignal";

export type FieldOrigin =
  | { readonly kind: "instruction"; readonly instruction: Instruction; readonly stage: Stage }
  | { readonly kind: "trigger"; readonly base: string; readonly text: string }
  | { readonly kind: "base"; readonly reference: string }
  /** An inherited CMD is cleared by an ENTRYPOINT that comes without one; `line` is 0 for that of a trigger. */
  | { readonly kind: "cleared"; readonly line: number }
  | { readonly kind: "unset" }
  | { readonly kind: "unknown"; readonly reference: string };

const KEYWORDS: Readonly<Record<OriginField, string>> = {
  entrypoint: "ENTRYPOINT",
  cmd: "CMD",
  user: "USER",
  stopSignal: "STOPSIGNAL",
};

/** What is known of an image that FROM names; as for the evaluation. */
type BaseOf = (reference: string) => BaseConfig | undefined;

/** Follows one setting of `stage` to where it is from. The evaluation must be the one that the stage is of. */
export function originOf(evaluation: Evaluation, stage: Stage, field: OriginField, baseOf: BaseOf): FieldOrigin {
  const { origin } = stage;
  const keyword = KEYWORDS[field];
  const instruction = stage.instructions.findLast((one) => one.keyword === keyword);
  if (instruction !== undefined) return { kind: "instruction", instruction, stage };
  const triggers =
    origin.kind === "stage"
      ? (evaluation.stages[origin.parent]?.config.onBuild ?? [])
      : origin.kind === "image"
        ? (baseOf(origin.reference)?.onBuild ?? [])
        : [];
  const text = triggers.findLast((one) => one.trimStart().toUpperCase().startsWith(`${keyword} `));
  if (text !== undefined) return { kind: "trigger", base: stage.base, text };
  const inherited = inheritedOrigin(evaluation, stage, field, baseOf);
  // Either form of ENTRYPOINT takes away the CMD that the stage has not set itself.
  if (field === "cmd" && stage.entrypointSet && inherited.kind !== "unset") {
    return { kind: "cleared", line: stage.entrypoint?.range.line ?? 0 };
  }
  return inherited;
}

function inheritedOrigin(evaluation: Evaluation, stage: Stage, field: OriginField, baseOf: BaseOf): FieldOrigin {
  const { origin } = stage;
  if (origin.kind === "scratch") return { kind: "unset" };
  if (origin.kind === "stage") {
    return originOf(evaluation, evaluation.stages[origin.parent] as Stage, field, baseOf);
  }
  const base = origin.kind === "image" ? baseOf(origin.reference) : undefined;
  if (origin.kind === "unresolved" || base === undefined) return { kind: "unknown", reference: stage.base };
  return (base[field] ?? "").length === 0 ? { kind: "unset" } : { kind: "base", reference: origin.reference };
}
