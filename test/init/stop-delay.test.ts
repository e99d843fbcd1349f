import { beforeEach, expect, test } from "vitest";
import { child, requireInit, sleep, start } from "./harness.ts";

beforeEach(requireInit);

test("TERM is held back, other signals are not, and its value is kept", async () => {
  const running = start(child("signals"), { options: ["--stop-delay", "300ms"] });
  await running.output("ready\n");
  const before = Date.now();
  await running.send(15, 99);
  await running.send(15);
  await running.send(10);
  await running.output("\n10 -1\n");
  expect(Date.now() - before).toBeLessThan(250);
  await running.output("\n15 99\n");
  expect(Date.now() - before).toBeGreaterThanOrEqual(295);
  await running.send(15);
  await running.output("\n15 -1\n");
  await running.send(64);
  expect((await running.ended).stdout).toBe("ready\n10 -1\n15 99\n15 -1\n64 -1\n");
});

test("the delay comes before the plan, and the child's end cuts both short", async () => {
  const running = start(child("signals"), { options: ["--stop-delay", "200ms", "--stop-plan", "INT:100ms,KILL"] });
  await running.output("ready\n");
  await running.send(15);
  expect(await running.ended).toMatchObject({ code: 137, stdout: "ready\n2 -1\n" });

  const short = start(["/bin/sleep", "0.2"], { options: ["--stop-delay", "1m"] });
  await short.pid;
  await sleep(30);
  await short.send(15);
  expect((await short.ended).code).toBe(0);
});

test("a stop signal other than TERM is held back when it is made one, and the plan gives the command its own", async () => {
  const options = ["--rewrite", "QUIT:TERM", "--stop-plan", "QUIT", "--stop-delay", "200ms"];
  const running = start(child("signals"), { options });
  await running.output("ready\n");
  const before = Date.now();
  await running.send(3);
  await running.output("\n3 -1\n");
  expect(Date.now() - before).toBeGreaterThanOrEqual(195);
  await running.send(64);
  expect((await running.ended).stdout).toBe("ready\n3 -1\n64 -1\n");
});
