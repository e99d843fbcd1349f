/** `supervise()` of @initwrap/init-core, in a Node process that has more to do than to supervise. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeEach, describe, expect, test } from "vitest";
import { child, nativeAddon, requireInit, run, start } from "./harness.ts";

beforeEach(requireInit);

const INDEX = pathToFileURL(join(import.meta.dirname, "../../packages/init-core/dist/index.js")).href;
const CHILD = JSON.stringify(child()[0]);
const script = (text: string): string[] => [
  ...[process.execPath, "--input-type=module", "--eval"],
  `import { supervise } from ${JSON.stringify(INDEX)};
   const told = (work) => { try { work(); return "done"; } catch ({ code }) { return code; } };
   const runs = (...words) => supervise(["initwrap", "--", ${CHILD}, ...words]);
   ${text}`,
];
const outside = { init: null, namespace: ["-n"] };
const result = async (text: string): Promise<unknown> => {
  const { code, stdout, stderr } = await run(script(text), outside);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout);
};

test("it says how the command ended", async () => {
  expect(await result(`console.log(JSON.stringify([runs("exit", "7"), runs("die", "15")]))`)).toEqual([
    { exitCode: 7, signal: null, forwarded: 0, reaped: 0 },
    { exitCode: 143, signal: "SIGTERM", forwarded: 0, reaped: 0 },
  ]);
});

test("it leaves no zombie of the orphans that it adopted", async () => {
  expect(
    await result(`
      import { readFileSync } from "node:fs";
      const { exitCode, reaped } = supervise(["initwrap", "--", "/bin/sh", "-c",
        "for i in 1 2 3 4 5 6 7 8; do (true &); done; (sleep 0.3 &); sleep 0.1"]);
      const left = readFileSync("/proc/self/task/" + process.pid + "/children", "utf8").trim().split(" ");
      const states = left.map((pid) => readFileSync("/proc/" + pid + "/stat", "latin1").replace(/^.*\\) /s, "")[0]);
      console.log(JSON.stringify([exitCode, reaped, states]));
    `),
  ).toEqual([0, 8, ["S"]]);
});

test("a thousand times in one process, each answer is right", async () => {
  expect(
    await result(`
      let wrong = 0;
      for (let i = 0; i < 1000; i++) if (runs("exit", String(i % 256)).exitCode !== i % 256) wrong++;
      console.log(wrong);
    `),
  ).toBe(0);
}, 180_000);

test("everything in the process goes on afterwards as before", async () => {
  expect(
    await result(`
      import { execFile, spawn, spawnSync } from "node:child_process";
      import { readFile } from "node:fs/promises";
      import { readFileSync } from "node:fs";
      import { Worker } from "node:worker_threads";
      // Signal 64 aside: its handler stays when a thread that was just being started slept while it blocked everything.
      const state = () =>
        readFileSync("/proc/self/status", "utf8").match(/^Sig(Blk|Ign|Cgt):.*$/gm).join().replace(/(SigCgt:\\s*)8/, "$10");
      const worker = new Worker(
        "import { parentPort } from 'node:worker_threads'; let n = 0; setInterval(() => n++, 1);" +
        "parentPort.on('message', () => parentPort.postMessage(n))",
        { eval: true });
      const ticks = () => new Promise((resolve) => { worker.once("message", resolve); worker.postMessage(0); });
      let signals = 0;
      process.on("SIGUSR2", () => signals++);
      const before = state();
      await ticks();
      const codes = [];
      for (let i = 0; i < 20; i++) {
        const reading = Promise.all(Array.from({ length: 8 }, () => readFile("/etc/passwd")));
        runs("exit", "0");
        await reading;
        codes.push(await new Promise((resolve) => spawn(${CHILD}, ["exit", "5"]).on("exit", resolve)));
        codes.push(spawnSync(${CHILD}, ["exit", "5"]).status);
      }
      const then = await ticks();
      await new Promise((resolve) => setTimeout(resolve, 50));
      const later = await ticks();
      process.kill(process.pid, "SIGUSR2");
      await new Promise((resolve) => setTimeout(resolve, 50));
      await worker.terminate();
      console.log(JSON.stringify([state() === before || [before, state()], codes.every((code) => code === 5), later > then, signals]));
    `),
  ).toEqual([true, true, true, 1]);
});

test("no signal gets to another thread, however late it starts to take some", async () => {
  // Threads that block everything when they are asked to stop, and then nothing: TERM to one of them would end the process.
  const running = start(
    script(`
      import { createRequire } from "node:module";
      const { closedThread } = createRequire("/")(${JSON.stringify(nativeAddon())});
      for (const milliseconds of [0, 1, 5, 20, 50, 100, 200]) closedThread(milliseconds);
      const { exitCode, forwarded } = runs("signals");
      console.log(JSON.stringify({ exitCode, forwarded }));
      process.exit(0);
    `),
    outside,
  );
  await running.output("ready\n");
  const numbers = [1, 2, 3, 10, 12, 14, 15, 34, 63];
  for (let round = 0; round < 10; round++) {
    for (const number of numbers) await running.send(number);
  }
  await running.send(64);
  const { code, stdout } = await running.ended;
  expect(code).toBe(0);
  expect(stdout.trim().split("\n").at(-1)).toBe(JSON.stringify({ exitCode: 0, forwarded: 91 }));
});

describe("it refuses", () => {
  test("to take the exit codes of children that are there", async () => {
    expect(
      await result(`
        import { spawn } from "node:child_process";
        const other = spawn(${CHILD}, ["exit", "9"]);
        const code = told(() => runs("exit", "0"));
        other.on("exit", (status) => console.log(JSON.stringify([code, status, told(() => runs("exit", "0"))])));
      `),
    ).toEqual(["E_HAS_CHILDREN", 9, "done"]);
  });

  test("a worker thread", async () => {
    expect(
      await result(`
        import { isMainThread, Worker } from "node:worker_threads";
        const code = "import(" + JSON.stringify(${JSON.stringify(INDEX)}) + ")" +
          ".then(({ supervise }) => supervise(['initwrap', '--', 'true'])).catch(({ code }) => console.log(JSON.stringify(code)))";
        new Worker(code, { eval: true });
      `),
    ).toBe("E_NOT_MAIN_THREAD");
  });

  test("what is no command, and another init's command line", async () => {
    expect(
      await result(`
        const of = (...words) => told(() => supervise(words));
        console.log(JSON.stringify([of("initwrap"), of("initwrap", "--help"), of("initwrap", "--grace", "x", "--", "true"),
          of("tini", "--", "true"), told(() => supervise(["initwrap", "true"], { env: { INITWRAP_GRACE: "x" } }))]));
      `),
    ).toEqual(Array.from({ length: 5 }, () => "E_BAD_OPTIONS"));
  });
});
