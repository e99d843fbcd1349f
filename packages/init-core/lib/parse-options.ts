import { bytesOf, loadAddon } from "./addon.ts";
import { InitCoreError } from "./errors.ts";

/** A length of time as the init keeps it. */
export interface Duration {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** What the init makes of a command line: src/options.h, field by field. */
export interface InitOptions {
  readonly request: "run" | "help" | "version" | "license";
  readonly personality: "initwrap" | "tini" | "dumb-init" | "catatonit";
  /** The command and its arguments; empty only for help, version and licence. */
  readonly command: readonly string[];
  readonly group: "if-leader" | "always" | "never";
  readonly verbosity: number;
  /** The signal number to forward when the init's parent dies; 0 for none. */
  readonly parentDeathSignal: number;
  /** Signal number -> signal number; 0 drops it. Only what differs. */
  readonly rewrite: Readonly<Record<number, number>>;
  /** Exit code -> exit code. Only what differs. */
  readonly exitMap: Readonly<Record<number, number>>;
  readonly stopPlan: readonly { readonly signal: number; readonly wait: Duration }[];
  readonly grace: Duration;
  readonly stopDelay: Duration;
  readonly report: string | null;
}

/**
 * Reads a command line with the very code the init reads it with. Nothing of this process's environment takes part.
 *
 * @param argv The init's whole command line, its own name first: `["/initwrap", "-g", "--", "nginx"]`.
 * @throws {InitCoreError} `E_BAD_OPTIONS` with the init's own message, or `E_NO_ADDON` where there is no prebuilt addon.
 */
export function parseOptions(argv: readonly string[]): InitOptions {
  const { parseOptions: parse } = loadAddon();
  try {
    return parse(argv.map(bytesOf));
  } catch (cause) {
    throw new InitCoreError("E_BAD_OPTIONS", (cause as Error).message, { cause });
  }
}
