import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { child, eventually, requireInit, run, scratch, sleep, start } from "./harness.ts";

beforeEach(requireInit);

for (const [how, namespace] of [
  ["as PID 1", []],
  ["as a subreaper", ["-n"]],
] as const) {
  test(`${how}: what the main child leaves in its own session gets TERM and is waited for; the exit code is kept`, async () => {
    const note = join(scratch(), "note");
    const before = Date.now();
    const outcome = await run(child("leave", 6, note), { options: ["--grace", "5s"], namespace });
    expect(outcome).toEqual({ code: 6, stdout: "", stderr: "" });
    expect(readFileSync(note, "utf8")).toBe("TERM\n");
    expect(Date.now() - before).toBeLessThan(2000);
  });

  test(`${how}: what ignores TERM is killed after the grace`, async () => {
    const before = Date.now();
    const outcome = await run(child("leave", 6, "/dev/null", "deaf"), { options: ["--grace", "300ms"], namespace });
    expect(outcome.code).toBe(6);
    expect(Date.now() - before).toBeGreaterThanOrEqual(300);
    expect(Date.now() - before).toBeLessThan(1200);
  });

  test(`${how}: what is stopped is continued, so that it can end`, async () => {
    const note = join(scratch(), "note");
    const before = Date.now();
    await run(child("leave", 0, note, "stopped"), { options: ["--grace", "5s"], namespace });
    expect(readFileSync(note, "utf8")).toBe("TERM\n");
    expect(Date.now() - before).toBeLessThan(2000);
  });

  test(`${how}: at TERM everything gets it, and KILL after the grace`, async () => {
    const note = join(scratch(), "note");
    const running = start(child("leave", 0, note, "obedient", "stay"), { options: ["--grace=5"], namespace });
    await running.output("ready\n");
    await running.send(15);
    expect((await running.ended).code).toBe(143);
    expect(readFileSync(note, "utf8")).toBe("TERM\n");

    const deaf = start(child("deaf"), { options: ["--grace", "200ms"], namespace });
    await deaf.output("ready\n");
    const before = Date.now();
    await deaf.send(15);
    expect((await deaf.ended).code).toBe(137);
    expect(Date.now() - before).toBeGreaterThanOrEqual(195);
  });
}

test("without it nothing is waited for and nobody is told", async () => {
  const note = join(scratch(), "note");
  expect((await run(child("leave", 6, note))).code).toBe(6);
  expect(await eventually(() => existsSync(note), 100)).toBe(false);
});

test("nothing left: the grace costs no time", async () => {
  const before = Date.now();
  expect((await run(child("exit", 5), { options: ["--grace", "10"] })).code).toBe(5);
  expect(Date.now() - before).toBeLessThan(500);
});

test("a rewritten TERM goes to the main child, the rest gets TERM when that has ended", async () => {
  const note = join(scratch(), "note");
  const running = start(child("leave", 0, note, "obedient", "stay"), { options: ["--grace=5", "--rewrite=TERM:QUIT"] });
  await running.output("ready\n");
  await running.send(15);
  expect((await running.ended).code).toBe(131);
  expect(readFileSync(note, "utf8")).toBe("TERM\n");
});

test.each([
  ["--grace", "300ms"],
  ["--stop-plan", "TERM:300ms,KILL"],
])(
  "signals that come faster than they can be passed on do not put KILL off: %s %s",
  async (...options) => {
    const running = start(child("flood", 2), { options });
    await running.output("ready\n");
    await running.send(15);
    const late = sleep(10_000).then(() => "late" as const);
    const outcome = await Promise.race([running.ended, late]);
    if (outcome === "late") await running.send(9);
    expect(outcome).toMatchObject({ code: 137 });
  },
  30_000,
);
