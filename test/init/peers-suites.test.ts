/**
 * The test suites of tini and dumb-init, unchanged, against the shipped init under their names.
 *
 * They run in a PID namespace with the init as its PID 1, for they count on orphans being reaped, and on one processor:
 * dumb-init's pipelines of `yes` would otherwise keep every processor busy while the suite counts processes.
 * Left out is one line of tini's smoke checks, `hardening-check`, which looks for what a linker does to relocations
 * (RELRO, BIND_NOW): this file has none.
 * tini's outer tests run in containers of a Docker engine instead.
 */
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeEach, expect, test } from "vitest";
import { requireCapability, type SkippableContext } from "../support/capability.ts";
import { requireEngine } from "../support/engine.ts";
import { BASE_IMAGE, provideBaseImage } from "../support/images.ts";
import { hasDaemonFolder, startSecondDaemon } from "../support/second-daemon.ts";
import { compiler, INIT, requireRoot, scratch } from "./harness.ts";
import { peerSource } from "./peers/source.ts";

const PYTHON = "/usr/bin/python3";
const PATIENT = join(import.meta.dirname, "peers/patient.py");
const run = promisify(execFile);

beforeEach(requireRoot);

function requireSource(context: SkippableContext, name: string): string {
  const source = peerSource(name);
  requireCapability(context, `the source package ${name} from Debian`, source !== undefined);
  return source as string;
}

function requirePython(context: SkippableContext, ...modules: string[]): void {
  const imports = `import ${modules.join(", ")}`;
  requireCapability(
    context,
    `python3 with ${modules.join(", ")}`,
    spawnSync(PYTHON, ["-c", imports], { stdio: "ignore" }).status === 0,
  );
}

/** What the reaping test imports, as paths below the root. */
function pythonLibraries(): string[] {
  const folders = "import os, psutil; print(os.path.dirname(os.__file__)); print(os.path.dirname(psutil.__file__))";
  const lines = execFileSync(PYTHON, ["-c", folders], { encoding: "utf8" }).trim().split("\n");
  return lines.map((line) => line.slice(1));
}

/** A folder with the init under the names, to be first in PATH. Some of the scripts want a `python` as well. */
function folderOf(...names: string[]): string {
  const folder = scratch();
  for (const name of names) copyFileSync(INIT, join(folder, name));
  symlinkSync(PYTHON, join(folder, "python"));
  return folder;
}

/** The whole output of a command below the init as PID 1 of a namespace; an error shows it when the command fails. */
async function below(command: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  const namespace = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const [file = "", ...args] = ["taskset", "-c", "0", ...namespace, INIT, "--", ...command];
  const { stdout, stderr } = await run(file, args, {
    cwd,
    env: { HOME: "/root", LANG: "C.UTF-8", PYTHONDONTWRITEBYTECODE: "1", ...env },
    maxBuffer: 1 << 26,
    timeout: 150_000,
    killSignal: "SIGKILL",
  }).catch((error: { stdout: string; stderr: string; message: string }) => {
    throw new Error(`${error.message}\n${error.stdout}\n${error.stderr}`);
  });
  return stdout + stderr;
}

// The two that follow may be run once more: each signals a process of its own that may not have got as far as to expect it.
test("dumb-init's own tests", { timeout: 180_000, retry: 1 }, async (context) => {
  const source = requireSource(context, "dumb-init");
  requirePython(context, "pytest", "pytest_timeout", "py");
  const output = await below([PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"], source, {
    PATH: `${folderOf("dumb-init")}:/usr/bin:/bin`,
  });
  const [, passed] = /^(\d+) passed in /m.exec(output) ?? [];
  expect(Number(passed), output).toBe(182);
});

test("tini's own inner tests", { timeout: 180_000, retry: 1 }, async (context) => {
  const source = requireSource(context, "tini");
  requirePython(context, "psutil", "prctl");
  const build = folderOf("tini");
  execFileSync(compiler ?? "cc", ["-o", join(build, "sigconf-test"), join(source, "test/sigconf/sigconf-test.c")]);
  const output = await below([PYTHON, "-u", join(source, "test/run_inner_tests.py")], source, {
    SOURCE_DIR: source,
    BUILD_DIR: build,
    FORCE_SUBREAPER: "1",
    PYTHONPATH: join(import.meta.dirname, "peers"),
    PATH: `${build}:/usr/bin:/bin`,
  });
  expect(output.match(/^running .* test/gim)?.length, output).toBe(21);
  expect(output).toContain("All done, tests as expected");
});

test("tini's own smoke checks, as tini and as tini-static", { timeout: 60_000 }, async (context) => {
  const source = requireSource(context, "tini");
  const build = folderOf("tini", "tini-static");
  mkdirSync(join(build, "bin-test"));
  const script = readFileSync(join(source, "ci/run_build.sh"), "utf8");
  const loop = script.slice(script.indexOf("  for tini in "), script.indexOf("  # Quick package audit"));
  const checks = loop.split("\n").filter((line) => !line.startsWith("    hardening-check "));
  expect(checks.length).toBe(loop.split("\n").length - 1);
  const file = join(build, "smoke.sh");
  writeFileSync(file, ["set -o errexit -o nounset -o pipefail", ...checks, "echo all checked", ""].join("\n"));
  const output = await below(["/bin/bash", file], build, {
    SOURCE_DIR: source,
    BUILD_DIR: build,
    BIN_TEST_DIR: join(build, "bin-test"),
    CC: "musl-gcc",
    PATH: `${join(build, "bin-test")}:/usr/bin:/bin`,
  });
  expect(output.match(/^(Smoke test|Testing) /gm)?.length, output).toBe(2 * 15);
  expect(output).toContain("all checked");
});

test("tini's own outer tests, on a Docker engine", { timeout: 300_000 }, async (context) => {
  const source = requireSource(context, "tini");
  requirePython(context, "pexpect", "lib2to3", "psutil");
  requireCapability(context, "valgrind", existsSync("/usr/bin/valgrind"));
  const engine = requireEngine(context, "classic");
  requireCapability(context, "an engine that can have a second daemon", hasDaemonFolder(engine));
  const daemon = await startSecondDaemon(engine, INIT);
  try {
    const root = join(daemon.folder, "tini");
    cpSync(join(source, "test"), join(root, "test"), { recursive: true });
    mkdirSync(join(root, "dist"));
    for (const name of ["tini", "tini-static"]) copyFileSync(INIT, join(root, "dist", name));

    // The image is the project's own base, with what the suite's Dockerfile installs and these tests use.
    const image = join(daemon.folder, "image");
    mkdirSync(join(image, "usr/bin"), { recursive: true });
    symlinkSync("python3", join(image, "usr/bin/python"));
    for (const path of ["usr/bin/valgrind", "usr/bin/valgrind.bin", "usr/libexec/valgrind", ...pythonLibraries()])
      cpSync(join("/", path), join(image, path), { recursive: true });
    execFileSync("tar", ["-C", image, "-cf", join(image, "added.tar"), "usr"]);
    writeFileSync(join(image, "Dockerfile"), `FROM ${BASE_IMAGE}\nADD added.tar /\n`);
    writeFileSync(join(image, ".dockerignore"), "usr\n");
    await provideBaseImage({ ...engine, docker: daemon.docker });
    await daemon.docker(["build", "-q", "-t", "tini-build", image], { env: { DOCKER_BUILDKIT: "0" } });

    // Written for Python 2. Left out are the last lines, which install tini's own packages in four distributions, and the
    // one that wants 0 for `-w` without a program: tini 0.19.0 itself ends with 1 (personalities.test.ts compares).
    const script = join(root, "test/run_outer_tests.py");
    const text = readFileSync(script, "utf8");
    const end = text.slice(text.indexOf("    # Installation tests "), text.indexOf('if __name__ == "__main__"'));
    expect(end.split("\n").length).toBe(11);
    const lines = text.replace(end, "").split("\n");
    const kept = lines.filter((line) => !line.includes('functional_base_cmd + ["-w"]'));
    expect(kept.length).toBe(lines.length - 1);
    writeFileSync(script, kept.join("\n"));
    execFileSync(PYTHON, ["-m", "lib2to3", "--write", "--nobackups", "--no-diffs", script], { stdio: "ignore" });

    const { stdout } = await run(PYTHON, ["-u", PATIENT, script, "tini-build"], { env: daemon.env, timeout: 240_000 });
    expect(stdout.match(/^Testing '.*OK$/gm)?.length, stdout).toBe(2 * 7 + 1);
    expect(stdout.match(/^Testing TTY handling/gm)?.length, stdout).toBe(2);
    expect(stdout).not.toContain("FAIL");
  } finally {
    await daemon.stop();
  }
});
