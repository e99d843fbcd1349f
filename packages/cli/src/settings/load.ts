/** Where a run's settings come from: the environment, and the one configuration file that counts. */
import { relative } from "node:path";
import { InitwrapError } from "../model/errors.ts";
import type { CommandReference } from "../reference/command.ts";
import { filesAbove, findFile } from "./find-file.ts";
import type { Settings } from "./setting.ts";
import { type Environment, hasVariables, readVariables } from "./variables.ts";

const FILE_VARIABLE = "INITWRAP_CONFIG";

export interface LoadOptions {
  readonly env: Environment;
  readonly directory: string;
  /** The value of `--config`. */
  readonly file?: string | undefined;
  /** `--no-config`: read none. */
  readonly noFile?: boolean | undefined;
  readonly commands: readonly CommandReference[];
}

export interface Loaded {
  /** The file's path, as it was said or, when it was found, from the working directory. */
  readonly file: string | undefined;
  /** Files above it that do not count, for the nearest does. */
  readonly passedOver: readonly string[];
  /** Strongest first. */
  readonly layers: readonly Settings[];
}

/** True when something may be set, so that it is worth finding out what. */
export function maySet(env: Environment, directory: string): boolean {
  return hasVariables(env) || findFile(directory) !== undefined;
}

/** Reads all settings. Throws USAGE for a variable, and CONFIG_INVALID and INPUT_NOT_FOUND for the file. */
export async function loadSettings({ env, directory, file, noFile, commands }: LoadOptions): Promise<Loaded> {
  if (noFile && file !== undefined) {
    throw new InitwrapError("USAGE", "--config and --no-config exclude each other");
  }
  const variables = readVariables(env, commands);
  const named = file || env[FILE_VARIABLE];
  const path = noFile ? undefined : named || pathFrom(directory, findFile(directory));
  if (path === undefined) return { file: undefined, passedOver: [], layers: [variables] };
  const passedOver = named ? [] : filesAbove(directory).map((above) => relative(directory, above));
  // Loaded here: most runs have no file, and need no YAML.
  const { readSettingsFile } = await import("./file.ts");
  return { file: path, passedOver, layers: [variables, readSettingsFile({ path, commands, directory })] };
}

function pathFrom(directory: string, path: string | undefined): string | undefined {
  return path === undefined ? undefined : relative(directory, path);
}
