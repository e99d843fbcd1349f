/** `initwrap image`: an image with an init in front of what it runs, wherever it is. */
import { string as stringArg } from "@oclif/core/args";
import { boolean, string } from "@oclif/core/flags";
import type { InferredFlags } from "@oclif/core/interfaces";
import { EXIT, InitwrapError } from "../model/errors.ts";
import { USUAL } from "../settings/built-in.ts";
import { BaseCommand } from "../terminal/base-command.ts";
import { platformFlag } from "../terminal/platform-flag.ts";
import { presentError, presentErrors } from "../terminal/present-error.ts";
import { PROGRESS_MODES, type Progress, type ProgressMode, progressFor } from "../terminal/progress.ts";
import { insecureRegistries, registryFlags } from "../terminal/registry-flags.ts";
import { standardInput } from "../terminal/streams.ts";
import type { WrapImageResult } from "../wrap/image.ts";
import type { ResultFile } from "../wrap/image-files.ts";
import type { FleetOutcome } from "../wrap/image-fleet.ts";

export default class Image extends BaseCommand {
  static override summary = "Put an init in front of what an image runs.";
  static override description =
    `Works on the image itself, without building it again: archives of docker save, podman, skopeo, crane and buildx, OCI
layouts, Docker engines, podman and registries. Only the small documents and one layer of a few kilobytes are new.

LOCATOR is a path, an image name, or one of docker:[ENGINE]NAME, podman:[HOST]NAME, registry:NAME, oci:FOLDER[:NAME],
oci-archive:FILE[:NAME], docker-archive:FILE[:NAME], containers-storage:[STORE]NAME. - is standard input and output.
What stands in brackets may be left out. [ENGINE] is a host as in DOCKER_HOST or a context's name, [HOST] one as in
CONTAINER_HOST or a connection's name; their own brackets are written: 'docker:[ssh://root@build]app:1'.

Without -o the image is changed where it is.

What replaces the image's entrypoint goes past the init: command: in Kubernetes, entrypoint: in Compose, docker run
--entrypoint. Under docker run --init it is not PID 1, and still reaps and forwards.

The result's name and digest go to stdout.

With --from a whole list is worked on, several images at a time. -t and -o are then templates (Handlebars) with the fields
registry, repository (with the registry), path (without), name, tag, digest, hex and reference. One failure does not stop
the others; a run that is started again passes over what is there already.`;
  static override examples = [
    "<%= config.bin %> image app:latest",
    "<%= config.bin %> image app.tar -o wrapped.tar",
    "<%= config.bin %> image app:latest -t app:init --platform linux/amd64",
    "<%= config.bin %> image --dry-run oci:layout:1.0",
    "<%= config.bin %> image --undo app:latest",
    "<%= config.bin %> image ghcr.io/acme/app:1 --push -t ghcr.io/acme/app:1-init",
    "<%= config.bin %> image --from refs.txt -t '{{repository}}:{{tag}}-init' --jobs 16",
    "<%= config.bin %> image --from refs.txt -t 'mirror.example/{{path}}:{{tag}}' --shard 3/10",
  ];
  static override args = {
    locator: stringArg({ description: "The image; none with --from.", ignoreStdin: true }),
  };
  static override flags = {
    tag: string({
      char: "t",
      description: "Name the result; may be repeated.",
      helpValue: "NAME[:TAG]",
      multiple: true,
      multipleNonGreedy: true,
    }),
    output: string({ char: "o", description: "Write the result there.", helpValue: "LOCATOR" }),
    platform: string({
      description: "Change these platforms of an index only; may be repeated or hold a list.",
      helpValue: "OS/ARCH[/VARIANT]",
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ",",
    }),
    push: boolean({
      description: "Write the result to a registry: under the names of -t, else replacing the image's own tag there.",
      exclusive: ["output"],
    }),
    from: string({
      description: "Work on every image of this list, one a line; - is standard input.",
      helpValue: "FILE",
      exclusive: ["iidfile"],
    }),
    jobs: string({
      description: `How many images of the list at a time; ${USUAL.jobs} unless told.`,
      helpValue: "N",
      dependsOn: ["from"],
    }),
    shard: string({
      description: "Work on one part of the list only, the third of ten for instance.",
      helpValue: "3/10",
      dependsOn: ["from"],
    }),
    "fail-fast": boolean({ description: "Begin no other image after the first failure.", dependsOn: ["from"] }),
    "dry-run": boolean({ description: "Write nothing; show the plan and the digest of the result." }),
    check: boolean({ description: "Write nothing; exit 1 when something would change." }),
    undo: boolean({ description: "Take the init away again: gives back the original digest." }),
    "init-arg": string({
      description: "An option of the init itself; may be repeated.",
      helpValue: "OPTION",
      multiple: true,
      multipleNonGreedy: true,
    }),
    "replace-init": boolean({
      description: "Replace tini, dumb-init, catatonit or docker-init in front, and do what their options say.",
      exclusive: ["undo"],
    }),
    force: boolean({
      description: "Go on although the image starts supervisord, which is an init itself.",
      exclusive: ["undo"],
    }),
    attestations: string({
      description: "BuildKit attestations of the old image: drop them, or keep them pointing at the new digest.",
      options: ["drop", "keep"] as const,
      default: "drop",
    }),
    "verify-path": boolean({
      description:
        "Look for a file where the init goes in every layer, also in those that have to be fetched and inflated.",
    }),
    progress: string({
      description:
        "How the way of the blobs is shown: lines that are redrawn on a terminal, plain ones, or not at all.",
      options: PROGRESS_MODES,
      default: "auto",
    }),
    ...registryFlags,
    "metadata-file": string({
      description: "Write metadata of the result as JSON, as buildx does.",
      helpValue: "FILE",
    }),
    iidfile: string({
      description: "Write the image ID to a file, or the digest of an image of several platforms, as buildx does.",
      helpValue: "FILE",
    }),
    "digest-file": string({
      description: "Write the digest by which the result can be pulled to a file; with --from NAME@DIGEST of each.",
      helpValue: "FILE",
    }),
  };

  // A busy engine may take longer than five seconds to load what it has got, and to take the name away again.
  protected override readonly patience = 30_000;

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(Image);
    if ((args.locator === undefined) === (flags.from === undefined)) {
      throw args.locator === undefined
        ? new InitwrapError("USAGE", "LOCATOR is missing", {
            hint: "Name an image, or a list of them with --from.\ninitwrap image --help lists what it takes.",
          })
        : new InitwrapError("USAGE", "an image and --from exclude each other", { hint: "Leave one of them out." });
    }
    if (flags.from !== undefined) await this.runList(flags.from, flags);
    else await this.runOne(args.locator as string, flags);
  }

  private async runOne(locator: string, flags: ImageFlags): Promise<void> {
    const onlyPlan = flags["dry-run"] || flags.check;
    // Loaded here, so that help and the other commands start without it.
    const [
      { wrapImage },
      { imageDocument, imageIdLine, imagePlanLines, metadataDocument, resultLine },
      { checkResultFiles, withResultFiles },
    ] = await Promise.all([
      import("../wrap/image.ts"),
      import("../wrap/image-document.ts"),
      import("../wrap/image-files.ts"),
    ]);
    const progress = this.progress(flags);
    const files: ResultFile<WrapImageResult>[] = [
      {
        flag: "metadata-file",
        path: flags["metadata-file"],
        text: (one) => `${JSON.stringify(metadataDocument(one), undefined, 2)}\n`,
      },
      { flag: "iidfile", path: flags.iidfile, text: imageIdLine },
      { flag: "digest-file", path: flags["digest-file"], text: ({ digest }) => digest },
    ];
    await checkResultFiles(files, {
      sources: [locator],
      sinks: flags.push ? [] : [flags.output ?? locator],
    });
    const result = await withResultFiles(onlyPlan ? [] : files, () =>
      wrapImage({
        ...this.shared(flags),
        source: locator,
        names: flags.tag ?? [],
        push: flags.push,
        onProgress: progress.blob,
        ...(flags.output === undefined ? {} : { output: flags.output }),
      }).finally(progress.end),
    );
    await this.report(result.diagnostics, locator);
    if (flags.json) await this.emitJson(imageDocument(result));
    else {
      for (const line of imagePlanLines(result)) this.say(line);
      const line = resultLine(result);
      // When the archive itself went to stdout, its name is for people.
      if (!onlyPlan && result.target.location === "-") this.say(line);
      else await this.product(`${line}\n`);
    }
    if (flags.check && result.plan.changed) process.exitCode = EXIT.wouldChange;
  }

  private async runList(from: string, flags: ImageFlags): Promise<void> {
    const onlyPlan = flags["dry-run"] || flags.check;
    const [
      { readImageList, parseShard },
      { wrapFleet, fleetExit },
      words,
      { checkResultFiles, readText, withResultFiles },
    ] = await Promise.all([
      import("../wrap/image-list.ts"),
      import("../wrap/image-fleet.ts"),
      import("../wrap/image-fleet-document.ts"),
      import("../wrap/image-files.ts"),
    ]);
    const jobs = jobsFlag(flags.jobs ?? USUAL.jobs);
    const shard = flags.shard === undefined ? undefined : parseShard(flags.shard);
    const where = from === "-" ? "standard input" : from;
    const images = await readImageList({
      text: await readText(from, standardInput(this.signal)),
      where,
      names: flags.tag ?? [],
      push: flags.push,
      ...(flags.output === undefined ? {} : { output: flags.output }),
      ...(shard ? { shard } : {}),
    });
    const progress = this.progress(flags);
    let done = 0;
    const productOf = (all: readonly FleetOutcome[]): string =>
      words
        .fleetLines(all)
        .map((line) => `${line}\n`)
        .join("");
    const files: ResultFile<readonly FleetOutcome[]>[] = [
      {
        flag: "metadata-file",
        path: flags["metadata-file"],
        text: (all) => `${JSON.stringify(words.fleetMetadata(all), undefined, 2)}\n`,
      },
      { flag: "digest-file", path: flags["digest-file"], text: productOf },
    ];
    await checkResultFiles(files, {
      sources: images.map(({ source }) => source),
      sinks: images.map(({ source, output }) => output ?? source),
      files: [from],
    });
    const outcomes = await withResultFiles(onlyPlan ? [] : files, () =>
      wrapFleet({
        ...this.shared(flags),
        images,
        jobs,
        failFast: flags["fail-fast"],
        onOutcome: (outcome) => {
          done++;
          if (!this.silent) progress.line(words.outcomeLine(outcome, done, images.length));
        },
        onProgress: progress.blob,
      }).finally(progress.end),
    );
    await this.reportAll(
      outcomes.map((outcome) => ({
        file: outcome.image.text,
        diagnostics: outcome.kind === "done" ? outcome.result.diagnostics : [],
        error: outcome.kind === "failed" && outcome.error instanceof InitwrapError ? outcome.error : undefined,
      })),
      { errors: false },
    );
    for (const line of words.fleetTable(outcomes)) this.say(line);
    // Each failure in full, once: the lines and the table have its code alone.
    if (!flags.json) presentErrors(words.fleetErrors(outcomes, where));
    const bug = outcomes.find((outcome) => outcome.kind === "failed" && outcome.exit === EXIT.bug);
    if (bug?.kind === "failed") presentError(bug.error, { json: false });
    const gravest = fleetExit(outcomes);
    const changes = flags.check && outcomes.some(words.wouldChange);
    const exit = this.interruption() ?? (gravest === EXIT.done && changes ? EXIT.wouldChange : gravest);
    if (flags.json) await this.emitJson(words.fleetDocument(outcomes, { where, exit, ...(shard ? { shard } : {}) }));
    else await this.product(productOf(outcomes));
    process.exitCode = exit;
  }

  private progress(flags: ImageFlags): Progress {
    return progressFor(this.silent ? "quiet" : (flags.progress as ProgressMode));
  }

  /** What one image and a list have in common. */
  private shared(flags: ImageFlags) {
    return {
      action: flags.undo ? ("undo" as const) : ("wrap" as const),
      attestations: flags.attestations === "keep" ? ("keep" as const) : ("drop" as const),
      apply: !(flags["dry-run"] || flags.check),
      env: process.env,
      insecureRegistries: insecureRegistries(flags["insecure-registry"]),
      signal: this.signal,
      verifyPath: flags["verify-path"],
      // Findings go to stderr and into the document of --json; no file has them, and no exit code.
      askAttachments: flags.json || !this.silent,
      platforms: (flags.platform ?? []).map(platformFlag),
      initOptions: flags["init-arg"] ?? [],
      replaceInit: flags["replace-init"],
      force: flags.force,
    };
  }
}

type ImageFlags = InferredFlags<typeof Image.flags> & { readonly json: boolean };

function jobsFlag(text: string): number {
  const jobs = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (jobs >= 1 && jobs <= 256) return jobs;
  throw new InitwrapError("USAGE", `--jobs: ${text} is no number from 1 to 256`);
}
