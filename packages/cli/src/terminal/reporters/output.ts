/** Where a reporter's text goes: a file, stdout when the run leaves it free, or stderr for lines. */
import { writeFile } from "node:fs/promises";
import { InitwrapError } from "../../model/errors.ts";
import { writeLine, writeProduct } from "../streams.ts";
import { chooseReporter, isDocument, loadReporter } from "./index.ts";
import type { Report, ReportContext } from "./report.ts";

export interface Reporting {
  /** The value of `--reporter`. */
  readonly reporter?: string | undefined;
  /** The value of `--reporter-file`. */
  readonly file?: string | undefined;
  /** True when the run itself writes to stdout. */
  readonly stdoutTaken?: boolean;
}

/** Refuses, before any work is done, a document that has no place to go. Throws USAGE. */
export function checkReporting({ reporter, file, stdoutTaken }: Reporting): void {
  if (reporter === undefined && file !== undefined) {
    throw new InitwrapError("USAGE", "--reporter-file needs --reporter", { hint: "--reporter sarif, for example." });
  }
  if (reporter === undefined || file !== undefined || !stdoutTaken) return;
  if (isDocument(chooseReporter(reporter, {}))) {
    throw new InitwrapError("USAGE", `--reporter ${reporter} writes a document, and stdout has another one`, {
      hint: "Add --check, or name a file with --reporter-file.",
    });
  }
}

export interface ReportOptions {
  /** Asked for when there is something to write: a colour depends on the stream, which takes time to open. */
  readonly look: () => ReportContext;
  /** Say nothing on stderr. */
  readonly silent: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Writes the reports. A document is written even when it is empty: its reader waits for it. Throws OUTPUT_NOT_WRITTEN. */
export async function writeReports(
  reports: readonly Report[],
  reporting: Reporting,
  { look, silent, environment }: ReportOptions,
): Promise<void> {
  const name = chooseReporter(reporting.reporter, environment);
  const quiet = !isDocument(name) && reporting.file === undefined;
  if (quiet && (silent || reports.every(({ findings }) => findings.length === 0))) return;
  const reporter = await loadReporter(name);
  // A file is not a terminal, and a CI system that reads lines takes colours as text.
  const { version, paint } = look();
  const plain = reporting.file !== undefined || name !== "pretty";
  const text = reporter(reports, { version, paint: plain ? (_format, words) => words : paint });
  if (reporting.file !== undefined) await writeFileOf(reporting.file, text === "" ? "" : `${text}\n`);
  else if (isDocument(name)) await writeProduct(`${text}\n`);
  else writeLine(text);
}

async function writeFileOf(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InitwrapError("OUTPUT_NOT_WRITTEN", `${path} was not written (${code})`, { where: path, cause: error });
  }
}
