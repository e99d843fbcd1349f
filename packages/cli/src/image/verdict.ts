/**
 * Whether one platform's image really starts an init, and runs behind it what it ran before.
 *
 * Three questions, each answered from what is in the image and not from what a label claims:
 * - The entrypoint: is the first program an init, ours or one that is known? Ours has to stand there as the rule of
 *   model/compose puts it.
 * - The bytes: is the file that a container would see at our init's path the one that was released for this platform? The
 *   caller finds the file, for that means to look into layers.
 * - The command: where an image was wrapped as an image, its config holds the original, proven by its digest. Composing that
 *   again has to give what is there. An image built from a wrapped Dockerfile has no such record, which is told.
 *
 * Findings of severity `error` are what fails a platform.
 */
import { composeEntrypoint, decompose, INIT_PATH, type Init } from "../model/compose.ts";
import type { Diagnostic } from "../model/diagnostics.ts";
import type { Digest } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { argvOf, type Invocation, sameArgv } from "../model/invocation.ts";
import { knownInit } from "../model/known-inits.ts";
import { formatPlatform } from "../model/platform.ts";
import { configFindings } from "./config-findings.ts";
import { ownershipOf, unwrapConfig, VERSION_LABEL } from "./mutate.ts";
import { type ImageConfig, type ManifestNode, platformOf } from "./snapshot.ts";
import { checkImage, invocationOf, variableOf } from "./validate.ts";

/** What a container of the image would have at our init's path. */
export type InitFile =
  | { readonly kind: "file"; readonly sha256: string; readonly mode?: number; readonly layer: Digest | null }
  /** No file that is executed as the init: nothing, something else, or something that could not be looked at. */
  | { readonly kind: "unusable"; readonly problem: string };

/** What a release says about its init for a platform. */
export interface ReleasedInit {
  readonly version: string;
  /** SHA-256 of the file, in hexadecimal, and of every other one that runs on the platform too. */
  readonly files: ReadonlySet<string>;
}

/** What PID 1 is, as far as the config says. */
export type Pid1 =
  | { readonly kind: "initwrap"; readonly init: Init; readonly command: Invocation }
  | { readonly kind: "known"; readonly name: string }
  | { readonly kind: "none" };

export interface PlatformVerdict {
  readonly platform: string;
  readonly manifest: Digest;
  readonly config: Digest;
  readonly verified: boolean;
  readonly entrypoint: readonly string[] | null;
  readonly cmd: readonly string[] | null;
  /** The init that is PID 1; null when none is. */
  readonly init: VerifiedInit | null;
  /** Whether the original command was recorded, and is what runs behind the init. */
  readonly command: "as-recorded" | "unrecorded" | "changed" | "unknown";
  readonly diagnostics: readonly Diagnostic[];
}

export interface VerifiedInit {
  /** `initwrap`, or the name of a known init. */
  readonly name: string;
  /** Of ours, where its bytes are known or the image's label says it; null for others. */
  readonly version: string | null;
  /** SHA-256 of the file, in hexadecimal; null where it was not looked at. */
  readonly sha256: string | null;
  /** The layer that the file comes from; null where the engine showed the file and not its layer. */
  readonly layer: Digest | null;
  /** True when the bytes are those of a release, or ones that the caller accepts. */
  readonly intact: boolean;
}

/** What the config makes PID 1. Throws NOT_LINUX, UNSUPPORTED_IMAGE and IMAGE_INVALID of validate.ts. */
export function pid1Of(node: ManifestNode): Pid1 {
  checkImage(node);
  const invocation = invocationOf(node.config.value);
  const ours = decompose(invocation);
  if (ours) return { kind: "initwrap", init: ours.init, command: ours.invocation };
  const known = knownInit(argvOf(invocation));
  return known ? { kind: "known", name: known.name } : { kind: "none" };
}

/**
 * Judges one platform. `file` is what is at the init's path and `release` the shipped init's facts; both matter only where
 * `pid1Of` says `initwrap`. `accepted` holds the SHA-256 of other files that count as an init.
 */
export function judgePlatform(
  node: ManifestNode,
  file: InitFile | undefined,
  release: ReleasedInit | undefined,
  accepted: ReadonlySet<string>,
): PlatformVerdict {
  const platform = formatPlatform(platformOf(node));
  const diagnostics: Diagnostic[] = [];
  const note = (code: Diagnostic["code"], severity: Diagnostic["severity"], args: Diagnostic["args"] = {}): void => {
    diagnostics.push({ code, severity, args: { platform, ...args } });
  };
  const pid1 = pid1Of(node);
  const present = invocationOf(node.config.value);
  let init: VerifiedInit | null = null;
  let command: PlatformVerdict["command"] = "unknown";
  if (pid1.kind === "initwrap") {
    init = judgeFile(node, file, release, accepted, note);
    const problem = compositionProblem(present, pid1);
    if (problem !== undefined) note("INIT_NOT_COMPOSED", "error", { problem });
    if (argvOf(pid1.command).length === 0) note("NO_COMMAND", "warning");
    command = judgeCommand(node, present, pid1, note);
  } else if (pid1.kind === "known") {
    note("INIT_FOREIGN", "note", { init: pid1.name });
    init = { name: pid1.name, version: null, sha256: null, layer: null, intact: false };
  } else if (argvOf(present)[0] === INIT_PATH) {
    const problem = present.entrypoint?.[0] === INIT_PATH ? 'there is no "--" behind its options' : "it is in CMD";
    note("INIT_NOT_COMPOSED", "error", { problem });
  } else if (isShellInFront(argvOf(present))) {
    note("INIT_NOT_COMPOSED", "error", { problem: "a shell starts it; the exec form, a JSON array, needs none" });
  } else {
    note("PID1_NO_INIT", "error", { program: argvOf(present)[0] ?? "" });
  }
  diagnostics.push(...configFindings(node));
  const verified = !diagnostics.some(({ severity }) => severity === "error");
  return {
    platform,
    manifest: node.descriptor.digest,
    config: node.config.descriptor.digest,
    verified,
    ...present,
    init,
    command,
    diagnostics,
  };
}

/** What a Dockerfile makes of `ENTRYPOINT /initwrap -- ...` in shell form, with `exec` or without. */
function isShellInFront([, option, text, ...rest]: readonly string[]): boolean {
  return option === "-c" && rest.length === 0 && /^\s*(?:exec\s+)?\/initwrap(?:\s|$)/.test(text ?? "");
}

type Note = (code: Diagnostic["code"], severity: Diagnostic["severity"], args?: Diagnostic["args"]) => void;

function judgeFile(
  node: ManifestNode,
  file: InitFile | undefined,
  release: ReleasedInit | undefined,
  accepted: ReadonlySet<string>,
  note: Note,
): VerifiedInit {
  const label = node.config.value.config?.Labels?.[VERSION_LABEL] ?? null;
  const nothing = { name: "initwrap", version: label, sha256: null, layer: null, intact: false };
  if (file?.kind !== "file") {
    note("INIT_FILE", "error", { problem: file?.problem ?? "it was not looked at" });
    return nothing;
  }
  const { sha256, layer, mode } = file;
  const isReleased = release?.files.has(sha256) ?? false;
  const intact = isReleased || accepted.has(sha256);
  if (!intact) note("INIT_UNKNOWN", "error", { sha256 });
  // The kernel asks for the bit of whoever the image's user is; released layers have all three.
  else if (mode !== undefined && (mode & 0o111) !== 0o111) {
    note("INIT_FILE", "error", {
      problem: `its mode ${mode.toString(8).padStart(4, "0")} does not let all execute it`,
    });
  }
  return { ...nothing, version: isReleased && release ? release.version : label, sha256, layer, intact };
}

/** Why the rule would not have given this entrypoint; undefined when it would. */
function compositionProblem(present: Invocation, { init, command }: Extract<Pid1, { kind: "initwrap" }>) {
  if (decompose(command)) return "the init stands in front of itself";
  const composition = composeEntrypoint(command, init, { allowSupervisor: true });
  if (composition.kind === "composed") {
    return sameArgv(composition.invocation.entrypoint, present.entrypoint) ? undefined : "its words differ";
  }
  const behind = knownInit(argvOf(command))?.name ?? "another init";
  return composition.kind === "refused" ? `${behind} is behind it, and must be PID 1 itself` : `${behind} is behind it`;
}

function judgeCommand(
  node: ManifestNode,
  present: Invocation,
  { init, command }: Extract<Pid1, { kind: "initwrap" }>,
  note: Note,
): PlatformVerdict["command"] {
  if (!ownershipOf(node.config.bytes)) {
    note("COMMAND_UNRECORDED", "note");
    return "unrecorded";
  }
  let original: ImageConfig;
  try {
    original = JSON.parse(new TextDecoder().decode(unwrapConfig(node.config.bytes))) as ImageConfig;
  } catch (cause) {
    if (!(cause instanceof InitwrapError) || cause.code !== "PROOF_FAILED") throw cause;
    note("RECORD_BROKEN", "error");
    return "unknown";
  }
  if (isComposedOf(present, init, original)) return "as-recorded";
  note("COMMAND_CHANGED", "error", {
    is: JSON.stringify(argvOf(command)),
    was: JSON.stringify(argvOf(invocationOf(original))),
  });
  return "changed";
}

/** True when the rule, with some options of the init, makes `present` of the original. */
function isComposedOf(present: Invocation, init: Init, original: ImageConfig): boolean {
  const before = invocationOf(original);
  const variable = (name: string): string | undefined => variableOf(original, name);
  // Where another init was replaced, its options are the first of ours: without them the rule puts them there itself.
  for (let from = 0; from <= init.options.length; from++) {
    const options = init.options.slice(from);
    const composition = composeEntrypoint(
      before,
      { ...init, options },
      {
        replaceInit: true,
        allowSupervisor: true,
        variable,
      },
    );
    if (composition.kind !== "composed") return false;
    const { entrypoint, cmd } = composition.invocation;
    if (sameArgv(entrypoint, present.entrypoint) && sameArgv(cmd, present.cmd)) return true;
  }
  return false;
}
