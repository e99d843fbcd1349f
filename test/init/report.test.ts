import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { child, requireInit, run, scratch, start } from "./harness.ts";

beforeEach(requireInit);

test("one line of JSON at the end: code, signal, signals forwarded, orphans reaped, out of memory", async () => {
  const file = join(scratch(), "termination-log");
  writeFileSync(file, "what an earlier run left here, longer than the line that replaces it ".repeat(5));
  const running = start(child("pause"), { options: ["--report", file] });
  await running.output("ready\n");
  await running.send(28);
  await running.send(15);
  expect((await running.ended).code).toBe(143);
  const text = readFileSync(file, "utf8");
  expect(text.endsWith("}\n") && !text.slice(0, -1).includes("\n")).toBe(true);
  const report = JSON.parse(text) as Record<string, unknown>;
  expect(report).toMatchObject({ exitCode: 143, signal: "SIGTERM", forwarded: 2, reaped: 0 });
  expect([true, false, null]).toContain(report["oomKilled"]);
});

test("orphans are counted, and an exit code without a signal is told as such", async () => {
  const file = join(scratch(), "report");
  // The last to be made need not be the last to die: the command stays until all of them have.
  const command = ["/bin/sh", "-c", '"$@" && sleep 0.3', "sh", ...child("orphans", 25)];
  await run(command, { options: [`--report=${file}`] });
  expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ exitCode: 0, signal: null, forwarded: 0, reaped: 25 });
});

test("a report that cannot be written changes nothing but a message", async () => {
  const outcome = await run(child("exit", 8), { options: ["--report", "/proc/nowhere/report"] });
  expect(outcome.code).toBe(8);
  expect(outcome.stderr).toBe("initwrap: cannot write the report /proc/nowhere/report: No such file or directory\n");
});
