/**
 * The library: what the commands do, without a terminal.
 *
 * Everything throws InitwrapError, whose `code` and `exit` are those of docs/errors.md.
 */

export type { Evaluation, Stage } from "./dockerfile/evaluate.ts";
export type { DockerfilePlan } from "./dockerfile/plan.ts";
export type { Dockerfile, Instruction } from "./dockerfile/syntax.ts";
export { type ImagePlan, type ImagePlanRequest, type PlatformPlan, planImage } from "./image/plan.ts";
export type { Diagnostic, DiagnosticCode, Range, Severity } from "./model/diagnostics.ts";
export { type ErrorCode, InitwrapError } from "./model/errors.ts";
export type { Inspected, Inspection } from "./model/inspection.ts";
export type { Invocation } from "./model/invocation.ts";
export { BaseLock, type LockMode } from "./wrap/base-lock.ts";
export {
  type DockerfileInput,
  type DockerfileOptions,
  type DockerfileOutcome,
  evaluateDockerfile,
  parseDockerfile,
  planDockerfile,
  undoDockerfile,
  wrapDockerfile,
} from "./wrap/dockerfile.ts";
export { type WrapImageRequest, type WrapImageResult, wrapImage } from "./wrap/image.ts";
export { type InspectRequest, inspect } from "./wrap/inspect.ts";
export { type ProbeRequest, type ProbeResult, probeImage } from "./wrap/probe.ts";
export { type VerifyRequest, type VerifyResult, verifyImage } from "./wrap/verify.ts";
