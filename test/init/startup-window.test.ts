import { beforeEach, expect, test } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { testBehaviours } from "./behaviours/ours.ts";
import { startupWindow, stretched, WINDOW } from "./behaviours/startup-window.ts";
import { child, INIT, requireInit, sleep, start, which } from "./harness.ts";

testBehaviours(startupWindow);

beforeEach((context) => {
  requireInit(context);
  requireCapability(context, "strace", which("strace") !== undefined);
});

for (const options of [[], ["-g"], ["--no-group"]]) {
  test(`TERM before the init forgets SIGCHLD is not lost (${options[0] ?? "default"})`, async () => {
    const running = start(child("pause"), { prefix: stretched("rt_sigaction", "enter"), options });
    await running.pid;
    await sleep(WINDOW / 2);
    await running.send(15);
    expect((await running.ended).code).toBe(143);
  });
}

test("TERM before dumb-init's setsid is not lost", async () => {
  const running = start(child("pause"), { prefix: stretched("setsid", "enter"), name: "dumb-init" });
  await running.pid;
  await sleep(WINDOW / 2);
  await running.send(15);
  expect((await running.ended).code).toBe(143);
});

test("a queued value that arrives before the exec reaches the command", async () => {
  // Blocked and inherited as such by the command, the signal waits for it.
  const running = start(child("pause"), { prefix: stretched("setpgid", "enter") });
  await running.pid;
  await sleep(WINDOW / 2);
  await running.send(40, 77);
  // The command leaves it its default action, which ends it, before it has begun or after.
  expect((await running.ended).code).toBe(128 + 40);
});

test("TERM at a random moment of the first 4 ms: fewer are lost than by tini-static", async (context) => {
  const peer = which("tini-static");
  requireCapability(context, "tini-static", peer !== undefined);
  const tries = 200;
  const moments = Array.from({ length: tries }, (_, i) => Math.floor((i * 4000) / tries));
  const lost = { ours: 0, theirs: 0 };
  const once = async (who: keyof typeof lost, init: string, moment: number): Promise<void> => {
    const running = start(child("pause"), { init, namespace: ["-t", `${moment}`] });
    const timer = setTimeout(() => {
      lost[who]++;
      running.process.kill("SIGKILL");
    }, 1500);
    await running.ended;
    clearTimeout(timer);
  };
  for (let i = 0; i < tries; i += 10) {
    const some = moments.slice(i, i + 10);
    await Promise.all(some.map((moment) => once("ours", INIT, moment)));
    await Promise.all(some.map((moment) => once("theirs", peer ?? "", moment)));
  }
  expect(lost.ours, JSON.stringify(lost)).toBeLessThan(lost.theirs);
});
