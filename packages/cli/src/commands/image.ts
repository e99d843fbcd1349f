/** `initwrap image`: an image with an init in front of what it runs, wherever it is. */
import { setFlagsFromString } from "node:v8";
import { string as stringArg } from "@oclif/core/args";
import { boolean, string } from "@oclif/core/flags";
import { EXIT, InitwrapError } from "../model/errors.ts";
import { parsePlatform } from "../model/platform.ts";
import { BaseCommand } from "../terminal/base-command.ts";

/** A blob beyond this is large. Bytes. */
const LARGE = 16 * 1024 * 1024;

export default class Image extends BaseCommand {
  static override summary = "Put an init in front of what an image runs.";
  static override description =
    `Works on the image itself, without building it again: archives of docker save, podman, skopeo, crane and buildx, OCI
layouts, the local Docker Engine and registries. Only the small documents and one layer of a few kilobytes are new.

LOCATOR is a path, an image name, or one of docker:NAME, docker-archive:FILE[:NAME], oci-archive:FILE[:NAME],
oci:FOLDER[:NAME], registry:NAME. Without -o the image is changed where it is. - is standard input and output.

The result's name and digest go to stdout.`;
  static override examples = [
    "<%= config.bin %> image app:latest",
    "<%= config.bin %> image app.tar -o wrapped.tar",
    "<%= config.bin %> image app:latest -t app:init --platform linux/amd64",
    "<%= config.bin %> image --dry-run oci:layout:1.0",
    "<%= config.bin %> image --undo app:latest",
  ];
  static override args = {
    locator: stringArg({ description: "The image.", required: true }),
  };
  static override flags = {
    tag: string({
      char: "t",
      description: "Name the result; may be repeated.",
      helpValue: "NAME[:TAG]",
      multiple: true,
    }),
    output: string({ char: "o", description: "Write the result there.", helpValue: "LOCATOR" }),
    platform: string({
      description: "Change these platforms of an index only; may be repeated or hold a list.",
      helpValue: "OS/ARCH[/VARIANT]",
      multiple: true,
      delimiter: ",",
    }),
    "dry-run": boolean({ description: "Write nothing; show the plan and the digest of the result." }),
    check: boolean({ description: "Write nothing; exit 1 when something would change." }),
    undo: boolean({ description: "Take the init away again: gives back the original digest." }),
    "init-arg": string({
      description: "An option of the init itself; may be repeated.",
      helpValue: "OPTION",
      multiple: true,
    }),
    attestations: string({
      description: "BuildKit attestations of the old image: drop them, or keep them pointing at the new digest.",
      options: ["drop", "keep"] as const,
      default: "drop",
    }),
    "insecure-registry": string({
      description: "A registry that may be reached over plain HTTP or with an unknown certificate; may be repeated.",
      helpValue: "HOST[:PORT]",
      multiple: true,
    }),
    "metadata-file": string({
      description: "Write metadata of the result as JSON, as buildx does.",
      helpValue: "FILE",
    }),
    iidfile: string({ description: "Write the result's digest to a file.", helpValue: "FILE" }),
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(Image);
    const onlyPlan = flags["dry-run"] || flags.check;
    // Loaded here, so that help and the other commands start without it.
    const [
      { wrapImage },
      { imageDocument, imagePlanLines, metadataDocument, resultLine },
      { writeWhole },
      { progressReporter },
    ] = await Promise.all([
      import("../wrap/image.ts"),
      import("../wrap/image-document.ts"),
      import("../wrap/image-files.ts"),
      import("../wrap/image-progress.ts"),
    ]);
    const progress = progressReporter((line) => this.say(line));
    const result = await wrapImage({
      source: args.locator,
      action: flags.undo ? "undo" : "wrap",
      attestations: flags.attestations === "keep" ? "keep" : "drop",
      apply: !onlyPlan,
      env: process.env,
      insecureRegistries: flags["insecure-registry"] ?? [],
      signal: this.signal,
      platforms: (flags.platform ?? []).map(platformFlag),
      names: flags.tag ?? [],
      initOptions: flags["init-arg"] ?? [],
      onProgress: (descriptor, done, total) => {
        if (total > LARGE) collectSooner();
        progress(descriptor, done, total);
      },
      ...(flags.output === undefined ? {} : { output: flags.output }),
    });
    const metadata = `${JSON.stringify(metadataDocument(result), undefined, 2)}\n`;
    if (flags["metadata-file"] !== undefined && !onlyPlan) await writeWhole(flags["metadata-file"], metadata);
    if (flags.iidfile !== undefined && !onlyPlan) await writeWhole(flags.iidfile, result.digest);
    await this.report(result.plan.diagnostics, args.locator);
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
}

let isSooner = false;

/**
 * Layers go through in chunks that are garbage at once; V8 would rather let them pile up to 100 MB than look sooner. Only
 * when there is such a layer, and late: compiled code from the cache counts for unchanged flags only.
 */
function collectSooner(): void {
  if (isSooner) return;
  isSooner = true;
  setFlagsFromString("--semi-space-growth-factor=1");
}

function platformFlag(text: string): NonNullable<ReturnType<typeof parsePlatform>> {
  const platform = parsePlatform(text);
  if (platform) return platform;
  throw new InitwrapError("USAGE", `--platform: ${text} is no platform`, { hint: "Write it as linux/amd64." });
}
