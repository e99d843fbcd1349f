/** `initwrap generate`: a Dockerfile for a project, with an init in front of what it runs. */
import { string as stringArg } from "@oclif/core/args";
import { boolean, integer, string } from "@oclif/core/flags";
import { BaseCommand } from "../terminal/base-command.ts";
import { insecureRegistries, registryFlags } from "../terminal/registry-flags.ts";
import { writtenFiles } from "../terminal/written-files.ts";
import { type GenerateRun, generateDocument, generateLines, runGenerate } from "../wrap/generate.ts";

export default class Generate extends BaseCommand {
  static override summary = "Write a Dockerfile for a project, with an init in front of what it runs.";

  static override description =
    `Looks at the project's files for what it is made with and what it runs, and writes a Dockerfile, a .dockerignore
and the init's files under .initwrap/. What the files do not say is refused with the flag that settles it, not guessed.
Stacks: node-npm, node-pnpm, node-yarn, node-bun, python-pip, python-poetry, python-uv, go, rust, java-maven,
java-gradle, dotnet, ruby, php, static.`;

  static override examples = [
    "<%= config.bin %> generate",
    "<%= config.bin %> generate --dry-run services/api",
    "<%= config.bin %> generate -o - | docker build -f - .",
    '<%= config.bin %> generate --stack python --start \'["python", "worker.py"]\'',
  ];

  static override args = {
    dir: stringArg({
      description: "The project's folder, which is the build context.",
      default: ".",
      ignoreStdin: true,
    }),
  };

  static override flags = {
    stack: string({ description: "What the project is made with, or to be taken as.", helpValue: "NAME" }),
    start: string({ description: "The command to run, as a JSON array.", helpValue: "JSON" }),
    program: string({ description: "Which of several programs to run.", helpValue: "NAME" }),
    port: integer({ description: "The port that the program listens on.", helpValue: "NUMBER" }),
    runtime: string({ description: "The language's version.", helpValue: "VERSION" }),
    template: string({ description: "A folder with templates to use before initwrap's own.", helpValue: "DIR" }),
    output: string({
      char: "o",
      description: "Write the Dockerfile here; - prints it, with the init in it, and writes nothing.",
      helpValue: "FILE",
    }),
    force: boolean({ description: "Replace a Dockerfile that is there." }),
    "dry-run": boolean({ description: "Write nothing; show the plan, or what the run would refuse." }),
    platform: string({
      description:
        "Carry the init for this platform; may be repeated or hold a list. linux/amd64,linux/arm64 in files.",
      helpValue: "OS/ARCH[/VARIANT]",
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ",",
    }),
    inject: string({
      description: "How the init gets into the build. context, and with -o - inline.",
      options: ["inline", "context", "image"] as const,
    }),
    "init-image": string({
      description: "The image that holds the init, with its digest.",
      helpValue: "REF@sha256:...",
    }),
    "amend-dockerignore": boolean({ description: "Let a .dockerignore that is there have an exception for the init." }),
    offline: boolean({ description: "Ask neither an engine nor a registry about a base image." }),
    ...registryFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(Generate);
    const run = await runGenerate({
      folder: args.dir,
      stack: flags.stack,
      templates: flags.template,
      output: flags.output,
      force: flags.force,
      look: flags["dry-run"],
      port: flags.port,
      start: flags.start,
      program: flags.program,
      runtime: flags.runtime,
      platforms: flags.platform ?? [],
      inject: flags.inject as "inline" | "context" | "image" | undefined,
      initImage: flags["init-image"],
      amendIgnore: flags["amend-dockerignore"],
      offline: flags.offline,
      insecureRegistries: insecureRegistries(flags["insecure-registry"]),
      env: process.env,
      signal: this.signal,
    });
    await this.report(run.diagnostics, "Dockerfile");
    if (flags.json) await this.emitJson(generateDocument(args.dir, run));
    else if (flags["dry-run"]) await this.product(`${generateLines(run).join("\n")}\n`);
    else if (flags.output === "-") await this.product(run.dockerfile);
    else this.summarize(run);
  }

  private summarize(run: GenerateRun): void {
    for (const line of generateLines(run).filter((line) => !line.startsWith("file"))) this.say(line);
    const written = run.files.filter(({ state }) => state === "written").map(({ path }) => path);
    const kept = run.files.filter(({ state }) => state === "kept").map(({ path }) => path);
    this.say(`wrote ${writtenFiles(written)}${kept.length === 0 ? "" : `; kept ${kept.join(", ")}`}`);
  }
}
