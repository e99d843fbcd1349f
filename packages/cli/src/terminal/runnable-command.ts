/** A command as oclif's parser knows it, run without the rest of oclif. */
import { Command } from "@oclif/core/command";

export abstract class RunnableCommand extends Command {
  /** Runs it, from its words to its clean-up. Rejects with what `catch` lets through. */
  execute(): Promise<void> {
    return this._run();
  }

  // oclif's writes a log, leaves word for its HTTP client, and looks for aliases that are going to be dropped.
  protected override async init(): Promise<void> {}
}
