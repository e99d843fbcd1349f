/** What every command shares: the global flags, the two streams, interruption, and one way to fail. */
import { boolean, string } from "@oclif/core/flags";
import type { Input, ParserOutput } from "@oclif/core/interfaces";
import type { Diagnostic } from "../model/diagnostics.ts";
import { InitwrapError } from "../model/errors.ts";
import { type CommandReference, commandsOf, type ManifestCommand } from "../reference/command.ts";
import type { Choice } from "../settings/choose.ts";
import { type Given, givenFlags } from "../settings/effective.ts";
import { type Loaded, loadSettings, maySet } from "../settings/load.ts";
import { placeText } from "../settings/setting.ts";
import { COLOUR_MODES, chooseColour, type Paint, paintFor } from "./colour.ts";
import { type Interrupt, listenForInterrupt } from "./interrupt.ts";
import { presentError } from "./present-error.ts";
import { chooseReporter, isDocument, REPORTER_NAMES } from "./reporters/index.ts";
import { checkReporting, type Reporting, writeReports } from "./reporters/output.ts";
import { findingOf, findingOfError } from "./reporters/report.ts";
import { RunnableCommand } from "./runnable-command.ts";
import { type Parse, type ParserInput, parseSettled, readGiven, settle, type Values } from "./settled-flags.ts";
import { writeLine, writeProduct } from "./streams.ts";
import { beforeDashes } from "./words.ts";

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

export abstract class BaseCommand extends RunnableCommand {
  static override baseFlags = {
    json: boolean({
      description: "Print one JSON document on stdout instead of the usual output.",
      helpGroup: "GLOBAL",
    }),
    quiet: boolean({ char: "q", description: "Say nothing on stderr but errors.", helpGroup: "GLOBAL" }),
    color: string({
      description: "Whether colours are used. On a terminal, unless NO_COLOR or FORCE_COLOR is set.",
      options: COLOUR_MODES,
      default: "auto",
      helpGroup: "GLOBAL",
    }),
    config: string({
      description: "The configuration file. .initwrap.yaml here or above, up to the repository's root, unless given.",
      helpValue: "FILE",
      helpGroup: "GLOBAL",
    }),
    "no-config": boolean({ description: "Read no configuration file.", helpGroup: "GLOBAL" }),
  };

  /** Set by a variable or in the configuration file, or typed in a way that a look at the words does not see. */
  private isJson = false;
  private isQuiet = false;
  /** The settings that count in this run. */
  private choices: readonly Choice[] = [];
  private interrupt: Interrupt | undefined;
  /** How long the command has for clearing up after an interruption, in milliseconds; five seconds unless told. */
  protected readonly patience: number | undefined;
  private reporting: Reporting = {};
  private reportedFile: string | undefined;
  private reported = false;

  /** Colours for stderr. */
  protected get paint(): Paint {
    return paintFor(process.stderr);
  }

  /** Every command, as the manifest has it. */
  protected get commands(): readonly CommandReference[] {
    return commandsOf({ commands: Object.fromEntries(this.config.commands.map((c) => [c.id, c as ManifestCommand])) });
  }

  /** oclif's parser, without anything that is set elsewhere. */
  protected readonly parseWords: Parse = (options, argv) => {
    refuseValues(argv, { ...options.baseFlags, ...options.flags });
    return super.parse(options, argv);
  };

  /** The command line, and beneath it what variables and the configuration file say. */
  protected override async parse<F extends Values, B extends Values, A extends Values>(
    options: Input<F, B, A> = this.ctor as unknown as Input<F, B, A>,
    argv: string[] = this.argv,
  ): Promise<ParserOutput<F, B, A>> {
    const isPlain = !argv.some((word) => /^--(?:no-|config)/.test(word)) && !maySet(process.env, workingDirectory());
    const parsed = await (isPlain ? this.parseWords(options, argv) : this.parseWithSettings(options, argv));
    const { json, quiet, color } = parsed.flags as { json?: boolean; quiet?: boolean; color?: string };
    this.isJson = json === true;
    this.isQuiet = quiet === true;
    chooseColour(color ?? "auto");
    return parsed;
  }

  private async parseWithSettings<F extends Values, B extends Values, A extends Values>(
    options: Input<F, B, A>,
    argv: string[],
  ): Promise<ParserOutput<F, B, A>> {
    const given = await readGiven(options as ParserInput, argv, this.parseWords).catch(async (error: Error) => {
      // Words that are not understood say nothing of how to tell it.
      const { layers } = await this.settings(new Map());
      this.isJson = layers.some((layer) => layer.get("json")?.values[0] === "true");
      throw error;
    });
    const { layers } = await this.settings(given);
    const command = this.commands.find(({ name }) => name === this.id) as CommandReference;
    const choices = settle({ command, given, layers });
    this.choices = choices;
    const isOn = (name: string) =>
      givenFlags(given).get(name) ??
      choices.some(({ flag, setting }) => flag.name === name && setting.values[0] === "true");
    // A failure from here on is told in the way that was set.
    this.isJson = isOn("json");
    this.isQuiet = isOn("quiet");
    return parseSettled(options, argv, { given, choices, parse: this.parseWords });
  }

  /** What is set outside of the command line, which says where the file is. */
  protected settings(given: Given): Promise<Loaded> {
    return loadSettings({
      env: process.env,
      directory: workingDirectory(),
      file: given.get("config")?.at(-1),
      noFile: givenFlags(given).get("no-config"),
      commands: this.commands,
    });
  }

  /** Aborted by SIGINT, SIGTERM and SIGHUP: pass it to whatever takes time or holds a half-written file. */
  protected get signal(): AbortSignal {
    this.interrupt ??= listenForInterrupt(this.patience);
    return this.interrupt.signal;
  }

  /** The exit code of the signal that interrupted the run; for a command that still tells what it has done. */
  protected interruption(): number | undefined {
    const code = this.interrupt?.exitCode();
    if (code !== undefined && !this.isQuiet && !this.argvHas("--quiet", "-q")) writeLine("interrupted");
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
      look: () => ({ version: this.config.version, paint: this.paint }),
      silent: this.silent,
      environment: process.env,
    });
  }

  /** The one JSON document of a `--json` run. It must carry `version`. */
  protected emitJson(document: { readonly version: number } & Record<string, unknown>): Promise<void> {
    return writeProduct(`${JSON.stringify(document, undefined, 2)}\n`);
  }

  // oclif would print its own JSON and swallow the exit code; errors are presented here instead, once.
  protected override async catch(thrown: Error): Promise<void> {
    const error = this.placed(thrown);
    const interrupted = this.interruption();
    if (interrupted !== undefined) {
      process.exitCode = interrupted;
      return;
    }
    process.exitCode = presentError(error, { json: this.isJson || this.argvHas("--json"), command: this.id });
    await this.reportError(error);
  }

  protected override async finally(): Promise<void> {
    this.interrupt?.dispose();
  }

  /** A failure about a flag's value says where that was set, when it was not on the command line. */
  private placed(error: Error): Error {
    if (!(error instanceof InitwrapError) || error.where !== undefined) return error;
    const { code, flag, message, hint } = error;
    const name = flag ?? (code === "USAGE" ? /^--([\w-]+):/.exec(message)?.[1] : undefined);
    const choice = this.choices.find((candidate) => candidate.flag.name === name);
    if (choice === undefined) return error;
    const { place } = choice.setting;
    const details = { where: placeText(place), ...(hint === undefined ? {} : { hint }), cause: error };
    return new InitwrapError(code === "USAGE" && place.kind === "file" ? "CONFIG_INVALID" : code, message, details);
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
    return this.isJson || this.isQuiet || this.argvHas("--quiet", "-q", "--json");
  }

  private argvHas(...names: string[]): boolean {
    const own = beforeDashes(this.argv);
    return names.some((name) => own.includes(name));
  }
}

/** oclif takes the value of a flag that has none for the first argument: `--push=true` would be an image called `true`. */
function refuseValues(argv: readonly string[], flags: Readonly<Record<string, { type: string; char?: string }>>): void {
  const own = beforeDashes(argv);
  const entries = Object.entries(flags);
  own.forEach((word, place) => {
    const name = /^--([\w-]+)=/s.exec(word)?.[1] ?? "";
    if (!Object.hasOwn(flags, name) || flags[name]?.type !== "boolean") return;
    // What another flag takes may look like one.
    const before = /^--?([\w-]+)$/.exec(own[place - 1] ?? "")?.[1];
    const isTakenBy = ([one, { type, char }]: (typeof entries)[number]): boolean =>
      type === "option" && (one === before || char === before);
    if (before !== undefined && entries.some(isTakenBy)) return;
    throw new InitwrapError("USAGE", `--${name} takes no value`, { hint: `Write --${name}, or leave it out.` });
  });
}

/** Empty when it is gone: a command that needs none of its files still works. */
function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    return "";
  }
}
