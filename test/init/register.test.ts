/** `node --import @initwrap/init-core/register`: Node itself as PID 1. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeEach, describe, expect, test } from "vitest";
import { child, nativeAddon, program, type Running, requireInit, run, type StartOptions, start } from "./harness.ts";

const ROOT = join(import.meta.dirname, "../..");
const REGISTER = pathToFileURL(join(ROOT, "packages/init-core/dist/register.js")).href;
const PROGRAMS = join(import.meta.dirname, "programs");

beforeEach(requireInit);

const node = (...words: readonly string[]): string[] => [process.execPath, "--import", REGISTER, ...words];
const script = (text: string): string[] => node("--input-type=module", "--eval", text);
const inside = (text: string, options: StartOptions = {}): Running => start(script(text), { init: null, ...options });

describe("children", () => {
  test.each([
    ["PID 1", []],
    ["a subreaper", ["-n"]],
  ])(
    "as %s it reaps every orphan and takes no exit code, of 10,000 children and orphans mixed",
    async (_, namespace) => {
      const rounds = namespace.length === 0 ? 670 : 50;
      const outcome = await run(node(join(PROGRAMS, "stress.mjs"), program("child"), String(rounds)), {
        init: null,
        namespace,
      });
      expect(outcome).toEqual({ code: 0, stdout: '{"wrong":[],"left":0}\n', stderr: "" });
    },
    300_000,
  );

  test("orphans that are there when it starts are reaped as well", async () => {
    const outcome = await run(
      [
        "/bin/sh",
        "-c",
        // The shell's own children become those of the program it turns into.
        'sleep 0 & sleep 0.3 & exec "$@"',
        "sh",
        ...script(`
          import { readFileSync } from "node:fs";
          const children = () => readFileSync("/proc/self/task/1/children", "utf8").trim().split(" ").filter(Boolean).length;
          const before = children();
          setTimeout(() => console.log(before > 0, children()), 1500);
        `),
      ],
      { init: null },
    );
    expect(outcome).toEqual({ code: 0, stdout: "true 0\n", stderr: "" });
  });

  test("an addon keeps the children that it forks itself, however late it asks for them", async () => {
    const addon = nativeAddon();
    const outcome = await run(
      script(`
        import { createRequire } from "node:module";
        import { spawn } from "node:child_process";
        import { setTimeout as sleep } from "node:timers/promises";
        const { fork, collect, spawnAndWait, joined } = createRequire("/")(${JSON.stringify(addon)});
        const pids = Array.from({ length: 20 }, (_, code) => fork(code));
        spawnAndWait();
        spawn(${JSON.stringify(program("child"))}, ["orphans", "20", "1000"]).on("exit", (code) => console.log(code));
        await sleep(1500);
        console.log(JSON.stringify(pids.map(collect)), joined());
      `),
      { init: null },
    );
    expect(outcome).toMatchObject({
      code: 0,
      stdout: `0\n[${Array.from({ length: 20 }, (_, code) => code)}] 9\n`,
      stderr: "",
    });
  });

  test("without /proc it says that it reaps nothing, and the program runs", async () => {
    const outcome = await run(script(`console.log("runs")`), { init: null, namespace: ["-m"] });
    expect(outcome).toMatchObject({ code: 0, stdout: "runs\n" });
    expect(outcome.stderr).toContain("[INITWRAP_NO_CHILDREN] Warning: orphans are not reaped");
  });

  test("a program with nothing left to do ends", async () => {
    expect(await run(script("0"), { init: null })).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(await run(script(`process.exitCode = 3; setTimeout(() => {}, 300)`), { init: null })).toMatchObject({
      code: 3,
    });
  });

  test("a worker thread is given the same --import and does nothing with it", async () => {
    const outcome = await run(
      script(`
        import { Worker } from "node:worker_threads";
        new Worker("console.log(process.listenerCount('SIGCHLD'))", { eval: true });
      `),
      { init: null },
    );
    expect(outcome).toMatchObject({ code: 0, stdout: "0\n", stderr: "" });
  });
});

describe("signals as PID 1", () => {
  const HUP = 1;
  const INT = 2;
  const QUIT = 3;
  const USR2 = 12;
  const ALRM = 14;
  const TERM = 15;

  test.each([HUP, INT, QUIT, USR2, ALRM, TERM])("%i ends a program that does not listen to it", async (signal) => {
    const running = inside(`setInterval(() => {}, 1000); console.log("ready")`);
    await running.output("ready");
    await running.send(signal);
    expect((await running.ended).code).toBe(128 + signal);
  });

  test("also while the event loop is blocked", async () => {
    const running = inside(`import { writeSync } from "node:fs"; writeSync(1, "ready"); for (;;);`);
    await running.output("ready");
    await running.send(TERM);
    expect((await running.ended).code).toBe(143);
  });

  test("without the import they do nothing, which is why it is there", async () => {
    const running = start(
      [process.execPath, "--eval", `setTimeout(() => process.exit(7), 1500); console.log("ready")`],
      {
        init: null,
      },
    );
    await running.output("ready");
    await running.send(TERM);
    await running.send(HUP);
    expect((await running.ended).code).toBe(7);
  });

  test("a listener of the program's own gets them, until it is removed", async () => {
    const running = inside(`
      console.log(process.listenerCount("SIGTERM"));
      setInterval(() => {}, 1000);
      process.once("SIGTERM", () => console.log("first"));
      process.on("SIGINT", () => console.log("interrupted"));
      console.log("ready");
    `);
    expect(await running.output("ready")).toBe("0\nready\n");
    await running.send(TERM);
    await running.output("first");
    await running.send(INT);
    await running.output("interrupted");
    await running.send(INT);
    await running.output("interrupted\ninterrupted");
    await running.send(TERM);
    expect((await running.ended).code).toBe(143);
  });

  test("a listener that was there before the import is left alone", async () => {
    const earlier = `data:text/javascript,process.on("SIGTERM",()=>{console.log("mine");process.exit(5)})`;
    const running = start(
      [
        process.execPath,
        "--import",
        earlier,
        "--import",
        REGISTER,
        "--eval",
        `setInterval(()=>{},1000);console.log("ready")`,
      ],
      { init: null },
    );
    await running.output("ready");
    await running.send(TERM);
    expect(await running.ended).toMatchObject({ code: 5, stdout: "ready\nmine\n" });
  });

  test("a listener that removes itself and raises the signal again ends the process, as signal-exit does", async () => {
    const running = inside(`
      const end = () => { process.off("SIGTERM", end); console.log("cleaned"); process.kill(process.pid, "SIGTERM"); };
      process.on("SIGTERM", end);
      setInterval(() => {}, 1000);
      console.log("ready");
    `);
    await running.output("ready");
    await running.send(TERM);
    expect(await running.ended).toMatchObject({ code: 143, stdout: "ready\ncleaned\n" });
  });

  test("not being PID 1 it changes nothing about them", async () => {
    const running = inside(`setInterval(() => {}, 1000); console.log("ready")`, { namespace: ["-n"] });
    await running.output("ready");
    await running.send(TERM);
    expect((await running.ended).code).toBe(200 + TERM);
  });
});

test("the programs it starts are not PID 1's, and die of signals as ever", async () => {
  const running = inside(`
    import { spawn } from "node:child_process";
    const command = ${JSON.stringify(child("pause"))};
    const other = spawn(command[0], command.slice(1));
    other.stdout.on("data", () => other.kill("SIGTERM"));
    other.on("exit", (code, signal) => console.log(signal));
  `);
  expect((await running.ended).stdout).toBe("SIGTERM\n");
});
