/** Signals and exit codes that are turned into others, and the report of them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { child, scratch } from "../harness.ts";
import type { BehaviourGroup, Subject } from "./behaviour.ts";

async function rewrites(init: Subject, sent: number, got: number): Promise<void> {
  const running = init.start(child("signals"));
  await running.output("ready\n");
  await running.send(sent);
  await running.output(`\n${got} -1\n`);
}

const reportFile = join(scratch(), "report");

export const translation: BehaviourGroup = {
  title: "Rewriting and reporting",
  behaviours: [
    {
      title: "a signal can be rewritten to another",
      options: { initwrap: ["--rewrite", "15:3"], "dumb-init": ["--rewrite", "15:3"] },
      probe: (init) => rewrites(init, 15, 3),
    },
    {
      title: "a signal can be dropped",
      options: { initwrap: ["--rewrite", "USR2:0"], "dumb-init": ["--rewrite", "12:0"] },
      probe: async (init) => {
        const running = init.start(child("signals"));
        await running.output("ready\n");
        await running.send(12);
        await running.send(15);
        assert.doesNotMatch(await running.output("\n15 -1\n"), /^12 /m);
        await running.send(15);
      },
    },
    {
      title: "signals can be given by name, real-time ones too",
      native: "qemu-user keeps some of them to itself",
      options: { initwrap: ["--rewrite", "TERM:RTMIN+2"], "dumb-init": ["--rewrite", "TERM:RTMIN+2"] },
      probe: (init) => rewrites(init, 15, 36),
    },
    {
      title: "rewriting by a variable",
      variables: { initwrap: { INITWRAP_REWRITE: "TERM:QUIT" } },
      probe: (init) => rewrites(init, 15, 3),
    },
    {
      title: "an exit code can become 0",
      options: { initwrap: ["-e", "143"], tini: ["-e", "143"] },
      probe: async (init) => assert.equal((await init.run(child("die", 15))).code, 0),
    },
    {
      title: "an exit code can become any other",
      options: { initwrap: ["--exit-map", "3:9"] },
      probe: async (init) => assert.equal((await init.run(child("exit", 3))).code, 9),
    },
    {
      title: "a signal when the init's own parent dies",
      options: { initwrap: ["--pdeathsig", "USR1"], tini: ["-p", "SIGUSR1"] },
      probe: async (init) => {
        // A shell is PID 1, so that all of this ends with it; its child starts the init and is killed.
        const script = `sh -c '"$@" & wait' sh "$@" & sleep 0.3; kill -9 $!; sleep 0.3`;
        const words = [init.file, ...init.options, "--", ...child("signals")];
        const running = init.start(["/bin/sh", "-c", script, "sh", ...words], { init: null });
        assert.equal((await running.ended).stdout, "ready\n10 -1\n");
      },
    },
    {
      title: "a report of the end: code, signal, signals forwarded, orphans reaped, out of memory",
      options: { initwrap: ["--report", reportFile] },
      probe: async (init) => {
        assert.ok(init.options.includes(reportFile), "no report");
        const running = init.start(child("pause"));
        await running.output("ready\n");
        await running.send(28);
        await running.send(15);
        assert.equal((await running.ended).code, 143);
        const { oomKilled, ...report } = JSON.parse(readFileSync(reportFile, "utf8")) as Record<string, unknown>;
        assert.deepEqual(report, { exitCode: 143, signal: "SIGTERM", forwarded: 2, reaped: 0 });
        assert.notEqual(oomKilled, undefined);
      },
    },
  ],
};
