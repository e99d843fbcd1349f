/** `initwrap config`: what is set, and where. */
import { string as stringArg } from "@oclif/core/args";
import { boolean } from "@oclif/core/flags";
import { BaseCommand } from "../terminal/base-command.ts";
import { paintFor } from "../terminal/colour.ts";
import { type ParserInput, readGiven } from "../terminal/settled-flags.ts";
import { unknownCommand } from "../terminal/usage-error.ts";

export default class Config extends BaseCommand {
  static override summary = "Show every setting in force, and where it comes from.";
  static override description =
    `A flag that is not given can be set by a variable or in .initwrap.yaml, in the working directory or above it up to the
root of the repository. Flags win over variables, these over the file, and the file over what is built in:

  INITWRAP_REPORTER=github            for every command that has the flag
  INITWRAP_DOCKERFILE_INJECT=image    for one command

With a command and flags, what would count in that call. --no-FLAG switches a flag off that is set elsewhere. What looks like
a password or a token is not shown.`;
  static override examples = [
    "<%= config.bin %> config",
    "<%= config.bin %> config dockerfile --check",
    "<%= config.bin %> config image --all",
    "<%= config.bin %> config --json",
  ];
  static override usage = "config [COMMAND [FLAGS OF THE COMMAND]] [--all] [FLAGS]";
  static override strict = false;
  static override args = {
    command: stringArg({ description: "Only this command, called with the flags that follow.", ignoreStdin: true }),
  };
  static override flags = {
    all: boolean({ description: "Name also what has no value, and for what is not set the variable that would." }),
  };

  override async run(): Promise<void> {
    const [own, name, rest] = this.split();
    const inner = name === undefined ? [] : rest.filter((word) => word !== "--all");
    // What all commands have in common may stand behind the command's name as well.
    const { flags } = await this.parse(Config, [
      ...own,
      ...rest.filter((word) => /^--(?:json|all)$|^-q$|^--quiet$/.test(word)),
    ]);
    const [{ configurable, settingNames }, { effectiveSettings, otherVariables }, words] = await Promise.all([
      import("../reference/settings.ts"),
      import("../settings/effective.ts"),
      import("../terminal/settings-table.ts"),
    ]);
    const { commands } = this;
    const settable = configurable(commands);
    const chosen = name === undefined ? settable : settable.filter((command) => command.name === name);
    if (chosen.length === 0)
      throw unknownCommand(
        name as string,
        settable.map((command) => command.name),
      );
    const given = name === undefined ? new Map<string, readonly string[]>() : await this.given(name, inner);
    const { file, passedOver, layers } = await this.settings(new Map([...(await this.givenOf(Config, own)), ...given]));
    const effective = chosen.map((command) => ({
      command,
      settings: effectiveSettings({ command, given, layers, env: process.env }),
    }));
    const others = otherVariables(process.env, commands);
    if (flags.json) return this.emitJson(words.settingsDocument({ file, effective, others, all: flags.all }));
    const paint = paintFor(process.stdout);
    const lines = words.settingsLines({ file, effective, all: flags.all, names: settingNames(commands), paint });
    await this.product(`${lines.join("\n")}\n`);
    const notes = [...words.passedOverLines(passedOver), ...words.secretLines(effective), ...words.otherLines(others)];
    for (const line of notes) this.say(line);
  }

  /** The words before the command's name, the name, and the words behind it. */
  private split(): readonly [readonly string[], string | undefined, readonly string[]] {
    const { argv } = this;
    let at = 0;
    while (at < argv.length && /^-/.test(argv[at] as string))
      at += /^--(?:config|color)$/.test(argv[at] as string) ? 2 : 1;
    return [argv.slice(0, at), argv[at], argv.slice(at + 1)];
  }

  private async given(name: string, argv: readonly string[]) {
    const command = await this.config.findCommand(name, { must: true }).load();
    return this.givenOf(command as unknown as ParserInput, argv);
  }

  private givenOf(options: ParserInput, argv: readonly string[]) {
    return readGiven(options, argv, this.parseWords);
  }
}
