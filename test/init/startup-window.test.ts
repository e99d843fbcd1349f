/**
 * Signals that arrive while the child is being started. The windows are stretched by strace, which delays one system call
 * of the init or of its not yet executed child, so that no luck is involved.
 */
import { beforeEach, expect, test } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { child, requireInit, sleep, start, which } from "./harness.ts";

const MILLISECONDS = 300;

beforeEach((context) => {
  requireInit(context);
  requireCapability(context, "strace", which("strace") !== undefined);
});

/** strace that delays `call`, at its entry or exit, of the init or its child; `nth` counts calls in each process. */
function stretched(call: string, where: "enter" | "exit", nth = 1): string[] {
  const inject = `inject=${call}:delay_${where}=${MILLISECONDS * 1000}:when=${nth}`;
  return [which("strace") ?? "", "-f", "-qq", "-o", "/dev/null", "-e", `trace=${call}`, "-e", inject];
}

for (const [name, prefix] of [
  ["before the child's process group exists", stretched("setpgid", "enter")],
  ["after the child's process group exists", stretched("setpgid", "exit")],
  ["while the child looks for the terminal", stretched("ioctl", "enter")],
  ["before the init forgets SIGCHLD", stretched("rt_sigaction", "enter")],
] as const) {
  for (const options of [[], ["-g"], ["--no-group"]]) {
    test(`TERM ${name} is not lost (${options[0] ?? "default"})`, async () => {
      const running = start(child("pause"), { prefix, options });
      await running.pid;
      await sleep(MILLISECONDS / 2);
      await running.send(15);
      expect((await running.ended).code).toBe(143);
    });
  }
}

test("TERM before dumb-init's setsid is not lost", async () => {
  const running = start(child("pause"), { prefix: stretched("setsid", "enter"), name: "dumb-init" });
  await running.pid;
  await sleep(MILLISECONDS / 2);
  await running.send(15);
  expect((await running.ended).code).toBe(143);
});

test("a queued value that arrives before the exec reaches the command", async () => {
  // Blocked and inherited as such by the command, the signal waits for it.
  const running = start(child("signals"), { prefix: stretched("setpgid", "enter") });
  await running.pid;
  await sleep(MILLISECONDS / 2);
  await running.send(40, 77);
  // Forwarded right after the exec, before the child has blocked it: the default action ends the child.
  expect((await running.ended).code).toBe(128 + 40);
});

test("a child that ends before the init looks is not missed", async () => {
  const running = start(child("exit", 21), { prefix: stretched("chdir", "enter") });
  running.process.stdin.end();
  expect((await running.ended).code).toBe(21);
});
