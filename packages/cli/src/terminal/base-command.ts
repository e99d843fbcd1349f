/** What every command shares: the global flags, the two streams, interruption, and one way to fail. */
import { Command } from "@oclif/core/command";
import { boolean } from "@oclif/core/flags";
import type { Diagnostic } from "../model/diagnostics.ts";
import { paintFor } from "./colour.ts";
import { type Interrupt, listenForInterrupt } from "./interrupt.ts";
import { presentError } from "./present-error.ts";
import { writeLine, writeProduct } from "./streams.ts";

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

  /** Aborted by SIGINT and SIGTERM: pass it to whatever takes time or holds a half-written file. */
  protected get signal(): AbortSignal {
    this.interrupt ??= listenForInterrupt();
    return this.interrupt.signal;
  }

  /** Bytes or text of the product, to stdout, exactly as given. */
  protected product(content: Uint8Array | string): Promise<void> {
    return writeProduct(content);
  }

  /** A line to people, on stderr; silent under `--quiet` and `--json`. */
  protected say(text: string): void {
    if (!this.silent) writeLine(text);
  }

  /** Findings, one line each, to people; `file` names the place they are in. Under `--json` they belong in the document. */
  protected async report(diagnostics: readonly Diagnostic[], file?: string): Promise<void> {
    if (diagnostics.length === 0 || this.silent) return;
    const { formatDiagnostic } = await import("./reporters/pretty.ts");
    for (const diagnostic of diagnostics) writeLine(formatDiagnostic(diagnostic, file, this.paint));
  }

  /** The one JSON document of a `--json` run. It must carry `version`. */
  protected emitJson(document: { readonly version: number } & Record<string, unknown>): Promise<void> {
    return writeProduct(`${JSON.stringify(document, undefined, 2)}\n`);
  }

  // oclif would print its own JSON and swallow the exit code; errors are presented here instead, once.
  protected override async catch(error: Error): Promise<void> {
    const interrupted = this.interrupt?.exitCode();
    if (interrupted !== undefined) {
      if (!this.argvHas("--quiet", "-q")) writeLine("interrupted");
      process.exitCode = interrupted;
      return;
    }
    process.exitCode = presentError(error, { json: this.argvHas("--json") });
  }

  protected override async finally(): Promise<void> {
    this.interrupt?.dispose();
  }

  private get silent(): boolean {
    return this.argvHas("--quiet", "-q", "--json");
  }

  private argvHas(...names: string[]): boolean {
    const end = this.argv.indexOf("--");
    const own = end < 0 ? this.argv : this.argv.slice(0, end);
    return names.some((name) => own.includes(name));
  }
}
