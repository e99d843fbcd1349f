/**
 * A real podman for tests: its API service on a socket of its own, with a storage and a configuration in a temporary
 * folder. runc and cgroupfs, for there may be no systemd; limits that a process without CAP_SYS_RESOURCE may set.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { accepts } from "./accepts.ts";

const run = promisify(execFile);

/** True when podman is installed and this user may use storage of its own. */
export const podmanAvailable =
  process.getuid?.() === 0 && spawnSync("podman", ["--version"], { timeout: 10_000 }).status === 0;

export interface TestPodman {
  /** `[ROOT+RUNROOT]`, what goes before a name in `containers-storage:`. */
  readonly store: string;
  /** Variables for a process that should talk to this podman. */
  readonly env: NodeJS.ProcessEnv;
  /** Runs podman on the same storage; rejects when it exits non-zero. */
  podman(args: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

/** Starts the service and waits until it answers. */
export async function startPodman(): Promise<TestPodman> {
  const folder = await mkdtemp(join(tmpdir(), "iwpod-"));
  const [root, runroot] = [join(folder, "root"), join(folder, "run")];
  const conf = join(folder, "containers.conf");
  await writeFile(
    conf,
    [
      "[containers]",
      'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]',
      "[engine]",
      'runtime = "runc"',
      'cgroup_manager = "cgroupfs"',
      'events_logger = "file"',
      "",
    ].join("\n"),
  );
  const socket = join(folder, "podman.sock");
  const storage = ["--root", root, "--runroot", runroot];
  const variables = { ...process.env, CONTAINERS_CONF: conf };
  const service = spawn("podman", [...storage, "system", "service", "--time", "0", `unix://${socket}`], {
    env: variables,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  service.stderr.on("data", (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-4096);
  });
  const stop = async (): Promise<void> => {
    await ended(service);
    // podman leaves its storage mounted on itself.
    await run("umount", [join(root, "overlay")]).catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  };
  for (let tries = 0; tries < 300 && service.exitCode === null; tries++) {
    if (await accepts(socket)) {
      return {
        store: `[${root}+${runroot}]`,
        env: { ...variables, CONTAINER_HOST: `unix://${socket}` },
        podman: async (args) =>
          (await run("podman", [...storage, ...args], { env: variables, maxBuffer: 1 << 26, timeout: 120_000 })).stdout,
        stop,
      };
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await stop();
  throw new Error(`podman's service did not start:\n${log}`);
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.on("exit", () => resolve());
    child.kill("SIGTERM");
  });
}
