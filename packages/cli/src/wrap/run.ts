/** `initwrap run`: the init's work in this process, through the native part of @initwrap/init-core. */
import { readFileSync } from "node:fs";
import { InitCoreError, parseOptions, supervise } from "@initwrap/init-core";
import { InitwrapError } from "../model/errors.ts";

/** What a command line asks for: a command to run, or a text. */
export type RunRequest = "run" | "help" | "version" | "license";

/**
 * Reads `initwrap run`'s words as the init reads its own.
 * Throws USAGE with the init's message, RUN_UNSUPPORTED where there is no native part.
 */
export function readRun(words: readonly string[]): RunRequest {
  return translate(() => parseOptions(initLine(words))).request;
}

/**
 * Runs the command and ends this process with its exit code.
 * Throws USAGE for an `INITWRAP_` variable that the init refuses, RUN_UNSUPPORTED, RUN_FAILED.
 */
export function runCommand(words: readonly string[]): void {
  // The CLI starts no process by itself: children that are there have been adopted.
  translate(() => supervise(initLine(rawWords(words)), { existingChildren: "reap", exit: true }));
}

function initLine<T>(words: readonly T[]): (T | string)[] {
  return ["initwrap", ...words];
}

/** The last words of this process's command line as they were given: Node.js has replaced what is not UTF-8 in them. */
function rawWords(words: readonly string[]): readonly (string | Uint8Array)[] {
  if (!words.some((word) => word.includes("\ufffd"))) return words;
  const line = readFileSync("/proc/self/cmdline", "latin1").split("\0").slice(0, -1);
  return line.slice(-words.length).map((word) => Buffer.from(word, "latin1"));
}

function translate<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof InitCoreError)) throw error;
    const { code, message } = error;
    if (code === "E_BAD_OPTIONS") {
      throw new InitwrapError("USAGE", message, { hint: "initwrap run --help lists the options.", cause: error });
    }
    if (code === "E_NO_ADDON") {
      throw new InitwrapError("RUN_UNSUPPORTED", message, {
        hint: "Running a command needs Linux on x64 or arm64; everything else works without.",
        cause: error,
      });
    }
    throw new InitwrapError("RUN_FAILED", message, { cause: error });
  }
}
