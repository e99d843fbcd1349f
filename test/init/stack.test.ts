/** What the init says is unpacked on its stack: a small limit of that may cost no message, no start and no exit code. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { child, requireInit, run, scratch, which } from "./harness.ts";

const KIB = 256;
/** PATH alone: arguments and environment are on the stack as well. */
const env = Object.fromEntries(
  Object.keys(process.env).map((name) => [name, name === "PATH" ? process.env[name] : undefined]),
);
const limit = (kibibytes: number) => [which("prlimit") ?? "", `--stack=${kibibytes * 1024}:${kibibytes * 1024}`];

beforeEach((context) => {
  requireInit(context);
  requireCapability(context, "prlimit", which("prlimit") !== undefined);
});

test("with a stack of 256 KiB everything can be said", async () => {
  const small = { prefix: limit(KIB), env };
  const report = join(scratch(), "report");

  const loud = await run(child("exit", 7), { ...small, options: ["-v"] });
  expect(loud.code).toBe(7);
  expect(loud.stderr).toMatch(/^initwrap: started .+ as pid \d+\ninitwrap: main child \d+ exited with code 7\n$/);

  expect((await run(child("exit", 7), { ...small, options: ["--report", report] })).code).toBe(7);
  expect(readFileSync(report, "utf8")).toMatch(/^\{"exitCode":7,/);

  const missing = await run(["/no/such/command"], small);
  expect(missing).toMatchObject({ code: 127, stderr: "initwrap: /no/such/command: No such file or directory\n" });

  const help = await run([], { ...small, options: ["--help"] });
  expect(help.code).toBe(0);
  expect(help.stdout).toContain("--stop-plan PLAN");
});

test("a normal run needs next to none", async () => {
  expect(await run(child("orphans", 30), { prefix: limit(64), env })).toEqual({ code: 0, stdout: "", stderr: "" });
});
