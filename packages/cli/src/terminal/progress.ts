/**
 * How far the blobs of a run are, on stderr.
 *
 * On a terminal every blob at work has a line with a bar, and the lines are redrawn where they stand; those of large blobs
 * that are done stay above. Anywhere else nothing moves: a large blob gets a plain line every two seconds, and one at its
 * end. The modes and their names are buildx's.
 */
import type { Descriptor } from "../model/descriptor.ts";
import { InitwrapError } from "../model/errors.ts";
import { type Paint, paintFor } from "./colour.ts";
import { shown } from "./streams.ts";

export const PROGRESS_MODES = ["auto", "tty", "plain", "quiet"] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

export interface Progress {
  /** A blob has moved on: bytes done, bytes in all. */
  readonly blob: (descriptor: Descriptor, done: number, total: number) => void;
  /** A line to people that must not be mixed up with what is redrawn. */
  readonly line: (text: string) => void;
  /** Takes away what is not done; to be called once, also after a failure. */
  readonly end: () => void;
}

/** The part of a stream that is needed. */
type Terminal = Pick<NodeJS.WriteStream, "write"> & Partial<Pick<NodeJS.WriteStream, "isTTY" | "columns" | "rows">>;

/** The progress of a mode. Throws USAGE for `tty` where there is no terminal. */
export function progressFor(
  mode: ProgressMode,
  given?: NodeJS.WriteStream,
  environment: NodeJS.ProcessEnv = process.env,
  now: () => number = monotonic,
): Progress {
  // What is written in spite of it, such as an outcome of a list, opens the stream; it takes milliseconds.
  if (mode === "quiet" && !given) return plainProgress(lateStandardError, Number.POSITIVE_INFINITY, now);
  const stream = given ?? process.stderr;
  if (mode === "tty" && !stream.isTTY) {
    throw new InitwrapError("USAGE", "--progress tty: standard error is no terminal", { hint: "Say plain or auto." });
  }
  if (mode === "quiet") return plainProgress(stream, Number.POSITIVE_INFINITY, now);
  const moves = mode === "tty" || (mode === "auto" && stream.isTTY && !isLog(environment));
  return moves ? liveProgress(stream, paintFor(stream, environment), now) : plainProgress(stream, LARGE, now);
}

/** A terminal that knows no motions, or one whose reader is a log: some CI systems give their jobs one. */
function isLog({ TERM, CI }: NodeJS.ProcessEnv): boolean {
  return TERM === "dumb" || !(CI === undefined || CI === "" || CI === "0" || CI === "false");
}

const lateStandardError: Terminal = { write: (...words: [string]) => process.stderr.write(...words) };

/** Milliseconds. `performance` would first have to be loaded, also by runs that show nothing. */
function monotonic(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

/** Smaller blobs are not worth a line that stays. Bytes. */
const LARGE = 8 << 20;
const PLAIN_STEP = 2000;

function plainProgress(stream: Terminal, least: number, now: () => number): Progress {
  const line = (text: string): void => {
    stream.write(`${shown(text)}\n`);
  };
  let last = now();
  return {
    blob(descriptor, done, total) {
      if (total < least) return;
      const time = now();
      if (done < total && time - last < PLAIN_STEP) return;
      last = time;
      line(`${shortDigest(descriptor)} ${percent(done, total)} of ${megabytes(total)} MB`);
    },
    line,
    end() {},
  };
}

/** Redrawn at most this often, in milliseconds. */
const FRAME = 100;
const BAR = 24;

interface Row {
  readonly descriptor: Descriptor;
  readonly since: number;
  done: number;
  total: number;
}

function liveProgress(stream: Terminal, paint: Paint, now: () => number): Progress {
  const rows = new Map<string, Row>();
  let drawn = 0;
  let last = Number.NEGATIVE_INFINITY;
  /** Back to where the first row stands, with everything below it gone. */
  const erased = (): string => (drawn === 0 ? "" : `\u001b[${drawn}A\u001b[J`);
  const draw = (above: readonly string[]): void => {
    last = now();
    // A row more than the screen has would be out of the cursor's reach.
    const shown = [...rows.values()].slice(0, Math.max(1, (stream.rows ?? 24) - 2));
    const lines = [...above, ...shown.map((row) => rowText(row, stream.columns ?? 80, paint, last))];
    stream.write(`${erased()}${lines.map((line) => `${line}\n`).join("")}`);
    drawn = shown.length;
  };
  return {
    blob(descriptor, done, total) {
      const known = rows.get(descriptor.digest);
      const row = known ?? { descriptor, since: now(), done, total };
      row.done = done;
      row.total = total;
      rows.set(descriptor.digest, row);
      if (done >= total) {
        rows.delete(descriptor.digest);
        draw(total < LARGE ? [] : [rowText(row, stream.columns ?? 80, paint, now())]);
      } else if (!known || now() - last >= FRAME) draw([]);
    },
    line: (text) => draw([shown(text)]),
    end() {
      rows.clear();
      if (drawn > 0) draw([]);
    },
  };
}

/** `3f2a9c81b7de [=====>     ]  45.3/160.0 MB  28%  52.1 MB/s`, no wider than the screen. */
function rowText({ descriptor, since, done, total }: Row, columns: number, paint: Paint, time: number): string {
  const filled = total === 0 ? BAR : Math.floor((Math.min(done, total) / total) * BAR);
  const bar = `${"=".repeat(filled)}${filled < BAR ? ">" : ""}`.padEnd(BAR);
  const seconds = (time - since) / 1000;
  const rate = seconds < 0.2 ? "" : `  ${megabytes(done / seconds)} MB/s`;
  const parts = [
    [shortDigest(descriptor), ` [${bar}]`, ` ${megabytes(done)}/${megabytes(total)} MB`],
    [` ${percent(done, total)}`, rate],
  ].flat();
  // The last column is left free: a terminal may wrap there.
  let room = columns - 1;
  return parts
    .map((part, at) => {
      const text = part.slice(0, Math.max(0, room));
      room -= part.length;
      return at === 1 && text !== "" ? paint("cyan", text) : text;
    })
    .join("");
}

function shortDigest(descriptor: Descriptor): string {
  return descriptor.digest.slice(7, 19);
}

function percent(done: number, total: number): string {
  return `${total === 0 ? 100 : Math.floor((done / total) * 100)}%`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
