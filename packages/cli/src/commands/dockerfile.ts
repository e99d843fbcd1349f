/** `initwrap dockerfile`: a Dockerfile with an init in front of what it runs. */
import { string as stringArg } from "@oclif/core/args";
import { boolean, string } from "@oclif/core/flags";
import { EXIT } from "../model/errors.ts";
import { formatPlatform } from "../model/platform.ts";
import { BaseCommand } from "../terminal/base-command.ts";
import { paintFor } from "../terminal/colour.ts";
import type { DockerfileRun } from "../wrap/dockerfile-run.ts";

const DIFF_STYLES = { header: "bold", hunk: "cyan", removed: "red", added: "green", same: "reset" } as const;
const DIFF_SIGNS = { header: "", hunk: "", removed: "-", added: "+", same: " " } as const;

export default class Dockerfile extends BaseCommand {
  static override summary = "Put an init in front of what a Dockerfile runs.";
  static override description = `The result goes to stdout, and carries the init itself:

  initwrap dockerfile Dockerfile | docker build -f - .

ENTRYPOINT and CMD are evaluated as BuildKit does it, with what the base image sets, and the rewrite is proved before
anything is written: the container runs what it ran, behind the init. What is not edited is kept byte for byte.`;
  static override examples = [
    "<%= config.bin %> dockerfile Dockerfile | docker build -f - .",
    "<%= config.bin %> dockerfile --write",
    "<%= config.bin %> dockerfile --check docker/web.Dockerfile --context .",
    "<%= config.bin %> dockerfile --diff --target release",
  ];
  static override args = {
    file: stringArg({ description: "The Dockerfile; - reads standard input.", default: "Dockerfile" }),
  };
  static override flags = {
    write: boolean({ char: "w", description: "Rewrite the file in place.", exclusive: ["output", "check", "dry-run"] }),
    output: string({
      char: "o",
      description: "Write to this file instead of stdout.",
      helpValue: "FILE",
      exclusive: ["check", "dry-run"],
    }),
    diff: boolean({ description: "Show what changes, as a unified diff." }),
    check: boolean({ description: "Write nothing; exit 1 when something would change." }),
    "dry-run": boolean({ description: "Write nothing; show the plan." }),
    undo: boolean({ description: "Take initwrap's own lines out again.", exclusive: ["inject", "init-image"] }),
    target: string({
      description: "The stage to wrap: a name or a number. The last one unless given.",
      helpValue: "STAGE",
    }),
    "build-arg": string({
      description: "A build argument, as the build gets it; may be repeated.",
      helpValue: "NAME=VALUE",
      multiple: true,
    }),
    platform: string({
      description: "Carry the init for this platform only; may be repeated or hold a list.",
      helpValue: "OS/ARCH[/VARIANT]",
      multiple: true,
      delimiter: ",",
    }),
    "init-arg": string({
      description: "An option of the init itself; may be repeated.",
      helpValue: "OPTION",
      multiple: true,
    }),
    inject: string({
      description:
        "How the init gets into the build: in the Dockerfile itself, as files in the build context, or from an image. inline unless --write is given, then context.",
      options: ["inline", "context", "image"] as const,
    }),
    "init-image": string({
      description: "The image that holds the init, with its digest.",
      helpValue: "REF@sha256:...",
    }),
    context: string({
      description: "The build context, for --inject context. The Dockerfile's folder unless given.",
      helpValue: "DIR",
    }),
    "amend-dockerignore": boolean({ description: "Let the .dockerignore have an exception for the init." }),
    "base-entrypoint": string({ description: "The base image's ENTRYPOINT, as a JSON array.", helpValue: "JSON" }),
    "base-cmd": string({ description: "The base image's CMD, as a JSON array.", helpValue: "JSON" }),
    "base-config": string({
      description: "The base image's config: the output of docker inspect, or an OCI config.",
      helpValue: "FILE",
    }),
    offline: boolean({ description: "Ask neither an engine nor a registry what the base image runs." }),
    force: boolean({ description: "Go on although # syntax= names an unknown frontend." }),
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(Dockerfile);
    const sink = flags.write
      ? ({ kind: "in-place" } as const)
      : flags.output === undefined
        ? ({ kind: "none" } as const)
        : ({ kind: "file", path: flags.output } as const);
    const look = flags.check || flags["dry-run"] || ((flags.diff || flags.json) && sink.kind === "none");
    // Loaded here, so that help and the other commands start without it.
    const [{ runDockerfile }, { dockerfileDocument, planLines }] = await Promise.all([
      import("../wrap/dockerfile-run.ts"),
      import("../wrap/dockerfile-document.ts"),
    ]);
    const run = await runDockerfile({
      file: args.file,
      stdin: process.stdin,
      sink,
      look,
      undo: flags.undo,
      target: flags.target,
      buildArgs: flags["build-arg"] ?? [],
      platforms: flags.platform ?? [],
      initOptions: flags["init-arg"] ?? [],
      inject: flags.inject as "inline" | "context" | "image" | undefined,
      initImage: flags["init-image"],
      context: flags.context,
      amendIgnore: flags["amend-dockerignore"],
      baseEntrypoint: flags["base-entrypoint"],
      baseCmd: flags["base-cmd"],
      baseConfig: flags["base-config"],
      offline: flags.offline,
      force: flags.force,
      env: process.env,
      signal: this.signal,
    });
    await this.report(run.diagnostics, args.file === "-" ? "Dockerfile" : args.file);
    if (flags.json) await this.emitJson(dockerfileDocument(args.file, run));
    else if (flags.diff) await this.showDiff(run);
    else if (flags["dry-run"]) await this.product(`${planLines(args.file, run).join("\n")}\n`);
    else if (flags.check) this.say(`${args.file}: ${run.changed ? "would change" : "nothing to do"}`);
    else if (sink.kind === "none") await this.product(run.result);
    else this.say(summary(args.file, run));
    if (flags.check && run.changed) process.exitCode = EXIT.wouldChange;
  }

  private async showDiff(run: DockerfileRun): Promise<void> {
    const paint = paintFor(process.stdout);
    const lines = run.diff().map(({ kind, text }) => paint(DIFF_STYLES[kind], `${DIFF_SIGNS[kind]}${text}`));
    if (lines.length > 0) await this.product(`${lines.join("\n")}\n`);
  }
}

function summary(file: string, run: DockerfileRun): string {
  if (run.written.length === 0) return `${file}: nothing to do`;
  const platforms = run.outcome?.platforms.map(formatPlatform).join(", ");
  return `wrote ${run.written.join(", ")}${platforms === undefined ? "" : ` (init for ${platforms})`}`;
}
