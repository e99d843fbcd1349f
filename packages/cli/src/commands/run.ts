/** `initwrap run`: a command under an init, without an init in the image. */
import { boolean, string } from "@oclif/core/flags";
import { RunnableCommand } from "../terminal/runnable-command.ts";
import { writeProduct } from "../terminal/streams.ts";

/** Not a BaseCommand: every word is the init's to read, or the command's, and --json or --quiet may be either. */
export default class Run extends RunnableCommand {
  static override summary = "Run a command as the init does: forward signals, reap orphans, end as it ends.";
  static override description =
    `As PID 1 of a container that has Node.js and initwrap in it, or as a subreaper anywhere.
An image without them takes the init itself, which is 20 kilobytes: see initwrap dockerfile and initwrap image.

Every option is also a variable: INITWRAP_STOP_PLAN, INITWRAP_GROUP=0, ... What follows -- is the command's.
TIME is 5, 1.5s, 300ms, 2m or 1h; SIGNAL is TERM, SIGTERM, 15 or RTMIN+3.

Exit code: the command's; 128 + n when signal n ended it; 126 not executable; 127 not found;
2 a mistake in the options; 125 the command could not be started.`;
  static override usage = "run [OPTIONS] -- COMMAND [ARGS...]";
  static override examples = [
    "<%= config.bin %> run -- node server.js",
    "<%= config.bin %> run --grace 10s --report /dev/termination-log -- ./start.sh",
    "<%= config.bin %> run --rewrite TERM:QUIT -- nginx -g 'daemon off;'",
  ];
  /** For the help alone: the init's own code reads them. */
  static override flags = {
    group: boolean({ char: "g", description: "Signal the command's process group, whoever leads it." }),
    "no-group": boolean({ description: "Signal the command alone. Default: its group, if it leads one." }),
    rewrite: string({ char: "r", description: "Send B for A; B 0 drops A.", helpValue: "A:B,..." }),
    "exit-map": string({ char: "e", description: "Exit with B for A; B left out is 0.", helpValue: "A:B,..." }),
    pdeathsig: string({ char: "p", description: "Forward SIGNAL when the parent dies.", helpValue: "SIGNAL" }),
    "stop-plan": string({ description: "What TERM turns into, such as TERM:5,INT:2,KILL.", helpValue: "PLAN" }),
    grace: string({
      description: "At the end or at TERM: TERM to all that is left, KILL after TIME.",
      helpValue: "TIME",
    }),
    "stop-delay": string({ description: "Hold TERM back for TIME.", helpValue: "TIME" }),
    report: string({ description: "Write one line of JSON to FILE at the end.", helpValue: "FILE" }),
    verbose: boolean({ char: "v", description: "Log events to stderr." }),
    version: boolean({ char: "V", description: "Print the version." }),
    help: boolean({ char: "h", description: "Print this." }),
  };
  static override strict = false;

  override async run(): Promise<void> {
    const { readRun, runCommand } = await import("../wrap/run.ts");
    switch (readRun(this.argv)) {
      case "help":
        return this.showHelp();
      case "version":
        return writeProduct(`initwrap ${this.config.version}\n`);
      case "license":
        return writeProduct(`${this.config.pjson["license"]}\n`);
      default:
        return runCommand(this.argv);
    }
  }

  private async showHelp(): Promise<void> {
    const [{ commandOf }, { showCommandHelp }] = await Promise.all([
      import("../reference/command.ts"),
      import("../terminal/help.ts"),
    ]);
    const { summary, description, usage, examples, flags } = Run;
    return showCommandHelp(commandOf({ id: "run", summary, description, usage, examples, flags }));
  }
}
