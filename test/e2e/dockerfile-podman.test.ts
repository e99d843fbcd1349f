/** A base image in podman's store, asked for through a real podman API service. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { tarOf } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { initwrap } from "../support/cli.ts";
import { sshdAvailable, startSshd, type TestSshd } from "../support/ssh.ts";

const run = promisify(execFile);
const available = existsSync("/usr/bin/podman") && process.getuid?.() === 0;
let folder: string;
let socket: string;
let service: ChildProcess | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-podman-"));
  if (!available) return;
  // A store of its own, in which nothing is mounted.
  const store = ["--root", join(folder, "root"), "--runroot", join(folder, "run"), "--storage-driver", "vfs"];
  const archive = join(folder, "files.tar");
  await writeFile(archive, tarOf([["file", "x"]]));
  const change = ["-c", 'ENTRYPOINT ["/in-podman"]', "-c", 'CMD ["pc"]', "-c", "USER 1000"];
  await run("podman", [...store, "import", ...change, archive, "example.com/team/base:1"]);
  await run("podman", [...store, "tag", "example.com/team/base:1", "localhost/made-here:latest"]);
  await mkdir(join(folder, "podman"));
  socket = join(folder, "podman", "podman.sock");
  service = spawn("podman", [...store, "system", "service", "--time", "0", `unix://${socket}`], { stdio: "ignore" });
  for (let tries = 0; tries < 100 && !existsSync(socket); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}, 60_000);
afterAll(async () => {
  if (service !== undefined) {
    const ended = new Promise((resolve) => service?.once("exit", resolve));
    service.kill();
    await ended;
  }
  await rm(folder, { recursive: true, force: true });
});
beforeEach((context) => requireCapability(context, "podman", available));

const NO_DOCKER = { HOME: "/nonexistent", DOCKER_HOST: "unix:///nonexistent/docker.sock" };

async function plan(from: string, env: NodeJS.ProcessEnv) {
  const { stdout, status } = await initwrap(["dockerfile", "-", "--json"], {
    cwd: folder,
    env: { ...NO_DOCKER, CONTAINER_HOST: "", XDG_RUNTIME_DIR: "", ...env },
    input: `FROM ${from}\nENV X=1\n`,
  });
  return { status, document: JSON.parse(stdout.toString()) };
}

it.each([
  ["CONTAINER_HOST", () => ({ CONTAINER_HOST: `unix://${socket}` })],
  ["XDG_RUNTIME_DIR", () => ({ XDG_RUNTIME_DIR: folder })],
])("is found where %s says", async (_name, env) => {
  const { status, document } = await plan("example.com/team/base:1", env());
  expect(status).toBe(0);
  expect(document.after).toEqual({ entrypoint: ["/initwrap", "--", "/in-podman"], cmd: ["pc"] });
  expect(document.base).toMatchObject({ source: "podman", detail: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) });
});

it("is found by the short name that podman build knows it by", async () => {
  const { document } = await plan("made-here", { CONTAINER_HOST: `unix://${socket}` });
  expect(document.base).toMatchObject({ reference: "made-here", source: "podman" });
});

it("that is not in the store is not podman's fault", async () => {
  const { status, document } = await plan("127.0.0.1:1/none:1", { CONTAINER_HOST: `unix://${socket}` });
  expect([status, document.error.code]).toEqual([5, "BASE_UNKNOWN"]);
  expect(document.error.message).not.toContain("podman");
});

describe("a podman behind ssh", () => {
  let sshd: TestSshd | undefined;
  beforeAll(async () => {
    if (available && sshdAvailable) sshd = await startSshd({ PATH: "/usr/bin:/bin" });
  });
  afterAll(async () => sshd?.stop());
  beforeEach((context) => requireCapability(context, "openssh-server", sshdAvailable));

  it("is asked as one here is", async () => {
    const env = { ...sshd!.env(), CONTAINER_HOST: `ssh://${sshd!.host}${socket}` };
    const { status, document } = await plan("example.com/team/base:1", env);
    expect([status, document.base.source]).toEqual([0, "podman"]);
    expect(document.after).toEqual({ entrypoint: ["/initwrap", "--", "/in-podman"], cmd: ["pc"] });
    expect((await plan("127.0.0.1:1/none:1", env)).document.error.message).not.toContain("podman");
  });

  it("that lets nobody in is said, and other places are asked", async () => {
    const env = { ...sshd!.env(true), CONTAINER_HOST: `ssh://${sshd!.host}${socket}` };
    const { status, document } = await plan("127.0.0.1:1/none:1", env);
    expect([status, document.error.code]).toEqual([5, "BASE_UNKNOWN"]);
    expect(document.error.message).toMatch(/podman: .*Host key verification failed/);
    expect(document.error.message).toContain("registry: ");
  });
});

it("is not waited for when there is no service", async () => {
  await rename(join(folder, "podman"), join(folder, "away"));
  try {
    const { document } = await plan("127.0.0.1:1/none:1", { XDG_RUNTIME_DIR: folder });
    expect(document.error.message).not.toContain("podman");
  } finally {
    await rename(join(folder, "away"), join(folder, "podman"));
  }
});
