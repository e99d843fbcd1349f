import { beforeEach, expect, test } from "vitest";
import { child, requireInit, run, sleep, start } from "./harness.ts";

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

for (const options of [[], ["-g"]]) {
  test(`a child that left its group gets the signals alone (${options[0] ?? "default"})`, async () => {
    const running = start(child("signals-in-new-group"), { options, namespace: ["-s"] });
    await running.output("ready\n");
    await running.send(10);
    await running.output("\n10 -1\n");
    await running.send(34, 5);
    await running.output("\n34 5\n");
    await running.send(64);
    expect((await running.ended).code).toBe(0);
  });
}

test("the child leads a group of its own", async () => {
  const outcome = await run(["/bin/sh", "-c", "ps -o pgid= -p $$ | tr -d ' '; echo $$"]);
  const [group, pid] = outcome.stdout.trim().split("\n");
  expect(group).toBe(pid);
});
