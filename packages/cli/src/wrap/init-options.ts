import { InitCoreError, type InitOptions, parseOptions } from "@initwrap/init-core";
import { INIT_PATH } from "../model/compose.ts";
import { InitwrapError } from "../model/errors.ts";

const FLAG = "init-arg";

/**
 * The init's options, judged by the init's own code: they must be its own, start a program, and must not hold `--`, which
 * ends them. Throws USAGE: an init that does not take its options ends at once, with the program never started.
 */
export function checkInitOptions(options: readonly string[]): void {
  if (options.length === 0) return;
  if (options.includes("--")) {
    throw new InitwrapError("USAGE", "-- ends the init's options and is added anyway", {
      hint: "Leave --init-arg=-- out.",
      flag: FLAG,
    });
  }
  const read = readOptions(options);
  if (!read) return;
  if (read.request !== "run") {
    throw new InitwrapError("USAGE", `with these options the init shows its ${read.request} and starts nothing`, {
      flag: FLAG,
    });
  }
  if (read.command.length > 1) {
    throw new InitwrapError("USAGE", `the init takes ${read.command[0]} for the program, not for an option`, {
      flag: FLAG,
    });
  }
}

/** Undefined without the addon for this machine: then the init itself will judge them. */
function readOptions(options: readonly string[]): InitOptions | undefined {
  try {
    return parseOptions([INIT_PATH, ...options, "--", "program"]);
  } catch (error) {
    if (error instanceof InitCoreError && error.code === "E_NO_ADDON") return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    throw new InitwrapError("USAGE", `the init does not take these options: ${reason}`, { flag: FLAG, cause: error });
  }
}
