/** `initwrap dockerfile` as a process: what it writes, what it leaves alone when it fails, and how it ends. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeContextFiles } from "../../packages/cli/src/wrap/dockerfile-context.ts";
import { requireCapability } from "../support/capability.ts";
import { CLI, initwrap, initwrapOk } from "../support/cli.ts";
import { ROOT } from "../support/programs.ts";

const DOCKERFILE = 'FROM scratch\nCOPY app /app\nENTRYPOINT ["/app"]\n';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-command-"));
  file = join(folder, "Dockerfile");
  await writeFile(file, DOCKERFILE);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const run = (...args: string[]) => initwrap(["dockerfile", ...args], { cwd: folder });

describe("stdout", () => {
  it("carries the product and nothing else, the same from a file and from standard input", async () => {
    const fromFile = await run();
    expect([fromFile.status, fromFile.stderr]).toEqual([0, ""]);
    expect(fromFile.stdout.toString("latin1")).toContain('ENTRYPOINT ["/initwrap", "--", "/app"]\n');
    const fromStdin = await initwrap(["dockerfile", "-"], { cwd: folder, input: DOCKERFILE });
    expect(fromStdin.stdout.equals(fromFile.stdout)).toBe(true);
    expect(await readFile(file, "utf8")).toBe(DOCKERFILE);
  });

  it("a flag that may be repeated takes one value, and leaves the next word to be the file", async () => {
    await writeFile(file, DOCKERFILE.replace("FROM scratch", "ARG BASE\nFROM $BASE"));
    const { status, stdout } = await run("--build-arg", "BASE=scratch", "--platform", "linux/amd64", "Dockerfile");
    expect(status).toBe(0);
    expect(stdout.toString("latin1")).toContain('ENTRYPOINT ["/initwrap", "--", "/app"]\n');
  });

  it("gives no terminal a program's bytes, and text all the same", async () => {
    const onTerminal = (...args: string[]) =>
      spawnSync("script", ["--quiet", "--return", "--command", [CLI, "dockerfile", ...args].join(" "), "/dev/null"], {
        cwd: folder,
        env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`, NO_COLOR: "1" },
        encoding: "utf8",
      });
    const binary = onTerminal();
    expect([binary.status, binary.stdout]).toEqual([
      7,
      expect.stringMatching(/^error\[OUTPUT_NOT_WRITTEN\]: .*\r\nhint: Pipe/),
    ]);
    expect(binary.stdout).not.toContain("\0");
    const text = onTerminal("--inject", "image", "--init-image", `registry.example/init@sha256:${"0".repeat(64)}`);
    expect([text.status, text.stdout]).toEqual([0, expect.stringContaining('ENTRYPOINT ["/initwrap", "--", "/app"]')]);
    expect(onTerminal("--diff").status).toBe(0);
  });

  it("is left empty by --write, which names the inits by their folder", async () => {
    const { status, stdout, stderr } = await run("-w", "--platform", "linux/amd64,linux/arm64");
    expect([status, stdout.toString()]).toEqual([0, ""]);
    expect(stderr).toBe("wrote .initwrap/, Dockerfile (init for linux/amd64, linux/arm64)\n");
  });

  it("given back to initwrap it is left as it is, and undone it is the original", async () => {
    const wrapped = (await run()).stdout;
    const again = await initwrapOk(["dockerfile", "-"], { cwd: folder, input: wrapped });
    expect(again.stdout.equals(wrapped)).toBe(true);
    const undone = await initwrapOk(["dockerfile", "-", "--undo"], { cwd: folder, input: wrapped });
    expect(undone.stdout.toString()).toBe(DOCKERFILE);
  });

  it("wrapped again it keeps the init's options unless others are given; an empty one clears them", async () => {
    const wrapped = (await run("--init-arg=-v")).stdout;
    expect(wrapped.toString("latin1")).toContain('["/initwrap", "-v", "--", "/app"]');
    const again = await initwrapOk(["dockerfile", "-"], { cwd: folder, input: wrapped });
    expect(again.stdout.equals(wrapped)).toBe(true);
    const cleared = await initwrapOk(["dockerfile", "-", "--init-arg="], { cwd: folder, input: wrapped });
    expect(cleared.stdout.equals((await run()).stdout)).toBe(true);
  });

  it("wrapped again it keeps the options of the stage that a number means, whatever stages were put in front of it", async () => {
    const stages = ["a", "b", "c"].map((name) => `FROM scratch AS ${name}\nENTRYPOINT ["/${name}"]\n`).join("");
    const once = (target: string, input: string | Buffer, ...more: string[]) =>
      initwrapOk(["dockerfile", "-", "--inject", "inline", "--target", target, ...more], { cwd: folder, input });
    for (const target of ["1", "2"]) {
      const wrapped = (await once(target, stages, "--init-arg=-v", "--platform=linux/amd64")).stdout;
      const again = (await once(target, wrapped)).stdout;
      expect(again.equals(wrapped)).toBe(true);
    }
    // Both stages are wrapped, with different options, and the first one's init stage moves the number of the second.
    const tini = stages.replace('["/b"]', '["tini", "-g", "--", "/b"]');
    const all = ["--all-targets", "--inject", "inline", "--replace-init"];
    const first = (await initwrapOk(["dockerfile", "-", ...all], { cwd: folder, input: tini })).stdout;
    const third = (await once("2", first, "--replace-init")).stdout.toString("latin1");
    expect(third).toContain('ENTRYPOINT ["/initwrap", "--", "/c"]');
  });

  it("a .dockerignore that hides the init is refused, and no warning is left where it is amended", async () => {
    await run("--write", "--inject", "context");
    await writeFile(join(folder, ".dockerignore"), "*\n!app\n");
    const refused = await run("--write");
    expect([refused.status, refused.stderr]).toEqual([5, expect.stringContaining("CONTEXT_IGNORED")]);
    const checked = await run("--check");
    expect([checked.status, checked.stderr]).toEqual([5, refused.stderr]);
    const looked = await run("--dry-run");
    expect([looked.status, looked.stderr]).toEqual([0, expect.stringContaining("hint: Say --amend-dockerignore")]);
    const amended = await run("--write", "--amend-dockerignore");
    expect([amended.status, amended.stderr]).toEqual([0, expect.stringMatching(/^wrote \.dockerignore[^\n]*\n$/)]);
    expect(await readFile(join(folder, ".dockerignore"), "utf8")).toBe("*\n!app\n!.initwrap\n");
    expect(await run("--check")).toMatchObject({ status: 0, stderr: "Dockerfile: nothing to do\n" });
  });

  it("an output that cannot be written is told why", async () => {
    for (const [path, reason] of [
      [".", "it is a folder"],
      ["none/x", "its folder is not there"],
    ] as const) {
      const { status, stderr } = await run("-o", path);
      expect([status, stderr]).toEqual([7, expect.stringContaining(`${path} was not written: ${reason}\n`)]);
    }
  });

  it("supervisord is refused, and wrapped with --force", async () => {
    await writeFile(file, 'FROM scratch\nCMD ["/usr/bin/supervisord", "-n"]\n');
    const refused = await run();
    expect([refused.status, refused.stdout.length]).toEqual([5, 0]);
    expect(refused.stderr).toMatch(/^error\[MUST_BE_PID1\]: Dockerfile:1: supervisord .*\nhint: .*--force/);
    expect((await run("--force", "--write")).status).toBe(0);
    expect(await readFile(file, "latin1")).toContain('ENTRYPOINT ["/initwrap", "--"]');
    expect((await run("--check")).status).toBe(0);
  });

  it("wrapped again it keeps the platforms that were named until others are; an empty one means all", async () => {
    for (const way of ["inline", "context"]) {
      await writeFile(file, DOCKERFILE);
      await run("--write", "--inject", way, "--platform", "linux/amd64,linux/arm64");
      const wrapped = await readFile(file, "latin1");
      expect(wrapped).toContain('\n# initwrap for "linux/amd64,linux/arm64"\n');
      const document = JSON.parse((await run("--json")).stdout.toString());
      expect([document.changed, document.platforms]).toEqual([false, ["linux/amd64", "linux/arm64"]]);
      expect((await run("--check")).status).toBe(0);
      expect((await run("--check", "--platform", "linux/amd64")).status).toBe(1);
      expect((await run("--check", "--platform=")).status).toBe(1);
      await run("--write", "--platform=");
      expect(await readFile(file, "latin1")).not.toContain("# initwrap for");
      expect((await run("--check")).status).toBe(0);
      await run("--write", "--platform", "linux/arm64");
      await run("--undo", "--write");
      expect(await readFile(file, "utf8")).toBe(DOCKERFILE);
    }
  });

  it("--assume-base wraps an unknown tag of an official image, and says that it was assumed", async () => {
    await writeFile(file, "FROM node:999-alpine\n");
    expect((await run("--offline", "--json")).status).toBe(5);
    const { status, stdout } = await run("--offline", "--assume-base", "--json");
    expect(status).toBe(0);
    const document = JSON.parse(stdout.toString());
    expect(document.base.source).toBe("assumed");
    expect(document.base.detail).toMatch(/^node:\S*alpine/);
    expect((await run("--offline", "--assume-base", "--check")).stderr).toContain(
      `is assumed to be that of ${document.base.detail}\n`,
    );
    expect(document.after).toEqual({ entrypoint: ["/initwrap", "--", "docker-entrypoint.sh"], cmd: ["node"] });
    expect(document.diagnostics.map(({ code }: { code: string }) => code)).toContain("BASE_ASSUMED");
  });

  it("--base-layout reads the base from an OCI image layout, and gives its digest", async () => {
    await mkdir(join(folder, "base", "blobs", "sha256"), { recursive: true });
    const blob = async (mediaType: string, document: unknown) => {
      const text = JSON.stringify(document);
      const hex = createHash("sha256").update(text).digest("hex");
      await writeFile(join(folder, "base", "blobs", "sha256", hex), text);
      return { mediaType, digest: `sha256:${hex}`, size: text.length };
    };
    const config = await blob("application/vnd.oci.image.config.v1+json", {
      architecture: "amd64",
      os: "linux",
      config: { Entrypoint: ["/in-layout"], Cmd: ["c"] },
      rootfs: { type: "layers", diff_ids: [] },
    });
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const manifest = await blob(mediaType, { schemaVersion: 2, mediaType, config, layers: [] });
    await writeFile(join(folder, "base", "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    await writeFile(join(folder, "base", "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
    await writeFile(file, "FROM example.com/base:1\n");
    const { stdout } = await initwrapOk(["dockerfile", "--base-layout", "base", "--json"], { cwd: folder });
    const document = JSON.parse(stdout.toString());
    expect(document.after).toEqual({ entrypoint: ["/initwrap", "--", "/in-layout"], cmd: ["c"] });
    expect([document.base.source, document.base.detail]).toEqual(["layout", manifest.digest]);
    expect((await run("--base-layout", "missing")).status).not.toBe(0);
  });

  it("--all-targets asks for the base of each stage that hangs on one, and tells all of them", async () => {
    const text =
      'FROM node:22 AS dev\nFROM golang:1 AS tool\nENTRYPOINT ["/t"]\nFROM python:3.12\nCOPY --from=tool /x /x\n';
    await writeFile(file, text);
    const { status, stdout } = await run("--all-targets", "--offline", "--json");
    expect(status).toBe(0);
    const document = JSON.parse(stdout.toString());
    expect(document.bases.map(({ reference }: { reference: string }) => reference)).toEqual(["node:22", "python:3.12"]);
    expect(document.base).toEqual(document.bases[1]);
    expect(document.targets.map(({ name, after }: { name: string; after: object }) => [name, after])).toEqual([
      ["dev", { entrypoint: ["/initwrap", "--", "docker-entrypoint.sh"], cmd: ["node"] }],
      ["tool", { entrypoint: ["/initwrap", "--", "/t"], cmd: null }],
      [null, { entrypoint: ["/initwrap", "--"], cmd: ["python3"] }],
    ]);
    const schema = JSON.parse(await readFile(join(ROOT, "schemas/dockerfile.schema.json"), "utf8"));
    const validate = new Ajv2020({ allowUnionTypes: true }).compile(schema);
    expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
    const plan = (await run("--all-targets", "--offline", "--dry-run")).stdout.toString();
    expect(plan.match(/^Dockerfile: stage \w+, line \d+$/gm)).toEqual([
      "Dockerfile: stage dev, line 1",
      "Dockerfile: stage tool, line 2",
      "Dockerfile: stage 2, line 4",
    ]);
    await writeFile(file, `FROM 127.0.0.1:1/none:1 AS other\n${text}`);
    const refused = await run("--all-targets", "--offline");
    expect([refused.status, refused.stderr]).toEqual([
      5,
      expect.stringContaining("stage other: the ENTRYPOINT of 127.0.0.1:1/none:1"),
    ]);
    expect((await run("--all-targets", "--target", "dev")).status).toBe(2);
  });

  it("does not tell a CMD that hangs on a base which nobody was asked for", async () => {
    await writeFile(file, 'FROM 127.0.0.1:1/none:1\nENTRYPOINT ["/e"]\n');
    const document = JSON.parse((await initwrapOk(["dockerfile", "--json"], { cwd: folder })).stdout.toString());
    expect([document.base, document.before, document.unknown, document.targets[0].unknown]).toEqual([
      null,
      { entrypoint: ["/e"], cmd: null },
      ["cmd"],
      ["cmd"],
    ]);
    expect((await run("--dry-run")).stdout.toString()).toMatch(/^cmd +as it is; /m);
    const given = JSON.parse((await run("--json", "--base-cmd", '["x"]')).stdout.toString());
    expect([given.before, given.unknown]).toEqual([{ entrypoint: ["/e"], cmd: null }, []]);
  });

  it("names the line of what is refused, in the file as it is", async () => {
    await writeFile(file, `${DOCKERFILE}FROM 127.0.0.1:1/none:1\nCMD ["x"]\n`);
    const fresh = await run("--offline");
    expect([fresh.status, fresh.stderr]).toEqual([5, expect.stringContaining("error[BASE_UNKNOWN]: Dockerfile:4: ")]);
    const wrapped = (await run("--target", "0", "--inject", "context")).stdout;
    const again = await initwrap(["dockerfile", "-", "--offline", "--reporter", "github", "--check"], {
      cwd: folder,
      input: wrapped,
    });
    const line = wrapped.toString().split("\n").indexOf("FROM 127.0.0.1:1/none:1") + 1;
    expect(line).toBeGreaterThan(4);
    expect([again.status, again.stderr]).toEqual([5, expect.stringContaining(`::error file=Dockerfile,line=${line},`)]);
  });

  it("says which flags cannot go together", async () => {
    const { status, stderr } = await run("--lock", "--check");
    expect([status, stderr]).toEqual([
      2,
      expect.stringMatching(/^error\[USAGE\]: --lock and --check exclude each other\n/),
    ]);
  });

  it("--replace-init says which init went and what stands for its options", async () => {
    await writeFile(file, 'FROM scratch\nENTRYPOINT ["/tini", "-w", "-g", "--", "/app"]\n');
    const left = JSON.parse((await run("--json")).stdout.toString());
    expect([left.changed, left.diagnostics.map(({ code }: { code: string }) => code)]).toEqual([
      false,
      ["EXISTING_INIT"],
    ]);
    const document = JSON.parse((await run("--json", "--replace-init", "--init-arg=-v")).stdout.toString());
    expect(document.after.entrypoint).toEqual(["/initwrap", "-g", "-v", "--", "/app"]);
    expect(document.diagnostics).toMatchObject([
      { code: "INIT_REPLACED", args: { init: "tini", options: "-g" } },
      { code: "INIT_OPTION_DROPPED", args: { init: "tini", option: "-w" } },
    ]);
    await initwrapOk(["dockerfile", "-w", "--replace-init", "--init-arg=-v", "--inject", "inline"], { cwd: folder });
    const wrapped = await readFile(file);
    // A later run keeps the replacement and the options of this call, each once.
    await initwrapOk(["dockerfile", "-w"], { cwd: folder });
    expect((await readFile(file)).equals(wrapped)).toBe(true);
    await writeFile(file, 'FROM scratch\nENTRYPOINT ["/tini", "/app", "-v"]\n');
    const refused = await run("--replace-init");
    expect([refused.status, refused.stderr]).toEqual([
      5,
      expect.stringContaining("error[INIT_NOT_REPLACED]: Dockerfile:2: tini"),
    ]);
  });

  it("--json is one document with a version, and writes nothing else", async () => {
    const { status, stdout, stderr } = await run("--json");
    expect([status, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout.toString())).toMatchObject({ version: 1 });
  });
});

describe("--write", () => {
  it("keeps the mode, and leaves only the Dockerfile and the init behind", async () => {
    await chmod(file, 0o640);
    await initwrapOk(["dockerfile", "-w", "--platform", "linux/amd64"], { cwd: folder });
    expect((await stat(file)).mode & 0o777).toBe(0o640);
    expect(await readFile(file, "utf8")).toContain('ENTRYPOINT ["/initwrap", "--", "/app"]\n');
    expect((await readdir(folder)).sort()).toEqual([".initwrap", "Dockerfile"]);
    expect((await run("--check", "--inject", "context", "--platform", "linux/amd64")).status).toBe(0);
  });

  it("follows a symbolic link to the file it names", async () => {
    const link = join(folder, "link");
    await symlink("Dockerfile", link);
    await initwrapOk(["dockerfile", "link", "-w", "--platform", "linux/amd64"], { cwd: folder });
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await readlink(link)).toBe("Dockerfile");
    expect(await readFile(file, "utf8")).toContain("/initwrap");
  });

  it("and --undo give back the original bytes", async () => {
    await initwrapOk(["dockerfile", "-w", "--inject", "inline"], { cwd: folder });
    expect((await readFile(file)).length).toBeGreaterThan(10_000);
    await initwrapOk(["dockerfile", "-w", "--undo"], { cwd: folder });
    expect(await readFile(file, "utf8")).toBe(DOCKERFILE);
  });
});

describe("a full disk", () => {
  const onTinyDisk = (args: string) => {
    // The result carries some 20 KiB for each architecture; the disk has room for the original alone.
    const script = `mount -t tmpfs -o size=12k none "$1" && cd "$1" && printf '%s' "$2" >Dockerfile &&
      "$3" "$4" dockerfile ${args}; status=$?; cat Dockerfile >&3; ls -A >&3; exit $status`;
    return spawnSync("unshare", ["--mount", "sh", "-c", script, "sh", folder, DOCKERFILE, process.execPath, CLI], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
  };

  it.for(["-w --inject inline", "-w --inject context", "-o out --inject inline"])(
    "leaves the original intact and nothing half-written: %s",
    (args, context) => {
      requireCapability(context, "a mount namespace", spawnSync("unshare", ["--mount", "true"]).status === 0);
      const result = onTinyDisk(args);
      expect(result.stderr).toMatch(/OUTPUT_NOT_WRITTEN/);
      expect(result.status).toBe(7);
      const left = result.output[3] ?? "";
      expect(left.startsWith(DOCKERFILE)).toBe(true);
      expect(
        left
          .slice(DOCKERFILE.length)
          .split("\n")
          .filter((name) => name && name !== ".initwrap"),
      ).toEqual(["Dockerfile"]);
    },
  );
});

it("says of a build context in which no folder can be made that it was not written", async () => {
  // Under /proc Node's own recursive mkdir would never end.
  const files = [{ path: ".initwrap/amd64", bytes: Buffer.from("init") }];
  await expect(writeContextFiles("/proc/self/made/up", files)).rejects.toMatchObject({
    code: "OUTPUT_NOT_WRITTEN",
    where: "/proc/self/made/up/.initwrap/amd64",
  });
});

describe("SIGINT, SIGTERM and SIGHUP in the middle", () => {
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("%s ends with %i and an untouched file", async (signal, code) => {
    // A registry that takes the connection and never answers holds the run in its middle.
    const server = createServer(() => {}).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const waiting = `FROM 127.0.0.1:${port}/base:1\nCMD ["x"]\n`;
    await writeFile(file, waiting);
    const child = spawn(process.execPath, [CLI, "dockerfile", "-w"], {
      cwd: folder,
      env: { ...process.env, DOCKER_HOST: `unix://${folder}/none.sock` },
      stdio: ["ignore", "ignore", "pipe"],
    });
    await once(server, "connection");
    child.kill(signal);
    const [status] = (await once(child, "close")) as [number | null];
    server.close();
    expect(status).toBe(code);
    expect(await readFile(file, "utf8")).toBe(waiting);
    expect(await readdir(folder)).toEqual(["Dockerfile"]);
  });
});

describe("SIGINT while a Dockerfile is waited for", () => {
  // Both are begun and never ended. "interrupted" is said by a run that ended of itself, not by one whose time was up.
  it.each([
    ["dockerfile", "-"],
    ["inspect", "-"],
    ["image", "--from", "-", "--push"],
  ])("on standard input ends it at once: %s", async (...args) => {
    const child = spawn(process.execPath, [CLI, ...args], { cwd: folder, stdio: ["pipe", "ignore", "pipe"] });
    const closed = once(child, "close");
    child.stdin.on("error", () => {});
    // More than a pipe holds: it is written when it is being read.
    await new Promise((resolve) => child.stdin.write("# \n".repeat(100_000), resolve));
    child.kill("SIGINT");
    expect([await text(child.stderr), await closed]).toEqual(["interrupted\n", [130, null]]);
  });

  it.each(["dockerfile", "inspect"])("in a named pipe ends it at once: %s", async (command) => {
    execFileSync("mkfifo", [join(folder, "pipe")]);
    const child = spawn(process.execPath, [CLI, command, "pipe"], { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
    const closed = once(child, "close");
    // Opened when the other end is.
    const pipe = await open(join(folder, "pipe"), "w");
    child.kill("SIGINT");
    expect([await text(child.stderr), await closed]).toEqual(["interrupted\n", [130, null]]);
    await pipe.close();
  });

  it("a Dockerfile from a named pipe is one", async () => {
    execFileSync("mkfifo", [join(folder, "pipe")]);
    const writing = writeFile(join(folder, "pipe"), 'FROM scratch\nCMD ["/a"]\n');
    const { status, stdout } = await run("pipe", "--diff");
    await writing;
    expect([status, stdout.toString()]).toEqual([0, expect.stringContaining('+ENTRYPOINT ["/initwrap", "--"]')]);
  });
});

describe("bad input", () => {
  it("a malformed Dockerfile: file, line and what is wrong", async () => {
    await writeFile(file, "FROM scratch\nRUNN true\n");
    const { status, stderr } = await run();
    expect(status).toBe(3);
    expect(stderr).toContain("DOCKERFILE_SYNTAX");
    expect(stderr).toContain("Dockerfile:2");
    expect(stderr).toMatch(/unknown instruction: RUNN/i);
  });

  it.each([
    ["a missing file", ["nowhere"], 3, "INPUT_NOT_FOUND"],
    ["an unknown flag", ["--nope"], 2, "USAGE"],
    ["two flags that exclude each other", ["-w", "--check"], 2, "USAGE"],
    ["a stage that is not there", ["--target", "nope"], 3, "STAGE_NOT_FOUND"],
  ])("%s", async (_name, args, exit, code) => {
    const { status, stdout, stderr } = await run(...args);
    expect([status, stdout.length]).toEqual([exit, 0]);
    expect(stderr).toContain(code);
  });

  it("an unknown base without anybody to ask is refused", async () => {
    await writeFile(file, 'FROM example.com/nobody/knows:1\nCMD ["x"]\n');
    const { status, stdout, stderr } = await run("--offline");
    expect([status, stdout.length]).toEqual([5, 0]);
    expect(stderr).toContain("BASE_UNKNOWN");
    expect(stderr).toContain("--base-entrypoint");
  });

  it("under --json a failure is a document with the same exit code", async () => {
    await writeFile(file, "FROM scratch\nRUNN true\n");
    const { status, stdout } = await run("--json");
    expect(status).toBe(3);
    expect(JSON.parse(stdout.toString())).toMatchObject({ version: 1, error: { code: "DOCKERFILE_SYNTAX", exit: 3 } });
  });

  it("--check says by its exit code that something would change", async () => {
    expect((await run("--check")).status).toBe(1);
    expect(await readFile(file, "utf8")).toBe(DOCKERFILE);
  });
});
