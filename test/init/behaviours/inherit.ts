import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { child, eventually, type StartOptions, scratch } from "../harness.ts";
import type { BehaviourGroup, Subject } from "./behaviour.ts";

type State = Readonly<Record<string, string>>;

/** What the command finds, item by item: see print_state of programs/child.c. */
export async function state(init: Subject, options: StartOptions = {}, args: readonly string[] = []): Promise<State> {
  const file = join(scratch(), "state");
  const outcome = await init.run([...child("state", file), ...args], options);
  assert.equal(outcome.code, 0, outcome.stderr);
  const items = readFileSync(file, "utf8").trimEnd().split("\n");
  return Object.fromEntries(items.map((item) => [item.split(" ")[0] ?? "", item.slice(item.indexOf(" ") + 1)]));
}

/** The items are what they are without any init. */
async function inherits(
  init: Subject,
  items: readonly string[],
  options: StartOptions = {},
  args: readonly string[] = [],
): Promise<State> {
  const direct = await state(init, { ...options, init: null }, args);
  const below = await state(init, options, args);
  for (const item of items) assert.equal(below[item], direct[item], item);
  return below;
}

/** Run by a shell before the init. */
const after = (script: string): StartOptions => ({ prefix: ["/bin/sh", "-c", `${script}; exec "$@"`, "sh"] });

/** The init with a descriptor and a working directory that its command must find, while it runs. */
async function holding(
  init: Subject,
  look: (init: number, main: string, folder: string) => void | Promise<void>,
): Promise<void> {
  const folder = join(scratch(), "held");
  mkdirSync(folder);
  const running = init.start(child("pause"), { ...after("exec 7<."), cwd: folder });
  await running.output("ready\n");
  const pid = await running.pid;
  await look(pid, readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim(), folder);
}

const everything = ["blocked", "ignored", "caught", "umask", "directory", "nice", "hash", "argc", "bytes"].concat([
  "pdeathsig",
  "reaper",
  "privileges",
  "slack",
  "files",
  "listen",
]);

export const inherit: BehaviourGroup = {
  title: "What the command inherits",
  behaviours: [
    {
      title: "no signal is blocked that was not",
      probe: async (init) => assert.equal((await inherits(init, ["blocked"]))["blocked"], "0"),
    },
    {
      title: "signals that were blocked stay blocked",
      probe: async (init) => {
        const below = await inherits(init, ["blocked"], { namespace: ["-b"] });
        assert.equal(below["blocked"], "8000000201");
      },
    },
    {
      title: "signals that were ignored stay ignored",
      probe: async (init) => {
        const below = await inherits(init, ["ignored", "caught"], after('trap "" INT TTOU TTIN USR1 TERM PIPE'));
        assert.equal(below["ignored"], "305202");
      },
    },
    {
      title: "`SIGCHLD` among them",
      probe: async (init) => {
        assert.equal((await inherits(init, ["ignored"], { namespace: ["-i"] }))["ignored"], "10000");
      },
    },
    {
      title: "umask and niceness",
      probe: async (init) => {
        const options = { prefix: ["/bin/sh", "-c", 'umask 027; exec nice -n 5 "$@"', "sh"] };
        assert.equal((await inherits(init, ["umask", "nice"], options))["umask"], "27");
      },
    },
    {
      title: "argv byte for byte, 1 MB of it, empty words too; the environment",
      probe: async (init) => {
        const words = Array.from({ length: 100 }, (_, i) => String.fromCharCode(97 + (i % 26)).repeat(10_485));
        const args = ["", " ", "--", "-g", "a\nb", "äöü", ...words];
        const below = await inherits(init, ["argc", "bytes", "hash"], {}, args);
        assert.ok(Number(below["bytes"]) > 1_048_576);
      },
    },
    {
      title: "the working directory, and descriptors from 3 on",
      probe: (init) =>
        holding(init, (_, main, folder) => {
          assert.equal(readlinkSync(`/proc/${main}/cwd`), folder);
          assert.equal(readlinkSync(`/proc/${main}/fd/7`), folder);
        }),
    },
    {
      title: "started with 0, 1 and 2 closed, the command finds them closed",
      probe: async (init) => {
        assert.equal((await inherits(init, ["files"], { namespace: ["-0"] }))["files"], "files");
      },
    },
    { title: "nothing of the init's leaks in", probe: async (init) => void (await inherits(init, everything)) },
    {
      title: "standard input and output pass through",
      probe: async (init) => {
        const running = init.start(["/bin/cat"]);
        running.process.stdin.end("through\n");
        assert.deepEqual(await running.ended, { code: 0, stdout: "through\n", stderr: "" });
      },
    },
    {
      title: "`LISTEN_PID` that named the init names the command",
      probe: async (init) => {
        const below = await state(init, { env: { LISTEN_PID: "1", LISTEN_FDS: "1" } });
        assert.equal(below["listen"], below["pid"]);
      },
    },
    {
      title: "the init lets go of descriptors from 3 on",
      probe: (init) =>
        holding(init, async (pid) => {
          await eventually(() => readdirSync(`/proc/${pid}/fd`).length === 3, 1000);
          assert.deepEqual(readdirSync(`/proc/${pid}/fd`), ["0", "1", "2"]);
        }),
    },
    {
      title: "the init lets go of the working directory",
      probe: (init) =>
        holding(init, async (pid) => {
          await eventually(() => readlinkSync(`/proc/${pid}/cwd`) === "/", 1000);
          assert.equal(readlinkSync(`/proc/${pid}/cwd`), "/");
        }),
    },
  ],
};
