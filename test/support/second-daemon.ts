/**
 * A second Docker daemon with options of its own beside one that already runs: in the same root file system, with its own
 * data and socket. It has no network, for nothing that needs it wants one.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { DockerOptions, DockerResult, Engine } from "./engine.ts";

export interface SecondDaemon {
  /** The first one's client, talking to this daemon. */
  docker(args: readonly string[], options?: DockerOptions): Promise<DockerResult>;
  /** For a program that finds its `docker` in PATH: that client, talking to this daemon. */
  readonly env: NodeJS.ProcessEnv;
  /** A folder that is at the same place for the daemon, so that it can be mounted; removed at the end. */
  readonly folder: string;
  /** What the daemon has said so far. */
  log(): string;
  /** Kills it, as a crash would. */
  crash(): Promise<void>;
  /** Starts it again on what it left. */
  again(): Promise<void>;
  stop(): Promise<void>;
}

export interface SecondDaemonOptions {
  /** The size of its disk in MiB; that of the first one's when absent. */
  readonly disk?: number;
}

/** Whether the engine is one of those that up.sh starts, which can have a second daemon. */
export function hasDaemonFolder(engine: Engine): boolean {
  return engine.host.startsWith("unix://") && basename(engine.host) === "docker.sock" && pidOf(engine) !== undefined;
}

function folderOf(engine: Engine): string {
  return dirname(engine.host.replace("unix://", ""));
}

function pidOf(engine: Engine): string | undefined {
  try {
    return readFileSync(join(folderOf(engine), "pid"), "utf8").trim();
  } catch {
    return undefined;
  }
}

/**
 * Starts one with `--init-path` naming a copy of `init` under the name docker-init, where it is given, and with the options
 * that `more` gives for its folder. Needs root.
 */
export async function startSecondDaemon(
  engine: Engine,
  init: string | undefined,
  more: (folder: string) => Promise<readonly string[]> = async () => [],
  { disk }: SecondDaemonOptions = {},
): Promise<SecondDaemon> {
  // The engine's folder is at the same place within its root file system.
  const folder = mkdtempSync(join(folderOf(engine), "second-"));
  if (init !== undefined) copyFileSync(init, join(folder, "docker-init"));
  const given = await more(folder);
  const socket = `unix://${folder}/docker.sock`;
  const inside = (...command: readonly string[]): [string, string[]] => [
    "nsenter",
    [`--mount=/proc/${pidOf(engine)}/ns/mnt`, "--", ...command],
  ];
  const data = `${folder}/data`;
  if (disk !== undefined) {
    mkdirSync(data);
    execFileSync(...inside("mount", "-t", "tmpfs", "-o", `size=${disk}m`, "tmpfs", data));
  }
  let text = "";
  const started = (): { readonly daemon: ChildProcess; readonly ended: Promise<void> } => {
    const daemon = spawn(
      ...inside(
        "dockerd",
        ...(init === undefined ? [] : [`--init-path=${folder}/docker-init`]),
        ...given,
        "--bridge=none",
        "--iptables=false",
        "--ip-forward=false",
        "--ip-masq=false",
        `--data-root=${data}`,
        `--exec-root=${folder}/exec`,
        `--pidfile=${folder}/pid`,
        `--host=${socket}`,
      ),
      // The tests' own folder for temporary files is not in the engine's root file system.
      { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, TMPDIR: "/tmp" } },
    );
    daemon.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    // Not "close": the containerd of one that was killed still has the pipe.
    return { daemon, ended: new Promise<void>((resolve) => daemon.on("exit", () => resolve())) };
  };
  let current = started();
  const docker: SecondDaemon["docker"] = (args, options = {}) =>
    engine.docker(args, { ...options, env: { ...options.env, DOCKER_HOST: socket } });
  const env = {
    ...engine.env,
    DOCKER_HOST: socket,
    PATH: `${join(folderOf(engine), "bin")}:${process.env["PATH"]}`,
  };
  const stop = async (): Promise<void> => {
    current.daemon.kill("SIGTERM");
    await current.ended;
    if (disk !== undefined) execFileSync(...inside("umount", "--lazy", data));
    rmSync(folder, { recursive: true, force: true });
  };
  const answers = async (): Promise<boolean> => {
    for (let tries = 0; tries < 300; tries++) {
      const { status } = await docker(["version"], { check: false });
      if (status === 0) return true;
      if (current.daemon.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return false;
  };
  const again = async (): Promise<void> => {
    current = started();
    if (!(await answers())) throw new Error(`the second daemon did not start again:\n${text}`);
  };
  const crash = async (): Promise<void> => {
    current.daemon.kill("SIGKILL");
    await current.ended;
  };
  if (await answers()) return { docker, env, folder, log: () => text, crash, again, stop };
  await stop();
  throw new Error(`the second daemon did not start:\n${text}`);
}
