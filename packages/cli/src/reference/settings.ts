/**
 * Which flags can also be set by a variable and in the configuration file, and by what names. One rule gives both: a flag is
 * set for its command (`dockerfile: inject:`, INITWRAP_DOCKERFILE_INJECT), and some mean the same for every command that has
 * them and can be set for all of these at once (`reporter:`, INITWRAP_REPORTER).
 *
 * The init has variables of its own, such as INITWRAP_GRACE, which may be set where the CLI runs: no name here is one of
 * those.
 */
import type { CommandReference, FlagReference } from "./command.ts";

/** Flags that mean the same wherever they are. */
const SHARED: ReadonlySet<string> = new Set([
  "json",
  "quiet",
  "color",
  "reporter",
  "platform",
  "build-arg",
  "init-arg",
  "replace-init",
  "inject",
  "amend-dockerignore",
  "assume-base",
  "lock-file",
  "offline",
  "insecure-registry",
]);

/** They say where settings come from. */
const UNSETTABLE: ReadonlySet<string> = new Set(["config", "no-config"]);

/** Commands without settings of their own: the init reads the words of the first, and the others are about the CLI. */
const WITHOUT: ReadonlySet<string> = new Set(["run", "config", "completion"]);

/** A key of the configuration file and its variable. */
export interface SettingName {
  /** The command that it is for; undefined when it is for all that have the flag. */
  readonly command: string | undefined;
  readonly flag: FlagReference;
  /** `dockerfile.inject`, `reporter`. */
  readonly key: string;
  /** `INITWRAP_DOCKERFILE_INJECT`, `INITWRAP_REPORTER`. */
  readonly variable: string;
}

/** The commands that have a section in the file. */
export function configurable(commands: readonly CommandReference[]): readonly CommandReference[] {
  return commands.filter(({ name }) => !WITHOUT.has(name));
}

export function isShared(flag: string): boolean {
  return SHARED.has(flag);
}

/** Every setting: those for all commands first. */
export function settingNames(commands: readonly CommandReference[]): readonly SettingName[] {
  const shared = new Map<string, SettingName>();
  for (const flag of commands.flatMap(({ flags }) => flags)) {
    if (isShared(flag.name) && !shared.has(flag.name)) shared.set(flag.name, named(undefined, flag));
  }
  const own = configurable(commands).flatMap(({ name, flags }) =>
    flags.filter((flag) => !UNSETTABLE.has(flag.name)).map((flag) => named(name, flag)),
  );
  return [...shared.values(), ...own];
}

function named(command: string | undefined, flag: FlagReference): SettingName {
  const path = command === undefined ? [flag.name] : [command, flag.name];
  return {
    command,
    flag,
    key: path.join("."),
    variable: ["initwrap", ...path].join("_").replaceAll("-", "_").toUpperCase(),
  };
}

/**
 * The init's options, which the file can name one by one under `init:` in place of `init-arg`. They are the flags of
 * `initwrap run`, which takes what the init takes.
 */
export function initOptions(commands: readonly CommandReference[]): readonly FlagReference[] {
  const run = commands.find(({ name }) => name === "run");
  return (run?.flags ?? []).filter(({ name }) => !["help", "version", "no-group"].includes(name));
}
