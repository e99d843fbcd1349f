/** Runs the built CLI as a user does: its own process, real streams, real exit code. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "./programs.ts";

export const CLI = join(ROOT, "packages/cli/bin/run.js");

export interface CliResult {
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string | Uint8Array;
}

/** One call; never rejects for an exit code. A process that a signal ended has 128 + its number as a shell would say. */
export function initwrap(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CLI, ...args], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const stdout: Buffer[] = [];
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      stderr += chunk;
    });
    child.stdin.on("error", () => {});
    child.stdin.end(options.input);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve({ status: code ?? (signal === "SIGINT" ? 130 : 143), stdout: Buffer.concat(stdout), stderr });
    });
  });
}

/** As `initwrap`, but anything but exit 0 is the test's failure. */
export async function initwrapOk(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const result = await initwrap(args, options);
  if (result.status !== 0)
    throw new Error(`initwrap ${args.join(" ")} exited ${result.status}:\n${result.stderr}${result.stdout}`);
  return result;
}
