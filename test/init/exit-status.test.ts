import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { exitStatus } from "./behaviours/exit-status.ts";
import { testBehaviours } from "./behaviours/ours.ts";
import { child, requireInit, requireRoot, run, scratch, user } from "./harness.ts";

testBehaviours(exitStatus);

beforeEach(requireInit);

test("a command that does not exist is 127 and named in the message", async () => {
  for (const name of ["/nonexistent/program", "no-such-program-anywhere", ""]) {
    const outcome = await run([name]);
    expect(outcome.code).toBe(127);
    expect(outcome.stderr).toBe(`initwrap: ${name}: No such file or directory\n`);
    expect(outcome.stdout).toBe("");
  }
});

test("a file that cannot be executed, a directory and a foreign binary are 126", async () => {
  const folder = scratch();
  writeFileSync(join(folder, "plain"), "#!/bin/sh\nexit 0\n", { mode: 0o644 });
  writeFileSync(join(folder, "foreign"), Buffer.from("\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xff\xff"), {
    mode: 0o755,
  });
  mkdirSync(join(folder, "directory"));
  for (const [name, reason] of [
    ["plain", "Permission denied"],
    ["directory", "Permission denied"],
    ["foreign", "Exec format error"],
  ] as const) {
    const outcome = await run([join(folder, name)]);
    expect(outcome.code, name).toBe(126);
    expect(outcome.stderr).toBe(`initwrap: ${join(folder, name)}: ${reason}\n`);
  }
});

test("a missing interpreter is 127 and says that it is the interpreter", async () => {
  const script = join(scratch(), "script");
  writeFileSync(script, "#!/no/such/interpreter\n");
  chmodSync(script, 0o755);
  const outcome = await run([script]);
  expect(outcome.code).toBe(127);
  expect(outcome.stderr).toContain(`${script}: its interpreter`);
});

test("a script without #! runs through /bin/sh with its arguments", async () => {
  const folder = scratch();
  writeFileSync(join(folder, "script"), 'echo "$0 $1 $#"; exit 9\n', { mode: 0o755 });
  expect(await run([join(folder, "script"), "a b", "c"])).toEqual({
    code: 9,
    stdout: `${join(folder, "script")} a b 2\n`,
    stderr: "",
  });
  const found = await run(["script", "x"], { env: { PATH: `/nonexistent:${folder}` } });
  expect(found.code).toBe(9);
});

test("PATH is searched in order, past directories that must not be read; an empty part is the working directory", async () => {
  const folder = scratch();
  mkdirSync(join(folder, "a"));
  mkdirSync(join(folder, "b"));
  writeFileSync(join(folder, "a", "tool"), "#!/bin/sh\nexit 1\n", { mode: 0o644 });
  writeFileSync(join(folder, "b", "tool"), "#!/bin/sh\nexit 5\n", { mode: 0o755 });
  expect((await run(["tool"], { env: { PATH: `${folder}/a:${folder}/b` } })).code).toBe(5);
  expect((await run(["tool"], { env: { PATH: `${folder}/a` } })).code).toBe(126);
  expect((await run(["tool"], { env: { PATH: ":/nonexistent" }, cwd: join(folder, "b") })).code).toBe(5);
});

test("a fork that is refused ends the init at once with 125 and a message", async (context) => {
  requireRoot(context);
  const outcome = await run(child("exit", 0), { namespace: ["-u", user(), "-p", "1"] });
  expect(outcome).toEqual({
    code: 125,
    stdout: "",
    stderr: "initwrap: cannot fork: Resource temporarily unavailable\n",
  });
});

test("what the command line asks for instead of a command is answered on stdout, with 0", async () => {
  for (const [options, text] of [
    [["--help"], /^Usage: initwrap \[OPTIONS\] -- COMMAND \[ARGS\]\n[\s\S]*own failure\.\n$/],
    [["-h"], /^Usage: initwrap /],
    [["-V"], /^initwrap \d+\.\d+\.\d+\n$/],
    [["-l"], /^MIT License\n[\s\S]*\nTHE SOFTWARE\.\n$/],
    [["--license"], /^MIT License\n/],
  ] as const) {
    const outcome = await run([], { options, bare: true });
    expect(outcome).toMatchObject({ code: 0, stderr: "" });
    expect(outcome.stdout).toMatch(text);
  }
});

test("mistakes on the command line are 125 with text", async () => {
  for (const [options, message] of [
    [["--frobnicate"], "unrecognized option '--frobnicate'"],
    [["-gz"], "invalid option -- 'z'"],
    [["--grace", "soon"], "bad value for grace: 'soon'"],
    [["--stop-plan=TERM:5,FOO"], "bad value for stop-plan: 'TERM:5,FOO'"],
    [["--report", "relative"], "bad value for report: 'relative'"],
    [["--group=yes"], "option '--group=yes' doesn't allow an argument"],
    [["--grace", "1,2"], "bad value for grace: '1,2'"],
    [["--grace", "1.5m"], "bad value for grace: '1.5m'"],
    [["--rewrite", "TERM"], "bad value for rewrite: 'TERM'"],
    [["--rewrite", "RTMAX-31:1"], "bad value for rewrite: 'RTMAX-31:1'"],
    [["--exit-map", "256"], "bad value for exit-map: '256'"],
  ] as const) {
    const outcome = await run(child("exit", 0), { options });
    expect(outcome.code).toBe(125);
    expect(outcome.stderr).toContain(`initwrap: ${message}\n`);
  }
  for (const [option, message] of [
    ["--grace", "option '--grace' requires an argument"],
    ["-e", "option requires an argument -- 'e'"],
  ] as const) {
    expect((await run([], { options: [option], bare: true })).stderr).toContain(`initwrap: ${message}\n`);
  }
  expect((await run([])).stderr).toContain("initwrap: no command given\n");
});
