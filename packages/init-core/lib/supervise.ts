import { getSystemErrorMap } from "node:util";
import { bytesOf, loadAddon } from "./addon.ts";
import { InitCoreError } from "./errors.ts";

/** What `supervise` may be told beside the command line. */
export interface SuperviseOptions {
  /** The command's environment; its `INITWRAP_*` variables are options too. This process's when left out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /**
   * What to do when this process has child processes already. `"refuse"`, the default, throws `E_HAS_CHILDREN`: their exit
   * codes would be taken from whoever waits for them. `"reap"` is for a program that knows that it has started none:
   * what there is has been adopted.
   */
  readonly existingChildren?: "refuse" | "reap";
  /**
   * Ends this process with the command's exit code, as the init does, instead of returning: nothing runs any more, no
   * `exit` listener either, and no signal that comes late changes the exit code.
   */
  readonly exit?: boolean;
}

/** How a supervised command ended. */
export interface Supervision {
  /** 0 to 255: the command's own, 128 + n when signal n ended it, 126 or 127 when it could not be started; mapped. */
  readonly exitCode: number;
  /** The signal that ended it, `SIGTERM`, or null. */
  readonly signal: string | null;
  /** How many signals were sent on to it. */
  readonly forwarded: number;
  /** How many orphans were reaped. */
  readonly reaped: number;
}

/**
 * Runs a command as the init runs it, in this process: the init's own code forwards every signal to it, adopts and reaps
 * orphans, and follows the init's options. Returns when the command has ended (and, with `--grace`, what it left).
 *
 * **It blocks.** No JavaScript runs meanwhile, and every other thread of the process, worker threads and libuv's pool among
 * them, stands still: signals must be taken by one thread, and nobody else may start a child. Afterwards signal handlers,
 * masks, the terminal's foreground group and the rest are as before; signals that were not for the command are then delivered.
 *
 * @param argv The init's whole command line, its own name first: `["initwrap", "--grace", "5s", "--", "nginx"]`. Words that are
 * no text may be given as bytes.
 * @throws {InitCoreError} `E_BAD_OPTIONS` with the init's own message, or when it asks for no command (`--help`);
 * `E_NO_ADDON`, `E_NOT_MAIN_THREAD`, `E_HAS_CHILDREN`, `E_CANNOT_STOP_THREADS`, `E_CANNOT_FORK`.
 */
export function supervise(argv: readonly (string | Uint8Array)[], options: SuperviseOptions = {}): Supervision {
  const { supervise: run, parseOptions, signalName } = loadAddon();
  const words = argv.map(bytesOf);
  const environment =
    options.env === undefined
      ? null
      : Object.entries(options.env).flatMap(([name, value]) =>
          value === undefined ? [] : [bytesOf(`${name}=${value}`)],
        );
  const { request, personality } = refuseBadOptions(() => parseOptions(words));
  if (request !== "run" || personality !== "initwrap") {
    throw new InitCoreError(
      "E_BAD_OPTIONS",
      request === "run" ? `supervise does not act as ${personality}` : `--${request} starts no command`,
    );
  }
  const result = refuseBadOptions(() =>
    run(words, environment, options.existingChildren === "reap", options.exit === true),
  );
  if ("failure" in result) throw new InitCoreError(result.failure, failureMessage(result.failure, result.error));
  const { exitCode, signal, forwarded, reaped } = result;
  return { exitCode, signal: signal === 0 ? null : signalName(signal), forwarded, reaped };
}

function refuseBadOptions<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new InitCoreError("E_BAD_OPTIONS", (cause as Error).message, { cause });
  }
}

function failureMessage(failure: string, error: number): string {
  switch (failure) {
    case "E_NOT_MAIN_THREAD":
      return "supervise works on the main thread only";
    case "E_HAS_CHILDREN":
      return "this process has child processes, whose exit codes would be taken";
    case "E_CANNOT_STOP_THREADS":
      return "the other threads of this process do not stand still; is /proc mounted?";
    default:
      return `cannot fork: ${getSystemErrorMap().get(-error)?.[1] ?? `error ${error}`}`;
  }
}
