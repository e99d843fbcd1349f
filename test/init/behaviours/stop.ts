import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { child, scratch, sleep } from "../harness.ts";
import type { BehaviourGroup } from "./behaviour.ts";

const grace = { initwrap: ["--grace", "5s"] };

export const stop: BehaviourGroup = {
  title: "Stopping",
  behaviours: [
    {
      title: "one `TERM` becomes stages at their times, the last of them `KILL`",
      options: { initwrap: ["--stop-plan", "TERM:200ms,INT:200ms,KILL"] },
      probe: async (init) => {
        const running = init.start(child("signals"));
        await running.output("ready\n");
        const before = Date.now();
        await running.send(15);
        await running.output("\n15 -1\n");
        await running.output("\n2 -1\n");
        assert.ok(Date.now() - before >= 195);
        assert.equal((await running.ended).code, 137);
        assert.ok(Date.now() - before >= 395);
      },
    },
    {
      title: "a stopped command is continued by the plan, so that it can die",
      options: { initwrap: ["--stop-plan", "INT:10,KILL"] },
      probe: async (init) => {
        const running = init.start(child("stop-self", 0));
        await running.output("ready\n");
        await sleep(50);
        await running.send(15);
        assert.equal((await running.ended).code, 130);
      },
    },
    {
      title: "what the command leaves in a session of its own gets `TERM` and is waited for",
      options: grace,
      probe: async (init) => {
        const note = join(scratch(), "note");
        await init.run(child("leave", 6, note));
        assert.equal(readFileSync(note, "utf8"), "TERM\n");
      },
    },
    {
      title: "what it leaves in its own session, too",
      options: grace,
      probe: async (init) => {
        const note = join(scratch(), "note");
        const script = `"$0" handler 0 ${note} & read word; exit 6`;
        const running = init.start(["/bin/sh", "-c", script, ...child()]);
        await running.output("ready\n");
        running.process.stdin.end("\n");
        assert.equal((await running.ended).code, 6);
        assert.equal(readFileSync(note, "utf8"), "TERM\n");
      },
    },
    {
      title: "what ignores it is killed after the grace; the command's code is kept",
      options: { initwrap: ["--grace", "900ms"] },
      probe: async (init) => {
        const note = join(scratch(), "note");
        assert.equal((await init.run(child("leave", 6, note, "deaf"))).code, 6);
        assert.equal(readFileSync(note, "utf8"), "LATE\n");
      },
    },
    {
      title: "at `TERM` everything gets it, in whatever group or session",
      options: grace,
      probe: async (init) => {
        const note = join(scratch(), "note");
        const running = init.start(child("leave", 0, note, "obedient", "stay"));
        await running.output("ready\n");
        await running.send(15);
        assert.equal((await running.ended).code, 143);
        assert.equal(readFileSync(note, "utf8"), "TERM\n");
      },
    },
    {
      title: "what is stopped is continued, so that it can end",
      options: grace,
      probe: async (init) => {
        const note = join(scratch(), "note");
        await init.run(child("leave", 0, note, "stopped"));
        assert.equal(readFileSync(note, "utf8"), "TERM\n");
      },
    },
    {
      title: "`TERM` can be held back while endpoints are withdrawn",
      options: { initwrap: ["--stop-delay", "300ms"] },
      probe: async (init) => {
        const running = init.start(child("signals"));
        await running.output("ready\n");
        const before = Date.now();
        await running.send(15);
        // Taken after TERM if both were pending for the command.
        await running.send(40);
        assert.equal(await running.output("\n15 -1\n"), "ready\n40 -1\n15 -1\n");
        assert.ok(Date.now() - before >= 295);
      },
    },
  ],
};
