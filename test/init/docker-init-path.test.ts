/** The init as `dockerd --init-path`, under the name docker-init: what `docker run --init` and `docker info` make of it. */
import { execFile } from "node:child_process";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { findEngine, requireEngine } from "../support/engine.ts";
import { hasDaemonFolder, type SecondDaemon, startSecondDaemon } from "../support/second-daemon.ts";
import { INIT, program, requireRoot, scratch, sleep } from "./harness.ts";

const IMAGE = "initwrap-test/child:1";

describe.each(["classic", "modern-graph"] as const)("on the %s engine", (name) => {
  let daemon: SecondDaemon | undefined;

  beforeAll(async () => {
    const engine = findEngine(name);
    if (!engine || !hasDaemonFolder(engine) || process.getuid?.() !== 0) return;
    daemon = await startSecondDaemon(engine, INIT);
    const folder = scratch();
    copyFileSync(program("child"), join(folder, "child"));
    await promisify(execFile)("tar", ["-C", folder, "-cf", join(folder, "image.tar"), "child"]);
    await daemon.docker(["import", join(folder, "image.tar"), IMAGE]);
  });

  afterAll(async () => {
    await daemon?.stop();
  });

  beforeEach((context) => {
    requireRoot(context);
    requireEngine(context, name);
    requireCapability(context, "an engine that can have a second daemon", daemon !== undefined);
  });

  async function docker(...args: string[]): Promise<string> {
    return (await daemon!.docker(args)).stdout.trim();
  }

  async function started(...args: string[]): Promise<string> {
    const id = await docker("run", "--detach", "--init", "--network=none", ...args);
    for (let tries = 0; tries < 100 && !(await docker("logs", id)).includes("ready"); tries++) await sleep(50);
    return id;
  }

  /** The exit code after `docker stop`, which would take a minute and give 137 if TERM did nothing. */
  async function stopped(id: string): Promise<number> {
    await docker("stop", "--time", "60", id);
    return Number(await docker("inspect", "--format", "{{.State.ExitCode}}", id));
  }

  test("it is PID 1 of the container", async () => {
    const id = await started(IMAGE, "/child", "pause");
    const pid = await docker("inspect", "--format", "{{.State.Pid}}", id);
    expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).toMatch(/^\/(usr\/)?sbin\/docker-init\0--\0\/child\0pause\0$/);
    expect(readFileSync(`/proc/${pid}/exe`).equals(readFileSync(INIT))).toBe(true);
    await docker("rm", "--force", id);
  });

  test("TERM stops a program without a handler, which it does not without an init", async () => {
    expect(await stopped(await started(IMAGE, "/child", "pause"))).toBe(143);
    const id = await docker("run", "--detach", "--network=none", IMAGE, "/child", "pause");
    await docker("stop", "--time", "1", id);
    expect(await docker("inspect", "--format", "{{.State.ExitCode}}", id)).toBe("137");
  });

  test("orphans are reaped, and exit codes kept", async () => {
    const run = ["run", "--rm", "--network=none"];
    const code = async (...args: string[]) => (await daemon!.docker([...run, ...args], { check: false })).status;
    expect(await code("--init", IMAGE, "/child", "orphan", "dead")).toBe(0);
    expect(await code("--init", IMAGE, "/child", "chain", "6")).toBe(0);
    expect(await code(IMAGE, "/child", "orphan", "dead")).toBe(1);
    expect(await code("--init", IMAGE, "/child", "exit", "42")).toBe(42);
    expect(await code("--init", IMAGE, "/child", "die", "6")).toBe(134);
    expect(await code("--init", IMAGE, "/nonexistent")).toBe(127);
  });

  test("variables are its options, as docker run --init can pass none", async () => {
    const id = await started("--env", "TINI_KILL_PROCESS_GROUP=1", IMAGE, "/child", "shell-like");
    expect(await stopped(id)).toBe(33);
    const mapped = await started("--env", "INITWRAP_REWRITE=TERM:INT", IMAGE, "/child", "pause");
    expect(await stopped(mapped)).toBe(130);
  });

  test("docker info reads its version as it reads tini's", async () => {
    expect(await docker("info", "--format", "{{.InitBinary}}")).toMatch(/\/docker-init$/);
    // "N/A" when the daemon cannot make out what `docker-init --version` says.
    const format = "{{.InitCommit.ID}}";
    const { stdout } = await findEngine(name)!.docker(["info", "--format", format]);
    expect(stdout).not.toContain("N/A");
    expect(await docker("info", "--format", format)).toBe(stdout.trim());
    expect(daemon!.log()).not.toMatch(/init version|docker-init.*version|init binary/i);
  });
});
