/** What the words of a command say about PID 1; what they say of shells is tried on the shells. */
import { execFile, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { commandForm, firstProcess } from "../../../packages/cli/src/model/pid-one.ts";
import { requireCapability } from "../../support/capability.ts";

const of = (...argv: string[]) => firstProcess({ entrypoint: argv, cmd: null });

describe("the first process", () => {
  it.each([
    [[], "none", null],
    [["/initwrap", "--", "node"], "initwrap", true],
    [["/initwrap", "node"], "program", null],
    [["tini", "--", "node"], "init", true],
    [["env", "A=1", "/usr/bin/dumb-init", "node"], "init", true],
    [["/init"], "supervisor", true],
    [["supervisord", "-n"], "supervisor", true],
    [["/bin/sh", "-c", "node app.js; true"], "shell", false],
    [["/bin/bash", "-ec", "a | b"], "shell", false],
    [["sh", "-c", "a &\nb"], "shell", false],
    [["/bin/sh", "-c", "node app.js --port $PORT"], "shell", null],
    [["/bin/sh", "-c", "cd /app && node app.js"], "shell", null],
    [["/bin/sh", "-c", "exec node app.js"], "exec-shell", null],
    [["/bin/sh", "-c", "migrate; exec node app.js"], "exec-shell", null],
    [["/bin/sh", "-c", "exec 2>&1; node app.js"], "shell", false],
    [["/bin/sh", "-c", 'echo "exec node"; node'], "shell", false],
    [["/bin/sh", "/run"], "script", null],
    [["bash"], "shell", false],
    [["/bin/bash", "-l"], "shell", false],
    [["bash", "-e", "run.sh"], "script", null],
    [["docker-entrypoint.sh", "node"], "script", null],
    [["node", "server.js"], "program", null],
  ] as const)("of %j is %s, and forwards: %s", (argv, role, forwardsSignals) => {
    expect(of(...argv)).toMatchObject({ role, forwardsSignals, program: argv.length === 0 ? null : expect.anything() });
  });

  it("is found across ENTRYPOINT and CMD", () => {
    expect(firstProcess({ entrypoint: ["/bin/sh", "-c"], cmd: ["a; b"] })).toMatchObject({
      role: "shell",
      program: "/bin/sh -c",
    });
  });

  it("names the init", () => {
    expect(of("/usr/bin/tini", "--", "x").init).toBe("tini");
    expect(of("node").init).toBeNull();
  });
});

describe("the form of a command", () => {
  it.each([
    [null, null],
    [[], null],
    [["node"], "exec"],
    [["/bin/sh", "-c", "node"], "shell"],
    [["/bin/bash", "-o", "pipefail", "-c", "node"], "exec"],
    [["/bin/sh", "-c", "node", "x"], "exec"],
  ] as const)("of %j is %s", (argv, form) => {
    expect(commandForm(argv)).toBe(form);
  });
});

/** The name of what runs as the shell's process once its text has had time to begin. */
async function inPlaceOf(shell: readonly string[], text: string): Promise<string> {
  const [program = "", ...args] = shell;
  const child = spawn(program, [...args, "-c", text], { stdio: ["ignore", "pipe", "ignore"], detached: true });
  try {
    // The text says when it is about to run its last command.
    await new Promise((resolve) => child.stdout.once("data", resolve));
    let name = "";
    for (let round = 0; round < 20; round++) {
      name = (await readFile(`/proc/${child.pid}/comm`, "utf8")).trim();
      if (name === "sleep") break;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    return name;
  } finally {
    process.kill(-child.pid!, "SIGKILL");
  }
}

describe("what is said of shells", () => {
  const one = "echo ready && sleep 30";
  const several = "echo ready; sleep 30; true";
  const replaced = "echo ready; exec sleep 30";
  const installed = async (program: string): Promise<boolean> =>
    promisify(execFile)("sh", ["-c", `command -v ${program}`]).then(
      () => true,
      () => false,
    );

  it.each([
    [["dash"], false],
    [["bash"], true],
    [["busybox", "sh"], true],
  ] as const)("%j gives way to the one command that is left: %s", async (shell, givesWay) => {
    requireCapability({ skip: () => {} }, shell[0], await installed(shell[0]));
    expect((await inPlaceOf(shell, one)) === "sleep").toBe(givesWay);
    expect(await inPlaceOf(shell, several)).toBe(shell[0]);
    expect(await inPlaceOf(shell, replaced)).toBe("sleep");
  });
});
