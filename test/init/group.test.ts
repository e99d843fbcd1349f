import { beforeEach, expect, test } from "vitest";
import { group } from "./behaviours/group.ts";
import { testBehaviours } from "./behaviours/ours.ts";
import { child, requireInit, run, sleep, start } from "./harness.ts";

testBehaviours(group);

beforeEach(requireInit);

for (const [options, reaches] of [
  [[], true],
  [["-g"], true],
  [["--no-group"], false],
] as const) {
  test(`${options[0] ?? "by default"}: TERM ${reaches ? "reaches" : "does not reach"} the child of a shell that passes nothing on`, async () => {
    const running = start(child("shell-like"), { options });
    await running.output("ready\n");
    await running.send(15);
    if (reaches) {
      expect((await running.ended).code).toBe(33);
    } else {
      await sleep(150);
      expect(running.process.exitCode).toBe(null);
      await running.send(9);
      await running.ended;
    }
  });
}

test("the child leads a group of its own", async () => {
  const outcome = await run(["/bin/sh", "-c", "ps -o pgid= -p $$ | tr -d ' '; echo $$"]);
  const [leader, pid] = outcome.stdout.trim().split("\n");
  expect(leader).toBe(pid);
});
