/** The packages under musl's loader and C library: the addon that is prebuilt, and the built CLI, which does what it does on glibc. */
import { spawn } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { CLI, initwrap } from "../support/cli.ts";
import { type MuslRuntime, muslRuntime } from "../support/musl-runtime.ts";
import { type Outcome, outcomeOf } from "../support/outcome.ts";
import { ROOT } from "../support/programs.ts";
import { scratch, which } from "./harness.ts";

const ADDON = join(ROOT, "packages/init-core/prebuilds/linux-x64/@initwrap+init-core.node");
const SAMPLES = join(ROOT, "test/fixtures/samples");
const possible = process.arch === "x64" && which("musl-gcc") !== undefined;

let runtime: MuslRuntime;
const folder = scratch();

beforeAll(async () => {
  if (possible) runtime = await muslRuntime(scratch());
});

function musl(args: readonly string[], cwd = SAMPLES): Promise<Outcome> {
  const env = { PATH: "/usr/bin:/bin", HOME: folder, ...runtime.env, DOCKER_HOST: "unix:///nonexistent" };
  return outcomeOf(spawn(runtime.program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] }));
}

describe("on musl", () => {
  beforeEach((context) => requireCapability(context, "musl-gcc (Debian: musl-tools) on x64", possible));

  it("there is no glibc", async () => {
    const script = `
      require(${JSON.stringify(ADDON)});
      console.log(require("node:fs").readFileSync("/proc/self/maps", "utf8"));
    `;
    const { stdout, stderr } = await musl(["-e", script]);
    const files = new Set([...stdout.matchAll(/\s(\/\S+)$/gm)].map(([, file]) => file!));
    expect(
      [...files].filter((file) => /\/libc\b|musl/.test(file)),
      stderr,
    ).toEqual([expect.stringMatching(/^\/(usr\/)?lib\/(x86_64-linux-musl\/libc\.so|ld-musl-x86_64\.so\.1)$/)]);
    expect([...files]).toContain(ADDON);
  });

  it("the addon reads options, and runs commands under an init", async () => {
    const script = `
      const { parseOptions, supervise, signalName } = require(${JSON.stringify(ADDON)});
      const { grace } = parseOptions(["initwrap", "--grace", "1.5s", "--", "true"]);
      const run = (...words) => supervise(["initwrap", "--", ...words], ["PATH=/usr/bin:/bin"], false, false);
      const { exitCode, signal } = run("/bin/sh", "-c", "kill -TERM $$");
      const { reaped } = run("/bin/sh", "-c", "(sleep 0.1 &); sleep 1");
      const { forwarded } = run("/bin/sh", "-c", "kill -HUP $PPID; exec sleep 5");
      console.log(grace.seconds, run("/bin/sh", "-c", "exit 7").exitCode, exitCode, signalName(signal), reaped, forwarded);
    `;
    expect(await musl(["-e", script])).toMatchObject({ status: 0, stdout: "1 7 143 SIGTERM 1 1\n", stderr: "" });
  });

  it("the registration reaps an orphan that the program adopted, and takes no child from it", async () => {
    const script = `
      import "@initwrap/init-core/register";
      import { spawn } from "node:child_process";
      import { readFileSync } from "node:fs";
      const children = () => readFileSync("/proc/self/task/" + process.pid + "/children", "utf8").trim();
      const codes = [];
      for (const code of [1, 2, 3]) spawn("/bin/sh", ["-c", "(sleep 0.2 &); exit " + code]).on("exit", (code) => codes.push(code));
      const deadline = Date.now() + 20_000;
      while ((codes.length < 3 || children() !== "") && Date.now() < deadline) await new Promise((done) => setTimeout(done, 50));
      console.log(codes.sort().join(" ") + ";" + children());
      process.exit();
    `;
    // As PID 1, which is whom orphans are given to.
    const env = { PATH: "/usr/bin:/bin", ...runtime.env };
    const words = ["--pid", "--fork", "--mount-proc", runtime.program, "-e", script];
    const child = spawn("unshare", words, { cwd: join(ROOT, "packages/cli"), env, stdio: ["ignore", "pipe", "pipe"] });
    expect(await outcomeOf(child)).toMatchObject({ stdout: "1 2 3;\n", stderr: "" });
  });

  const wrapped = join(folder, "wrapped.tar");
  it.each([
    [["--help"]],
    [["image", "--help"]],
    [["dockerfile", "Dockerfile", "--offline"]],
    [["dockerfile", "Dockerfile", "--offline", "--json"]],
    [["dockerfile", "absent"]],
    [["image", "app.tar", "-o", wrapped, "--json"]],
    [["inspect", "app.tar", "--json"]],
    [["verify", "app.tar"]],
    [["ci", "tekton"]],
    [["run", "--", "sh", "-c", "echo ran; exit 9"]],
    [["nope"]],
  ])("the CLI does %j as on glibc", async (args) => {
    const env = { HOME: folder, DOCKER_HOST: "unix:///nonexistent", GITHUB_ACTIONS: "" };
    const wanted = await initwrap(args, { cwd: SAMPLES, env });
    const file = await readFile(wrapped).catch(() => undefined);
    await rm(wrapped, { force: true });
    const got = await musl([CLI, ...args]);
    expect([got.status, got.stderr, got.stdout]).toEqual([wanted.status, wanted.stderr, wanted.stdout.toString()]);
    expect(await readFile(wrapped).catch(() => undefined)).toEqual(file);
    await rm(wrapped, { force: true });
  });
});
