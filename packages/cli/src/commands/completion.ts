/** `initwrap completion`: what makes a shell complete commands, flags and values. */
import { string as stringArg } from "@oclif/core/args";
import { BaseCommand } from "../terminal/base-command.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

export default class Completion extends BaseCommand {
  static override summary = "Print what makes a shell complete commands, flags and their values.";
  static override description =
    `The script goes to stdout. It asks nothing of initwrap when a key is pressed, so print it anew after an update.

  bash  initwrap completion bash > ~/.local/share/bash-completion/completions/initwrap
  zsh   initwrap completion zsh > "\${fpath[1]}/_initwrap"
  fish  initwrap completion fish > ~/.config/fish/completions/initwrap.fish`;
  static override examples = [
    "source <(initwrap completion bash)",
    "<%= config.bin %> completion zsh > ~/.zfunc/_initwrap",
    "<%= config.bin %> completion fish > ~/.config/fish/completions/initwrap.fish",
  ];
  static override args = {
    shell: stringArg({ description: "The shell.", required: true, options: [...SHELLS], ignoreStdin: true }),
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(Completion);
    const script = await this.script(args.shell as (typeof SHELLS)[number]);
    if (flags.json) await this.emitJson({ version: 1, shell: args.shell, script });
    else await this.product(script);
  }

  private async script(shell: (typeof SHELLS)[number]): Promise<string> {
    switch (shell) {
      case "bash":
        return (await import("../reference/completion/bash.ts")).bashCompletion(this.commands);
      case "zsh":
        return (await import("../reference/completion/zsh.ts")).zshCompletion(this.commands);
      case "fish":
        return (await import("../reference/completion/fish.ts")).fishCompletion(this.commands);
    }
  }
}
