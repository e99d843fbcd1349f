import { beforeEach, expect, test } from "vitest";
import { child, requireInit, sleep, start } from "./harness.ts";

beforeEach(requireInit);

test("one TERM becomes stages, at their times", async () => {
  const running = start(child("signals"), { options: ["--stop-plan", "TERM:600ms,INT:0.2s,USR1,KILL"] });
  await running.output("ready\n");
  const before = Date.now();
  await running.send(15);
  await running.output("\n15 -1\n");
  expect(Date.now() - before).toBeLessThan(550);
  await running.output("\n2 -1\n");
  expect(Date.now() - before).toBeGreaterThanOrEqual(595);
  const outcome = await running.ended;
  expect(outcome.code).toBe(137);
  expect(Date.now() - before).toBeGreaterThanOrEqual(795);
});

test("a child that obeys the first stage is not made to wait for the others", async () => {
  const running = start(child("handler", 3), { options: ["--stop-plan=TERM:20,KILL"] });
  await running.output("ready\n");
  const before = Date.now();
  await running.send(15);
  expect((await running.ended).code).toBe(3);
  expect(Date.now() - before).toBeLessThan(500);
});

test("a stopped child is continued, so that it can die", async () => {
  const running = start(child("stop-self", 0), { options: ["--stop-plan", "INT:10,KILL"] });
  await running.output("ready\n");
  await sleep(50);
  await running.send(15);
  expect((await running.ended).code).toBe(130);
});

test("a second TERM during the plan is forwarded and does not restart it", async () => {
  const running = start(child("signals"), { options: ["--stop-plan", "INT:300ms,KILL"] });
  await running.output("ready\n");
  const before = Date.now();
  await running.send(15);
  await running.output("\n2 -1\n");
  await sleep(150);
  await running.send(15);
  const outcome = await running.ended;
  expect(outcome.code).toBe(137);
  expect(outcome.stdout).toBe("ready\n2 -1\n15 -1\n");
  expect(Date.now() - before).toBeLessThan(430);
});

test("a rewritten stop signal starts the plan as well", async () => {
  const running = start(child("signals"), { options: ["--rewrite", "RTMIN+3:TERM", "--stop-plan", "QUIT:100ms,KILL"] });
  await running.output("ready\n");
  await running.send(37);
  expect((await running.ended).stdout).toBe("ready\n3 -1\n");
});
