import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { child, INIT, requireInit, run, scratch, start } from "./harness.ts";

beforeEach(requireInit);

test("every option is also a variable, under every name the init goes by", async () => {
  for (const name of ["initwrap", "docker-init", "tini", "dumb-init", "catatonit"]) {
    const file = join(scratch(), "report");
    const env = {
      INITWRAP_REPORT: file,
      INITWRAP_EXIT_MAP: "3:9",
      INITWRAP_REWRITE: "USR1:USR2",
      INITWRAP_STOP_PLAN: "INT:100ms,KILL",
    };
    const running = start(child("signals"), { name, env });
    await running.output("ready\n");
    await running.send(10);
    await running.output("\n12 -1\n");
    await running.send(15);
    await running.output("\n2 -1\n");
    expect((await running.ended).code, name).toBe(137);
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ exitCode: 137, signal: "SIGKILL" });
    expect((await run(child("exit", 3), { name, env })).code).toBe(9);
  }
});

test("options win over variables; an empty variable is none", async () => {
  expect((await run(child("exit", 3), { env: { INITWRAP_EXIT_MAP: "3:9" }, options: ["-e", "3:4"] })).code).toBe(4);
  expect((await run(child("exit", 3), { env: { INITWRAP_EXIT_MAP: "", INITWRAP_GRACE: "" } })).code).toBe(3);
});

test("INITWRAP_GROUP=0 is --no-group, INITWRAP_VERBOSE=1 is -v", async () => {
  const running = start(child("shell-like"), { env: { INITWRAP_GROUP: "0", INITWRAP_VERBOSE: "1" } });
  await running.output("ready\n");
  await running.send(15);
  await running.send(9);
  expect((await running.ended).stderr).toContain("initwrap: started ");
});

test("a variable that makes no sense is named and refused before anything runs", async () => {
  const outcome = await run(child("exit", 0), { env: { INITWRAP_GRACE: "a while" } });
  expect(outcome).toMatchObject({ code: 125, stdout: "" });
  expect(outcome.stderr).toContain("initwrap: bad value in 'INITWRAP_GRACE=a while'\n");
});

test("the times are variables as well: INITWRAP_STOP_DELAY and INITWRAP_GRACE", async () => {
  const held = start(child("signals"), { env: { INITWRAP_STOP_DELAY: "300ms" } });
  await held.output("ready\n");
  await held.send(15);
  await held.send(40);
  expect(await held.output("\n15 -1\n")).toBe("ready\n40 -1\n15 -1\n");
  await held.send(64);
  await held.ended;

  const note = join(scratch(), "note");
  expect((await run(child("leave", 6, note), { env: { INITWRAP_GRACE: "5s" } })).code).toBe(6);
  expect(readFileSync(note, "utf8")).toBe("TERM\n");
});

test("INITWRAP_PDEATHSIG is --pdeathsig", async () => {
  // A shell is PID 1, so that all of this ends with it; its child starts the init and is killed.
  const script = `sh -c '"$@" & wait' sh "$@" & sleep 0.3; kill -9 $!; sleep 0.3`;
  const command = ["/bin/sh", "-c", script, "sh", INIT, "--", ...child("signals")];
  const outcome = await run(command, { init: null, env: { INITWRAP_PDEATHSIG: "USR1" } });
  expect(outcome.stdout).toBe("ready\n10 -1\n");
});

// INVOCATION_ID is systemd's.
test("a variable that begins as the init's own do maps no page more", async () => {
  const mapped = async (name: string) => {
    const running = start(child("signals"), { env: { INVOCATION_ID: undefined, [name]: "x" } });
    await running.output("ready\n");
    const [, size] = /^RssFile:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${await running.pid}/status`, "utf8")) ?? [];
    await running.send(64);
    await running.ended;
    return Number(size);
  };
  const usual = await mapped("A");
  expect(usual).toBeGreaterThan(0);
  expect(await mapped("INVOCATION_ID")).toBe(usual);
});
