/** `initwrap generate`: a Dockerfile for a project, with an init in front of what it runs. */
import { BaseCommand } from "../terminal/base-command.ts";

export default class Generate extends BaseCommand {
  static override summary = "Write a Dockerfile for a project, with an init in front of what it runs.";

  override async run(): Promise<void> {
    await this.parse(Generate);
  }
}
