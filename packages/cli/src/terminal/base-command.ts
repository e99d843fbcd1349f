/** What every command shares: the global flags, the two streams, interruption, and one way to fail. */
import { Command } from "@oclif/core/command";
import { boolean, string } from "@oclif/core/flags";
import type { Diagnostic } from "../model/diagnostics.ts";
import { InitwrapError } from "../model/errors.ts";
import { paintFor } from "./colour.ts";
import { type Interrupt, listenForInterrupt } from "./interrupt.ts";
import { presentError } from "./present-error.ts";
import { chooseReporter, isDocument, REPORTER_NAMES } from "./reporters/index.ts";
import { checkReporting, type Reporting, writeReports } from "./reporters/output.ts";
import { findingOf, findingOfError } from "./reporters/report.ts";
import { writeLine, writeProduct } from "./streams.ts";

/** The flags of a command whose findings are about files. */
export const REPORTER_FLAGS = {
  reporter: string({
    description: "How findings are told. github inside GitHub Actions, else pretty.",
    options: REPORTER_NAMES,
  }),
  "reporter-file": string({ description: "Write the findings to this file.", helpValue: "FILE" }),
};

/** What was found in one file. `text` is the source that the findings' lines count in. */
export interface Findings {
  readonly file: string | undefined;
  readonly text?: string | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** What stopped the work on this file. */
  readonly error?: InitwrapError | undefined;
}

export abstract class BaseCommand extends Command {
  static override baseFlags = {
    json: boolean({
      description: "Print one JSON document on stdout instead of the usual output.",
      helpGroup: "GLOBAL",
    }),
    quiet: boolean({ char: "q", description: "Say nothing on stderr but errors.", helpGroup: "GLOBAL" }),
  };

  /** Colours for stderr. */
  protected readonly paint = paintFor(process.stderr);
  private interrupt: Interrupt | undefined;
  private reporting: Reporting = {};
  private reportedFile: string | undefined;
  private reported = false;

  /** Aborted by SIGINT and SIGTERM: pass it to whatever takes time or holds a half-written file. */
  protected get signal(): AbortSignal {
    this.interrupt ??= listenForInterrupt();
    return this.interrupt.signal;
  }

  /** The exit code of the signal that interrupted the run; for a command that still tells what it has done. */
  protected interruption(): number | undefined {
    const code = this.interrupt?.exitCode();
    if (code !== undefined && !this.argvHas("--quiet", "-q")) writeLine("interrupted");
    return code;
  }

  /** Bytes or text of the product, to stdout, exactly as given. */
  protected product(content: Uint8Array | string): Promise<void> {
    return writeProduct(content);
  }

  /** A line to people, on stderr; silent under `--quiet` and `--json`. */
  protected say(text: string): void {
    if (!this.silent) writeLine(text);
  }

  /**
   * Takes the values of REPORTER_FLAGS; `stdoutTaken` is true when the run writes its product to stdout. From here on a
   * failure is reported too. Throws USAGE when a document would have no place to go.
   */
  protected setReporting(reporting: Reporting, file: string): void {
    checkReporting(reporting);
    this.reporting = reporting;
    this.reportedFile = file;
  }

  /** Findings about `file`, told by the chosen reporter. Under `--json` they belong in the document. */
  protected report(diagnostics: readonly Diagnostic[], file?: string, text?: string): Promise<void> {
    return this.reportAll([{ file, text, diagnostics }]);
  }

  /**
   * Findings of several files. Once a run: some reporters write one document. With `errors: false` the command itself tells
   * people of the errors, and only other programs get them here.
   */
  protected async reportAll(files: readonly Findings[], { errors = true } = {}): Promise<void> {
    const told = !errors && this.pretty;
    const reports = files.map(({ file, text, diagnostics, error }) => ({
      file,
      text,
      findings: [...diagnostics.map(findingOf), ...(error === undefined || told ? [] : [findingOfError(error, file)])],
    }));
    this.reported = true;
    await writeReports(reports, this.reporting, {
      version: this.config.version,
      paint: this.paint,
      silent: this.silent,
      environment: process.env,
    });
  }

  /** The one JSON document of a `--json` run. It must carry `version`. */
  protected emitJson(document: { readonly version: number } & Record<string, unknown>): Promise<void> {
    return writeProduct(`${JSON.stringify(document, undefined, 2)}\n`);
  }

  // oclif would print its own JSON and swallow the exit code; errors are presented here instead, once.
  protected override async catch(error: Error): Promise<void> {
    const interrupted = this.interruption();
    if (interrupted !== undefined) {
      process.exitCode = interrupted;
      return;
    }
    process.exitCode = presentError(error, { json: this.argvHas("--json") });
    await this.reportError(error);
  }

  protected override async finally(): Promise<void> {
    this.interrupt?.dispose();
  }

  /** Tells a failure to the reporters that another program reads; to people it has been told. */
  private async reportError(error: Error): Promise<void> {
    const file = this.reportedFile;
    if (!(error instanceof InitwrapError) || file === undefined || this.reported) return;
    if (this.pretty) return;
    await this.reportAll([{ file, diagnostics: [], error }]).catch((failure: Error) => {
      process.exitCode = presentError(failure, { json: false });
    });
  }

  private get pretty(): boolean {
    return chooseReporter(this.reporting.reporter, process.env) === "pretty" && this.reporting.file === undefined;
  }

  /** True when the reporter that was chosen writes a document to stdout. */
  protected get documentOnStdout(): boolean {
    const { reporter, file } = this.reporting;
    return file === undefined && isDocument(chooseReporter(reporter, process.env));
  }

  /** True under `--quiet` and `--json`. */
  protected get silent(): boolean {
    return this.argvHas("--quiet", "-q", "--json");
  }

  private argvHas(...names: string[]): boolean {
    const end = this.argv.indexOf("--");
    const own = end < 0 ? this.argv : this.argv.slice(0, end);
    return names.some((name) => own.includes(name));
  }
}
