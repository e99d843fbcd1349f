/** A real sshd for tests: Debian's, on a free loopback port, with keys of its own, and an `ssh` that knows only those. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { accepts } from "./accepts.ts";
import { freePort } from "./registry.ts";

const run = promisify(execFile);
const PROGRAM = "/usr/sbin/sshd";

/** True when sshd can be started: it is installed, and this is root. */
export const sshdAvailable = existsSync(PROGRAM) && process.getuid?.() === 0;

export interface TestSshd {
  /** `root@127.0.0.1:PORT`. */
  readonly host: string;
  /** Puts an `ssh` first on PATH that uses the test's key, and its known hosts unless `strangers`. */
  env(strangers?: boolean): NodeJS.ProcessEnv;
  stop(): Promise<void>;
}

/** Starts sshd; commands run there with `variables` only, besides what sshd sets. */
export async function startSshd(variables: Readonly<Record<string, string>>): Promise<TestSshd> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-sshd-"));
  const port = await freePort();
  const file = (name: string): string => join(folder, name);
  for (const key of ["host", "user"]) {
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", key, "-f", file(key)]);
  }
  const hostKey = (await readFile(file("host.pub"), "utf8")).trim();
  await writeFile(file("known_hosts"), `[127.0.0.1]:${port} ${hostKey}\n`);
  await writeFile(file("nobody"), "");
  await writeFile(
    file("sshd_config"),
    [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${file("host")}`,
      `AuthorizedKeysFile ${file("user.pub")}`,
      `PidFile ${file("pid")}`,
      "PermitRootLogin prohibit-password",
      "PasswordAuthentication no",
      "StrictModes no",
      "UsePAM no",
      // One line: of several only the first counts.
      `SetEnv ${Object.entries(variables)
        .map(([name, value]) => `${name}=${value}`)
        .join(" ")}`,
      "",
    ].join("\n"),
  );
  for (const known of ["known_hosts", "nobody"]) {
    const bin = file(`bin-${known}`);
    await mkdir(bin);
    const config = file(`ssh_config-${known}`);
    await writeFile(
      config,
      [
        `IdentityFile ${file("user")}`,
        "IdentitiesOnly yes",
        "BatchMode yes",
        "StrictHostKeyChecking yes",
        `UserKnownHostsFile ${file(known)}`,
        "GlobalKnownHostsFile /dev/null",
        "",
      ].join("\n"),
    );
    await writeFile(join(bin, "ssh"), `#!/bin/sh\nexec /usr/bin/ssh -F ${config} "$@"\n`, { mode: 0o755 });
  }
  await mkdir("/run/sshd", { recursive: true });
  const child = spawn(PROGRAM, ["-D", "-e", "-f", file("sshd_config")], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-8192);
  });
  const stop = async (): Promise<void> => {
    await ended(child);
    await rm(folder, { recursive: true, force: true });
  };
  for (let tries = 0; tries < 200 && child.exitCode === null; tries++) {
    if (await accepts(port)) {
      return {
        host: `root@127.0.0.1:${port}`,
        env: (strangers = false) => ({
          PATH: `${file(strangers ? "bin-nobody" : "bin-known_hosts")}:${process.env["PATH"]}`,
        }),
        stop,
      };
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await stop();
  throw new Error(`sshd did not start:\n${log}`);
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.on("exit", () => resolve());
    child.kill("SIGTERM");
  });
}
