import { readFileSync } from "node:fs";
import { beforeEach, expect, test } from "vitest";
import { testBehaviours } from "./behaviours/ours.ts";
import { translation } from "./behaviours/translation.ts";
import { child, eventually, requireInit, run, start } from "./harness.ts";

testBehaviours(translation);

beforeEach(requireInit);

test("signals are rewritten by name or number, and dropped by 0", async () => {
  const running = start(child("signals"), {
    options: ["--rewrite", "TERM:QUIT,SIGHUP:0", "-r", "10:rtmin+2", "--rewrite=RTMAX-1:2"],
  });
  await running.output("ready\n");
  await running.send(1);
  for (const [sent, got] of [
    [15, 3],
    [10, 36],
    [63, 2],
    [12, 12],
  ] as const) {
    await running.send(sent);
    await running.output(`\n${got} -1\n`);
  }
  await running.send(34, 7);
  await running.output("\n34 7\n");
  await running.send(64);
  expect((await running.ended).stdout).not.toMatch(/^1 /m);
});

test("exit codes are mapped, those of signals too; one without a target becomes 0", async () => {
  const options = ["--exit-map", "3:9,143", "-e", "7:0"];
  expect((await run(child("exit", 3), { options })).code).toBe(9);
  expect((await run(child("die", 15), { options })).code).toBe(0);
  expect((await run(child("exit", 7), { options })).code).toBe(0);
  expect((await run(child("exit", 4), { options })).code).toBe(4);
});

test("TSTP, TTIN and TTOU follow what is chosen for them: stopped for good, dropped, or turned into something else", async () => {
  const running = start(child("signals"), { options: ["--rewrite", "TSTP:STOP,TTIN:0,TTOU:USR2"] });
  await running.output("ready\n");
  const pid = await running.pid;
  const main = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  const state = () => /^State:\s*(\w)/m.exec(readFileSync(`/proc/${main}/status`, "utf8"))?.[1];
  await running.send(21);
  await running.send(22);
  expect(await running.output("\n12 -1\n")).toBe("ready\n12 -1\n");
  await running.send(20);
  expect(await eventually(() => state() === "T")).toBe(true);
  await running.send(18);
  await running.output("\n18 -1\n");
  await running.send(64);
  expect((await running.ended).code).toBe(0);
});
