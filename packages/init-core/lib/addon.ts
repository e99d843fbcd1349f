/** The native addon: addon/binding.cc, built for Linux on x64 and arm64. */
import { InitCoreError } from "./errors.ts";
import type { InitOptions } from "./parse-options.ts";
import { prebuiltAddon } from "./prebuilt.ts";

/** What `supervise` of the addon returns: how the command ended, or why it was not started. */
type Supervised =
  | { readonly exitCode: number; readonly signal: number; readonly forwarded: number; readonly reaped: number }
  | {
      readonly failure: "E_NOT_MAIN_THREAD" | "E_HAS_CHILDREN" | "E_CANNOT_STOP_THREADS" | "E_CANNOT_FORK";
      /** errno for E_CANNOT_FORK. */
      readonly error: number;
    };

/** Strings that go to the addon are bytes, one a character: {@link bytesOf}. Those that come from it are text. */
export interface Addon {
  parseOptions(argv: readonly string[]): InitOptions;
  supervise(
    argv: readonly string[],
    /** `NAME=value`; null for this process's own, byte for byte. */
    environment: readonly string[] | null,
    ownsEveryChild: boolean,
    exit: boolean,
  ): Supervised;
  signalName(number: number): string;
  /** Notes every child that fork(3) makes from now on. False when it cannot. */
  watchForks(): boolean;
  /** The pids noted since the last call. */
  takeForks(): number[];
  /** Whether this thread's child of that pid has ended and was not waited for. */
  isDead(pid: number): boolean;
  /** Whether any thread of this process has a child of that pid. */
  isChild(pid: number): boolean;
  /** Waits for a dead child of this thread. False when there is none of that pid. */
  collect(pid: number): boolean;
  becomeSubreaper(): boolean;
  /** Lets the signal end this process with 128 + its number until somebody sets another action. */
  endBy(signal: number): void;
}

let addon: Addon | undefined;

/** @throws {InitCoreError} `E_NO_ADDON` where there is no prebuilt file for the platform, or it cannot be loaded. */
export function loadAddon(): Addon {
  if (addon) return addon;
  try {
    addon = prebuiltAddon();
    return addon;
  } catch (cause) {
    throw new InitCoreError(
      "E_NO_ADDON",
      `@initwrap/init-core has no native addon for ${process.platform}-${process.arch}`,
      { cause },
    );
  }
}

/** A word of a command line or an environment, as the addon takes it. */
export function bytesOf(word: string | Uint8Array): string {
  return Buffer.from(word as string).toString("latin1");
}
