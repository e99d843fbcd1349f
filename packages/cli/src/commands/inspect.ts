/** `initwrap inspect`: who is PID 1, and why. */
import { string as stringArg } from "@oclif/core/args";
import { boolean, string } from "@oclif/core/flags";
import { BaseCommand } from "../terminal/base-command.ts";
import { baseImageFlags } from "../terminal/base-image-flags.ts";
import { paintFor } from "../terminal/colour.ts";
import { inspectionTree } from "../terminal/inspect-tree.ts";
import { platformFlag } from "../terminal/platform-flag.ts";
import { insecureRegistries, registryFlags } from "../terminal/registry-flags.ts";
import { standardInput } from "../terminal/streams.ts";

export default class Inspect extends BaseCommand {
  static override summary = "Show who is PID 1 in a Dockerfile's or an image's container, and why.";
  static override description = [
    "Tells for each stage of a Dockerfile, or each platform of an image, what the first process is and whether it",
    "forwards the stop signal; ENTRYPOINT, CMD, stop signal and user, with the line or the history entry that sets them;",
    "an init that is there already; and what initwrap would change, or why it would refuse. Nothing is run, and nothing",
    "is written.\n\nThe subject is a Dockerfile, a folder that holds one, - for one on standard input, or an image as",
    "initwrap image takes it: an archive, an OCI layout, a name, or SCHEME:LOCATION. Dockerfile unless given. A name that",
    "no engine has is looked up in its registry.",
  ].join(" ");
  static override examples = [
    "<%= config.bin %> inspect",
    "<%= config.bin %> inspect docker/web.Dockerfile --target release",
    "<%= config.bin %> inspect app:latest",
    "<%= config.bin %> inspect registry:ghcr.io/acme/app:1 --platform linux/arm64",
    "<%= config.bin %> inspect app.tar --json | jq '.subjects[].firstProcess.forwardsSignals'",
  ];
  static override args = {
    subject: stringArg({
      description: "A Dockerfile, or an image.",
      default: "Dockerfile",
      ignoreStdin: true,
    }),
  };
  static override flags = {
    target: string({
      description: "Only this stage of the Dockerfile: a name or a number.",
      helpValue: "STAGE",
    }),
    platform: string({
      description: "Only these platforms of an image; the one that a Dockerfile is built for. May hold a list.",
      helpValue: "OS/ARCH[/VARIANT]",
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ",",
    }),
    "replace-init": boolean({ description: "Show what --replace-init would make of another init." }),
    "build-arg": string({
      description: "A build argument, as the build gets it; may be repeated.",
      helpValue: "NAME=VALUE",
      multiple: true,
      multipleNonGreedy: true,
    }),
    ...baseImageFlags,
    "lock-file": string({
      description: "The lock. initwrap.lock in the working directory unless given; read when it is there.",
      helpValue: "FILE",
    }),
    offline: boolean({ description: "Ask neither an engine nor a registry what a Dockerfile's base image runs." }),
    force: boolean({ description: "Go on although # syntax= names an unknown frontend, or supervisord is started." }),
    ...registryFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(Inspect);
    // Loaded here, so that help and the other commands start without it.
    const [{ inspect }, { BaseLock, LOCK_NAME }] = await Promise.all([
      import("../wrap/inspect.ts"),
      import("../wrap/base-lock.ts"),
    ]);
    const inspection = await inspect({
      subject: args.subject,
      stdin: standardInput(this.signal),
      platforms: (flags.platform ?? []).map(platformFlag),
      replaceInit: flags["replace-init"],
      buildArgs: flags["build-arg"] ?? [],
      baseEntrypoint: flags["base-entrypoint"],
      baseCmd: flags["base-cmd"],
      baseConfig: flags["base-config"],
      lock: await BaseLock.open(flags["lock-file"] ?? LOCK_NAME, "use", flags["lock-file"] !== undefined),
      offline: flags.offline,
      force: flags.force,
      assumeBase: flags["assume-base"],
      insecureRegistries: insecureRegistries(flags["insecure-registry"]),
      env: process.env,
      signal: this.signal,
      ...(flags.target === undefined ? {} : { target: flags.target }),
      ...(flags["base-layout"] === undefined ? {} : { baseLayout: flags["base-layout"] }),
    });
    if (flags.json) await this.emitJson({ version: 1, command: "inspect", ...inspection });
    else await this.product(`${inspectionTree(inspection, paintFor(process.stdout)).join("\n")}\n`);
  }
}
