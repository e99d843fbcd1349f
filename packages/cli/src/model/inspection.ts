/** What `initwrap inspect` finds out: values only. Its words are in terminal/inspect-tree, its schema in schemas/inspect.schema.json. */
import type { Diagnostic } from "./diagnostics.ts";
import type { ErrorCode } from "./errors.ts";
import type { FirstProcess } from "./pid-one.ts";

export interface Inspection {
  readonly kind: "dockerfile" | "image";
  /** The file, or the locator with its scheme. */
  readonly source: string;
  /** The digest of the image as a whole; null for a Dockerfile. */
  readonly digest: string | null;
  /** Full references of the image. */
  readonly names: readonly string[];
  /** One for each stage that a build can name, or for each platform. */
  readonly subjects: readonly Inspected[];
}

/** One stage or one platform. */
export interface Inspected {
  /** For a Dockerfile. `isDefault`: what a build makes that names no target. */
  readonly stage: StagePlace | null;
  /** For an image. */
  readonly platform: PlatformPlace | null;
  /** Who is PID 1; null when that hangs on what is not known. */
  readonly firstProcess: FirstProcess | null;
  readonly entrypoint: Setting<readonly string[] | null>;
  readonly cmd: Setting<readonly string[] | null>;
  /** "" is the engine's default: SIGTERM. */
  readonly stopSignal: Setting<string>;
  /** "" is root. */
  readonly user: Setting<string>;
  readonly change: Change;
  readonly diagnostics: readonly Diagnostic[];
}

export interface StagePlace {
  readonly index: number;
  readonly name: string | null;
  readonly line: number;
  readonly isDefault: boolean;
}

export interface PlatformPlace {
  readonly name: string;
  /** The digest of the platform's manifest. */
  readonly digest: string;
  /** False when the index names the platform and its image is not there: everything else is then empty. */
  readonly present: boolean;
}

export interface Setting<T> {
  /** As far as it is known. */
  readonly value: T;
  readonly known: boolean;
  /** How a command is written, or would have to be written to come out like this. Null for what is no command. */
  readonly form: "shell" | "exec" | null;
  readonly origin: Origin;
}

/** Why a setting is what it is. */
export type Origin =
  /** An instruction of the Dockerfile, `text` on one line; `stage` is the name or number of the stage that it is in. */
  | {
      readonly kind: "instruction";
      readonly line: number;
      readonly endLine: number;
      readonly stage: string;
      readonly text: string;
    }
  /** An ONBUILD trigger of what the stage is built from. */
  | { readonly kind: "trigger"; readonly base: string; readonly text: string }
  /** The base image, and who told what it has. */
  | { readonly kind: "base"; readonly reference: string; readonly source: string; readonly detail: string | null }
  /** A CMD that was inherited, and that an ENTRYPOINT in this line cleared. */
  | { readonly kind: "cleared"; readonly line: number }
  /** An entry of the image's history, counted from 1. */
  | {
      readonly kind: "history";
      readonly entry: number;
      readonly entries: number;
      readonly createdBy: string;
      readonly created: string | null;
    }
  /** The image's config; no entry of its history says the same. */
  | { readonly kind: "config"; readonly field: string }
  /** Nobody sets it. */
  | { readonly kind: "unset" }
  /** It hangs on a base image that nobody could be asked about. */
  | { readonly kind: "unknown"; readonly reference: string; readonly obstacles: readonly string[] };

/** What initwrap would do about it. */
export type Change =
  | {
      /** `renew`: the init is there, from another release or with other options. */
      readonly action: "wrap" | "renew";
      readonly entrypoint: readonly string[] | null;
      readonly cmd: readonly string[] | null;
    }
  | { readonly action: "none"; readonly reason: "already" | "existing-init" | "absent" }
  | { readonly action: "refused"; readonly code: ErrorCode; readonly message: string; readonly hint: string | null };

/** A refusal as a value. */
export function refusal(error: {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
}): Change {
  return { action: "refused", code: error.code, message: error.message, hint: error.hint ?? null };
}
