/** Where and how it is started, and what is heard of it. */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync } from "node:fs";
import { join } from "node:path";
import { child, program, type StartOptions, scratch, user } from "../harness.ts";
import type { BehaviourGroup, Subject } from "./behaviour.ts";

/** It runs a command, forwards TERM and reaps, started so. */
async function works(init: Subject, options: StartOptions): Promise<void> {
  assert.equal((await init.run(child("exit", 17), options)).code, 17);
  assert.equal((await init.run(child("orphan", "dead"), options)).code, 0);
  const running = init.start(child("pause"), options);
  await running.output("ready\n");
  await running.send(15);
  assert.equal((await running.ended).code, 143);
}

const adopting = { tini: ["-s"] } as const;

export const surroundings: BehaviourGroup = {
  title: "Surroundings",
  behaviours: [
    {
      title: "not being PID 1 it adopts orphans all the same",
      options: adopting,
      probe: async (init) => {
        assert.equal((await init.run(child("orphan", "later"), { namespace: ["-n"] })).code, 0);
        assert.equal((await init.run(child("orphan", "dead"), { namespace: ["-n"] })).code, 0);
      },
    },
    {
      title: "not being PID 1 it says nothing about it",
      options: adopting,
      probe: async (init) => {
        const outcome = await init.run(child("exit", 0), { namespace: ["-n"] });
        assert.deepEqual(outcome, { code: 0, stdout: "", stderr: "" });
      },
    },
    {
      title: "nothing is written in a normal run",
      probe: async (init) => {
        const running = init.start(child("handler", 5));
        await running.output("ready\n");
        await running.send(28);
        await running.send(15);
        assert.deepEqual(await running.ended, { code: 5, stdout: "ready\n", stderr: "" });
        assert.deepEqual(await init.run(child("orphans", 3)), { code: 0, stdout: "", stderr: "" });
      },
    },
    {
      title: "it can tell of each event, on standard error alone",
      options: { initwrap: ["-v"], tini: ["-vvv"], "dumb-init": ["-v"] },
      probe: async (init) => {
        const running = init.start(child("handler", 5));
        await running.output("ready\n");
        await running.send(15);
        const { stdout, stderr } = await running.ended;
        assert.equal(stdout, "ready\n");
        assert.match(stderr, /TERM|15/);
        assert.match(stderr, /(code|status)\D+5/);
      },
    },
    {
      title: "an empty environment is enough",
      probe: (init) => works(init, { prefix: ["/usr/bin/env", "-i"] }),
    },
    { title: "without `/proc`", needs: "root", probe: (init) => works(init, { namespace: ["-m"] }) },
    { title: "with every file system read-only", needs: "root", probe: (init) => works(init, { namespace: ["-o"] }) },
    {
      title: "as any user, without capabilities, under `no_new_privs`",
      needs: "root",
      probe: (init) => works(init, { namespace: ["-w", "-u", user()] }),
    },
    {
      title: "in an empty root: no `/dev`, no shell, no library",
      native: "the emulator needs libraries",
      needs: "root",
      probe: async (init) => {
        const root = scratch();
        for (const [from, to] of [
          [init.file, "init"],
          [program("child"), "child"],
        ] as const)
          copyFileSync(from, join(root, to));
        chmodSync(root, 0o755);
        const chroot = ["/usr/sbin/chroot", `--userspec=${user()}:${user()}`, root];
        const running = init.start([...chroot, "/init", "--", "/child", "exit", "17"], { init: null });
        assert.deepEqual(await running.ended, { code: 17, stdout: "", stderr: "" });
      },
    },
  ],
};
