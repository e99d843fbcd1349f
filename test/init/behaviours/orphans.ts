import assert from "node:assert/strict";
import { child, user } from "../harness.ts";
import type { BehaviourGroup, Subject } from "./behaviour.ts";

const endsWith0 =
  (...words: readonly (string | number)[]) =>
  async (init: Subject) => {
    assert.equal((await init.run(child(...words))).code, 0);
  };

export const orphans: BehaviourGroup = {
  title: "Children",
  behaviours: [
    { title: "an orphan that is dead already is reaped within 50 ms", probe: endsWith0("orphan", "dead") },
    { title: "one that dies later", probe: endsWith0("orphan", "later") },
    { title: "one in a session of its own", probe: endsWith0("orphan", "session") },
    { title: "a chain whose parents never waited leaves no zombie", probe: endsWith0("chain", 6) },
    {
      title: "10,000 orphans pass through a limit of 300 processes",
      needs: "root",
      limit: 60,
      native: "it takes long",
      probe: async (init) => {
        assert.equal((await init.run(child("orphans", 10_000), { namespace: ["-u", user(), "-p", "300"] })).code, 0);
      },
    },
    { title: "the command's own zombies are left to it", probe: endsWith0("own-zombie") },
    {
      title: "a fork bomb against a process limit does not harm the init",
      needs: "root",
      probe: async (init) => {
        assert.equal((await init.run(child("bomb", 500), { namespace: ["-u", user(), "-p", "100"] })).code, 0);
      },
    },
    {
      title: "`TERM` at the process limit is forwarded",
      needs: "root",
      probe: async (init) => {
        const running = init.start(child("full", 23), { namespace: ["-u", user(), "-p", "60"] });
        await running.output("ready\n");
        await running.send(15);
        assert.equal((await running.ended).code, 23);
      },
    },
    {
      title: "started with `SIGCHLD` ignored, orphans are reaped too",
      probe: async (init) => {
        assert.equal((await init.run(child("orphan", "later"), { namespace: ["-i"] })).code, 0);
      },
    },
  ],
};
