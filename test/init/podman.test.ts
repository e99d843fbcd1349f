/**
 * The init as podman's own: for `podman run --init`, and as the `catatonit -P` that holds a pod's namespaces. podman takes
 * the first from `init_path`, and builds the pod's image from the catatonit it finds among its helpers.
 */
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeEach, expect, test } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { eventually, INIT, program, requireRoot, scratch, sleep, which } from "./harness.ts";

const IMAGE = "localhost/initwrap-test-child";
const folder = scratch();
const helper = join(folder, "helpers/catatonit");
const run = promisify(execFile);

/** podman with a store and a configuration of its own: nothing of the machine's is seen or changed. */
async function podman(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const places = ["--root", join(folder, "root"), "--runroot", join(folder, "run"), "--tmpdir", join(folder, "tmp")];
  try {
    const { stdout, stderr } = await run("podman", [...places, "--storage-driver", "vfs", ...args], {
      env: { ...process.env, CONTAINERS_CONF: join(folder, "containers.conf") },
    });
    return { code: 0, stdout: stdout.trim(), stderr };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
}

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await podman(...args);
  if (code !== 0) throw new Error(`podman ${args.join(" ")}: ${code}\n${stderr}`);
  return stdout;
}

let prepared: Promise<unknown> | undefined;

async function prepare(): Promise<void> {
  mkdirSync(join(folder, "helpers"));
  mkdirSync(join(folder, "image"));
  copyFileSync(INIT, helper);
  copyFileSync(program("child"), join(folder, "image/child"));
  // Limits of its own: podman asks for more than a container that the tests may run in is allowed.
  const configuration = [
    "[containers]",
    'default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]',
    `init_path = "${helper}"`,
    "[engine]",
    'cgroup_manager = "cgroupfs"',
    'events_logger = "file"',
    'runtime = "runc"',
    `helper_binaries_dir = ["${join(folder, "helpers")}", "/usr/libexec/podman", "/usr/lib/podman"]`,
  ];
  writeFileSync(join(folder, "containers.conf"), `${configuration.join("\n")}\n`);
  await run("tar", ["-C", join(folder, "image"), "-cf", join(folder, "image.tar"), "child"]);
  await ok("import", join(folder, "image.tar"), IMAGE);
}

beforeEach(async (context) => {
  requireRoot(context);
  requireCapability(context, "podman", which("podman") !== undefined);
  requireCapability(context, "runc", which("runc") !== undefined);
  prepared ??= prepare();
  await prepared;
});

afterAll(async () => {
  if (!prepared) return;
  await podman("pod", "rm", "--all", "--force");
  await podman("rm", "--all", "--force");
});

/** The init of the container, as the machine sees it. */
async function initOf(container: string): Promise<{ command: string; isOurs: boolean }> {
  const pid = await ok("inspect", "--format", "{{.State.Pid}}", container);
  return {
    command: readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim(),
    isOurs: readFileSync(`/proc/${pid}/exe`).equals(readFileSync(INIT)),
  };
}

test("podman run --init: exit codes, orphans, and TERM at once", async () => {
  const options = ["run", "--network=none", "--init"];
  expect((await podman(...options, "--rm", IMAGE, "/child", "exit", "17")).code).toBe(17);
  expect((await podman(...options, "--rm", IMAGE, "/child", "orphans", "200")).code).toBe(0);
  expect((await podman(...options, "--rm", IMAGE, "/child", "orphan", "dead")).code).toBe(0);
  expect((await podman("run", "--network=none", "--rm", IMAGE, "/child", "orphan", "dead")).code).toBe(1);

  const id = await ok(...options, "--detach", IMAGE, "/child", "pause");
  expect(await initOf(id)).toEqual({ command: "/run/podman-init -- /child pause", isOurs: true });
  for (let tries = 0; tries < 100 && !(await ok("logs", id)).includes("ready"); tries++) await sleep(50);
  await ok("stop", "--time", "60", id);
  expect(await ok("inspect", "--format", "{{.State.ExitCode}}", id)).toBe("143");
});

test("podman run --init-path names another file", async () => {
  const other = join(folder, "initwrap");
  copyFileSync(INIT, other);
  const options = ["run", "--network=none", "--detach", "--init", "--init-path", other];
  const id = await ok(...options, IMAGE, "/child", "pause");
  expect((await initOf(id)).isOurs).toBe(true);
  await ok("kill", "--signal", "QUIT", id);
  expect((await podman("wait", id)).stdout).toBe("131");
});

test("it holds a pod's namespaces: pauses, reaps what the pod's containers leave, ends at TERM", async () => {
  await ok("pod", "create", "--name", "held", "--network=none", "--share", "ipc,uts,pid");
  await ok("pod", "start", "held");
  const infra = await ok("pod", "inspect", "--format", "{{.InfraContainerID}}", "held");
  expect(await initOf(infra)).toEqual({ command: "/catatonit -P", isOurs: true });
  // PID 1 of the pod is not these containers' parent, but gets their orphans.
  expect((await podman("run", "--rm", "--pod", "held", IMAGE, "/child", "orphan", "later")).code).toBe(0);
  expect((await podman("run", "--rm", "--pod", "held", IMAGE, "/child", "orphans", "100")).code).toBe(0);
  const pid = await ok("inspect", "--format", "{{.State.Pid}}", infra);
  const left = () => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim() === "";
  expect(await eventually(left)).toBe(true);
  await ok("pod", "stop", "--time", "60", "held");
  expect(await ok("inspect", "--format", "{{.State.ExitCode}}", infra)).toBe("0");
});
