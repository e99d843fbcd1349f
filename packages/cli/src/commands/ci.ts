/** `initwrap ci`: the step that wraps an image, for a pipeline. */
import { string as stringArg } from "@oclif/core/args";
import { boolean, string } from "@oclif/core/flags";
import { BaseCommand } from "../terminal/base-command.ts";
import { PROVIDER_NAMES } from "../wrap/ci-providers.ts";

export default class Ci extends BaseCommand {
  static override summary = "Write the step that wraps an image, for a CI system.";
  static override description =
    `The file goes to stdout. It runs this very version of initwrap by npx, in the registry: no Docker and no pull.

  github            a workflow: build, push, wrap
  github-action     an action with inputs and outputs: action.yml
  gitlab            a CI/CD component, or a file for include:local
  tekton            a Task with the results IMAGE_URL and IMAGE_DIGEST
  jenkins           a declarative pipeline: Jenkinsfile
  circleci          a command, and a job that uses it
  pre-commit        a check of the Dockerfiles that are committed
  pre-commit-hooks  the same, for a repository that offers the hook

Wrap first, then sign, scan and attest: the image gets another digest, which every step hands on.`;
  static override examples = [
    "<%= config.bin %> ci github -o .github/workflows/image.yml",
    "<%= config.bin %> ci gitlab --image '$CI_REGISTRY_IMAGE:$CI_COMMIT_TAG'",
    "<%= config.bin %> ci tekton | kubectl apply -f -",
    "<%= config.bin %> ci jenkins --image 'ghcr.io/acme/app:build-${env.BUILD_NUMBER}' --tag ghcr.io/acme/app:1.4",
    "<%= config.bin %> ci pre-commit -o .pre-commit-config.yaml",
  ];
  static override args = {
    provider: stringArg({ description: "The CI system.", required: true, options: PROVIDER_NAMES, ignoreStdin: true }),
  };
  static override flags = {
    output: string({ char: "o", description: "Write to this file instead of stdout.", helpValue: "FILE" }),
    force: boolean({ description: "Replace a file that is there.", dependsOn: ["output"] }),
    image: string({
      description: "The image, with variables of the CI system's where there are some.",
      helpValue: "NAME[:TAG]",
    }),
    tag: string({
      char: "t",
      description: "Name the result; may be repeated. The image's own name unless given.",
      helpValue: "NAME[:TAG]",
      multiple: true,
      multipleNonGreedy: true,
    }),
    platform: string({
      description: "Change these platforms only; may be repeated or hold a list. All unless given.",
      helpValue: "OS/ARCH[/VARIANT]",
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ",",
    }),
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(Ci);
    // Loaded here, so that help and the other commands start without it.
    const { renderCi, writeCi } = await import("../wrap/ci.ts");
    const { text, place, example } = renderCi({
      provider: args.provider,
      version: this.config.version,
      image: flags.image,
      tags: flags.tag ?? [],
      platforms: flags.platform ?? [],
    });
    if (flags.output !== undefined) await writeCi(flags.output, text, flags.force);
    if (flags.json) {
      await this.emitJson({
        version: 1,
        provider: args.provider,
        place,
        written: flags.output ?? null,
        ...(flags.output === undefined ? { text } : {}),
      });
      return;
    }
    if (example !== undefined) this.say(`${example} is an example: say --image NAME, or replace it`);
    if (flags.output === undefined) await this.product(text);
    else this.say(`wrote ${flags.output}`);
  }
}
