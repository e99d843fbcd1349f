/** What a run over a list says: one JSON document, a line for each image, a table at the end. It formats, and decides nothing. */
import { changed, InitwrapError } from "../model/errors.ts";
import { familiarReference, parseReference } from "../model/reference.ts";
import { imageDocument, metadataDocument, resultLine, size } from "./image-document.ts";
import type { FleetOutcome } from "./image-fleet.ts";
import type { Shard } from "./image-list.ts";

/** What became of one image, in a word. */
type Status =
  | "wrapped"
  | "undone"
  | "copied"
  | "planned"
  | "copy-planned"
  | "unchanged"
  | "present"
  | "failed"
  | "interrupted"
  | "not-started";

function statusOf(outcome: FleetOutcome): Status {
  if (outcome.kind !== "done") return outcome.kind;
  const { plan, present, receipt, writes } = outcome.result;
  if (present) return "present";
  if (receipt) return plan.changed ? (plan.action === "undo" ? "undone" : "wrapped") : "copied";
  if (!writes) return "unchanged";
  return plan.changed ? "planned" : "copy-planned";
}

const WORDS: Readonly<Record<Status, string>> = {
  wrapped: "wrapped",
  undone: "undone",
  copied: "copied as it is",
  planned: "would change",
  "copy-planned": "would be copied as it is",
  unchanged: "nothing to do",
  present: "there already",
  failed: "failed",
  interrupted: "interrupted",
  "not-started": "not started",
};

/** True when a real run would write something: what `--check` asks. */
export function wouldChange(outcome: FleetOutcome): boolean {
  return outcome.kind === "done" && outcome.result.plan.changed && !outcome.result.present;
}

/** The `--json` document of a list, version 1. */
export function fleetDocument(
  outcomes: readonly FleetOutcome[],
  list: { readonly where: string; readonly shard?: Shard; readonly exit: number },
): { readonly version: 1 } & Record<string, unknown> {
  const statuses = outcomes.map(statusOf);
  const count = (...wanted: Status[]): number => statuses.filter((status) => wanted.includes(status)).length;
  return {
    version: 1,
    command: "image",
    list: list.where,
    shard: list.shard ?? null,
    images: outcomes.map((outcome, at) => ({
      line: outcome.image.line,
      image: outcome.image.text,
      status: statuses[at] === "copy-planned" ? "planned" : statuses[at],
      ...(outcome.kind === "done" ? { result: imageDocument(outcome.result) } : {}),
      ...(outcome.kind === "failed" ? { error: errorFields(outcome) } : {}),
    })),
    summary: {
      images: outcomes.length,
      written: count("wrapped", "undone", "copied"),
      planned: count("planned", "copy-planned"),
      unchanged: count("unchanged", "present"),
      failed: count("failed"),
      unfinished: count("interrupted", "not-started"),
      bytesMoved: bytesOf(outcomes),
      exit: list.exit,
    },
  };
}

function errorFields({ error, exit }: Extract<FleetOutcome, { kind: "failed" }>): object {
  const { code, where, hint } = error as Partial<InitwrapError>;
  return {
    code: code ?? "BUG",
    message: error.message,
    exit,
    ...(where ? { where } : {}),
    ...(hint ? { hint } : {}),
  };
}

/** One line when an image is done: `[3/50] registry/app:1 -> registry/app:1-init: wrapped, 26.4 kB`. */
export function outcomeLine(outcome: FleetOutcome, done: number, total: number): string {
  const { from, to, note } = cells(outcome);
  return `[${done}/${total}] ${from}${to === "" || to === from ? "" : ` -> ${to}`}: ${note}`;
}

/** The table for people: every image in a row, then the sum. A part of a short list may have none. */
export function fleetTable(outcomes: readonly FleetOutcome[]): readonly string[] {
  if (outcomes.length === 0) return [sum(outcomes)];
  const rows = [{ from: "IMAGE", to: "RESULT", note: "" }, ...outcomes.map(cells)];
  const width = (column: "from" | "to"): number => Math.max(...rows.map((row) => row[column].length));
  const [first, second] = [width("from"), width("to")];
  const lines = rows.map(({ from, to, note }) => `${from.padEnd(first)}  ${to.padEnd(second)}  ${note}`.trimEnd());
  return [...lines, sum(outcomes)];
}

/** `name@sha256:…` of every image that is as it was asked for, in the order of the list. */
export function fleetLines(outcomes: readonly FleetOutcome[]): readonly string[] {
  return outcomes.flatMap((outcome) => (outcome.kind === "done" ? [resultLine(outcome.result)] : []));
}

/** What failed, each with its line of the list and the image that stands there. */
export function fleetErrors(outcomes: readonly FleetOutcome[], where: string): readonly InitwrapError[] {
  return outcomes.flatMap((outcome) => {
    if (outcome.kind !== "failed" || !(outcome.error instanceof InitwrapError)) return [];
    const { line, text } = outcome.image;
    return [changed(outcome.error, { where: `${where}:${line} (${text})` })];
  });
}

/** `--metadata-file` of a list: as `buildx bake` writes it, one document for each image under its name. */
export function fleetMetadata(outcomes: readonly FleetOutcome[]): Record<string, unknown> {
  return Object.fromEntries(
    outcomes.flatMap((outcome) =>
      outcome.kind === "done" ? [[outcome.image.text, metadataDocument(outcome.result)]] : [],
    ),
  );
}

function cells(outcome: FleetOutcome): { readonly from: string; readonly to: string; readonly note: string } {
  const status = statusOf(outcome);
  const from = outcome.image.text;
  const [name] = outcome.image.names;
  const to = name === undefined ? place(outcome.image.output ?? "") : familiar(name);
  if (outcome.kind === "failed") {
    const { code } = outcome.error as Partial<InitwrapError>;
    return { from, to, note: `${WORDS[status]}, ${code ?? "BUG"}` };
  }
  const moved = outcome.kind === "done" && outcome.result.receipt ? `, ${size(outcome.result.receipt.bytesMoved)}` : "";
  return { from, to, note: `${WORDS[status]}${moved}` };
}

/** Where a result goes that has no other name: a registry's as a list has it, without its scheme. */
function place(output: string): string {
  return output.startsWith("registry:") ? familiar(output.slice("registry:".length)) : output;
}

function familiar(name: string): string {
  const reference = parseReference(name);
  return reference ? familiarReference(reference) : name;
}

function sum(outcomes: readonly FleetOutcome[]): string {
  // A list has at least one image; a part of it may have none.
  if (outcomes.length === 0) return "0 images: this part of the list is empty";
  const statuses = outcomes.map(statusOf);
  const parts = (Object.keys(WORDS) as Status[]).flatMap((status) => {
    const count = statuses.filter((one) => one === status).length;
    return count === 0 ? [] : [`${count} ${WORDS[status]}`];
  });
  const images = `${outcomes.length} image${outcomes.length === 1 ? "" : "s"}`;
  return `${[images, ...(parts.length > 0 ? [parts.join(", ")] : [])].join(": ")}; ${size(bytesOf(outcomes))} moved`;
}

function bytesOf(outcomes: readonly FleetOutcome[]): number {
  return outcomes.reduce(
    (bytes, outcome) => bytes + (outcome.kind === "done" ? (outcome.result.receipt?.bytesMoved ?? 0) : 0),
    0,
  );
}
