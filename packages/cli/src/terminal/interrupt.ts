/**
 * SIGINT and SIGTERM while a command runs: the first aborts the work, which then removes what it had half-written and ends;
 * a second one, or work that does not end in time (five seconds unless told), ends the process at once. Exit codes 130 and 143.
 */
const EXIT_CODES: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 };
const PATIENCE_MS = 5000;

export interface Interrupt {
  readonly signal: AbortSignal;
  /** 130 or 143 once a signal came. */
  exitCode(): number | undefined;
  dispose(): void;
}

/** Listens until `dispose`. `patience` is how long the work has for clearing up, in milliseconds. */
export function listenForInterrupt(patience: number = PATIENCE_MS): Interrupt {
  const controller = new AbortController();
  let code: number | undefined;
  const handle = (name: NodeJS.Signals): void => {
    if (code !== undefined) process.exit(code);
    code = EXIT_CODES[name] ?? 1;
    controller.abort(new Error(`interrupted by ${name}`));
    setTimeout(() => process.exit(code), patience).unref();
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
  return {
    signal: controller.signal,
    exitCode: () => code,
    dispose: () => {
      process.off("SIGINT", handle);
      process.off("SIGTERM", handle);
    },
  };
}
