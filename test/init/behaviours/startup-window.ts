/**
 * Signals that arrive while the command is being started. The windows are stretched: strace delays a system call of the
 * init or of its not yet executed child, and programs/namespace.c stops the init at a system call of its own.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { child, eventually, program, sleep, which } from "../harness.ts";
import type { Behaviour, BehaviourGroup, Subject } from "./behaviour.ts";

/** How long a stretched call takes, in milliseconds. */
export const WINDOW = 300;

/** strace that delays each of the calls, at its entry or exit, of the init and its child. */
export function stretched(calls: string, where: "enter" | "exit"): string[] {
  const inject = `inject=${calls}:delay_${where}=${WINDOW * 1000}`;
  return [which("strace") ?? "", "-f", "-qq", "-o", "/dev/null", "-e", `trace=${calls}`, "-e", inject];
}

/** The init's first child, once it has one. */
async function firstChild(init: number): Promise<string> {
  return (
    await eventually(() => {
      try {
        return readFileSync(`/proc/${init}/task/${init}/children`, "utf8").trim();
      } catch {
        return "";
      }
    })
  ).split(" ")[0] as string;
}

/** TERM half a delay after the init has a child: while that is in the delayed call. */
async function endsByTermIn(init: Subject, prefix: readonly string[]): Promise<void> {
  const running = init.start(child("pause"), { prefix });
  await firstChild(await running.pid);
  await sleep(WINDOW / 2);
  await running.send(15);
  assert.equal((await running.ended).code, 143);
}

const grouped = { initwrap: ["-g"], tini: ["-g"], catatonit: ["-g"] } as const;

const windows: readonly Behaviour[] = [
  {
    title: "before the child's process group or session exists",
    probe: (init: Subject) => endsByTermIn(init, stretched("setpgid,setsid", "enter")),
  },
  {
    title: "after that, before the exec",
    probe: (init: Subject) => endsByTermIn(init, stretched("setpgid,setsid", "exit")),
  },
  {
    title: "while the child takes the terminal",
    probe: (init: Subject) => endsByTermIn(init, stretched("ioctl", "enter")),
  },
  {
    title: "after the child's mask was restored",
    probe: async (init: Subject) => {
      const running = init.start(child("pause"), { prefix: stretched("rt_sigprocmask", "exit") });
      const main = await firstChild(await running.pid);
      const blocked = () => /^SigBlk:\t(\w+)$/m.exec(readFileSync(`/proc/${main}/status`, "utf8"))?.[1];
      const restored = () => (BigInt(`0x${blocked()}`) & (1n << 14n)) === 0n;
      assert.ok(await eventually(restored, 6 * WINDOW));
      await running.send(15);
      assert.equal((await running.ended).code, 143);
    },
  },
].flatMap(({ title, probe }) => [
  { title: `\`TERM\` ${title}`, needs: "strace" as const, limit: 5, probe },
  {
    title: `\`TERM\` ${title}, the group being signalled`,
    needs: "strace" as const,
    limit: 5,
    // dumb-init signals its session unless told otherwise.
    options: grouped,
    probe: (init: Subject) => {
      assert.ok(init.options.length > 0 || init.file.endsWith("dumb-init"), "no group is signalled");
      return probe(init);
    },
  },
]);

export const startupWindow: BehaviourGroup = {
  title: "Signals at start: none is lost",
  behaviours: [
    {
      title: "`TERM` right after the init's first system call",
      native: "the first system calls are the emulator's",
      probe: async (init) => {
        assert.equal((await init.run(child("pause"), { namespace: ["-k", "1"] })).code, 143);
      },
    },
    {
      title: "`TERM` after each of its first six",
      native: "the first system calls are the emulator's",
      probe: async (init) => {
        for (let calls = 1; calls <= 6; calls++)
          assert.equal((await init.run(child("pause"), { namespace: ["-k", `${calls}`] })).code, 143, `after ${calls}`);
      },
    },
    ...windows,
    {
      title: "a command that ends before the init waits for it is not missed",
      needs: "strace",
      probe: async (init) => {
        const prefix = stretched("chdir,close_range,wait4,rt_sigtimedwait", "enter");
        assert.equal((await init.run(child("exit", 21), { prefix })).code, 21);
      },
    },
    {
      title: "`TERM` to an init that itself runs below another is passed on by both",
      probe: async (init) => {
        const inner = [init.file, ...init.options, "--", program("child"), "pause"];
        const running = init.start(inner);
        await running.output("ready\n");
        await running.send(15);
        assert.equal((await running.ended).code, 143);
      },
    },
  ],
};
