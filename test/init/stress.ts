/**
 * `pnpm stress:init`: a great many signals and orphans through one init, at the same time; none may be lost, and the init's
 * memory may not change. What is counted, and how: programs/stress.c.
 *
 *   node test/init/stress.ts [--signals N] [--orphans N] [-- OPTIONS OF THE INIT...]      a million of each by default
 */
import { execFile } from "node:child_process";
import { parseArgs, promisify } from "node:util";
import { INIT, program } from "./harness.ts";

/** Memory is in KiB, as the kernel tells it. */
export interface StressResult {
  readonly sent: number;
  readonly arrived: number;
  /** Signals whose value was the one that was sent at that place. */
  readonly inOrder: number;
  readonly orphans: number;
  /** Children of the init that nobody reaped, besides the command. */
  readonly childrenLeft: number;
  readonly mostChildren: number;
  readonly rssBefore: number;
  readonly rssAfter: number;
  readonly dirtyBefore: number;
  readonly dirtyAfter: number;
  readonly seconds: number;
  readonly exitCode: number;
}

/** Runs the init, with options of its own, as PID 1. Needs permission to make PID namespaces. */
export async function stress(signals: number, orphans: number, options: readonly string[] = []): Promise<StressResult> {
  const args = [String(signals), String(orphans), INIT, ...options, "--"];
  const { stdout } = await promisify(execFile)(program("stress"), args, { maxBuffer: Number.POSITIVE_INFINITY });
  return JSON.parse(stdout) as StressResult;
}

/** What went wrong, or nothing. */
export function losses(result: StressResult, signals: number, orphans: number): string[] {
  const expected: Partial<StressResult> = {
    sent: signals,
    arrived: signals,
    inOrder: signals,
    orphans,
    childrenLeft: 0,
    rssAfter: result.rssBefore,
    dirtyAfter: result.dirtyBefore,
    exitCode: 0,
  };
  return Object.entries(expected)
    .filter(([key, value]) => result[key as keyof StressResult] !== value)
    .map(([key, value]) => `${key} is ${result[key as keyof StressResult]} and should be ${value}`);
}

if (process.argv[1] === import.meta.filename) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      signals: { type: "string", default: "1000000" },
      orphans: { type: "string", default: "1000000" },
    },
  });
  const [signals, orphans] = [Number(values.signals), Number(values.orphans)];
  const result = await stress(signals, orphans, positionals);
  process.stdout.write(`${JSON.stringify(result)}\n`);
  for (const loss of losses(result, signals, orphans)) {
    process.stdout.write(`LOST ${loss}\n`);
    process.exitCode = 1;
  }
}
