/** What a run of `initwrap probe` says: one JSON document, and lines for people. It formats, and decides nothing. */
import { familiarReference, parseReference } from "../model/reference.ts";
import type { ProbeResult, Side } from "./probe.ts";
import type { Process, SignalMeasure } from "./probe-measure.ts";

/** A row of the before/after table. */
export interface Figure {
  readonly label: string;
  readonly before: string;
  readonly after: string;
}

/** The `--json` document, version 1. */
export function probeDocument(result: ProbeResult): { readonly version: 1 } & Record<string, unknown> {
  return { version: 1, command: "probe", ...result };
}

/** What people call the image. */
export function titleOf({ names, source }: ProbeResult): string {
  const reference = names[0] === undefined ? undefined : parseReference(names[0]);
  return visible(reference ? familiarReference(reference) : source.replace(/^[a-z-]+:/, ""));
}

/** What the two columns are called. */
export function columnsOf({ action, init }: ProbeResult): { readonly before: string; readonly after: string } {
  if (action === "unchanged") return { before: "as it is", after: `the same, with ${init} in it` };
  return { before: "as it is", after: action === "renew" ? "with this release's init" : "with the init" };
}

/** The rows of the table. */
export function figuresOf(result: ProbeResult): readonly Figure[] {
  const { before, after } = result;
  const row = (label: string, text: (side: Side) => string): Figure => ({
    label,
    before: text(before),
    after: text(after),
  });
  return [
    row(`Stop by ${before.stop.signal}`, ({ stop }) => {
      const killed = stop.killedAfter === null ? "" : ", killed";
      return `${seconds(stop.milliseconds)}${killed}`;
    }),
    row("Exit code", ({ stop }) => String(stop.exitCode)),
    row("Signals lost", ({ signals }) => `${lostOf(signals).length} of ${signals.length}`),
    row(`Zombies of ${before.orphans.started} orphans`, ({ orphans }) => String(orphans.zombies)),
    row("PID 1", ({ orphans }) => firstOf(orphans.processes)),
  ];
}

/** Milliseconds as people read them. */
export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(milliseconds < 9950 ? 2 : 1)} s`;
}

/** The names of the signals that did nothing and should have, without SIG. */
export function lostOf(signals: readonly SignalMeasure[]): readonly string[] {
  return signals.filter(({ outcome }) => outcome === "lost").map(({ signal }) => signal.slice(3));
}

/** What became of a signal, in words. */
export function outcomeText({ outcome, exitCode }: SignalMeasure): string {
  switch (outcome) {
    case "ended":
      return `ended it with ${exitCode}`;
    case "handled":
      return "handled";
    case "ignored":
      return "ignored by the program";
    case "lost":
      return "lost";
  }
}

/** What a cell has room for: a command line may be longer, and is whole in the trees. Letters. */
const CELL = 44;

function firstOf(processes: readonly Process[]): string {
  const first = processes.find(({ pid }) => pid === 1);
  const label = first ? labelOf(first) : "unknown";
  return label.length > CELL ? `${label.slice(0, CELL - 1)}…` : label;
}

/** A process table as a tree, a line each; children of one parent that look alike are counted. */
export function treeLines(processes: readonly Process[]): readonly string[] {
  const known = new Set(processes.map(({ pid }) => pid));
  const childrenOf = (pid: number): readonly Process[] => processes.filter(({ parent }) => parent === pid);
  const grown = (siblings: readonly Process[], indent: string): readonly string[] => {
    const branches = new Map<string, { lines: readonly string[]; count: number }>();
    for (const one of siblings) {
      const lines = [labelOf(one), ...grown(childrenOf(one.pid), "  ")];
      const key = lines.join("\n");
      const same = branches.get(key);
      branches.set(key, { lines, count: (same?.count ?? 0) + 1 });
    }
    return [...branches.values()].flatMap(({ lines: [first, ...rest], count }) => [
      `${indent}${first}${count > 1 ? ` × ${count}` : ""}`,
      ...rest.map((line) => indent + line),
    ]);
  };
  return grown(
    processes.filter(({ parent }) => !known.has(parent)),
    "",
  );
}

function labelOf({ name, commandLine, zombie }: Process): string {
  const words = commandLine.join(" ");
  return visible(zombie || words === "" ? `[${name}]${zombie ? " zombie" : ""}` : words);
}

/** What a process or a file calls itself must not steer a terminal, nor break a page: XML has no control characters. */
function visible(text: string): string {
  return text.toWellFormed().replace(/[\x00-\x1f\x7f-\x9f\ufffe\uffff]/g, " ");
}

/** The table and the two process trees, for a terminal. */
export function tableLines(result: ProbeResult): readonly string[] {
  const columns = columnsOf(result);
  const rows = [{ label: titleOf(result), ...columns }, ...figuresOf(result)];
  const width = (key: keyof Figure): number => Math.max(...rows.map((row) => row[key].length));
  const [first, second] = [width("label"), width("before")];
  const trees = (["before", "after"] as const).flatMap((side) => [
    "",
    `Processes ${columns[side]}, after the orphans:`,
    ...treeLines(result[side].orphans.processes).map((line) => `  ${line}`),
  ]);
  return [
    ...rows.map(({ label, before, after }) => `${label.padEnd(first)}  ${before.padEnd(second)}  ${after}`),
    ...trees,
  ];
}
