import assert from "node:assert/strict";
import { child, program, sleep } from "../harness.ts";
import type { BehaviourGroup, Subject } from "./behaviour.ts";

async function interrupted(init: Subject, flags: readonly string[]): Promise<void> {
  const running = init.typed(child("pause"), flags);
  await running.output("ready");
  running.process.stdin.write("\x03");
  assert.equal((await running.ended).code, 130);
}

export const terminal: BehaviourGroup = {
  title: "Terminal",
  behaviours: [
    {
      title: "the command leads the foreground process group",
      probe: async (init) => {
        const running = init.typed(["/bin/sh", "-c", "ps -o pid=,pgid=,tpgid= -p $$ | tr -s ' '"]);
        const [pid, group, foreground] = (await running.ended).stdout.trim().split(" ");
        assert.ok(Number(pid) > 1);
        assert.deepEqual([group, foreground], [pid, pid]);
      },
    },
    {
      title: "also with its standard input redirected",
      probe: async (init) => {
        const running = init.typed(["/bin/sh", "-c", "ps -o pid=,tpgid= -p $$ | tr -s ' '"], ["-r"]);
        const [pid, foreground] = (await running.ended).stdout.trim().split(" ");
        assert.equal(foreground, pid);
      },
    },
    { title: "Ctrl-C ends it with 130", probe: (init) => interrupted(init, []) },
    { title: "Ctrl-C when standard input is redirected", probe: (init) => interrupted(init, ["-r"]) },
    {
      title: "a change of the window's size arrives, once",
      probe: async (init) => {
        const running = init.typed(child("signals"));
        await running.output("ready");
        running.process.stdin.write("W\n");
        await running.output("28 -1");
        await sleep(50);
        assert.equal((await running.output("28 -1")).match(/28 -1/g)?.length, 1);
      },
    },
    {
      title: "a hang-up ends the container",
      probe: async (init) => {
        const running = init.typed(child("pause"));
        await running.output("ready");
        running.process.stdin.end();
        assert.equal((await running.ended).code, 129);
      },
    },
    {
      title: "`TOSTOP` is harmless",
      probe: async (init) => {
        const { code, stdout } = await init.typed(["/bin/sh", "-c", "echo written; exit 4"], ["-t"]).ended;
        assert.equal(code, 4);
        assert.match(stdout, /written/);
      },
    },
    {
      title: "an interactive bash has job control: Ctrl-Z and `fg` work",
      needs: "bash",
      limit: 5,
      probe: async (init) => {
        const env = { PS1: "", HISTFILE: undefined };
        const running = init.typed(["/bin/bash", "--norc", "--noprofile", "-i"], [], { env });
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
        const { code, stdout } = await running.ended;
        assert.equal(code, 11);
        assert.doesNotMatch(stdout, /no job control/);
      },
    },
  ],
};
