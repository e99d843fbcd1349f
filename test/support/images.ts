/** Images and containers for end-to-end tests, on a real engine and cleaned up after. */
import { randomBytes } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import type { Engine } from "./engine.ts";

/** A usr-merged Debian with Python, under this tag on every engine. */
export const BASE_IMAGE = "initwrap-test/debian-python:1";

/** Imports the base image where the engine does not have it yet. */
export async function provideBaseImage(engine: Engine): Promise<void> {
  const tarball = process.env["INITWRAP_TEST_BASE"];
  if ((await engine.docker(["image", "inspect", BASE_IMAGE], { check: false })).status === 0) return;
  if (!tarball)
    throw new Error("INITWRAP_TEST_BASE does not name the base image's tarball: run the tests with `npm test`");
  await engine.docker(["import", "--change", 'CMD ["/bin/bash"]', tarball, BASE_IMAGE], { timeoutMs: 300_000 });
}

/** A fresh image name. */
export function freshTag(purpose: string): string {
  return `initwrap-test/${purpose}:${randomBytes(6).toString("hex")}`;
}

/** A build context with copies of `files` under their base names, and the Dockerfile. */
export async function buildContext(dockerfile: string, files: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-context-"));
  await writeFile(join(folder, "Dockerfile"), dockerfile);
  for (const file of files) await cp(file, join(folder, basename(file).replace(/-[0-9a-f]{12}$/, "")));
  return folder;
}

export async function removeContext(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

/** How a container ended when it was asked to stop. */
export interface Stopped {
  readonly exitCode: number;
  /** From the engine's TERM to the container's end, in milliseconds, by the engine's own event times. */
  readonly milliseconds: number;
  readonly output: string;
}

/** Starts a container and waits until it has printed "ready"; gives back its id. */
export async function startUntilReady(engine: Engine, image: string, args: readonly string[] = []): Promise<string> {
  const id = (await engine.docker(["run", "--detach", "--network=none", image, ...args])).stdout.trim();
  for (let attempt = 0; attempt < 200; attempt++) {
    const { stdout, stderr } = await engine.docker(["logs", id]);
    if (stdout.includes("ready")) return id;
    const running = (await engine.docker(["inspect", "--format", "{{.State.Running}}", id])).stdout.trim();
    if (running !== "true") throw new Error(`${image} ended before it was ready: ${stdout}${stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${image} did not become ready`);
}

/** `docker stop` with a grace of `seconds`. */
export async function stopContainer(engine: Engine, id: string, seconds: number): Promise<Stopped> {
  // An engine keeps only its last 256 events, and other containers have theirs: so this one's are heard as they happen.
  const heard = listenUntilDeath(engine, id);
  await engine.docker(["stop", "-t", String(seconds), id]);
  const state = JSON.parse((await engine.docker(["inspect", "--format", "{{json .State}}", id])).stdout) as {
    ExitCode: number;
  };
  const times = await heard;
  const timeOf = (action: string): number => {
    const time = times.get(action);
    if (time === undefined) throw new Error(`the engine reported no ${action}`);
    return time;
  };
  const output = (await engine.docker(["logs", id])).stdout;
  return { exitCode: state.ExitCode, milliseconds: timeOf("die") - timeOf("kill"), output };
}

/** The first time of each of the container's events up to its end, in milliseconds since 1970 by the engine's clock. */
function listenUntilDeath(engine: Engine, id: string): Promise<Map<string, number>> {
  const query = new URLSearchParams({
    since: String(Math.floor(Date.now() / 1000) - 1),
    filters: JSON.stringify({ container: [id] }),
  });
  return new Promise((resolve, reject) => {
    const request = get({ socketPath: new URL(engine.host).pathname, path: `/events?${query}` }, (response) => {
      const times = new Map<string, number>();
      const lines = createInterface({ input: response });
      lines.on("error", reject);
      lines.on("line", (line) => {
        const event = JSON.parse(line) as { Action?: string; status?: string; timeNano: number };
        const action = event.Action ?? event.status ?? "";
        if (!times.has(action)) times.set(action, event.timeNano / 1e6);
        if (action !== "die") return;
        request.destroy();
        resolve(times);
      });
      lines.on("close", () => resolve(times));
    });
    request.on("error", reject);
  });
}

/** What a container of `image` printed, and its exit code: from its log once it has ended, and it is removed after. */
export async function runContainer(
  engine: Engine,
  image: string,
  args: readonly string[] = [],
): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }> {
  // Not `docker run` in the foreground: what a short command prints can be gone before the client is attached.
  const id = (await engine.docker(["run", "--detach", "--network=none", image, ...args])).stdout.trim();
  try {
    const exitCode = Number((await engine.docker(["wait", id])).stdout);
    const { stdout, stderr } = await engine.docker(["logs", id]);
    return { exitCode, stdout, stderr };
  } finally {
    await engine.docker(["rm", "--force", id]);
  }
}

/** How many zombies are children of the container's PID 1, as the host's /proc shows them. */
export async function countZombies(engine: Engine, id: string): Promise<number> {
  const pid = (await engine.docker(["inspect", "--format", "{{.State.Pid}}", id])).stdout.trim();
  let zombies = 0;
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const status = await readFile(`/proc/${entry}/status`, "utf8").catch(() => "");
    if (/^State:\tZ/m.test(status) && status.includes(`\nPPid:\t${pid}\n`)) zombies++;
  }
  return zombies;
}
