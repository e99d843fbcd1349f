/** `initwrap verify` on images in real engines: by their files, and by starting and stopping them. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initFor } from "@initwrap/init-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { ociArchiveMedium } from "../../packages/cli/src/store/oci-archive.ts";
import { sampleIndex } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { CLI, initwrapOk } from "../support/cli.ts";
import { type Engine, requireEngine } from "../support/engine.ts";
import { buildContext, freshTag, removeContext } from "../support/images.ts";
import { podmanAvailable, startPodman, type TestPodman } from "../support/podman.ts";
import { compileProgram } from "../support/programs.ts";
import { again } from "../support/sample-image.ts";
import { verifyDocumentOf } from "../support/verify.ts";

const native = process.arch === "x64" ? "amd64" : process.arch;
const init = initFor({ os: "linux", architecture: native });

const TINI = "/usr/bin/tini-static";

// Each test makes and starts several images, on engines that other tests use at the same time.
vi.setConfig({ testTimeout: 180_000 });

let folder: string;
const contexts: string[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-verify-"));
});
afterAll(async () => {
  await Promise.all([folder, ...contexts].map(removeContext));
});

/** The lines of a Dockerfile around a program that ends with 7 on TERM, and prints "ready". */
const HANDLER = 'FROM scratch\nCOPY handler /handler\nENTRYPOINT ["/handler"]\nCMD ["serve"]\n';

async function build(engine: Engine, dockerfile: string, more: readonly string[] = []): Promise<string> {
  const context = await buildContext(dockerfile, [await compileProgram("handler"), init.path, ...more]);
  contexts.push(context);
  const tag = freshTag("verify");
  await engine.docker(["build", "--quiet", "--tag", tag, "."], { cwd: context });
  return tag;
}

/** The engine's images and containers, to see that nothing is left or changed. */
async function inventory(engine: Engine): Promise<string> {
  const containers = await engine.docker([
    "ps",
    "--all",
    "--filter",
    "label=io.initwrap.verify",
    "--format",
    "{{.Names}}",
  ]);
  const images = await engine.docker(["images", "--all", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]);
  const ours = images.stdout.split("\n").filter((line) => /initwrap\.invalid\/verify/.test(line));
  return containers.stdout + ours.join("\n");
}

const codes = (document: { diagnostics: readonly { code: string; severity: string }[] }): readonly string[] =>
  document.diagnostics.map(({ code, severity }) => `${severity} ${code}`);

describe.each(["modern", "modern-graph", "classic", "newest"] as const)("an image in Docker (%s)", (name) => {
  const tags: string[] = [];
  let engine: Engine;
  beforeEach((context) => {
    engine = requireEngine(context, name);
  });
  afterAll(async () => {
    if (tags.length > 0) await engine.docker(["rmi", "--force", ...tags], { check: false });
  });
  const built = async (dockerfile: string, more: readonly string[] = []): Promise<string> => {
    const tag = await build(engine, dockerfile, more);
    tags.push(tag);
    return tag;
  };

  it("is verified once it is wrapped, is stopped by its signal, and keeps its tag", async () => {
    const tag = await built(HANDLER);
    const before = await verifyDocumentOf([tag, "--run"], { env: engine.env, status: 5 });
    expect(codes(before)).toEqual(["error PID1_NO_INIT", "error RUN_SKIPPED"]);
    await initwrapOk(["image", tag], { env: engine.env });
    const id = (await engine.docker(["inspect", "--format", "{{.Id}}", tag])).stdout;
    const document = await verifyDocumentOf([tag, "--run", "--timeout", "5"], { env: engine.env });
    expect(document).toMatchObject({ verified: true, diagnostics: [] });
    expect(document.platforms).toMatchObject([
      {
        init: { name: "initwrap", version: init.version, sha256: init.sha256, intact: true },
        command: "as-recorded",
        run: { signal: "SIGTERM", exitCode: 7, pid1: { commandLine: "/initwrap -- /handler serve" } },
      },
    ]);
    expect((await engine.docker(["inspect", "--format", "{{.Id}}", tag])).stdout).toBe(id);
    const { stdout } = await initwrapOk(["verify", tag], { env: engine.env });
    expect(stdout.toString()).toBe(`${tag}@${document.digest}\n`);
    expect(await inventory(engine)).toBe("");
  });

  it("from an archive is run under a name of its own that is gone afterwards", async () => {
    const tag = await built(`${HANDLER}LABEL only=${name}\n`);
    const archive = join(folder, `${name}.tar`);
    await engine.docker(["save", "--output", archive, tag]);
    await engine.docker(["rmi", "--force", tag]);
    await initwrapOk(["image", archive], { env: engine.env });
    const document = await verifyDocumentOf([archive, "--run"], { env: engine.env });
    expect(document.platforms).toMatchObject([{ command: "as-recorded", run: { exitCode: 7 } }]);
    expect(await inventory(engine)).toBe("");
    const left = await engine.docker(["inspect", document.platforms[0]!.config], { check: false });
    expect(left.status).not.toBe(0);
    // An image that the engine has under a tag of the user's keeps that tag.
    await engine.docker(["load", "--input", archive]);
    await verifyDocumentOf([archive, "--run"], { env: engine.env });
    expect((await engine.docker(["inspect", "--format", "{{.Id}}", tag])).stdout).toMatch(/^sha256:/);
  });

  if (name !== "modern") return;

  it("is verified by its bytes when a Dockerfile put the init there", async () => {
    const tag = await built(`${HANDLER}COPY initwrap /initwrap\nENTRYPOINT ["/initwrap", "--", "/handler"]\n`);
    const document = await verifyDocumentOf([tag, "--run"], { env: engine.env });
    expect(codes(document)).toEqual(["note COMMAND_UNRECORDED"]);
    expect(document.platforms).toMatchObject([{ init: { sha256: init.sha256 }, command: "unrecorded" }]);
  });

  it("is not, when a build on top of it sets an entrypoint of its own, or puts another file there", async () => {
    const tag = await built(HANDLER);
    await initwrapOk(["image", tag], { env: engine.env });
    const entrypoint = await built(`FROM ${tag}\nENTRYPOINT ["/handler"]\n`);
    expect(codes(await verifyDocumentOf([entrypoint], { env: engine.env, status: 5 }))).toEqual(["error PID1_NO_INIT"]);
    const file = await built(`FROM ${tag}\nCOPY handler /initwrap\n`);
    expect(codes(await verifyDocumentOf([file], { env: engine.env, status: 5 }))).toEqual([
      "error INIT_UNKNOWN",
      "note COMMAND_UNRECORDED",
    ]);
    const onTop = await built(`FROM ${tag}\nCMD ["other"]\n`);
    expect(codes(await verifyDocumentOf([onTop], { env: engine.env }))).toEqual(["note COMMAND_UNRECORDED"]);
  });

  it("is not, with --run, when its stop signal does not end it, or it ends or cannot start by itself", async () => {
    const wrapped = `COPY initwrap /initwrap\nENTRYPOINT ["/initwrap", "--", "/handler"]\n`;
    const late = await built(`${HANDLER}${wrapped}STOPSIGNAL SIGWINCH\n`);
    const stopped = await verifyDocumentOf([late, "--run", "--timeout", "1"], { env: engine.env, status: 5 });
    expect(codes(stopped)).toEqual(["note COMMAND_UNRECORDED", "error STOP_LATE"]);
    expect(stopped.platforms).toMatchObject([
      { verified: false, run: { signal: "SIGWINCH", stoppedAfter: null, exitCode: null } },
    ]);
    const missing = await built(`${HANDLER}COPY initwrap /initwrap\nENTRYPOINT ["/initwrap", "--", "/none"]\n`);
    const ended = await verifyDocumentOf([missing, "--run"], { env: engine.env, status: 5 });
    expect(codes(ended)).toEqual(["note COMMAND_UNRECORDED", "error RUN_ENDED"]);
    expect(ended.platforms).toMatchObject([{ run: { exitCode: 127 } }]);
    const noFile = await built('FROM scratch\nCOPY handler /x\nENTRYPOINT ["/initwrap", "--", "/x"]\n');
    expect(codes(await verifyDocumentOf([noFile, "--run"], { env: engine.env, status: 5 }))).toEqual([
      "error INIT_FILE",
      "note COMMAND_UNRECORDED",
      "error RUN_ENDED",
    ]);
    expect(await inventory(engine)).toBe("");
  });

  it("is looked at for each platform that the engine keeps, and started for its own", async () => {
    const tag = freshTag("verify-index");
    tags.push(tag);
    const archive = join(folder, "index.tar");
    const sink = await ociArchiveMedium.sink(archive, { env: engine.env, names: [`docker.io/${tag}`] });
    const { blobs, root } = sampleIndex();
    for (const { descriptor, bytes } of blobs) await sink.put(descriptor, again(bytes));
    await sink.commit(root);
    await sink.close();
    await initwrapOk(["image", archive, "-o", `docker:${tag}`, "--platform", "linux/arm64"], { env: engine.env });
    const partly = await verifyDocumentOf([`docker:${tag}`], { env: engine.env, status: 5 });
    expect(partly.platforms.map(({ verified }) => verified)).toEqual([false, true]);
    expect(partly.platforms[1]!.init).toMatchObject({
      sha256: initFor({ os: "linux", architecture: "arm64" }).sha256,
      intact: true,
    });
    await initwrapOk(["image", `docker:${tag}`], { env: engine.env });
    const document = await verifyDocumentOf([`docker:${tag}`], { env: engine.env });
    expect(codes(document)).toEqual(["warning PLATFORM_ABSENT"]);
    expect(document.platforms.map(({ command }) => command)).toEqual(["as-recorded", "as-recorded"]);
    // Of the two only the engine's own is started; there is no program in it.
    const run = await verifyDocumentOf([`docker:${tag}`, "--run"], { env: engine.env, status: 5 });
    expect(codes(run).toSorted()).toEqual(["error RUN_ENDED", "note RUN_SKIPPED", "warning PLATFORM_ABSENT"]);
    expect(await inventory(engine)).toBe("");
  });

  it("with an init of others is verified with a note, and stopped through it", async (context) => {
    requireCapability(context, "tini-static", existsSync(TINI));
    const tag = await built(`${HANDLER}COPY tini-static /sbin/tini\nENTRYPOINT ["/sbin/tini", "--", "/handler"]\n`, [
      TINI,
    ]);
    const document = await verifyDocumentOf([tag, "--run"], { env: engine.env });
    expect(codes(document)).toEqual(["note INIT_FOREIGN"]);
    expect(document.platforms).toMatchObject([
      { verified: true, init: { name: "tini", sha256: null, intact: false }, run: { exitCode: 7 } },
    ]);
  });

  it("is left without a container when the run is interrupted", async () => {
    const tag = await built(`${HANDLER}COPY initwrap /initwrap\nENTRYPOINT ["/initwrap", "--", "/handler"]\n`);
    const child = spawn(process.execPath, [CLI, "verify", tag, "--run"], { env: engine.env, stdio: "ignore" });
    const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
    for (let tries = 0; tries < 400; tries++) {
      const { stdout } = await engine.docker(["ps", "--filter", `ancestor=${tag}`, "--format", "{{.Names}}"]);
      if (stdout.startsWith("initwrap-verify-")) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill("SIGINT");
    expect(await ended).toBe(130);
    const { stdout } = await engine.docker(["ps", "--all", "--filter", `ancestor=${tag}`, "--format", "{{.Names}}"]);
    expect(stdout).toBe("");
  });
});

describe("an image in podman", () => {
  let podman: TestPodman | undefined;
  afterAll(() => podman?.stop());
  beforeEach(async (context) => {
    requireCapability(context, "podman", podmanAvailable);
    podman ??= await startPodman();
  });

  it("is verified and run by podman's service, and out of its storage", async (context) => {
    const engine = requireEngine(context);
    const tag = await build(engine, HANDLER);
    const archive = join(folder, "podman.tar");
    await engine.docker(["save", "--output", archive, tag]);
    await engine.docker(["rmi", "--force", tag]);
    const { env, store } = podman!;
    await podman!.podman(["load", "--input", archive]);
    const name = `docker.io/${tag}`;
    const before = await verifyDocumentOf([`podman:${name}`], { env, status: 5 });
    expect(codes(before)).toEqual(["error PID1_NO_INIT"]);
    await initwrapOk(["image", `podman:${name}`], { env });
    for (const place of [`podman:${name}`, `containers-storage:${store}${name}`]) {
      const document = await verifyDocumentOf([place, "--run"], { env });
      expect(document.platforms).toMatchObject([
        {
          init: { sha256: init.sha256, intact: true },
          command: "as-recorded",
          run: { exitCode: 7, pid1: { commandLine: "/initwrap -- /handler serve", seenBy: "top" } },
        },
      ]);
    }
    expect(await podman!.podman(["ps", "--all", "--quiet"])).toBe("");
    expect(await podman!.podman(["images", "--format", "{{.Repository}}:{{.Tag}}"])).toBe(`${name}\n`);
  });
});
