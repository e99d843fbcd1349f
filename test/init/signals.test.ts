import { beforeEach, expect, test } from "vitest";
import { testBehaviours } from "./behaviours/ours.ts";
import { signals } from "./behaviours/signals.ts";
import { child, requireInit, start } from "./harness.ts";

testBehaviours(signals);

beforeEach(requireInit);

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
