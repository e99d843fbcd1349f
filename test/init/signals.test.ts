import { readFileSync } from "node:fs";
import { beforeEach, expect, test } from "vitest";
import { child, requireInit, sleep, start } from "./harness.ts";

beforeEach(requireInit);

const CHLD = 17;
const uncatchable = new Set([9, 19, CHLD]);

test("every catchable signal from 1 to 64 is forwarded, synchronous and real-time ones too", async () => {
  const running = start(child("signals"));
  await running.output("ready\n");
  let seen = "";
  for (let signal = 1; signal <= 64; signal++) {
    if (uncatchable.has(signal)) continue;
    await running.send(signal);
    seen = await running.output(`\n${signal} -1\n`);
  }
  expect(seen.split("\n").slice(1, -1)).toHaveLength(61);
  expect((await running.ended).code).toBe(0);
});

for (const [how, options] of [
  ["the group", ["-g"]],
  ["the child alone", ["--no-group"]],
] as const) {
  test(`the value sent with sigqueue is kept when forwarding to ${how}`, async () => {
    const running = start(child("signals"), { options });
    await running.output("ready\n");
    for (const signal of [10, 15, 34, 50]) {
      await running.send(signal, 1000 + signal);
      await running.output(`\n${signal} ${1000 + signal}\n`);
    }
    await running.send(64);
    expect((await running.ended).code).toBe(0);
  });
}

test("queued real-time signals are each delivered, in order, with their values", async () => {
  const running = start(child("signals"));
  await running.output("ready\n");
  await running.send(40, 0, 500);
  const text = await running.output("\n40 499\n");
  const values = text.match(/(?<=^40 )\d+$/gm)?.map(Number);
  expect(values).toEqual(Array.from({ length: 500 }, (_, i) => i));
  await running.send(64);
  await running.ended;
});

test("5,000 signals in a burst break nothing", async () => {
  const running = start(child("signals"));
  await running.output("ready\n");
  for (let i = 0; i < 10; i++) {
    await running.send(10, undefined, 250);
    await running.send(34, undefined, 250);
  }
  await running.send(64);
  const outcome = await running.ended;
  expect(outcome.code).toBe(0);
  expect(outcome.stdout.match(/^34 -1$/gm)?.length).toBe(2500);
  expect(outcome.stdout).toContain("\n10 -1\n");
});

test("SIGCHLD from outside is harmless and not forwarded", async () => {
  const running = start(child("signals"));
  await running.output("ready\n");
  await running.send(CHLD, undefined, 100);
  await running.send(12);
  expect(await running.output("\n12 -1\n")).toBe("ready\n12 -1\n");
  await running.send(64);
  expect((await running.ended).code).toBe(0);
});

test("after TSTP, a TERM without CONT still ends the container", async () => {
  for (const stop of [20, 21, 22]) {
    const running = start(child("pause"));
    await running.output("ready\n");
    await running.send(stop);
    if (stop !== 21) await sleep(30); // once without giving the child time to stop first
    await running.send(15);
    expect((await running.ended).code, `after signal ${stop}`).toBe(143);
  }
});

test("TERM ends a child that stopped itself; the stop neither ends nor spins the init", async () => {
  const running = start(child("stop-self", 0));
  await running.output("ready\n");
  const pid = await running.pid;
  const switches = () => /^voluntary_ctxt_switches:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  await sleep(100);
  const before = switches();
  await sleep(200);
  expect(switches()).toBe(before);
  await running.send(15);
  expect((await running.ended).code).toBe(143);
});

test("STOP and CONT of the init itself are harmless, and what came meanwhile is delivered", async () => {
  const running = start(child("signals"));
  await running.output("ready\n");
  await running.send(19);
  await running.send(10);
  await sleep(30);
  await running.send(18);
  await running.output("\n10 -1\n");
  await running.send(64);
  expect((await running.ended).code).toBe(0);
});
