/**
 * What a container's first process is, as far as its words tell it.
 *
 * Nothing is run and no file is opened, so a program that handles signals cannot be told from one that does not; what can be
 * told is whether something stands in front of it that passes signals on, or that does not.
 *
 * That shells differ in the one case of `sh -c COMMAND` was tried: bash 5.2 and busybox 1.35 replace themselves by a command
 * when nothing is left to do after it, dash 0.5.12 (Debian's and Ubuntu's /bin/sh) does not.
 */
import { decompose } from "./compose.ts";
import { argvOf, type Invocation } from "./invocation.ts";
import { knownInit } from "./known-inits.ts";
import { isScript, isShell } from "./program-name.ts";

export interface FirstProcess {
  /**
   * - `none`: the image names no command;
   * - `initwrap`, `init`, `supervisor`: an init is in front, ours, one like it, or one with services of its own;
   * - `shell`: a shell that runs a text and is there for as long as it does, or one that is told nothing to run;
   * - `exec-shell`: a shell whose text ends by giving way to a program;
   * - `script`: a script, by its name or because a shell is told to read it; whether it gives way is in the script;
   * - `program`: any other program.
   */
  readonly role: "none" | "initwrap" | "init" | "supervisor" | "shell" | "exec-shell" | "script" | "program";
  /** The first words: the program, with `-c` where a shell is given its text. Null when there is none. */
  readonly program: string | null;
  /** The name of the init that is in front. */
  readonly init: string | null;
  /** Whether signals that the engine sends to PID 1 are passed on to the command; null when that cannot be told. */
  readonly forwardsSignals: boolean | null;
}

/** What the engine starts for `invocation`. */
export function firstProcess(invocation: Invocation): FirstProcess {
  const argv = argvOf(invocation);
  const [program] = argv;
  if (program === undefined) return { role: "none", program: null, init: null, forwardsSignals: null };
  if (decompose(invocation) !== undefined) {
    return { role: "initwrap", program, init: "initwrap", forwardsSignals: true };
  }
  const init = knownInit(argv);
  if (init !== undefined) {
    const role = init.kind === "supervisor" ? "supervisor" : "init";
    return { role, program, init: init.name, forwardsSignals: true };
  }
  if (!isShell(program)) {
    const role = isScript(program) ? "script" : "program";
    return { role, program, init: null, forwardsSignals: null };
  }
  const text = shellText(argv);
  if (text === undefined) {
    // Options, of which some have their value in the next word, do not make a script; a word behind them does.
    const readsFile = argv.slice(1).some((word) => !/^[-+]/.test(word));
    return readsFile
      ? { role: "script", program, init: null, forwardsSignals: null }
      : { role: "shell", program, init: null, forwardsSignals: false };
  }
  const shown = `${program} ${argv[1]}`;
  if (endsInExec(text)) return { role: "exec-shell", program: shown, init: null, forwardsSignals: null };
  return { role: "shell", program: shown, init: null, forwardsSignals: isOneCommand(text) ? null : false };
}

/** Whether a command is a shell with its text, as the shell form of a Dockerfile makes it, or words; null for nothing. */
export function commandForm(argv: readonly string[] | null): "shell" | "exec" | null {
  if (argv === null || argv.length === 0) return null;
  return argv.length === 3 && isShell(argv[0] as string) && shellText(argv) !== undefined ? "shell" : "exec";
}

/** The text that a shell is given with `-c`, alone or together with other letters (`-ec`). */
function shellText(argv: readonly string[]): string | undefined {
  return /^-[a-z]*c$/.test(argv[1] ?? "") ? argv[2] : undefined;
}

/** True when the last command of the text is `exec PROGRAM`; redirections alone do not replace the shell. */
function endsInExec(text: string): boolean {
  const last = text
    .split(/&&|\|\||[;\n]/)
    .map((part) => part.trim())
    .findLast((part) => part !== "");
  return /^exec\s+(?!\d*[<>])\S/.test(last ?? "") || /^\s*exec\s+(?!\d*[<>])[^\s;&|]/.test(text);
}

/** True when every command but the last only has to succeed for the last to run, so that a shell may give way to it. */
function isOneCommand(text: string): boolean {
  return !/[;&|\n]/.test(text.replaceAll("&&", "").trim());
}
