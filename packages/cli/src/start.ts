/**
 * Starts the CLI. Help and the version are answered here, from the manifest: nothing is loaded for them. Every way a run can fail
 * ends in `presented` or in BaseCommand with the exit code of docs/exit-codes.md. oclif's own handler is not used: it exits 1
 * whatever the error, and prints stacks at people.
 */
import { readFileSync } from "node:fs";
import { InitwrapError } from "./model/errors.ts";
import { presented } from "./terminal/presented.ts";
import { ignoreClosedPipe, writeProduct } from "./terminal/streams.ts";
import { beforeDashes } from "./terminal/words.ts";

/**
 * Runs one command line and sets `process.exitCode`. Never rejects.
 * `entry` is the URL of the starting script; the manifest and package.json are one folder above it.
 */
export async function start(argv: readonly string[], entry: string): Promise<void> {
  ignoreClosedPipe();
  if (argv[0] === "--version") await presented(argv, () => writeProduct(`${versionLine(entry)}\n`));
  else if (isOlder(process.versions.node)) await presented(argv, () => refuseNode(argv));
  else if (wantsHelp(argv)) await presented(argv, () => help(argv, entry));
  else await (await import("./run-command.ts")).runCommand(argv, entry);
}

/** The oldest Node.js with all that is used here; `engines` of package.json says it to installers, which may only warn. */
const OLDEST_NODE = "22.3";

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE.split(".").map(Number);
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
}

/** Said before anything fails in the middle of its work for a function that is not there. */
async function refuseNode([command]: readonly string[]): Promise<never> {
  // `run` ends with 125 for what is not the command's doing.
  const code = command === "run" ? "RUN_UNSUPPORTED" : "NODE_TOO_OLD";
  throw new InitwrapError(code, `initwrap needs Node.js ${OLDEST_NODE} or later; this is ${process.versions.node}`, {
    hint: "Use a newer Node.js, or initwrap's own program, which needs none: docs/install.md lists the ways.",
  });
}

/** Also `help image` and `image -h`, which is what people try first. */
function wantsHelp(argv: readonly string[]): boolean {
  const [first = "help", second] = argv;
  if (first === "help" || first === "-h" || beforeDashes(argv).includes("--help")) return true;
  // The init has an -h of its own.
  return argv.length === 2 && second === "-h" && first !== "run";
}

async function help(argv: readonly string[], entry: string): Promise<void> {
  const { shippedCommands, showHelp } = await import("./terminal/help.ts");
  const words = beforeDashes(argv[0] === "help" ? argv.slice(1) : argv);
  await showHelp(
    words.find((word) => !word.startsWith("-")),
    shippedCommands(new URL("../oclif.manifest.json", entry)),
  );
}

function versionLine(entry: string): string {
  const { name, version } = JSON.parse(readFileSync(new URL("../package.json", entry), "utf8"));
  return `${name}/${version} ${process.platform}-${process.arch} node-${process.version}`;
}
