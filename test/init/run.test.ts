/** `initwrap run`: the init's work done by Node itself, as PID 1 of a PID namespace. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { CLI } from "../support/cli.ts";
import {
  child,
  eventually,
  INIT,
  program,
  requireInit,
  run,
  type StartOptions,
  scratch,
  start,
  which,
} from "./harness.ts";

beforeEach(requireInit);

const line = (...words: readonly string[]): string[] => [process.execPath, CLI, "run", ...words];
const outside = { init: null };
const runs = (command: readonly string[], options: readonly string[] = [], how: StartOptions = {}) =>
  run(line(...options, "--", ...command), { ...how, ...outside });
const starts = (command: readonly string[], options: readonly string[] = [], how: StartOptions = {}) =>
  start(line(...options, "--", ...command), { ...how, ...outside });

describe("the exit code", () => {
  test.each([0, 1, 77, 255])("%i is the command's", async (code) => {
    expect(await runs(child("exit", code))).toEqual({ code, stdout: "", stderr: "" });
  });

  test("is 128 + n when signal n ended it, mapped when asked", async () => {
    expect((await runs(child("die", 9))).code).toBe(137);
    expect((await runs(child("die", 64))).code).toBe(192);
    expect((await runs(child("die", 15), ["-e", "143:3"])).code).toBe(3);
  });

  test("is 127 and 126 as a shell gives, with the init's own words", async () => {
    expect(await runs(["/nonexistent"])).toEqual({
      code: 127,
      stdout: "",
      stderr: "initwrap: /nonexistent: No such file or directory\n",
    });
    expect((await runs(["no-such-command"])).code).toBe(127);
    expect((await runs(["/etc/passwd"])).code).toBe(126);
  });

  test("is 2 for a mistake in an option or variable, in the init's words", async () => {
    const mistakes: [string[], StartOptions, string][] = [
      [["--grace", "x"], {}, "bad value for"],
      [["--nonsense"], {}, "unrecognized option '--nonsense'"],
      [["--json"], {}, "unrecognized option '--json'"],
      [[], { env: { INITWRAP_STOP_PLAN: "TERM:" } }, "INITWRAP_STOP_PLAN"],
    ];
    for (const [options, how, message] of mistakes) {
      const outcome = await runs(["true"], options, { ...how, namespace: ["-n"] });
      expect(outcome.code).toBe(2);
      expect(`${outcome.stdout}${outcome.stderr}`).toContain(message);
    }
    expect((await run(line(), { ...outside, namespace: ["-n"] })).stderr).toContain("no command given");
  });

  test("is 125 when the kernel refuses another process", async (context) => {
    requireCapability(context, "strace", which("strace") !== undefined);
    // Threads are made by clone3(2); only the init's own clone(2) is refused.
    const refuse = [
      which("strace") ?? "",
      "-f",
      "-o",
      "/dev/null",
      "-e",
      "trace=clone",
      "-e",
      "inject=clone:error=EAGAIN",
    ];
    const outcome = await run([...refuse, ...line("--", "true")], { ...outside, namespace: ["-n"] });
    expect(outcome).toMatchObject({
      code: 125,
      stderr: "error[RUN_FAILED]: cannot fork: resource temporarily unavailable\n",
    });
  });
});

describe("the words after --", () => {
  test("are the command's, whatever they look like", async () => {
    const words = ["-h", "--help", "--", "--json", "-q", "--version", "", "a b"];
    const print = ["/bin/sh", "-c", 'printf "%s|" "$@"', "sh"];
    expect((await runs([...print, ...words])).stdout).toBe(`${words.join("|")}|`);
  });

  test("reach it byte for byte, and so does the environment, also when they are not UTF-8", async () => {
    const shell = [
      "/bin/sh",
      "-c",
      `bytes=$(printf 'a\\377\\200b'); VALUE=$bytes exec "$@" "$bytes" 'ü€'`,
      "sh",
      ...line("--", "/bin/sh", "-c", 'printf "%s|" "$VALUE" "$@" | od -An -tx1', "sh"),
    ];
    const { stdout } = await run(shell, outside);
    expect(stdout.replace(/\s+/g, "")).toBe("61ff80627c61ff80627cc3bce282ac7c");
  });

  test("before it --help and -h explain, --version says which", async () => {
    for (const flag of ["--help", "-h"]) {
      const { code, stdout } = await run(line(flag), { ...outside, namespace: ["-n"] });
      expect(code).toBe(0);
      for (const word of ["--stop-plan", "--grace", "--exit-map", "$ initwrap run -- node server.js"])
        expect(stdout).toContain(word);
    }
    expect((await run(line("--version"), { ...outside, namespace: ["-n"] })).stdout).toMatch(/^initwrap \d/);
  });
});

describe("signals", () => {
  test("of every number reach the command, each queued one and with its value", async () => {
    const running = starts(child("signals"));
    await running.output("ready\n");
    // 9 and 19 cannot be caught; 17 is the init's own business.
    const numbers = Array.from({ length: 63 }, (_, i) => i + 1).filter((n) => ![9, 17, 19].includes(n));
    for (const number of numbers) {
      await running.send(number, number >= 32 ? 1000 + number : undefined);
      await running.output(`\n${number} ${number >= 32 ? 1000 + number : -1}\n`);
    }
    await running.send(40, 5, 500);
    await running.send(64);
    const { stdout, code } = await running.ended;
    expect(code).toBe(0);
    const values = Array.from({ length: 500 }, (_, i) => `40 ${5 + i}`);
    expect(
      stdout
        .split("\n")
        .filter((one) => one.startsWith("40 "))
        .slice(1),
    ).toEqual(values);
  });

  test("in a burst lose nothing", async () => {
    const running = starts(child("signals"));
    await running.output("ready\n");
    await running.send(35, undefined, 2500);
    await running.send(36, 7, 2500);
    await running.send(64);
    const { stdout } = await running.ended;
    const lines = stdout.split("\n");
    expect(lines.filter((one) => one === "35 -1")).toHaveLength(2500);
    const values = Array.from({ length: 2500 }, (_, i) => `36 ${7 + i}`);
    expect(lines.filter((one) => one.startsWith("36 "))).toEqual(values);
  });

  test("go to what a shell started, through its process group", async () => {
    const running = starts(child("shell-like"));
    await running.output("ready");
    await running.send(15);
    expect((await running.ended).code).toBe(33);
  });

  test("follow --rewrite, --stop-plan and --report", async () => {
    const file = join(scratch(), "report");
    const running = starts(child("signals"), ["-r", "HUP:USR1", "--stop-plan", "INT:300ms,KILL", "--report", file]);
    await running.output("ready\n");
    await running.send(1);
    await running.output("\n10 -1\n");
    await running.send(15);
    expect((await running.ended).code).toBe(137);
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ exitCode: 137, signal: "SIGKILL", forwarded: 3 });
  });

  test("typed at a terminal work: Ctrl-C ends the command with 130, a hang-up with 129", async () => {
    for (const [end, code] of [
      ["\x03", 130],
      ["", 129],
    ] as const) {
      const running = start([program("terminal"), ...line("--", ...child("pause"))], outside);
      await running.output("ready");
      running.process.stdin.write(end);
      if (end === "") running.process.stdin.end();
      expect((await running.ended).code).toBe(code);
    }
  });
});

describe("children", () => {
  test.each([
    ["PID 1", []],
    ["a subreaper", ["-n"]],
  ])("orphans are reaped, as %s", async (_, namespace) => {
    expect(await runs(child("orphans", 300, 500), [], { namespace })).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("a chain of parents that never wait leaves no zombie", async () => {
    expect((await runs(child("chain", 10))).code).toBe(0);
  });

  test("--grace ends what the command left", async () => {
    const note = join(scratch(), "note");
    expect((await runs(child("leave", 5, note), ["--grace", "5s"])).code).toBe(5);
    expect(readFileSync(note, "utf8")).toBe("TERM\n");
  });
});

describe("the command inherits", () => {
  const state = async (command: readonly string[], how: StartOptions, ...args: readonly string[]) => {
    const file = join(scratch(), "state");
    const outcome = await run([...command, ...child("state", file), ...args], { ...how, ...outside });
    expect(outcome).toEqual({ code: 0, stdout: "", stderr: "" });
    const items = readFileSync(file, "utf8").trimEnd().split("\n");
    return items.filter((item) => !/^(pid|hash|argc|bytes) /.test(item));
  };

  test("what it would have from the init: nothing blocked, ignored or caught, and no descriptor of Node's", async () => {
    const how = { prefix: ["/bin/sh", "-c", 'umask 027; exec nice -n 5 "$@"', "sh"] };
    const byNode = await state(line("--"), how);
    expect(byNode).toEqual(await state([INIT, "--"], how));
    expect(byNode).toContain("files 0 1 2");
  });

  test("sockets of a service manager, with LISTEN_PID changed to its own pid", async () => {
    const file = join(scratch(), "state");
    const shell = [
      "/bin/sh",
      "-c",
      'exec 3</dev/null 4</dev/null 5</dev/null; LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"',
      "sh",
    ];
    await run([...shell, ...line("--", ...child("state", file))], outside);
    const facts = Object.fromEntries(
      readFileSync(file, "utf8")
        .trimEnd()
        .split("\n")
        .map((item) => [item.split(" ")[0], item.slice(item.indexOf(" ") + 1)]),
    );
    expect(facts["listen"]).toBe(facts["pid"]);
    expect(facts["files"]).toBe("0 1 2 3 4");
  });

  test("blocking standard streams, though Node's own are not", async () => {
    // A program that does not expect EAGAIN writes more than a pipe holds.
    const { stdout, code } = await runs(["/bin/sh", "-c", "sleep 0.2; head -c 3000000 /dev/zero | tr '\\0' x"]);
    expect(code).toBe(0);
    expect(stdout).toHaveLength(3_000_000);
  });
});

test("it takes no processor time while the command runs", async () => {
  const running = starts(child("pause"));
  await running.output("ready");
  const pid = await running.pid;
  const ticks = () =>
    readFileSync(`/proc/${pid}/stat`, "latin1")
      .replace(/^.*\) /s, "")
      .split(" ")
      .slice(11, 13)
      .join(" ");
  const before = ticks();
  await eventually(() => false, 500);
  expect(ticks()).toBe(before);
  await running.send(15);
  expect((await running.ended).code).toBe(143);
});

test("a child that was dead before is reaped while the command runs", async () => {
  // Nothing else dies here: no SIGCHLD comes to help.
  expect((await runs(child("chain", 0), [], { namespace: ["-z"] })).code).toBe(0);
});
