/** The page, the picture and the summary of `initwrap probe`, by the templates in templates/report. */
import { appendFile } from "node:fs/promises";
import { writeFailure } from "../store/verify.ts";
import type { ProbeResult, Side } from "./probe.ts";
import { curveChart, timelineChart } from "./probe-chart.ts";
import { columnsOf, figuresOf, lostOf, outcomeText, seconds, titleOf, treeLines } from "./probe-document.ts";
import { shippedTemplate } from "./templates.ts";

const PARTIALS = ["colours", "colours-dark", "timeline", "curve"];

/** What all templates are given. */
function viewOf(result: ProbeResult, version: string) {
  const columns = columnsOf(result);
  const curveRows = result.before.orphans.curve.map(({ at }, index) => ({
    at: seconds(at),
    before: pointAt(result.before, index),
    after: pointAt(result.after, index),
  }));
  return {
    version,
    title: titleOf(result),
    platform: result.platform,
    columns,
    isUnchanged: result.action === "unchanged",
    init: result.init ?? "",
    grace: result.grace,
    isLate: result.after.stop.killedAfter !== null,
    stopSignal: result.before.stop.signal,
    orphans: result.before.orphans.started,
    figures: figuresOf(result),
    images: { before: result.before.image, after: result.after.image },
    timeline: timelineChart(result),
    curve: curveChart(result),
    // A tenth of them says as much.
    curveRows: curveRows.filter((_, index) => index % 5 === 0 || index === curveRows.length - 1),
    signals: result.before.signals.map((one, at) => ({
      signal: one.signal,
      before: outcomeText(one),
      isLostBefore: one.outcome === "lost",
      after: outcomeText(result.after.signals[at]!),
      isLostAfter: result.after.signals[at]!.outcome === "lost",
    })),
    lost: { before: listOf(lostOf(result.before.signals)), after: listOf(lostOf(result.after.signals)) },
    trees: {
      before: treeLines(result.before.orphans.processes).join("\n"),
      after: treeLines(result.after.orphans.processes).join("\n"),
    },
  };
}

function pointAt({ orphans }: Side, index: number): string {
  return String(orphans.curve[index]?.zombies ?? orphans.zombies);
}

function listOf(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.join(", ");
}

/** One self-contained page: no script, nothing from elsewhere. */
export function probePage(result: ProbeResult, version: string): string {
  return shippedTemplate<object>("report", "page", PARTIALS, { markup: true })(viewOf(result, version));
}

/** What a picture has room for; the end of a name, where its tag is, says most. Letters. */
const LONGEST_HEAD = 52;

/** One picture for a README. */
export function probePicture(result: ProbeResult, version: string): string {
  const view = viewOf(result, version);
  const shown = view.figures.slice(0, 4).map((figure, at) => ({ ...figure, x: 24 + at * 178 }));
  const said = shown.map(({ label, before, after }) => `${label}: ${before}, then ${after}.`).join(" ");
  return shippedTemplate<object>("report", "picture", PARTIALS, { markup: true })({
    ...view,
    head: view.title.length > LONGEST_HEAD ? `…${view.title.slice(1 - LONGEST_HEAD)}` : view.title,
    shown,
    said,
  });
}

/** Markdown, for a README or a job's summary. */
export function probeSummary(result: ProbeResult, version: string): string {
  const view = viewOf(result, version);
  const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("`", "'").replaceAll("<", "&lt;");
  const figures = view.figures.map(({ label, before, after }) => ({
    label: cell(label),
    before: cell(before),
    after: cell(after),
  }));
  return shippedTemplate<object>("report", "summary")({ ...view, title: cell(view.title), figures });
}

/** Adds to the file that GitHub shows as the job's summary. Throws OUTPUT_NOT_WRITTEN. */
export async function addToJobSummary(file: string, text: string): Promise<void> {
  try {
    await appendFile(file, `${text}\n`);
  } catch (cause) {
    throw writeFailure(cause, file);
  }
}
