/** What `initwrap inspect` shows to people: one tree, its facts and their reasons. It words; it decides nothing. */

import type { Change, Inspected, Inspection, Origin, Setting } from "../model/inspection.ts";
import type { FirstProcess } from "../model/pid-one.ts";
import { isShell } from "../model/program-name.ts";
import { unhandledSignal } from "../model/stop-signal.ts";
import type { Paint } from "./colour.ts";
import { messageOf } from "./messages.ts";

/** The tree, line by line. */
export function inspectionTree(inspection: Inspection, paint: Paint): readonly string[] {
  const { source, names, digest, subjects } = inspection;
  const known = names.filter((name) => !source.endsWith(name));
  const lines = [
    paint("bold", visible(source)) + paint("dim", [...known, digest ?? ""].filter(Boolean).map(behind).join("")),
  ];
  subjects.forEach((subject, at) => {
    const isLast = at === subjects.length - 1;
    lines.push(`${isLast ? "└─" : "├─"} ${heading(subject, paint)}`);
    const facts = factsOf(subject, paint);
    facts.forEach((fact, place) => {
      lines.push(...branch(fact, isLast ? "   " : "│  ", place === facts.length - 1, paint));
    });
  });
  return lines;
}

interface Fact {
  readonly label: string;
  readonly value: string;
  /** Lines below it. */
  readonly notes: readonly string[];
}

const LABEL_WIDTH = 13;

function branch({ label, value, notes }: Fact, indent: string, isLast: boolean, paint: Paint): readonly string[] {
  const below = `${indent}${isLast ? " " : "│"}  ${" ".repeat(LABEL_WIDTH)}`;
  return [
    `${indent}${isLast ? "└─" : "├─"} ${paint("bold", label.padEnd(LABEL_WIDTH))}${value}`,
    ...notes.map((note) => below + paint("dim", note)),
  ];
}

function behind(text: string): string {
  return `  ${visible(text)}`;
}

function heading({ stage, platform }: Inspected, paint: Paint): string {
  if (stage !== null) {
    const name = stage.name === null ? `stage ${stage.index}` : `stage ${visible(stage.name)}`;
    const rest = `, line ${stage.line}${stage.isDefault ? ", what a build makes by default" : ""}`;
    return paint("bold", name) + paint("dim", rest);
  }
  return paint("bold", visible(platform?.name ?? "")) + paint("dim", behind(platform?.digest ?? ""));
}

function factsOf(subject: Inspected, paint: Paint): readonly Fact[] {
  const { platform, firstProcess, entrypoint, cmd, stopSignal, user, change, diagnostics } = subject;
  if (platform?.present === false) {
    return [
      { label: "not here", value: "the index names this platform, and its image was not brought along", notes: [] },
    ];
  }
  const told = new Set<string>();
  // Whom nobody could be asked about is said once, and not at each setting that hangs on it.
  const reasonsOf = (setting: Setting<unknown>): readonly string[] =>
    reasons(setting).filter((reason) => {
      const isRepeated = setting.origin.kind === "unknown" && told.has(reason);
      told.add(reason);
      return !isRepeated;
    });
  const facts: Fact[] = [
    firstProcessFact(subject, paint),
    { label: "ENTRYPOINT", value: commandText(entrypoint), notes: reasonsOf(entrypoint) },
    { label: "CMD", value: commandText(cmd), notes: [...reasonsOf(cmd), ...unusedNote(entrypoint, cmd)] },
    { label: "stop signal", value: wordText(stopSignal, "SIGTERM, the default"), notes: reasonsOf(stopSignal) },
    { label: "user", value: wordText(user, "root, the default"), notes: reasonsOf(user) },
    { label: "init", value: initText(firstProcess), notes: [] },
    changeFact(change, paint),
  ];
  if (diagnostics.length > 0) {
    const [first = "", ...rest] = diagnostics.map((one) => {
      const place = one.range === undefined ? "" : `line ${one.range.line}: `;
      return `${one.severity}: ${visible(place + messageOf(one))} (${one.code})`;
    });
    facts.push({ label: "findings", value: first, notes: rest });
  }
  return facts;
}

function firstProcessFact({ firstProcess, change, stopSignal }: Inspected, paint: Paint): Fact {
  const label = "PID 1 today";
  if (firstProcess === null) {
    const isForeign = change.action === "refused" && change.code === "NOT_LINUX";
    return { label, value: isForeign ? "none: this is not for Linux" : "not known", notes: [] };
  }
  const { program, forwardsSignals } = firstProcess;
  const style = forwardsSignals === true ? "green" : forwardsSignals === false ? "red" : "yellow";
  const [first, ...notes] = sentences(firstProcess, signalName(stopSignal));
  return { label, value: paint(style, `${program === null ? "" : `${visible(program)}: `}${first}`), notes };
}

function sentences(process: FirstProcess, signal: string): readonly [string, ...string[]] {
  const { role, program, init, forwardsSignals } = process;
  if (signal === "SIGKILL") return ["dies at once, for no process can handle SIGKILL"];
  if (signal === "SIGSTOP") return ["stands still until it is killed, for no process can handle SIGSTOP"];
  switch (role) {
    case "none":
      return ["nothing, for the image names no command", "whoever runs it has to say one"];
    case "initwrap":
      return ["forwards every signal, and reaps orphans"];
    case "init":
      return [`an init (${init}); forwards signals, and reaps orphans`];
    case "supervisor":
      return [`an init with services of its own (${init}); nothing goes in front of it`];
    case "shell":
      if (program !== null && isShell(program)) {
        return [
          `a shell with nothing to run; will not forward ${signal}`,
          "without a terminal or a command from whoever runs the image it ends at once",
        ];
      }
      return forwardsSignals === false
        ? [`will not forward ${signal}`, "the shell waits for its commands and passes no signal on"]
        : [
            `will not forward ${signal}, unless the shell gives way to its one command`,
            "bash's and busybox's do; dash, the sh of Debian and Ubuntu, stays in front",
          ];
    case "exec-shell":
      return [
        `a shell that gives way (exec); what it starts is PID 1, and gets ${signal}`,
        `as PID 1 it acts on ${signal} only if it has a handler, and has to reap orphans itself`,
      ];
    case "script":
      return [
        `${program !== null && isShell(program) ? "" : "by its name "}a script; will not forward ${signal} while it runs`,
        "where it ends with exec, what it starts becomes PID 1, acts only on signals that it handles, and has to reap",
      ];
    case "program":
      return [
        `gets ${signal}, and acts on it only if it has a handler`,
        "as PID 1 it has no default action for signals, and has to reap orphans itself",
      ];
  }
}

/** `SIGTERM` for `""`, `TERM`, `15`... as far as the name is in the text. */
function signalName({ value, known }: Setting<string>): string {
  if (!known) return "the stop signal";
  if (value === "" || value === "15") return "SIGTERM";
  const unhandled = unhandledSignal(value);
  if (unhandled !== undefined) return unhandled;
  const name = visible(value).toUpperCase();
  return /^\d+$/.test(name) ? `signal ${name}` : name.startsWith("SIG") ? name : `SIG${name}`;
}

function commandText({ value, known, form, origin }: Setting<readonly string[] | null>): string {
  if (!known && origin.kind === "cleared") return "none, unless the base image has a trigger for it";
  if (!known && origin.kind === "instruction" && form === "shell") return "in shell form, by a shell that is not known";
  if (!known) return origin.kind === "instruction" ? "not known without the base image" : "not known";
  if (value === null || value.length === 0) return "none";
  return visible(`${JSON.stringify(value)}${form === null ? "" : `, ${form} form`}`);
}

/** The shell of a shell form takes further words as its own parameters. */
function unusedNote(entrypoint: Setting<readonly string[] | null>, cmd: Inspected["cmd"]): readonly string[] {
  const isUnused = entrypoint.form === "shell" && cmd.value !== null && cmd.value.length > 0;
  return isUnused ? ["not used: an ENTRYPOINT in shell form does not pass it to its program"] : [];
}

function wordText({ value, known, origin }: Setting<string>, otherwise: string): string {
  if (!known) return origin.kind === "instruction" ? "not known without the base image" : "not known";
  return value === "" ? otherwise : visible(value);
}

function reasons({ origin }: Setting<unknown>): readonly string[] {
  const text = originText(origin);
  return text === undefined ? [] : [visible(text)];
}

function originText(origin: Origin): string | undefined {
  switch (origin.kind) {
    case "instruction":
      return `line ${origin.line}: ${shortened(origin.text)}`;
    case "trigger":
      return `a trigger of ${origin.base}: ONBUILD ${shortened(origin.text)}`;
    case "base":
      return `from ${origin.reference}, ${sourceText(origin.source)}${origin.detail === null ? "" : ` ${origin.detail}`}`;
    case "cleared":
      return `the ENTRYPOINT ${origin.line === 0 ? "of a trigger" : `in line ${origin.line}`} clears any that is inherited`;
    case "history":
      return `history entry ${origin.entry} of ${origin.entries}: ${shortened(origin.createdBy)}`;
    case "config":
      return `${origin.field} of the image; no entry of its history sets this`;
    case "unknown": {
      const why = origin.obstacles.length === 0 ? "" : ` (${origin.obstacles.join("; ")})`;
      return `hangs on ${origin.reference}, about which nobody could be asked${why}`;
    }
    case "unset":
      return undefined;
  }
}

function sourceText(source: string): string {
  if (source === "table") return "as assumed from the table of official images";
  if (source === "flags") return "as the flags say";
  if (source === "assumed") return "as assumed";
  return `as read from ${source === "daemon" ? "the engine" : source}`;
}

function initText(process: FirstProcess | null): string {
  if (process === null) return "not known";
  return process.init ?? "none";
}

function changeFact(change: Change, paint: Paint): Fact {
  const label = "initwrap";
  switch (change.action) {
    case "refused":
      return {
        label,
        value: paint("red", `would refuse: ${visible(change.message)} (${change.code})`),
        notes: change.hint === null ? [] : [`hint: ${visible(change.hint)}`],
      };
    case "none": {
      const why = change.reason === "already" ? "initwrap is there" : "the init that is there is left";
      return { label, value: paint("green", `would change nothing: ${why}`), notes: [] };
    }
    default:
      return {
        label,
        value: paint("cyan", change.action === "renew" ? "would renew its init" : "would put its init in front"),
        notes: [
          `ENTRYPOINT ${visible(JSON.stringify(change.entrypoint))}`,
          `CMD ${visible(change.cmd === null ? "none" : JSON.stringify(change.cmd))}`,
        ],
      };
  }
}

/** A long line of a file or a history, cut. Characters. */
const MAX_TEXT = 96;

function shortened(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length <= MAX_TEXT ? line : `${line.slice(0, MAX_TEXT - 1)}…`;
}

/** What files and registries hold must not steer the terminal. */
function visible(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, " ");
}
