/** The init in containers of a real engine: what only its seccomp profile, control groups and `docker exec` can show. */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { type Engine, findEngine, requireEngine } from "../support/engine.ts";
import { freshTag } from "../support/images.ts";
import { INIT, program, requireInit, scratch, sleep } from "./harness.ts";

describe.each(["modern", "classic"] as const)("on the %s engine", (name) => {
  const image = freshTag("init");
  const containers: string[] = [];
  let engine: Engine;
  let built: Promise<unknown> | undefined;

  /** Nothing but the init and a command: no shell, no library, no folder. */
  async function build(): Promise<void> {
    const folder = scratch();
    copyFileSync(INIT, join(folder, "initwrap"));
    copyFileSync(program("child"), join(folder, "child"));
    writeFileSync(join(folder, "Dockerfile"), "FROM scratch\nCOPY initwrap child /\nENTRYPOINT []\n");
    await engine.docker(
      ["build", "-q", "-t", image, folder],
      name === "classic" ? { env: { DOCKER_BUILDKIT: "0" } } : {},
    );
  }

  beforeEach(async (context) => {
    requireInit(context);
    engine = requireEngine(context, name);
    built ??= build();
    await built;
  });

  afterAll(async () => {
    const left = findEngine(name);
    if (!left || !built) return;
    if (containers.length > 0) await left.docker(["rm", "--force", ...containers], { check: false });
    await left.docker(["rmi", "--force", image], { check: false });
  });

  /** Creates a container that is left to be looked at, and starts it. */
  async function started(flags: readonly string[], ...command: string[]): Promise<string> {
    const run = ["run", "--detach", "--network=none", ...flags, image, ...command];
    const id = (await engine.docker(run)).stdout.trim();
    containers.push(id);
    return id;
  }

  async function logs(id: string): Promise<string> {
    const { stdout, stderr } = await engine.docker(["logs", id]);
    return stdout + stderr;
  }

  async function ready(id: string): Promise<void> {
    for (let tries = 0; tries < 200 && !(await logs(id)).includes("ready"); tries++) await sleep(50);
  }

  /** The exit code, at its end or after TERM; a minute and 137 if that did nothing. */
  async function codeOf(id: string, stop = false): Promise<number> {
    if (stop) await engine.docker(["stop", "--time", "60", id]);
    return Number((await engine.docker(["wait", id])).stdout);
  }

  async function fileOf(id: string, file: string): Promise<string> {
    const folder = scratch();
    await engine.docker(["cp", `${id}:${file}`, join(folder, "file")]);
    return readFileSync(join(folder, "file"), "utf8");
  }

  const locked = ["--user=1234:1234", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"];

  for (const [how, flags] of [
    ["default seccomp, an image from scratch", []],
    ["any user, no capability, a read-only root, no_new_privs", locked],
  ] as const) {
    test(`${how}: exit codes, orphans, TERM, silence`, async () => {
      const ended = async (options: readonly string[], ...words: string[]) =>
        codeOf(await started(flags, "/initwrap", ...options, "--", "/child", ...words));
      const pausing = async () => {
        const id = await started(flags, "/initwrap", "--", "/child", "pause");
        await ready(id);
        return [await codeOf(id, true), await logs(id)];
      };
      const all = [ended([], "exit", "77"), ended([], "orphan", "dead"), ended(["--grace", "5s"], "orphans", "50")];
      expect(await Promise.all([...all, pausing()])).toEqual([77, 0, 0, [143, "ready\n"]]);
    });
  }

  test("10,000 orphans pass through a control group of 300 processes", async () => {
    const id = await started(["--pids-limit=300"], "/initwrap", "--", "/child", "orphans", "10000", "2000");
    expect(await codeOf(id)).toBe(0);
  });

  test("at the limit of a control group the init is unharmed: a fork bomb, and TERM", async () => {
    expect(await codeOf(await started(["--pids-limit=100"], "/initwrap", "--", "/child", "bomb", "500"))).toBe(0);
    const id = await started(["--pids-limit=100"], "/initwrap", "--", "/child", "full", "23");
    await ready(id);
    expect(await codeOf(id, true)).toBe(23);
  });

  test("the report says whether the kernel killed for lack of memory", async () => {
    const flags = ["--memory=32m", "--memory-swap=32m"];
    const killed = await started(flags, "/initwrap", "--report", "/report", "--", "/child", "eat");
    expect(await codeOf(killed)).toBe(137);
    expect(JSON.parse(await fileOf(killed, "/report"))).toMatchObject({ signal: "SIGKILL", oomKilled: true });
    const well = await started(flags, "/initwrap", "--report", "/report", "--", "/child", "exit", "3");
    expect(await codeOf(well)).toBe(3);
    expect(JSON.parse(await fileOf(well, "/report"))).toMatchObject({ exitCode: 3, oomKilled: false });
  });

  test("with --grace, what docker exec started gets TERM and is waited for", async () => {
    const id = await started([], "/initwrap", "--grace", "30s", "--", "/child", "pause");
    await ready(id);
    await engine.docker(["exec", "--detach", id, "/child", "handler", "0", "/note"]);
    // Its handler is there when it sleeps.
    await sleep(1000);
    expect(await codeOf(id, true)).toBe(143);
    expect(await fileOf(id, "/note")).toBe("TERM\n");
  });

  test("a terminal: the command leads its foreground group, and a hang-up ends it", async () => {
    const id = await started(["--tty"], "/initwrap", "--", "/child", "pause");
    await ready(id);
    const pid = (await engine.docker(["inspect", "--format", "{{.State.Pid}}", id])).stdout.trim();
    const main = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    // proc(5): the third field behind the name is the process group, the sixth the terminal's foreground group.
    const fields = readFileSync(`/proc/${main}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    expect([fields[2], fields[5]]).toEqual([main, main]);
    await engine.docker(["kill", "--signal", "HUP", id]);
    expect(await codeOf(id)).toBe(129);
  });
});
