/**
 * A behaviour is data: a row of the matrix in docs/behaviours.md, and a probe that any init can be put through. The tests
 * put ours through it; matrix.ts puts the peers through the same.
 *
 * A probe throws when the init does not behave so, or waits for ever: whoever runs it has a limit. It must not depend on
 * the test runner, for matrix.ts has none.
 */
import { type Outcome, program, type Running, type StartOptions, start } from "../harness.ts";

/** The inits that have a command line of their own. */
export type CommandLine = "initwrap" | "tini" | "dumb-init" | "catatonit";

/** Options or variables with which an init behaves so, where it does not by itself. */
type PerInit<T> = Partial<Record<CommandLine, T>>;

export interface Behaviour {
  /** The row. */
  readonly title: string;
  readonly options?: PerInit<readonly string[]>;
  readonly variables?: PerInit<Readonly<Record<string, string>>>;
  /** What the probe needs besides permission to make PID namespaces. */
  readonly needs?: "root" | "strace" | "bash";
  /** Seconds after which an init has failed; 3 if not given. */
  readonly limit?: number;
  /** Why it is not tried below an emulator of another architecture. */
  readonly native?: string;
  readonly probe: (init: Subject) => Promise<void>;
}

export interface BehaviourGroup {
  readonly title: string;
  readonly behaviours: readonly Behaviour[];
}

/** An init under test, with the options it is given; it remembers what it started. */
export class Subject {
  readonly file: string;
  readonly options: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  readonly #started: Running[] = [];

  constructor(file: string, options: readonly string[] = [], variables: Readonly<Record<string, string>> = {}) {
    this.file = file;
    this.options = options;
    this.variables = variables;
  }

  start(command: readonly string[], options: StartOptions = {}): Running {
    const running = start(command, {
      ...options,
      init: options.init === null ? null : this.file,
      options: options.init === null ? [] : [...this.options, ...(options.options ?? [])],
      env: { ...this.variables, ...options.env },
    });
    this.#started.push(running);
    return running;
  }

  run(command: readonly string[], options: StartOptions = {}): Promise<Outcome> {
    const running = this.start(command, options);
    running.process.stdin.end();
    return running.ended;
  }

  /** In a terminal that it is the session leader of, as `docker run -t` starts it: input is typed, output is the screen. */
  typed(command: readonly string[], flags: readonly string[] = [], options: StartOptions = {}): Running {
    return this.start(command, {
      ...options,
      prefix: [program("terminal"), "-f", ...flags, ...(options.prefix ?? [])],
      namespace: ["-c", ...(options.namespace ?? [])],
    });
  }

  /** Ends whatever is still there. */
  end(): void {
    for (const running of this.#started) running.process.kill("SIGKILL");
  }
}
