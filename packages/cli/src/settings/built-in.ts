/**
 * What counts where nothing is set and no flag declares a default: the value hangs on the call or on the machine, or the flag
 * needs another, and oclif would take a default for a flag that is given. What the commands decide when they run is said here
 * once more; that both are the same is a test.
 */
import type { Environment } from "./variables.ts";

export interface Call {
  readonly env: Environment;
  /** The value of another flag of the call that is on; `true` where it takes none. */
  value(flag: string): string | undefined;
}

export interface BuiltIn {
  readonly values: readonly string[];
  /** The variable that decided it. */
  readonly variable?: string;
}

type Rule = (call: Call) => BuiltIn | undefined;

/** What the commands take from here. */
export const USUAL = {
  /** Enough that the network's delays overlap, few enough for a registry's limits. */
  jobs: "8",
  /** Seconds: what `docker stop` waits for. */
  stopTimeout: "10",
};

const one = (value: string): BuiltIn => ({ values: [value] });

const lockFile: Rule = () => one("initwrap.lock");
const reporter: Rule = ({ env }) =>
  env["GITHUB_ACTIONS"] === "true" ? { values: ["github"], variable: "GITHUB_ACTIONS" } : one("pretty");
/** Of `generate`: files beside the Dockerfile, unless it goes to stdout. */
const generateInject = ({ value }: Call): string =>
  value("init-image") !== undefined ? "image" : value("output") === "-" ? "inline" : "context";

const RULES: Readonly<Record<string, Rule>> = {
  "dockerfile.bake-target": () => one("default"),
  // Of a file that was not wrapped before.
  "dockerfile.inject": ({ value }) =>
    one(value("init-image") !== undefined ? "image" : value("write") !== undefined ? "context" : "inline"),
  "dockerfile.lock-file": lockFile,
  "dockerfile.reporter": reporter,
  "generate.inject": (call) => one(generateInject(call)),
  "generate.platform": (call) =>
    (call.value("inject") ?? generateInject(call)) === "context"
      ? { values: ["linux/amd64", "linux/arm64"] }
      : undefined,
  "image.jobs": () => one(USUAL.jobs),
  "inspect.lock-file": lockFile,
  "probe.network": () => one("none"),
  "verify.reporter": reporter,
  "verify.timeout": () => one(USUAL.stopTimeout),
};

/** What is built in for this flag in this call; undefined when there is no value. */
export function builtIn(command: string, flag: string, call: Call): BuiltIn | undefined {
  return RULES[`${command}.${flag}`]?.(call);
}
