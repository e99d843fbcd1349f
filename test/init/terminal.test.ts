import { existsSync } from "node:fs";
import { beforeEach, expect, test } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { child, INIT, program, requireInit, run, type StartOptions, sleep, start } from "./harness.ts";

beforeEach(requireInit);

/** The init in a terminal: what is written to the process is typed, and what it prints is the screen. */
function typed(command: readonly string[], flags: readonly string[] = [], options: StartOptions = {}) {
  return start([program("terminal"), ...flags, options.init ?? INIT, ...(options.options ?? []), "--", ...command], {
    ...options,
    init: null,
  });
}

test("Ctrl-C ends the child with 130", async () => {
  const running = typed(child("pause"));
  await running.output("ready");
  running.process.stdin.write("\x03");
  expect((await running.ended).code).toBe(130);
});

test("Ctrl-C reaches the child also when its stdin is redirected", async () => {
  const running = typed(child("pause"), ["-r"]);
  await running.output("ready");
  running.process.stdin.write("\x03");
  expect((await running.ended).code).toBe(130);
});

test("the child is in the foreground process group and leads it", async () => {
  const running = typed(["/bin/sh", "-c", "ps -o pid=,pgid=,tpgid= -p $$ | tr -s ' '"]);
  const { stdout, code } = await running.ended;
  expect(code).toBe(0);
  const [pid, group, foreground] = stdout.trim().split(" ");
  expect([group, foreground]).toEqual([pid, pid]);
});

test("a change of the window's size arrives", async () => {
  const running = typed(child("signals"));
  await running.output("ready");
  running.process.stdin.write("W\n");
  await running.output("28 -1");
  await sleep(20);
  running.process.stdin.end();
});

test("a hang-up ends the container", async () => {
  const running = typed(child("pause"));
  await running.output("ready");
  running.process.stdin.end();
  expect((await running.ended).code).toBe(129);
});

test("TOSTOP stops neither the child nor the init's own messages", async () => {
  const running = typed(child("exit", 4), ["-t"], { options: ["-v"] });
  const outcome = await running.ended;
  expect(outcome.code).toBe(4);
  expect(outcome.stdout).toContain("exited with code 4");
});

test("an interactive bash has job control: Ctrl-Z and fg work", async (context) => {
  requireCapability(context, "bash", existsSync("/bin/bash"));
  const running = typed(["/bin/bash", "--norc", "--noprofile", "-i"], [], { env: { PS1: "", HISTFILE: undefined } });
  running.process.stdin.write(`${program("child")} pause\n`);
  await running.output("ready");
  running.process.stdin.write("\x1a");
  await running.output("Stopped");
  running.process.stdin.write("echo jobs=$(jobs | wc -l)\n");
  await running.output("jobs=1");
  running.process.stdin.write("fg\n");
  await sleep(200);
  running.process.stdin.write("\x03");
  running.process.stdin.write("exit 11\n");
  expect((await running.ended).code).toBe(11);
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
