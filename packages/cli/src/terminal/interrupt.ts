/**
 * SIGINT, SIGTERM and SIGHUP, which a terminal that is closed sends, while a command runs: the first aborts the work, which then
 * removes what it had half-written and ends; a second one, or work that does not end in time (five seconds unless told), ends the
 * process at once. Exit codes 130, 143 and 129.
 */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const SIGNALS = Object.keys(EXIT_CODES) as (keyof typeof EXIT_CODES)[];
const PATIENCE_MS = 5000;

export interface Interrupt {
  readonly signal: AbortSignal;
  /** 130, 143 or 129 once a signal came. */
  exitCode(): number | undefined;
  dispose(): void;
}

/** Listens until `dispose`. `patience` is how long the work has for clearing up, in milliseconds. */
export function listenForInterrupt(patience: number = PATIENCE_MS): Interrupt {
  const controller = new AbortController();
  let code: number | undefined;
  const handle = (name: keyof typeof EXIT_CODES): void => {
    if (code !== undefined) process.exit(code);
    code = EXIT_CODES[name];
    controller.abort(new Error(`interrupted by ${name}`));
    setTimeout(() => process.exit(code), patience).unref();
  };
  for (const name of SIGNALS) process.on(name, handle);
  return {
    signal: controller.signal,
    exitCode: () => code,
    dispose: () => {
      for (const name of SIGNALS) process.off(name, handle);
    },
  };
}
