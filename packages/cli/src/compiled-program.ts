/**
 * Stands in for run-command.ts in the npm package's start: loads the program, which is main.cjs beside this file or one that holds
 * the command alone, with the code that V8 compiled for it in an earlier run of the same command. Node's own compile cache keeps
 * what is compiled when a file is loaded; most of a run is compiled later, function by function, and would be so again in every
 * run.
 *
 * V8 takes its code only from the same version with the same flags, for a source of the same length. That the source is the very
 * same is in the file's name, by its digest. V8 does not ask whether the code is whole, and dies of code that is not: a file
 * holds it twice, for nothing that is there before a module of Node's is loaded checks as fast as a comparison.
 * A cache that cannot be read or written costs time and nothing else.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire, enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";
import { schemeIn } from "./store/schemes.ts";

/** The SHA-256, in hexadecimal, of main.cjs and of the programs that hold one command alone, by name; the build knows them. */
declare const PROGRAM_DIGESTS: Readonly<Record<string, string>>;

type Program = typeof import("./main.ts");

/** As in run-command.ts. */
export function runCommand(argv: readonly string[], entry: string): Promise<void> {
  return load(argv[0] ?? "", argv).runCommand(argv, entry);
}

function load(command: string, argv: readonly string[]): Program {
  const program = Object.hasOwn(PROGRAM_DIGESTS, command) ? command : "main";
  const file = fileURLToPath(new URL(`${program}.cjs`, import.meta.url));
  const require = createRequire(file);
  const folder = codeFolder();
  // It ends where nothing of ours is called any more, and what it does itself is little.
  if (command === "run") {
    if (folder !== undefined) enableCompileCache?.(folder);
    return require(file) as Program;
  }
  const kept =
    folder === undefined || !/^[a-z-]+$/.test(command)
      ? undefined
      : keptCode(folder, program, `${command}${mediumIn(argv)}`);
  const cachedData = kept && readCode(kept);
  // It is ASCII, as esbuild writes it: V8 keeps one byte a character.
  const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, "latin1")}\n})`;
  const script = new Script(source, { filename: file, ...(cachedData && { cachedData }) });
  if (kept !== undefined && (cachedData === undefined || script.cachedDataRejected)) {
    process.once("exit", (code) => {
      if (isWholeRun(code)) keep(kept, script.createCachedData());
    });
  }
  const module = { exports: {} };
  script.runInThisContext()(module.exports, require, module, file, dirname(file));
  return module.exports as Program;
}

/**
 * A command needs other functions for an image in a registry than for one in a file, and what is kept is what the first run
 * needed: each medium that a locator names has code of its own. At most one file a command and medium.
 */
function mediumIn(argv: readonly string[]): string {
  const scheme = argv.map(schemeIn).find(Boolean);
  return scheme === undefined ? "" : `-${scheme}`;
}

/** A run that failed early has compiled little of what its command needs. */
function isWholeRun(code: number): boolean {
  return code === 0 || code === 1 || code === 5;
}

/**
 * The user's own cache folder: compiled code in a folder for everyone, where Node would put it, could be planted by anyone.
 * Undefined when it is another user's, as under sudo. Node's variables for its own cache count for ours.
 */
function codeFolder(): string | undefined {
  const { NODE_COMPILE_CACHE, NODE_DISABLE_COMPILE_CACHE, XDG_CACHE_HOME } = process.env;
  if (NODE_DISABLE_COMPILE_CACHE) return undefined;
  if (NODE_COMPILE_CACHE) return NODE_COMPILE_CACHE;
  try {
    const home = homedir();
    if (statSync(home).uid !== process.getuid?.()) return undefined;
    return join(XDG_CACHE_HOME || join(home, ".cache"), "initwrap");
  } catch {
    return undefined;
  }
}

function keptCode(folder: string, program: string, command: string): string {
  return join(folder, `${PROGRAM_DIGESTS[program]!.slice(0, 16)}-${process.version}-${process.arch}-${command}`);
}

/** Undefined when there is none, or when its two copies differ. */
function readCode(path: string): Buffer | undefined {
  try {
    const copies = readFileSync(path);
    const code = copies.subarray(0, copies.length / 2);
    return code.equals(copies.subarray(code.length)) ? code : undefined;
  } catch {
    return undefined;
  }
}

/** Whole or not at all: another run may read it at this moment. */
function keep(path: string, code: Buffer): void {
  const folder = dirname(path);
  const half = `${path}.${process.pid}`;
  try {
    // One by one: Node's recursive way does not end in a file system that refuses folders as /proc does.
    for (const one of [dirname(folder), folder]) if (!existsSync(one)) mkdirSync(one, { mode: 0o700 });
    removeOld(folder);
    writeFileSync(half, Buffer.concat([code, code]), { mode: 0o600 });
    renameSync(half, path);
  } catch {
    remove(half);
  }
}

/** How long compiled code is kept after it was written; a version that is in use writes it again. */
const KEPT_FOR_MS = 90 * 24 * 3600 * 1000;

function removeOld(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (/^[0-9a-f]{16}-v/.test(name) && Date.now() - statSync(path).mtimeMs > KEPT_FOR_MS) remove(path);
  }
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It is only a cache.
  }
}
