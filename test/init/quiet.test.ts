import { beforeEach, expect, test } from "vitest";
import { child, requireInit, run, start } from "./harness.ts";

beforeEach(requireInit);

test("a normal run writes nothing, signals and orphans included", async () => {
  expect(await run(child("orphans", 30))).toEqual({ code: 0, stdout: "", stderr: "" });
  const running = start(child("pause"));
  await running.output("ready\n");
  await running.send(28);
  await running.send(15);
  expect(await running.ended).toEqual({ code: 143, stdout: "ready\n", stderr: "" });
});

test("-v writes one line an event to stderr", async () => {
  const running = start(child("pause"), { options: ["-v"] });
  await running.output("ready\n");
  await running.send(28);
  await running.send(15);
  const { stderr, stdout } = await running.ended;
  expect(stdout).toBe("ready\n");
  expect(stderr.split("\n").map((line) => line.replace(/\d+/g, "N"))).toEqual([
    expect.stringMatching(/^initwrap: started .* as pid N$/),
    "initwrap: forwarded SIGWINCH",
    "initwrap: forwarded SIGTERM",
    "initwrap: main child N killed by SIGTERM",
    "",
  ]);
});

test("a reader of -v that has gone away harms nobody", async () => {
  const running = start(child("signals"), { options: ["-v"] });
  await running.output("ready\n");
  running.process.stderr.destroy();
  await running.send(10);
  await running.send(12);
  await running.output("\n12 -1\n");
  await running.send(64);
  const outcome = await running.ended;
  expect(outcome.code).toBe(0);
  expect(outcome.stdout).not.toContain("13 ");
});
