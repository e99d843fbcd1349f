/**
 * Where the lines of the two charts lie: for a view of 360 units, so that the text can be read on a narrow screen as well. Pure:
 * figures in, coordinates out.
 */
import type { ProbeResult } from "./probe.ts";
import { columnsOf, seconds } from "./probe-document.ts";

export interface Tick {
  readonly at: number;
  readonly label: string;
  /** Which part of the label stands there. */
  readonly anchor: "start" | "middle" | "end";
}

/** A bar of the stop's timeline. */
export interface Bar {
  readonly side: "before" | "after";
  readonly label: string;
  readonly y: number;
  readonly barY: number;
  readonly textY: number;
  readonly width: number;
  readonly end: number;
  readonly value: string;
  /** Where the value stands, and which of its ends is there. */
  readonly valueX: number;
  readonly anchor: "start" | "end";
  readonly isInside: boolean;
}

export interface TimelineChart {
  readonly bars: readonly Bar[];
  readonly ticks: readonly Tick[];
  readonly left: number;
  readonly right: number;
  readonly bottom: number;
  readonly hasKill: boolean;
  /** Where the engine sent KILL; 0 when it did not. */
  readonly kill: number;
  readonly killText: number;
  readonly description: string;
}

export interface Line {
  readonly side: "before" | "after";
  readonly points: string;
  readonly label: string;
  readonly labelY: number;
  readonly endX: number;
  readonly endY: number;
}

export interface CurveChart {
  readonly lines: readonly Line[];
  readonly across: readonly Tick[];
  readonly up: readonly Tick[];
  readonly left: number;
  readonly right: number;
  readonly bottom: number;
  readonly description: string;
}

const LEFT = 8;
const RIGHT = 352;
const FIRST_BAR = 30;
const BAR = 62;

export function timelineChart(result: ProbeResult): TimelineChart {
  const columns = columnsOf(result);
  const longest = Math.max(result.grace * 1000, result.before.stop.milliseconds, result.after.stop.milliseconds);
  const step = stepFor(longest / 1000);
  const end = Math.ceil(longest / 1000 / step) * step;
  const x = (milliseconds: number): number => round(LEFT + ((RIGHT - LEFT) * milliseconds) / 1000 / end);
  const killed = result.before.stop.killedAfter ?? result.after.stop.killedAfter;
  const bars = (["before", "after"] as const).map((side, at): Bar => {
    const { milliseconds, exitCode } = result[side].stop;
    const to = x(milliseconds);
    const isLong = to > 190;
    const y = FIRST_BAR + at * BAR;
    return {
      side,
      label: columns[side],
      y,
      barY: y + 8,
      textY: y + 25,
      width: Math.max(3, round(to - LEFT)),
      end: to,
      value: `${seconds(milliseconds)}, exit code ${exitCode}`,
      valueX: isLong ? to - 8 : Math.max(to, LEFT + 3) + 8,
      anchor: isLong ? "end" : "start",
      isInside: isLong,
    };
  });
  const [before, after] = bars as [Bar, Bar];
  const kill = killed === null ? 0 : x(killed);
  return {
    bars,
    ticks: ticks(end, step).map((at) => timeTick(at, x(at * 1000))),
    left: LEFT,
    right: RIGHT,
    bottom: FIRST_BAR + 2 * BAR - 10,
    hasKill: killed !== null,
    kill,
    killText: kill - 5,
    description:
      `From ${result.before.stop.signal} to the end of the container. ` +
      `${capital(before.label)}: ${before.value}. ${capital(after.label)}: ${after.value}.` +
      (killed === null ? "" : ` The engine sent KILL after ${seconds(killed)}.`),
  };
}

const TOP = 26;
const BOTTOM = 144;
const CURVE_LEFT = 30;

export function curveChart(result: ProbeResult): CurveChart {
  const columns = columnsOf(result);
  const { before, after } = result;
  const points = [...before.orphans.curve, ...after.orphans.curve];
  const ends = [before.orphans.zombies, after.orphans.zombies];
  const most = Math.max(before.orphans.started, ...ends, ...points.map(({ zombies }) => zombies));
  const end = Math.max(500, ...points.map(({ at }) => at));
  const x = (at: number): number => round(CURVE_LEFT + ((RIGHT - CURVE_LEFT) * at) / end);
  const y = (zombies: number): number => round(BOTTOM - ((BOTTOM - TOP) * zombies) / most);
  const lineOf = (side: "before" | "after"): Omit<Line, "labelY"> => {
    const { curve, zombies } = result[side].orphans;
    return {
      side,
      points: curve.map((point) => `${x(point.at)},${y(point.zombies)}`).join(" "),
      label: `${columns[side]}: ${zombies}`,
      endX: x(curve.at(-1)?.at ?? 0),
      endY: y(zombies),
    };
  };
  const lines = [lineOf("before"), lineOf("after")] as const;
  const ys = lines.map(({ endY }) => endY - 8) as [number, number];
  // Both labels stand over the right end: where the lines meet, one goes over the other.
  if (Math.abs(ys[0] - ys[1]) < 16) ys[0] = Math.min(...ys) - 16;
  return {
    lines: lines.map((line, at) => ({ ...line, labelY: ys[at]! })),
    across: ticks(end / 1000, 0.5).map((at) => timeTick(at, x(at * 1000))),
    up: [...new Set([0, most / 2, most])]
      .filter(Number.isInteger)
      .map((at) => ({ at: y(at), label: String(at), anchor: "end" as const })),
    left: CURVE_LEFT,
    right: RIGHT,
    bottom: BOTTOM,
    description:
      `Zombies in the container while ${before.orphans.started} orphans end. ` +
      (["before", "after"] as const)
        .map((side) => {
          const { curve, zombies } = result[side].orphans;
          const peak = Math.max(0, ...curve.map((point) => point.zombies));
          return `${capital(columns[side])}: ${peak} at most, ${zombies} at the end.`;
        })
        .join(" "),
  };
}

/** Labels at the edges stay within the view. */
function timeTick(time: number, at: number): Tick {
  return { at, label: `${time} s`, anchor: time === 0 ? "start" : at > RIGHT - 14 ? "end" : "middle" };
}

/** A round number of seconds that gives three to six ticks. */
function stepFor(total: number): number {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600];
  return steps.find((step) => total / step <= 6) ?? 1200;
}

/** 0, and every `step` up to `end`. */
function ticks(end: number, step: number): readonly number[] {
  const count = Math.floor(end / step + 1e-9);
  return Array.from({ length: count + 1 }, (_, at) => Number((at * step).toFixed(2)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
