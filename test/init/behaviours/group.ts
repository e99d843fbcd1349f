import assert from "node:assert/strict";
import { child } from "../harness.ts";
import type { Behaviour, BehaviourGroup, Subject } from "./behaviour.ts";

async function reachesChildOfShell(init: Subject): Promise<void> {
  const running = init.start(child("shell-like"));
  await running.output("ready\n");
  await running.send(15);
  assert.equal((await running.ended).code, 33);
}

const leftGroup: Behaviour["probe"] = async (init) => {
  assert.ok(init.options.length > 0 || init.file.endsWith("dumb-init"), "no group is signalled");
  const running = init.start(child("signals-in-new-group"), { namespace: ["-s"] });
  await running.output("ready\n");
  await running.send(10);
  await running.output("\n10 -1\n");
  await running.send(15);
  await running.output("\n15 -1\n");
};

export const group: BehaviourGroup = {
  title: "Process group",
  behaviours: [
    {
      title: "signals reach the children of a shell that passes nothing on",
      options: { tini: ["-g"], catatonit: ["-g"] },
      probe: reachesChildOfShell,
    },
    {
      title: "a command that left the group is signalled alone, the group being asked for",
      options: { initwrap: ["-g"], tini: ["-g"], catatonit: ["-g"] },
      probe: leftGroup,
    },
    {
      title: "the command alone can be chosen",
      options: { initwrap: ["--no-group"], "dumb-init": ["-c"] },
      probe: async (init) => {
        const running = init.start(child("shell-like"));
        await running.output("ready\n");
        await running.send(15);
        const outcome = await Promise.race([
          running.ended,
          new Promise((resolve) => setTimeout(resolve, 200, "alive")),
        ]);
        assert.equal(outcome, "alive");
      },
    },
    {
      title: "the group can be chosen by a variable, for `docker run --init`",
      variables: { initwrap: { INITWRAP_GROUP: "1" }, tini: { TINI_KILL_PROCESS_GROUP: "1" } },
      probe: async (init) => {
        assert.ok(Object.keys(init.variables).length > 0, "no variable");
        await reachesChildOfShell(init);
      },
    },
  ],
};
