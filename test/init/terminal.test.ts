import { existsSync } from "node:fs";
import { beforeEach, expect, test } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { Subject } from "./behaviours/behaviour.ts";
import { testBehaviours } from "./behaviours/ours.ts";
import { terminal } from "./behaviours/terminal.ts";
import { child, INIT, program, requireInit, run, start } from "./harness.ts";

testBehaviours(terminal);

beforeEach(requireInit);

test("TOSTOP stops neither the child nor the init's own messages", async () => {
  const init = new Subject(INIT, ["-v"]);
  const outcome = await init.typed(child("exit", 4), ["-t"]).ended;
  expect(outcome.code).toBe(4);
  expect(outcome.stdout).toContain("exited with code 4");
});

test("the terminal is not taken from somebody else who is in the foreground", async (context) => {
  requireCapability(context, "bash", existsSync("/bin/bash"));
  // A background job of an interactive shell must stay one.
  const running = start(
    [
      program("terminal"),
      "/bin/bash",
      "--norc",
      "--noprofile",
      "-i",
      "-c",
      `set -m; ${INIT} -- sleep 0.2 & wait; read -r stat < /proc/$$/stat; echo "stat $stat"; exit 5`,
    ],
    { init: null, env: { PS1: "" } },
  );
  const outcome = await running.ended;
  expect(outcome.code).toBe(5);
  // proc(5): the fifth field is the process group, the eighth the terminal's foreground group.
  const [, group, foreground] = /^stat \d+ \(.*\) \w \d+ (\d+) \d+ \d+ (\d+) /m.exec(outcome.stdout) ?? [];
  expect(foreground).toBeDefined();
  expect(foreground).toBe(group);
});

test("no terminal at all is no problem", async () => {
  expect((await run(child("exit", 0), { prefix: ["/usr/bin/setsid", "-w"] })).code).toBe(0);
});
