import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { child, INIT, program, requireInit, requireRoot, run, type StartOptions, scratch, start } from "./harness.ts";

beforeEach(requireInit);

/** What the child finds, item by item; the init is left out when `init` is null. */
async function state(options: StartOptions = {}, ...args: string[]): Promise<Record<string, string>> {
  const file = join(scratch(), "state");
  const outcome = await run([...child("state", file), ...args], options);
  expect(outcome).toEqual({ code: 0, stdout: "", stderr: "" });
  const items = readFileSync(file, "utf8").trimEnd().split("\n");
  return Object.fromEntries(items.map((item) => [item.split(" ")[0] ?? "", item.slice(item.indexOf(" ") + 1)]));
}

/** Without the facts that a parent must change, and the hash, which covers the file's name. */
function comparable({
  pid: _pid,
  leader: _leader,
  hash: _hash,
  argc: _argc,
  bytes: _bytes,
  ...rest
}: Record<string, string>) {
  return rest;
}

const shells: Record<string, StartOptions> = {
  "as it is": {},
  "SIGCHLD ignored": { namespace: ["-i"] },
  "descriptors 0, 1 and 2 closed": { namespace: ["-0"] },
  "signals ignored, umask, niceness": {
    prefix: ["/bin/sh", "-c", 'trap "" INT TTOU USR1 TERM PIPE; umask 027; exec nice -n 5 "$@"', "sh"],
  },
};

for (const [name, options] of Object.entries(shells)) {
  test(`the child inherits what the init inherited: ${name}`, async () => {
    const direct = await state({ ...options, init: null });
    expect(comparable(await state(options))).toEqual(comparable(direct));
  });
}

test("the child inherits a blocked mask", async () => {
  // The init blocks everything: as the child of another init it starts with whatever that one restored; strace-free proof
  // by nesting: the outer's child is the inner init, whose own child must again see nothing blocked.
  expect((await state({ init: INIT, options: ["--", INIT] }))["blocked"]).toBe("0");
});

test("the working directory and a descriptor above 2 reach the child, and the init lets go of both", async () => {
  const folder = join(scratch(), "held");
  mkdirSync(folder);
  const running = start(child("pause"), {
    cwd: folder,
    prefix: ["/bin/sh", "-c", 'exec 7<.; exec "$@"', "sh"],
  });
  await running.output("ready\n");
  const pid = await running.pid;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  expect(readlinkSync(`/proc/${children}/cwd`)).toBe(folder);
  expect(readlinkSync(`/proc/${children}/fd/7`)).toBe(folder);
  expect(readlinkSync(`/proc/${pid}/cwd`)).toBe("/");
  expect(readdirSync(`/proc/${pid}/fd`)).toEqual(["0", "1", "2"]);
  await running.send(15);
  await running.ended;
});

test("argv is passed byte for byte, 1 MB of it, empty words too", async () => {
  const words = Array.from({ length: 1000 }, (_, i) => `${i}`.repeat(250));
  const args = ["", " ", "--", "-g", "a\nb", "äöü", ...words];
  const found = await state({}, ...args);
  expect(Number(found["argc"])).toBe(args.length + 3);
  expect(Number(found["bytes"])).toBe(args.reduce((sum, word) => sum + Buffer.byteLength(word) + 1, 0));
});

test("LISTEN_PID that names the init names the child instead; any other value stays", async () => {
  const found = await state({ env: { LISTEN_PID: "1", LISTEN_FDS: "1" } });
  expect(found["listen"]).toBe(found["pid"]);
  for (const value of ["12", "1x", "", "99999999999"]) {
    expect((await state({ env: { LISTEN_PID: value } }))["listen"]).toBe(value === "" ? "" : value);
  }
});

test("standard input and output go to the child as they are", async () => {
  const running = start(["/bin/cat"]);
  running.process.stdin.end("through\n");
  expect(await running.ended).toEqual({ code: 0, stdout: "through\n", stderr: "" });
});

test("an empty root without /proc, /dev and a shell is enough", async (context) => {
  requireRoot(context);
  const root = scratch();
  for (const [from, to] of [
    [INIT, "initwrap"],
    [program("child"), "child"],
  ] as const)
    execFileSync("cp", [from, join(root, to)]);
  chmodSync(root, 0o755);
  const chroot = ["/usr/sbin/chroot", "--userspec=61234:61234", root];
  expect(await run([...chroot, "/initwrap", "--", "/child", "exit", "17"], { init: null })).toEqual({
    code: 17,
    stdout: "",
    stderr: "",
  });
});
