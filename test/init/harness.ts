/**
 * Runs the shipped init as a real PID 1: in a PID namespace with its own /proc, made by programs/namespace.c, as root or
 * through an unprivileged user namespace. The children are small C programs, so that nothing but a C compiler is needed.
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { createHash, randomInt } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { requireCapability, type SkippableContext } from "../support/capability.ts";

const ROOT = join(import.meta.dirname, "../..");
const CACHE = join(ROOT, ".cache/init-programs");
const ARCHITECTURE = process.arch === "arm64" ? "arm64" : "amd64";

/** The shipped init of this machine. */
export const INIT = join(ROOT, "packages/init-core/inits", `linux-${ARCHITECTURE}`, "initwrap");

/** The file of a program in PATH, or undefined. */
export function which(program: string): string | undefined {
  for (const directory of (process.env["PATH"] ?? "").split(delimiter)) {
    const file = join(directory, program);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {}
  }
  return undefined;
}

/** The C compiler. */
export const compiler = which("cc") ?? which("gcc") ?? which("clang-19");

/** The compiled form of programs/NAME.c, static so that it also runs in an empty root. */
export function program(name: "child" | "faults" | "namespace" | "send" | "stress" | "terminal"): string {
  const source = join(import.meta.dirname, "programs", `${name}.c`);
  const hash = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 12);
  const file = join(CACHE, `${name}-${hash}`);
  if (existsSync(file)) return file;
  mkdirSync(CACHE, { recursive: true });
  const fresh = `${file}.${process.pid}`;
  execFileSync(compiler ?? "cc", ["-O1", "-static", "-w", "-o", fresh, source, "-lutil"]);
  renameSync(fresh, file);
  return file;
}

/** programs/forks.c as an addon for this Node, compiled with the headers beside it. */
export function nativeAddon(): string {
  const addon = join(scratch(), "forks.node");
  const headers = join(dirname(process.execPath), "../include/node");
  const source = join(import.meta.dirname, "programs/forks.c");
  const flags = ["-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-Wall", "-Werror", `-I${headers}`];
  execFileSync(compiler ?? "cc", [...flags, "-o", addon, source]);
  return addon;
}

export interface Outcome {
  /** The exit code; 200 + n when signal n killed the init itself. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  /** Options of the init, before `--`. */
  readonly options?: readonly string[];
  /** Options of programs/namespace.c. */
  readonly namespace?: readonly string[];
  /** Added to the environment; undefined removes. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Run the init under this name instead of `initwrap`. */
  readonly name?: string;
  /** Another init, or null for none at all. */
  readonly init?: string | null;
  /** Put in front of everything: strace, or programs/terminal.c. */
  readonly prefix?: readonly string[];
  readonly cwd?: string;
  /** Leaves out the `--`. */
  readonly bare?: boolean;
}

export interface Running {
  /** The init's pid as seen from here. */
  readonly pid: Promise<number>;
  readonly process: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Outcome>;
  /** Waits until the output contains `text` and returns all of it. */
  output(text: string): Promise<string>;
  /** Sends a signal to the init; with a value by sigqueue(3). */
  send(signal: number, value?: number, count?: number): Promise<void>;
}

const names = mkdtempSync(join(tmpdir(), "initwrap-names-"));

/** The init under another name: a symbolic link to it. */
export function named(name: string): string {
  const link = join(names, name);
  if (!existsSync(link)) symlinkSync(INIT, link);
  return link;
}

/** A fresh directory for a test's files. */
export function scratch(): string {
  return mkdtempSync(join(tmpdir(), "initwrap-test-"));
}

/** A user that nobody else is: a limit of processes counts all that a user has, in whatever namespace. */
export function user(): string {
  return String(randomInt(100_000, 1_000_000_000));
}

function collect(stream: Readable): { text: string } {
  const collected = { text: "" };
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    collected.text += chunk;
  });
  return collected;
}

export function start(command: readonly string[], options: StartOptions = {}): Running {
  const init = options.init === undefined ? (options.name ? named(options.name) : INIT) : options.init;
  const line =
    init === null ? command : [init, ...(options.options ?? []), ...(options.bare ? [] : ["--"]), ...command];
  const whole = [...(options.prefix ?? []), program("namespace"), ...(options.namespace ?? []), "--", ...line];
  const environment: NodeJS.ProcessEnv = { ...process.env, ...options.env };
  for (const [name, value] of Object.entries(options.env ?? {})) if (value === undefined) delete environment[name];
  const child = spawn(whole[0] ?? "", whole.slice(1), {
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    env: environment,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  }) as unknown as ChildProcessWithoutNullStreams;
  child.stdin.on("error", () => {});
  child.setMaxListeners(0);
  child.stdout.setMaxListeners(0);
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const announced = child.stdio[3] as Readable;
  const pid = new Promise<number>((resolve, reject) => {
    let text = "";
    announced.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (text.includes("\n")) resolve(Number.parseInt(text, 10));
    });
    announced.on("end", () => reject(new Error(`no pid: ${stderr.text}`)));
  });
  pid.catch(() => {});
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve({ code: code ?? (signal ? -1 : 0), stdout: stdout.text, stderr: stderr.text });
    });
  });
  return {
    pid,
    process: child,
    ended,
    output: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!stdout.text.includes(text)) return;
          child.stdout.off("data", look);
          resolve(stdout.text);
        };
        child.stdout.on("data", look);
        child.on("close", () =>
          reject(new Error(`ended without ${JSON.stringify(text)}: ${stdout.text}${stderr.text}`)),
        );
        look();
      }),
    send: async (signal, value, count) => {
      const args = [await pid, signal, value ?? "-", count ?? 1].map(String);
      execFileSync(program("send"), args);
    },
  };
}

/** Starts and waits for the end. */
export function run(command: readonly string[], options: StartOptions = {}): Promise<Outcome> {
  const running = start(command, options);
  running.process.stdin.end();
  return running.ended;
}

/** The command line of a main child: see programs/child.c. */
export function child(...words: readonly (string | number)[]): string[] {
  return [program("child"), ...words.map(String)];
}

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits until `condition` holds; its last value otherwise. */
export async function eventually<T>(condition: () => T, milliseconds = 3000): Promise<T> {
  const end = Date.now() + milliseconds;
  for (;;) {
    const value = condition();
    if (value || Date.now() > end) return value;
    await sleep(5);
  }
}

let namespaces: boolean | undefined;

function canMakeNamespaces(): boolean {
  if (namespaces === undefined) {
    try {
      execFileSync(program("namespace"), ["--", program("child"), "exit", "0"], {
        stdio: ["ignore", "ignore", "ignore", "pipe"],
      });
      namespaces = true;
    } catch {
      namespaces = false;
    }
  }
  return namespaces;
}

/** Skips the test, or fails it in CI, where the init cannot be run as PID 1. */
export function requireInit(context: SkippableContext): void {
  requireCapability(
    context,
    "Linux on amd64 or arm64",
    process.platform === "linux" && /^(x64|arm64)$/.test(process.arch),
  );
  requireCapability(context, "a C compiler", compiler !== undefined);
  requireCapability(context, "permission to make PID namespaces", canMakeNamespaces());
}

/** The same for what only root may do: another user's limits, mounts. */
export function requireRoot(context: SkippableContext): void {
  requireInit(context);
  requireCapability(context, "root", process.getuid?.() === 0);
}
