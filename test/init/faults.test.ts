/**
 * After the start of the command nothing makes the init exit but the command's end: every system call that it makes from
 * then on is made to fail, one at a time, in every way that could be. The faults are strace's; it traces the init alone
 * (without -f), from outside the init's way as a grandchild (-DDD).
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { INIT, program, requireInit, sleep, start, which } from "./harness.ts";

const ERRORS = ["EINTR", "EAGAIN", "ENOMEM", "EINVAL", "ENOSYS", "EPERM"];
const SECONDS = 10;
const AT_ONCE = 4;

beforeEach((context) => {
  requireInit(context);
  for (const tool of ["strace", "prlimit"]) requireCapability(context, tool, which(tool) !== undefined);
});

interface Call {
  readonly name: string;
  /** The how manieth call of this name it is, from 1, since the init was executed. */
  readonly nth: number;
}

async function traced(options: readonly string[], inject: readonly string[]): Promise<{ code: number; trace: string }> {
  const directory = mkdtempSync(join(tmpdir(), "initwrap-faults-"));
  const file = join(directory, "trace");
  const words = options.map((word) => word.replace("{}", directory));
  try {
    // Without close_range the init closes one by one what the limit allows: not 65,536 under strace.
    const running = start([program("faults")], {
      prefix: [which("prlimit") ?? "", "--nofile=64:64"],
      init: which("strace") ?? "",
      bare: true,
      options: ["-DDD", "-qq", "-o", file, ...inject, INIT, ...words, "--"],
    });
    running.process.stdin.end();
    const late = sleep(SECONDS * 1000).then(() => "late" as const);
    const outcome = await Promise.race([running.ended, late]);
    if (outcome === "late") running.process.kill("SIGKILL");
    return { code: outcome === "late" ? -1 : outcome.code, trace: existsSync(file) ? readFileSync(file, "utf8") : "" };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The calls of an undisturbed run, from the one after the spawn. */
function callsAfterSpawn(trace: string): Call[] {
  const counts = new Map<string, number>();
  const calls: Call[] = [];
  let spawned = false;
  for (const line of trace.split("\n")) {
    const name = /^(\w+)\(/.exec(line)?.[1];
    if (name === undefined) continue;
    const nth = (counts.get(name) ?? 0) + 1;
    counts.set(name, nth);
    if (spawned) calls.push({ name, nth });
    spawned ||= /CLONE_VFORK/.test(line);
  }
  return calls;
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
    }),
  );
}

// The last column: the calls that this way of running must come by, and that are made to fail.
test.each([
  ["by default", [], "chdir close_range wait4 rt_sigtimedwait getpgid kill waitid pidfd_open exit_group"],
  ["--no-group", ["--no-group"], "rt_sigqueueinfo kill waitid"],
  ["-v", ["-v"], "ppoll write"],
  ["--stop-plan", ["--stop-plan", "USR2:0.03,TERM"], "clock_gettime"],
  ["--grace", ["--grace", "0.3"], "clock_gettime kill"],
  ["--report", ["--report", "{}/report"], "openat write"],
] as const)(
  "%s: any call may fail once",
  async (_, options, mustMeet) => {
    const undisturbed = await traced(options, []);
    expect(undisturbed.code).toBe(7);
    const calls = callsAfterSpawn(undisturbed.trace);
    const names = mustMeet.split(" ");
    expect(calls.map(({ name }) => name)).toEqual(expect.arrayContaining(names));

    // Of each call the first, the second, and the last there was.
    const chosen = names.flatMap((name) => {
      const same = calls.filter((call) => call.name === name);
      return [...new Set([same[0]!, same[1] ?? same[0]!, same.at(-1)!])];
    });
    const faults = chosen.flatMap((call) => ERRORS.map((error) => ({ ...call, error })));
    const wrong: string[] = [];
    const met = new Set<string>();
    await inParallel(faults, async ({ name, nth, error }) => {
      const { code, trace } = await traced(options, ["-e", `inject=${name}:error=${error}:when=${nth}`]);
      if (trace.includes("(INJECTED)")) met.add(name);
      // With --grace, KILL to everything may be the end of the command: when TERM or the clock failed.
      const right = code === 7 || (code === 137 && options.some((word) => word === "--grace"));
      if (!right) wrong.push(`${name} no. ${nth} with ${error}: ${code}\n${trace}`);
    });
    expect(wrong).toEqual([]);
    expect([...met].sort()).toEqual([...names].sort());
  },
  300_000,
);

/** What an old kernel, or a filter of system calls, may never allow. */
const optional = "chdir close close_range pidfd_open pidfd_send_signal rt_sigqueueinfo getpgid waitid prlimit64";

test.each(optional.split(" "))("%s may fail always", async (name) => {
  for (const error of ["ENOSYS", "EPERM"]) {
    const { code, trace } = await traced([], ["-e", `inject=${name}:error=${error}`]);
    expect(code, trace).toBe(7);
  }
});

test("the check can fail: a tracer that makes the spawn fail ends the init", async () => {
  expect((await traced([], ["-e", "inject=clone:error=EAGAIN"])).code).toBe(125);
});
