import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { child, sleep } from "../harness.ts";
import type { BehaviourGroup, Subject } from "./behaviour.ts";

const CHLD = 17;
const OF_EMULATOR = "qemu-user keeps some signals, and their values, to itself";
const LAST = 64;

/** Each of the signals, sent to the init, is printed by the command. */
async function forwards(init: Subject, signals: readonly number[]): Promise<void> {
  const running = init.start(child("signals"));
  await running.output("ready\n");
  for (const signal of signals) {
    await running.send(signal);
    await running.output(`\n${signal} -1\n`);
  }
}

/** A number of them, in order, without the ones given. */
function numbers(from: number, to: number, without: readonly number[] = []): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i).filter((number) => !without.includes(number));
}

const synchronous = [4, 5, 6, 7, 8, 11, 31];
const ofTerminals = [20, 21, 22];
/** KILL and STOP cannot be caught, CHLD is about the init's own children. */
const special = [9, 19, CHLD];

async function endsAfterStop(init: Subject, stop: number, wait: number): Promise<void> {
  const running = init.start(child("pause"));
  await running.output("ready\n");
  await running.send(stop);
  await sleep(wait);
  await running.send(15);
  assert.equal((await running.ended).code, 143);
}

export const signals: BehaviourGroup = {
  title: "Signals",
  behaviours: [
    {
      title: "every ordinary signal is forwarded",
      limit: 15,
      probe: (init) => forwards(init, numbers(1, 31, [...special, ...synchronous, ...ofTerminals])),
    },
    {
      title: "`ILL TRAP ABRT BUS FPE SEGV SYS` that a process sent, too",
      native: OF_EMULATOR,
      probe: (init) => forwards(init, synchronous),
    },
    { title: "`TSTP TTIN TTOU` reach the command", probe: (init) => forwards(init, ofTerminals) },
    {
      title: "real-time signals, 34 to 64",
      limit: 15,
      native: OF_EMULATOR,
      probe: (init) => forwards(init, numbers(34, LAST)),
    },
    {
      title: "32 and 33, which C libraries keep to themselves",
      native: OF_EMULATOR,
      probe: (init) => forwards(init, [32, 33]),
    },
    {
      title: "queued real-time signals are each delivered",
      probe: async (init) => {
        const running = init.start(child("signals"));
        await running.output("ready\n");
        await running.send(40, undefined, 500);
        await running.send(LAST);
        assert.equal((await running.ended).stdout.match(/^40 /gm)?.length, 500);
      },
    },
    ...(
      [
        ["a value sent with `sigqueue` is kept", {}],
        ["the same when the command alone is signalled", { initwrap: ["--no-group"] }],
      ] as const
    ).map(([title, options]) => ({
      title,
      options,
      native: OF_EMULATOR,
      probe: async (init: Subject) => {
        const running = init.start(child("signals"));
        await running.output("ready\n");
        for (const signal of [10, 15, 34, 50]) {
          await running.send(signal, 1000 + signal);
          await running.output(`\n${signal} ${1000 + signal}\n`);
        }
        await running.send(40, 0, 500);
        const values = (await running.output("\n40 499\n")).match(/(?<=^40 )\d+$/gm)?.map(Number);
        assert.deepEqual(values, numbers(0, 499));
      },
    })),
    {
      title: "`SIGCHLD` from outside does no harm",
      probe: async (init) => {
        const running = init.start(child("signals"));
        await running.output("ready\n");
        await running.send(CHLD, undefined, 100);
        await running.send(12);
        assert.equal((await running.output("\n12 -1\n")).replace(/^17 .*\n/gm, ""), "ready\n12 -1\n");
      },
    },
    {
      title: "5,000 signals in a burst break nothing",
      limit: 15,
      probe: async (init) => {
        const running = init.start(child("signals"));
        await running.output("ready\n");
        for (let i = 0; i < 10; i++) {
          await running.send(10, undefined, 250);
          await running.send(12, undefined, 250);
        }
        await running.output("\n12 -1\n");
        await sleep(50);
        await running.send(15);
        await running.output("\n15 -1\n");
        await running.send(9);
      },
    },
    {
      title: "after `TSTP`, `TERM` without `CONT` ends the container",
      probe: (init) => endsAfterStop(init, 20, 30),
    },
    {
      title: "the same after `TTIN` and `TTOU`",
      probe: async (init) => {
        await endsAfterStop(init, 21, 0);
        await endsAfterStop(init, 22, 30);
      },
    },
    {
      title: "a command that stopped itself neither ends nor spins the init",
      probe: async (init) => {
        const running = init.start(child("stop-self", 0));
        await running.output("ready\n");
        const pid = await running.pid;
        const times = () => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ").slice(11, 13).join();
        const waits = () =>
          Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
        await sleep(100);
        const before = [times(), waits()] as const;
        await sleep(300);
        assert.equal(times(), before[0]);
        assert.ok(waits() - before[1] < 5);
        assert.equal(running.process.exitCode, null);
      },
    },
    {
      title: "`TERM` ends a command that stopped itself",
      probe: async (init) => {
        const running = init.start(child("stop-self", 0));
        await running.output("ready\n");
        await sleep(50);
        await running.send(15);
        assert.equal((await running.ended).code, 143);
      },
    },
    {
      title: "`STOP` and `CONT` of the init are harmless; what came meanwhile is delivered",
      probe: async (init) => {
        const running = init.start(child("signals"));
        await running.output("ready\n");
        await running.send(19);
        await running.send(10);
        await sleep(30);
        await running.send(18);
        await running.output("\n10 -1\n");
      },
    },
  ],
};
