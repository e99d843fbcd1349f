/** `initwrap probe`: what an image loses without an init, measured. */
import { string as stringArg } from "@oclif/core/args";
import { string } from "@oclif/core/flags";
import { InitwrapError } from "../model/errors.ts";
import { BaseCommand } from "../terminal/base-command.ts";
import { insecureRegistries, registryFlags } from "../terminal/registry-flags.ts";
import type { ProbeResult } from "../wrap/probe.ts";

export default class Probe extends BaseCommand {
  static override summary = "Measure what having no init costs an image: stop, signals, zombies.";
  static override description =
    `Runs the image as it is and with the init in front, in the Docker Engine, and prints both side by side: how long the stop
signal takes and with which exit code it ends, which signals are lost, how many zombies are left of orphans, and who is there.

LOCATOR is as for initwrap image. Images from elsewhere are loaded under a throw-away name. Tags stay as they are, and
containers, images and names of its own are gone when it ends, also when it is interrupted. What follows -- replaces CMD.

The table goes to stdout. In GitHub Actions it is added to the job's summary as well.`;
  static override examples = [
    "<%= config.bin %> probe app:latest",
    "<%= config.bin %> probe app:latest --report report.html",
    "<%= config.bin %> probe app:latest --format svg > probe.svg",
    "<%= config.bin %> probe debian:12 -- sleep 1000",
    '<%= config.bin %> probe ghcr.io/acme/app:1 -e PORT=8080 --ready "listening on"',
  ];
  static override usage = "probe LOCATOR [FLAGS] [-- COMMAND...]";
  static override args = {
    locator: stringArg({ description: "The image.", required: true, ignoreStdin: true }),
  };
  static override flags = {
    format: string({
      description: "What goes to stdout.",
      options: ["table", "md", "svg", "json"] as const,
      default: "table",
    }),
    report: string({ description: "Write one self-contained page there.", helpValue: "FILE.html" }),
    env: string({
      char: "e",
      description: "A variable for the container, with the value it has here when none is given; may be repeated.",
      helpValue: "NAME[=VALUE]",
      multiple: true,
      multipleNonGreedy: true,
    }),
    network: string({ description: "A network of the engine's; none unless told.", helpValue: "NAME" }),
    ready: string({
      description: "The container is ready once it has printed this.",
      helpValue: "TEXT",
      exclusive: ["delay"],
    }),
    delay: string({ description: "It is ready after this.", helpValue: "SECONDS", default: "1" }),
    timeout: string({ description: "How long --ready waits.", helpValue: "SECONDS", default: "30" }),
    grace: string({ description: "From the stop signal to KILL.", helpValue: "SECONDS", default: "3" }),
    orphans: string({ description: "How many orphans PID 1 gets.", helpValue: "N", default: "20" }),
    "init-arg": string({
      description: "An option of the init itself; may be repeated.",
      helpValue: "OPTION",
      multiple: true,
      multipleNonGreedy: true,
    }),
    ...registryFlags,
  };

  // A busy engine may take longer than five seconds to remove a container.
  protected override readonly patience = 30_000;

  override async run(): Promise<void> {
    const end = this.argv.indexOf("--");
    // Taken apart here: oclif would take them for arguments of its own, and keeps no more than it parses.
    const [own, cmd] = end < 0 ? [this.argv, []] : [this.argv.slice(0, end), this.argv.slice(end + 1)];
    const { args, flags } = await this.parse(Probe, own);
    const run = {
      ...(cmd.length > 0 ? { cmd } : {}),
      env: (flags.env ?? []).map(variableFlag),
      ...(flags.network === undefined ? {} : { network: flags.network }),
      ...(flags.ready === undefined ? {} : { ready: flags.ready }),
      // The engine takes whole seconds.
      grace: numberFlag("grace", flags.grace, { to: 3600, whole: true }),
      timeout: numberFlag("timeout", flags.timeout, { to: 3600 }),
      delay: numberFlag("delay", flags.delay, { to: 3600 }),
      orphans: numberFlag("orphans", flags.orphans, { to: 1000, whole: true }),
    };
    // Loaded here, so that help and the other commands start without it.
    const [{ probeImage }, { probeDocument, tableLines }, { checkResultFiles, withResultFiles }] = await Promise.all([
      import("../wrap/probe.ts"),
      import("../wrap/probe-document.ts"),
      import("../wrap/image-files.ts"),
    ]);
    const { version } = this.config;
    const format = flags.json ? "json" : flags.format;
    const summary = process.env["GITHUB_STEP_SUMMARY"];
    const withReport = flags.report !== undefined || summary || format === "md" || format === "svg";
    const words = withReport ? await import("../wrap/probe-report.ts") : undefined;
    const page = { flag: "report", path: flags.report, text: (one: ProbeResult) => words!.probePage(one, version) };
    if (flags.report !== "-") await checkResultFiles([page], { sources: [args.locator], sinks: [] });
    const result = await withResultFiles([page], async () => {
      const measured = await probeImage({
        source: args.locator,
        initOptions: flags["init-arg"] ?? [],
        run,
        env: process.env,
        insecureRegistries: insecureRegistries(flags["insecure-registry"]),
        signal: this.signal,
        onStep: (step) => this.say(`${step}...`),
      });
      if (format !== "json") await this.report(measured.diagnostics, args.locator);
      // First what was asked for on stdout: a file that cannot be written must not take the figures with it.
      if (format === "json") await this.emitJson(probeDocument(measured));
      else if (format === "md") await this.product(words!.probeSummary(measured, version));
      else if (format === "svg") await this.product(words!.probePicture(measured, version));
      else await this.product(`${tableLines(measured).join("\n")}\n`);
      return measured;
    });
    if (summary) await words!.addToJobSummary(summary, words!.probeSummary(result, version));
  }
}

/** `NAME` alone has the value that it has here, as `docker run -e` has it. */
function variableFlag(text: string): string {
  if (!/^[^=]+/.test(text)) throw new InitwrapError("USAGE", `--env: ${text} names no variable`);
  return text.includes("=") ? text : `${text}=${process.env[text] ?? ""}`;
}

function numberFlag(name: string, text: string, { to, whole = false }: { to: number; whole?: boolean }): number {
  const value = (whole ? /^\d{1,4}$/ : /^\d{1,4}(?:\.\d{1,3})?$/).test(text) ? Number(text) : 0;
  if (value > 0 && value <= to) return value;
  const what = whole ? "a whole number" : "a number";
  throw new InitwrapError("USAGE", `--${name}: ${text} is not ${what} up to ${to}`);
}
