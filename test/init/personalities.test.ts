/** The init under the names of the programs it stands in for: their options, texts and exit codes. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { child, eventually, named, program, requireInit, run, scratch, sleep, start, which } from "./harness.ts";

beforeEach(requireInit);

/** A program's answer, its own name made equal. */
function answer(file: string, args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: "utf8" });
  const plain = (text: string) => text.replaceAll(file, file.split("/").at(-1) ?? "").replace(/([(:])\d+\)/g, "$1PID)");
  return { status, stdout: plain(stdout), stderr: plain(stderr) };
}

/** The lines in which catatonit gives its own web addresses. */
const addresses = /\nThe source code can be found.*\nFor bug reporting.*\n/;

describe.each([
  [
    "tini",
    ["-h"],
    ["--version"],
    [],
    ["-z"],
    ["-p", "FOO", "x"],
    ["-e", "256", "x"],
    ["-e"],
    ["-w"],
    ["-l"],
    ["/nonexistent"],
    ["/etc"],
  ],
  [
    "dumb-init",
    ["-h"],
    ["--help"],
    ["-V"],
    ["--version"],
    [],
    ["-r", "a:b", "x"],
    ["-r", "1:32", "x"],
    ["/nonexistent"],
    ["/etc"],
  ],
  ["catatonit", ["-h"], ["-V"], ["--version"], [], ["-z"], ["/nonexistent"], ["/etc"]],
] as [string, ...string[][]][])("%s", (name, ...lines) => {
  for (const args of lines) {
    test(`answers ${JSON.stringify(args)} as the original does`, (context) => {
      const original = which(name);
      requireCapability(context, name, original !== undefined);
      const expected = answer(original ?? "", args);
      const actual = answer(named(name), args);
      const comparable = ({ stderr, ...rest }: typeof actual) => ({ ...rest, stderr: stderr.replace(addresses, "") });
      expect(comparable(actual)).toEqual(comparable(expected));
    });
  }
});

test("docker-init is tini, so that dockerd --init-path and docker info take it", async () => {
  expect(answer(named("docker-init"), ["--version"])).toMatchObject({ status: 0, stdout: "tini version 0.19.0\n" });
  expect((await run(child("exit", 3), { name: "docker-init", options: ["-s", "-e", "3"] })).code).toBe(0);
});

test("tini: signals go to the child alone, with -g or its variable to the group", async () => {
  for (const [options, env] of [
    [["-g"], {}],
    [[], { TINI_KILL_PROCESS_GROUP: "1" }],
  ] as const) {
    const running = start(child("shell-like"), { name: "tini", options, env });
    await running.output("ready\n");
    await running.send(15);
    expect((await running.ended).code).toBe(33);
  }
  const alone = start(child("shell-like"), { name: "tini" });
  await alone.output("ready\n");
  await alone.send(15);
  await sleep(100);
  expect(alone.process.exitCode).toBe(null);
  await alone.send(9);
});

test("tini: -w tells of reaped zombies, -vvv of everything, information on stdout", async () => {
  const reaped = await run(child("orphans", 3), { name: "tini", options: ["-w"] });
  expect(reaped.stderr).toMatch(/^\[WARN {2}tini \(1\)\] Reaped zombie process with pid=\d+$/m);
  const chatty = await run(child("exit", 2), { name: "tini", options: ["-vvv"] });
  expect(chatty.stdout).toContain("Received SIGCHLD");
  expect(chatty.stdout).toContain("Main child exited normally (with status '2')");
});

test("tini -p: the child gets the signal when the init's parent dies", async () => {
  const script = `sh -c '"$@" & wait' sh "$@" & sleep 0.3; kill -9 $!; sleep 0.3`;
  const init = [named("tini"), "-s", "-p", "SIGUSR1", "--", ...child("signals")];
  const outcome = await run(["/bin/sh", "-c", script, "sh", ...init], { init: null });
  expect(outcome.stdout).toBe("ready\n10 -1\n");
});

test("tini: the command may follow the options without --", async () => {
  expect((await run(["/bin/sh", "-c", "exit 4"], { name: "tini", options: ["-g"], bare: true })).code).toBe(4);
});

test("dumb-init: the child leads a session; what is left of it gets TERM at the end", async () => {
  const outcome = await run(["/bin/sh", "-c", "ps -o sid= -p $$ | tr -d ' '; echo $$"], { name: "dumb-init" });
  const [session, pid] = outcome.stdout.trim().split("\n");
  expect(session).toBe(pid);
  const running = start(["/bin/sh", "-c", `${program("child")} handler 0 ${join(scratch(), "note")} & sleep 0.3`], {
    name: "dumb-init",
    namespace: ["-n"],
  });
  await running.output("ready\n");
  expect((await running.ended).code).toBe(0);
});

test("dumb-init -c and DUMB_INIT_SETSID=0: no session, the child alone", async () => {
  for (const [options, env] of [
    [["-c"], {}],
    [["--single-child"], {}],
    [[], { DUMB_INIT_SETSID: "0" }],
  ] as const) {
    const running = start(child("shell-like"), { name: "dumb-init", options, env });
    await running.output("ready\n");
    await running.send(15);
    await sleep(100);
    expect(running.process.exitCode).toBe(null);
    await running.send(9);
    await running.ended;
  }
});

test("dumb-init: TSTP suspends the session and the init itself, CONT wakes both", async () => {
  const running = start(child("signals"), { name: "dumb-init", namespace: ["-n"] });
  await running.output("ready\n");
  const pid = await running.pid;
  const state = (of: number) => /^State:\s*(\w)/m.exec(readFileSync(`/proc/${of}/status`, "utf8"))?.[1];
  const main = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"));
  for (const signal of [20, 21, 22]) {
    await running.send(signal);
    expect(await eventually(() => state(pid) === "T" && state(main) === "T")).toBe(true);
    await running.send(18);
    await running.output("18 -1\n");
    expect(await eventually(() => state(pid) === "S" && state(main) === "S")).toBe(true);
  }
  await running.send(64);
  expect((await running.ended).code).toBe(0);
});

test("dumb-init: a terminal is handed to the child; its HUP and CONT are not", async () => {
  const running = start([program("terminal"), named("dumb-init"), "-v", ...child("pause")], { init: null });
  await running.output("ready");
  const text = running.process;
  await sleep(50);
  text.stdin.write("\x03");
  const outcome = await running.ended;
  expect(outcome.code).toBe(130);
  expect(outcome.stdout).toContain("Ignoring tty hand-off signal 1.");
  expect(outcome.stdout).toContain("Ignoring tty hand-off signal 18.");
});

test("dumb-init -v says what it does, in its words", async () => {
  const outcome = await run(child("exit", 0), { name: "dumb-init", options: ["-v"] });
  expect(outcome.stderr.replace(/PID \d+/g, "PID N").replace(/^.*controlling tty.*\n/gm, "")).toBe(
    [
      "Child spawned with PID N.",
      "setsid complete.",
      "Received signal 17.",
      "A child with PID N exited with exit status 0.",
      "Forwarded signal 15 to children.",
      "Child exited with status 0. Goodbye.",
      "",
    ]
      .join("\n[dumb-init] ")
      .replace(/^/, "[dumb-init] ")
      .replace(/\n\[dumb-init\] $/, "\n"),
  );
});

test("catatonit -P pauses until TERM or INT, reaping, and ends with 0", async () => {
  for (const signal of [15, 2]) {
    const running = start([], { name: "catatonit", options: ["-P"], bare: true });
    const pid = await running.pid;
    await eventually(() => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("-P"));
    await sleep(50);
    await running.send(10);
    await running.send(signal);
    expect((await running.ended).code).toBe(0);
  }
});

test("catatonit -L: its licence, and nothing is run", () => {
  const { status, stdout } = answer(named("catatonit"), ["-L"]);
  expect(status).toBe(0);
  expect(stdout).toContain("Permission is hereby granted");
});

test("dumb-init: DUMB_INIT_DEBUG=1 is -v", async () => {
  const { stderr } = await run(child("exit", 0), { name: "dumb-init", env: { DUMB_INIT_DEBUG: "1" } });
  expect(stderr).toContain("[dumb-init] Child exited with status 0. Goodbye.\n");
});

test("names under which the originals are shipped are understood", () => {
  for (const [name, args, text] of [
    ["tini-static", ["--version"], "tini version"],
    ["tini-amd64", ["--version"], "tini version"],
    ["dumb-init_1.2.5_x86_64", ["--version"], "dumb-init v"],
  ] as const)
    expect(spawnSync(named(name), args, { encoding: "utf8" }).output.join("")).toContain(text);
  expect(execFileSync(named("podman-init"), ["--version"], { encoding: "utf8" })).toMatch(
    /^initwrap \d+\.\d+\.\d+\S*\n$/,
  );
});
