/** `initwrap verify`: a gate behind which every image starts with an init. */
import { string as stringArg } from "@oclif/core/args";
import { boolean, string } from "@oclif/core/flags";
import { EXIT, InitwrapError } from "../model/errors.ts";
import { USUAL } from "../settings/built-in.ts";
import { BaseCommand, REPORTER_FLAGS } from "../terminal/base-command.ts";
import { platformFlag } from "../terminal/platform-flag.ts";
import { insecureRegistries, registryFlags } from "../terminal/registry-flags.ts";

export default class Verify extends BaseCommand {
  static override summary = "Check that an image starts with an init, intact and in front of what it ran before.";
  static override description =
    `Exits 0 only when each platform's PID 1 is an init, ours with the very bytes of this release (or one that you accept),
and, where the image records what it ran before, when that is what runs behind it. Else it exits 5, and says which
platform fails and why. Images of a builder that ignores the syntax line, and images that were changed afterwards, end here.

LOCATOR is as for initwrap image. A name that the engine does not have is looked up in its registry. Nothing is written;
with --run a container without a network is started once, stopped and removed, in the engine that has the image, or in
the Docker Engine under a name of its own.

What was verified goes to stdout by its digest.`;
  static override examples = [
    "<%= config.bin %> verify app:latest",
    "<%= config.bin %> verify app:latest --run --timeout 5",
    "<%= config.bin %> verify ghcr.io/acme/app:1 --platform linux/amd64,linux/arm64",
    "<%= config.bin %> verify app.tar --reporter sarif --reporter-file initwrap.sarif",
  ];
  static override args = {
    locator: stringArg({ description: "The image.", required: true, ignoreStdin: true }),
  };
  static override flags = {
    platform: string({
      description: "Look at these platforms of an index only, which must be there; may be repeated or hold a list.",
      helpValue: "OS/ARCH[/VARIANT]",
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ",",
    }),
    "accept-init": string({
      description: "The SHA-256 of another file that counts as the init, of another release; may be repeated.",
      helpValue: "SHA256",
      multiple: true,
      multipleNonGreedy: true,
    }),
    run: boolean({ description: "Start it, and see that PID 1 is the init and that its stop signal ends it in time." }),
    timeout: string({
      description: `How long it may take to end, with --run; ${USUAL.stopTimeout} unless told.`,
      helpValue: "SECONDS",
      dependsOn: ["run"],
    }),
    ...registryFlags,
    ...REPORTER_FLAGS,
  };

  // A busy engine may take longer than five seconds to remove a container.
  protected override readonly patience = 30_000;

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(Verify);
    const { locator } = args;
    const { reporter, "reporter-file": reporterFile, json } = flags;
    const timeout = secondsFlag(flags.timeout ?? USUAL.stopTimeout);
    const platforms = (flags.platform ?? []).map(platformFlag);
    const acceptedInits = (flags["accept-init"] ?? []).map(sha256Flag);
    this.setReporting({ reporter, file: reporterFile, stdoutTaken: json }, locator);
    // Loaded here, so that help and the other commands start without it.
    const [{ requireVerified, verifyImage }, { verdictLines, verifiedLine, verifyDocument }] = await Promise.all([
      import("../wrap/verify.ts"),
      import("../wrap/verify-document.ts"),
    ]);
    const result = await verifyImage({
      source: locator,
      platforms,
      acceptedInits,
      ...(flags.run ? { run: { timeout } } : {}),
      env: process.env,
      insecureRegistries: insecureRegistries(flags["insecure-registry"]),
      signal: this.signal,
    });
    await this.report(result.diagnostics, locator);
    if (json) {
      await this.emitJson(verifyDocument(result));
      if (!result.verified) process.exitCode = EXIT.refused;
      return;
    }
    for (const line of verdictLines(result)) this.say(line);
    requireVerified(result, locator);
    if (!this.documentOnStdout) await this.product(`${verifiedLine(result)}\n`);
  }
}

function secondsFlag(text: string): number {
  const seconds = /^\d{1,4}(?:\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (seconds > 0 && seconds <= 3600) return seconds;
  throw new InitwrapError("USAGE", `--timeout: ${text} is no number of seconds up to 3600`);
}

function sha256Flag(text: string): string {
  const hex = text.replace(/^sha256:/, "").toLowerCase();
  if (/^[0-9a-f]{64}$/.test(hex)) return hex;
  throw new InitwrapError("USAGE", `--accept-init: ${text} is no SHA-256`, {
    hint: "It has 64 hexadecimal digits; a release lists those of its inits in SHA256SUMS.",
  });
}
