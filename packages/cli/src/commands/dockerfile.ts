/** `initwrap dockerfile`: a Dockerfile with an init in front of what it runs. */
import { string as stringArg } from "@oclif/core/args";
import { boolean, string } from "@oclif/core/flags";
import { EXIT, InitwrapError } from "../model/errors.ts";
import { formatPlatform } from "../model/platform.ts";
import { BaseCommand, REPORTER_FLAGS } from "../terminal/base-command.ts";
import { baseImageFlags } from "../terminal/base-image-flags.ts";
import { paintFor } from "../terminal/colour.ts";
import { errorDocument, presentErrors } from "../terminal/present-error.ts";
import { insecureRegistries, registryFlags } from "../terminal/registry-flags.ts";
import { standardInput } from "../terminal/streams.ts";
import { writtenFiles } from "../terminal/written-files.ts";
import type { BaseLock } from "../wrap/base-lock.ts";
import type { DockerfileRun } from "../wrap/dockerfile-run.ts";
import type { SubjectResult } from "../wrap/dockerfile-subjects.ts";

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
    "<%= config.bin %> dockerfile --write --all-targets",
    "<%= config.bin %> dockerfile '**/Dockerfile*' --check",
    "<%= config.bin %> dockerfile --compose compose.yaml --service web --diff",
  ];
  // oclif would list every flag, and those that exclude each other in brackets without end.
  static override usage = "dockerfile [FILE...] [-w | -o FILE | --check | --dry-run] [--undo] [FLAGS]";
  static override strict = false;
  static override args = {
    file: stringArg({
      description: "The Dockerfile, or several, folders and globs; - reads standard input. Dockerfile unless given.",
      ignoreStdin: true,
    }),
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
      exclusive: ["all-targets"],
    }),
    "all-targets": boolean({
      description: "Wrap every stage that a build can name, and the last, so that any --target gives a wrapped image.",
      exclusive: ["undo"],
    }),
    "build-arg": string({
      description: "A build argument, as the build gets it; may be repeated.",
      helpValue: "NAME=VALUE",
      multiple: true,
      multipleNonGreedy: true,
    }),
    platform: string({
      description:
        "Carry the init for this platform only; may be repeated or hold a list. As an earlier wrap has it unless given; an empty one means all.",
      helpValue: "OS/ARCH[/VARIANT]",
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ",",
    }),
    "init-arg": string({
      description:
        "An option of the init itself; may be repeated. Those of an earlier wrap unless given; an empty one clears them.",
      helpValue: "OPTION",
      multiple: true,
      multipleNonGreedy: true,
    }),
    "replace-init": boolean({
      description: "Replace tini, dumb-init, catatonit or docker-init in front, and do what their options say.",
      exclusive: ["undo"],
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
    ...baseImageFlags,
    lock: boolean({
      description: "Write what base images run into the lock; what is there already counts.",
      exclusive: ["check", "dry-run", "undo", "update-lock"],
    }),
    "update-lock": boolean({
      description: "Ask anew what base images run, and write that into the lock.",
      exclusive: ["check", "dry-run", "undo"],
    }),
    "lock-file": string({
      description: "The lock. initwrap.lock in the working directory unless given; read when it is there.",
      helpValue: "FILE",
    }),
    compose: string({
      description:
        "Work on what the services of this Compose project build: its folder, or its file; several are merged in order.",
      helpValue: "FILE",
      multiple: true,
      multipleNonGreedy: true,
      exclusive: ["bake"],
    }),
    service: string({
      description: "Only this service; may be repeated.",
      helpValue: "SERVICE",
      multiple: true,
      multipleNonGreedy: true,
      dependsOn: ["compose"],
    }),
    bake: string({
      description: "Work on what the targets of this bake file build; several are merged in order.",
      helpValue: "FILE",
      multiple: true,
      multipleNonGreedy: true,
    }),
    "bake-target": string({
      description: "This target or group; may be repeated. default unless given.",
      helpValue: "TARGET",
      multiple: true,
      multipleNonGreedy: true,
      dependsOn: ["bake"],
    }),
    ...REPORTER_FLAGS,
    ...registryFlags,
    offline: boolean({ description: "Ask neither an engine nor a registry what the base image runs." }),
    force: boolean({ description: "Go on although # syntax= names an unknown frontend, or supervisord is started." }),
  };

  override async run(): Promise<void> {
    const { argv, flags } = await this.parse(Dockerfile);
    const sink = flags.write
      ? ({ kind: "in-place" } as const)
      : flags.output === undefined
        ? ({ kind: "none" } as const)
        : ({ kind: "file", path: flags.output } as const);
    const look = flags.check || flags["dry-run"] || ((flags.diff || flags.json) && sink.kind === "none");
    const described = (flags.compose ?? flags.bake)?.[0];
    if (described !== undefined && argv.length > 0) {
      throw new InitwrapError("USAGE", "a file is named beside --compose or --bake", {
        hint: "Leave one of them out.",
      });
    }
    const inputs = argv.length > 0 ? (argv as string[]) : ["Dockerfile"];
    const product = flags.json || flags.diff || flags["dry-run"] || (!flags.check && sink.kind === "none");
    const { reporter, "reporter-file": reporterFile } = flags;
    this.setReporting({ reporter, file: reporterFile, stdoutTaken: product }, described ?? nameOf(inputs[0] as string));
    // Loaded here, so that help and the other commands start without it.
    const { findSubjects, runSubjects } = await import("../wrap/dockerfile-subjects.ts");
    const subjects = await findSubjects({
      inputs,
      compose: flags.compose,
      services: flags.service ?? [],
      bake: flags.bake,
      bakeTargets: flags["bake-target"] ?? [],
      env: process.env,
    });
    if (subjects.length > 1 && !look && sink.kind !== "in-place") {
      throw new InitwrapError("USAGE", `${subjects.length} Dockerfiles are meant, and there is one output`, {
        hint: "Say --check, --diff, --dry-run, --json or --write.",
      });
    }
    const lock = flags.undo ? undefined : await this.openLock(flags);
    const results = await runSubjects(subjects, {
      file: "",
      stdin: standardInput(this.signal),
      sink,
      look,
      refuseAsWritten: flags.check,
      verdictOnly: flags.check && !product,
      undo: flags.undo,
      target: flags.target,
      allTargets: flags["all-targets"],
      replaceInit: flags["replace-init"],
      buildArgs: flags["build-arg"] ?? [],
      platforms: flags.platform,
      initOptions: flags["init-arg"],
      inject: flags.inject as "inline" | "context" | "image" | undefined,
      initImage: flags["init-image"],
      context: flags.context,
      amendIgnore: flags["amend-dockerignore"],
      baseEntrypoint: flags["base-entrypoint"],
      baseCmd: flags["base-cmd"],
      baseConfig: flags["base-config"],
      baseLayout: flags["base-layout"],
      assumeBase: flags["assume-base"],
      lock,
      reportDrift: flags.check,
      offline: flags.offline,
      insecureRegistries: insecureRegistries(flags["insecure-registry"]),
      force: flags.force,
      env: process.env,
      signal: this.signal,
    });
    if (lock !== undefined && (await lock.save(this.signal))) this.say(`wrote ${lock.path}`);
    const [only] = results;
    if (results.length === 1 && only?.error !== undefined) throw only.error;
    await this.reportAll(
      results.map(({ name, error, diagnostics, text }) => ({ file: nameOf(name), text, diagnostics, error })),
      { errors: false },
    );
    await this.present(results, flags, sink.kind);
    const failed = results.find(({ error }) => error !== undefined)?.error;
    if (failed !== undefined) process.exitCode = failed.exit;
    else if (flags.check && results.some(isStale)) process.exitCode = EXIT.wouldChange;
  }

  /** The lock; an absent one is empty, unless it was named. */
  private async openLock(flags: LockFlags): Promise<BaseLock> {
    const { BaseLock, LOCK_NAME } = await import("../wrap/base-lock.ts");
    const path = flags["lock-file"] ?? LOCK_NAME;
    const mode = flags["update-lock"] ? "renew" : flags.lock ? "add" : "use";
    const mustExist = mode === "use" && flags["lock-file"] !== undefined;
    return BaseLock.open(path, mode, mustExist);
  }

  private async present(results: readonly SubjectResult[], flags: Shown, sink: string): Promise<void> {
    const { dockerfileDocument, planLines } = await import("../wrap/dockerfile-document.ts");
    if (flags.json) {
      const documents = results.map(({ name, run, error, diagnostics }) =>
        run === undefined
          ? { file: name, ...errorDocument(error as InitwrapError) }
          : dockerfileDocument(name, { ...run, diagnostics }),
      );
      const [only] = documents;
      await this.emitJson(documents.length === 1 ? (only as Document) : { version: 1, files: documents });
      return;
    }
    presentErrors(results.flatMap(({ error }) => error ?? []));
    for (const { name, run } of results) {
      if (run === undefined) continue;
      if (flags.diff) await this.showDiff(run);
      else if (flags["dry-run"]) await this.product(`${planLines(name, run).join("\n")}\n`);
      else if (flags.check) this.say(`${name}: ${run.changed ? "would change" : "nothing to do"}`);
      else if (sink === "none") await this.productUnlessBinary(run.result);
      else this.say(summary(name, run));
    }
  }

  /** The result, unless it would go to a terminal and carries the init: the init's bytes there are noise, or commands. */
  private async productUnlessBinary(result: Uint8Array): Promise<void> {
    if (process.stdout.isTTY && result.includes(0)) {
      throw new InitwrapError("OUTPUT_NOT_WRITTEN", "standard output is a terminal, and the result carries a program", {
        hint: `Pipe it into docker build -f - ., or name a file with -o; -w writes in place.
--diff shows what changes, --inject context keeps the program in a file of its own.`,
      });
    }
    await this.product(result);
  }

  private async showDiff(run: DockerfileRun): Promise<void> {
    const paint = paintFor(process.stdout);
    const lines = run.diff().map(({ kind, text }) => paint(DIFF_STYLES[kind], `${DIFF_SIGNS[kind]}${text}`));
    if (lines.length > 0) await this.product(`${lines.join("\n")}\n`);
  }
}

interface LockFlags {
  readonly lock: boolean;
  readonly "update-lock": boolean;
  readonly "lock-file"?: string | undefined;
}

/** Whether `--check` fails: something would be written, or would be with what the base runs by now. */
function isStale({ run, diagnostics }: SubjectResult): boolean {
  return run?.changed === true || diagnostics.some(({ code }) => code === "BASE_DRIFT");
}

type Document = { readonly version: number } & Record<string, unknown>;

/** The flags that choose what is shown. */
interface Shown {
  readonly json: boolean;
  readonly diff: boolean;
  readonly check: boolean;
  readonly "dry-run": boolean;
}

function nameOf(input: string): string {
  return input === "-" ? "Dockerfile" : input;
}

function summary(file: string, run: DockerfileRun): string {
  if (run.written.length === 0) return `${file}: nothing to do`;
  const platforms = run.outcome?.platforms.map(formatPlatform).join(", ");
  return `wrote ${writtenFiles(run.written)}${platforms === undefined ? "" : ` (init for ${platforms})`}`;
}
