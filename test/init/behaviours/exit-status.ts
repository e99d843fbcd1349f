import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { child, scratch, user } from "../harness.ts";
import type { BehaviourGroup, Subject } from "./behaviour.ts";

/** A file of that mode and content, and what became of it as a command. */
async function file(init: Subject, content: string | Buffer, mode = 0o755) {
  const name = join(scratch(), "command");
  writeFileSync(name, content, { mode });
  return { name, ...(await init.run([name, "a b", "c"])) };
}

async function diesBy(init: Subject, signals: readonly number[]): Promise<void> {
  for (const signal of signals) assert.equal((await init.run(child("die", signal))).code, 128 + signal);
}

export const exitStatus: BehaviourGroup = {
  title: "Exit",
  behaviours: [
    {
      title: "codes 0 to 255 are passed on",
      native: "it takes long",
      limit: 60,
      probe: async (init) => {
        for (let code = 0; code < 256; code += 8) {
          const codes = Array.from({ length: 8 }, (_, i) => code + i);
          const outcomes = await Promise.all(codes.map((each) => init.run(child("exit", each))));
          assert.deepEqual(
            outcomes.map((outcome) => outcome.code),
            codes,
          );
        }
      },
    },
    {
      title: "128 + n when signal n ended it",
      limit: 20,
      native: "MIPS has numbers of its own",
      probe: (init) => diesBy(init, [1, 2, 3, 4, 6, 7, 8, 9, 11, 13, 14, 15, 24, 25, 27, 31]),
    },
    {
      title: "for real-time signals too",
      limit: 5,
      native: "qemu-user keeps some of them to itself",
      probe: (init) => diesBy(init, [34, 40, 64]),
    },
    {
      title: "127 for a command that does not exist, in `PATH` or as a file",
      probe: async (init) => {
        // A directory of PATH that must not be read would make it 126.
        const env = { PATH: "/usr/bin:/bin" };
        for (const name of ["no-such-program-anywhere", "/nonexistent/program"])
          assert.equal((await init.run([name], { env })).code, 127);
      },
    },
    {
      title: "126 for a file that is not executable",
      probe: async (init) => assert.equal((await file(init, "#!/bin/sh\n", 0o644)).code, 126),
    },
    {
      title: "126 for a directory",
      probe: async (init) => {
        const directory = join(scratch(), "directory");
        mkdirSync(directory);
        assert.equal((await init.run([directory])).code, 126);
      },
    },
    {
      title: "126 for a program of a foreign format",
      probe: async (init) => {
        const foreign = Buffer.from("\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xff\xff", "latin1");
        assert.equal((await file(init, foreign)).code, 126);
      },
    },
    {
      title: "a missing interpreter: 127, and the message says that it is the interpreter",
      probe: async (init) => {
        const { code, stderr } = await file(init, "#!/no/such/interpreter\n");
        assert.equal(code, 127);
        assert.match(stderr, /interpreter/);
      },
    },
    {
      title: "the message names the command",
      probe: async (init) => assert.match((await init.run(["/nonexistent/program"])).stderr, /\/nonexistent\/program/),
    },
    {
      title: "a script without `#!` runs through /bin/sh, with its arguments",
      probe: async (init) => {
        const { name, code, stdout } = await file(init, 'echo "$0 $1 $#"; exit 9\n');
        assert.deepEqual([code, stdout], [9, `${name} a b 2\n`]);
      },
    },
    {
      title: "a refused fork ends the init with a message and an error",
      native: "the emulator forks too",
      needs: "root",
      probe: async (init) => {
        const { code, stderr } = await init.run(child("exit", 0), { namespace: ["-u", user(), "-p", "1"] });
        assert.ok(code !== 0 && code < 128);
        assert.match(stderr, /fork|Resource temporarily unavailable/);
      },
    },
    {
      title: "125 for its own failures, which no command's code is likely to be",
      native: "the emulator forks too",
      needs: "root",
      probe: async (init) => {
        assert.equal((await init.run(child("exit", 0), { namespace: ["-u", user(), "-p", "1"] })).code, 125);
      },
    },
    {
      title: "a mistake on its command line is non-zero, with text",
      probe: async (init) => {
        const { code, stdout, stderr } = await init.run(child("exit", 0), { options: ["--frobnicate"] });
        assert.notEqual(code, 0);
        assert.match(stdout + stderr, /frobnicate|unrecognized|invalid|Usage/);
      },
    },
    {
      title: "started with `SIGCHLD` ignored, the code is returned",
      probe: async (init) => {
        assert.equal((await init.run(child("exit", 42), { namespace: ["-i"] })).code, 42);
      },
    },
    {
      title: "ends within 100 ms of the command, whatever is left running",
      native: "the emulator takes its time",
      limit: 15,
      probe: async (init) => {
        const times: number[] = [];
        // A loaded machine may be late, but not every time.
        for (let round = 0; round < 5; round++) {
          const running = init.start(child("leave", 6, join(scratch(), "note"), "deaf"));
          running.process.stdin.end();
          await running.pid;
          const before = performance.now();
          assert.equal((await running.ended).code, 6);
          times.push(performance.now() - before);
        }
        // 20 ms of it are the command's own.
        assert.ok(Math.min(...times) < 120, `${times}`);
      },
    },
  ],
};
