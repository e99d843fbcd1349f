/** `initwrap verify` on images in real engines: by their files, and by starting and stopping them. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
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
import { BASE_IMAGE, buildContext, freshTag, provideBaseImage, removeContext } from "../support/images.ts";
import { podmanAvailable, startPodman, type TestPodman } from "../support/podman.ts";
import { compileProgram } from "../support/programs.ts";
import { again } from "../support/sample-image.ts";
import { verifyDocumentOf } from "../support/verify.ts";

const native = process.arch === "x64" ? "amd64" : process.arch;
const init = initFor({ os: "linux", architecture: native });

const TINI = "/usr/bin/tini-static";
const BUSYBOX = "/bin/busybox";

// Each test makes and starts several images, on engines that other tests use at the same time. Most of it is waiting: for
// builds, and for the second after which a container counts as started.
vi.setConfig({ testTimeout: 240_000 });

/** The engines that have a `ps`, by which they list a container's processes (test/support/engines/up.sh). */
const WITH_PS: ReadonlySet<string> = new Set(["modern", "modern-graph"]);

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

/** With a label, so that no other test has the same image, whose containers an engine would not tell from those of this one. */
async function build(engine: Engine, dockerfile: string, more: readonly string[] = []): Promise<string> {
  const tag = freshTag("verify");
  const labelled = `${dockerfile}LABEL test=${tag}\n`;
  const context = await buildContext(labelled, [await compileProgram("handler"), init.path, ...more]);
  contexts.push(context);
  await engine.docker(["build", "--quiet", "--tag", tag, "."], { cwd: context });
  return tag;
}

/** An image for each of these stages. */
async function buildTargets(
  engine: Engine,
  dockerfile: string,
  targets: readonly string[],
  more: readonly string[] = [BUSYBOX],
): Promise<readonly string[]> {
  const context = await buildContext(dockerfile, [await compileProgram("handler"), init.path, ...more]);
  contexts.push(context);
  return Promise.all(
    targets.map(async (target) => {
      const tag = freshTag(`verify-${target}`);
      await engine.docker(["build", "--quiet", "--target", target, "--tag", tag, "."], { cwd: context });
      return tag;
    }),
  );
}

/** A program that goes by the name of an init, and gives way to what it should stay in front of. */
const IMPOSTOR = '#!/busybox sh\nshift\nexec "$@"\n';
const IMPOSTORS = `FROM scratch AS both
COPY busybox handler /
RUN ${JSON.stringify(["/busybox", "sh", "-c", `/busybox mkdir /sbin; printf '%s' "$0" | /busybox tee /sbin/tini >/initwrap; /busybox chmod 755 /sbin/tini /initwrap`, IMPOSTOR])}
FROM both AS foreign
ENTRYPOINT ["/sbin/tini", "--", "/handler"]
FROM both AS ours
ENTRYPOINT ["/initwrap", "--", "/handler"]
`;

/** What Dockerfiles on top of a wrapped image do to it. */
const LATER = (wrapped: string): string => `FROM ${wrapped} AS wrapped
COPY busybox /busybox
FROM wrapped AS removed
RUN ["/busybox", "rm", "/initwrap"]
FROM wrapped AS symlink
RUN ["/busybox", "mv", "/initwrap", "/other"]
RUN ["/busybox", "ln", "-s", "/other", "/initwrap"]
FROM wrapped AS linked
RUN ["/busybox", "ln", "/initwrap", "/other"]
FROM wrapped AS locked
RUN ["/busybox", "chmod", "700", "/initwrap"]
FROM wrapped AS folder
RUN ["/busybox", "rm", "/initwrap"]
COPY handler /initwrap/handler
FROM wrapped AS user
RUN ["/busybox", "chmod", "700", "/handler"]
USER 1000
FROM wrapped AS shell
ENTRYPOINT /initwrap -- /handler
FROM wrapped AS exec
ENTRYPOINT exec /initwrap -- /handler
FROM wrapped AS onbuild
ONBUILD ENTRYPOINT ["/handler"]
FROM ${wrapped} AS trigger
ONBUILD ENTRYPOINT ["/handler"]
FROM wrapped AS kill
STOPSIGNAL SIGKILL
FROM wrapped AS stop
STOPSIGNAL 19
`;

/** Where images have the inits of others, by the files of Debian's packages that are copied there. */
const FOREIGN = {
  "tini-static": "/sbin/tini",
  "./tini-static": "/sbin/docker-init",
  "dumb-init": "/usr/bin/dumb-init",
  catatonit: "/usr/bin/catatonit",
};
const OTHERS = [TINI, "/usr/bin/dumb-init", "/usr/bin/catatonit"];

/** What is found then; `layers`: out of an archive as well, for what decides is a file. */
const ALTERED: Readonly<Record<string, { readonly findings: readonly string[]; readonly layers?: true }>> = {
  removed: { findings: ["error INIT_FILE", "note COMMAND_UNRECORDED"], layers: true },
  symlink: { findings: ["error INIT_FILE", "note COMMAND_UNRECORDED"], layers: true },
  linked: { findings: ["note COMMAND_UNRECORDED"], layers: true },
  locked: { findings: ["error INIT_FILE", "note COMMAND_UNRECORDED"], layers: true },
  folder: { findings: ["error INIT_FILE", "note COMMAND_UNRECORDED"], layers: true },
  user: { findings: ["note COMMAND_UNRECORDED"] },
  shell: { findings: ["error INIT_NOT_COMPOSED"] },
  exec: { findings: ["error INIT_NOT_COMPOSED"] },
  onbuild: { findings: ["note COMMAND_UNRECORDED", "warning ONBUILD_ENTRYPOINT"] },
  // A trigger alone leaves no entry in the history: then it is a config that was edited.
  trigger: { findings: ["error RECORD_BROKEN", "warning ONBUILD_ENTRYPOINT"] },
  kill: { findings: ["note COMMAND_UNRECORDED", "warning STOPSIGNAL_KILL"] },
  stop: { findings: ["note COMMAND_UNRECORDED", "warning STOPSIGNAL_KILL"] },
};

/** The containers of an image, to see that none is left. */
async function containersOf(engine: Engine, image: string): Promise<string> {
  return (await engine.docker(["ps", "--all", "--filter", `ancestor=${image}`, "--format", "{{.Names}}"])).stdout;
}

const codes = (document: { diagnostics: readonly { code: string; severity: string }[] }): readonly string[] =>
  document.diagnostics.map(({ code, severity }) => `${severity} ${code}`);

describe.concurrent.each(["modern", "modern-graph", "classic", "newest"] as const)(
  "an image in Docker (%s)",
  (name) => {
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
    const builtTargets = async (dockerfile: string, targets: readonly string[]): Promise<readonly string[]> => {
      const images = await buildTargets(engine, dockerfile, targets);
      tags.push(...images);
      return images;
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
          run: {
            signal: "SIGTERM",
            exitCode: 7,
            pid1: { commandLine: "/initwrap -- /handler serve", seenBy: WITH_PS.has(name) ? "top" : "inspect" },
          },
        },
      ]);
      expect((await engine.docker(["inspect", "--format", "{{.Id}}", tag])).stdout).toBe(id);
      const { stdout } = await initwrapOk(["verify", tag], { env: engine.env });
      expect(stdout.toString()).toBe(`${tag}@${document.digest}\n`);
      expect(await containersOf(engine, tag)).toBe("");
    });

    it("from an archive is run under a name of its own that is gone afterwards", async () => {
      const tag = await built(`${HANDLER}LABEL only=${name}\n`);
      const archive = join(folder, `${name}.tar`);
      await engine.docker(["save", "--output", archive, tag]);
      await engine.docker(["rmi", "--force", tag]);
      await initwrapOk(["image", archive], { env: engine.env });
      const document = await verifyDocumentOf([archive, "--run"], { env: engine.env });
      expect(document.platforms).toMatchObject([{ command: "as-recorded", run: { exitCode: 7 } }]);
      // With the image its containers and its name are gone as well.
      const left = await engine.docker(["inspect", document.platforms[0]!.config], { check: false });
      expect(left.status).not.toBe(0);
      // An image that the engine has under a tag of the user's keeps that tag.
      await engine.docker(["load", "--input", archive]);
      await verifyDocumentOf([archive, "--run"], { env: engine.env });
      expect((await engine.docker(["inspect", "--format", "{{.Id}}", tag])).stdout).toMatch(/^sha256:/);
    });

    it("is not verified when something else than the init is PID 1, where the engine lists processes", async () => {
      const [foreign, ours] = (await builtTargets(IMPOSTORS, ["foreign", "ours"])) as [string, string];
      const accepted = ["--accept-init", createHash("sha256").update(IMPOSTOR).digest("hex")];
      const [byName, byBytes] = await Promise.all(
        [[foreign], [ours, ...accepted]].map((args) =>
          verifyDocumentOf([...args, "--run"], { env: engine.env, status: WITH_PS.has(name) ? 5 : 0 }),
        ),
      );
      const found = WITH_PS.has(name) ? ["error RUN_PID1"] : [];
      expect(codes(byName!)).toEqual(["note INIT_FOREIGN", ...found]);
      expect(codes(byBytes!)).toEqual(["note COMMAND_UNRECORDED", ...found]);
      if (!WITH_PS.has(name)) return;
      for (const document of [byName!, byBytes!]) {
        expect(document.diagnostics.at(-1)!.args).toMatchObject({ program: "/handler" });
        expect(document.platforms).toMatchObject([{ run: { pid1: { commandLine: "/handler", seenBy: "top" } } }]);
      }
    });

    if (name === "modern-graph") {
      it("is judged by what a later Dockerfile has made of it, in the engine and out of its layers", async () => {
        const wrapped = await built(HANDLER);
        await initwrapOk(["image", wrapped], { env: engine.env });
        const targets = Object.keys(ALTERED);
        const images = await builtTargets(LATER(wrapped), targets);
        await Promise.all(
          targets.map(async (target, at) => {
            const { findings, layers } = ALTERED[target]!;
            const places = [images[at]!];
            if (layers) {
              places.push(join(folder, `${target}.tar`));
              await engine.docker(["save", "--output", places[1]!, images[at]!]);
            }
            const status = findings.some((one) => one.startsWith("error")) ? 5 : 0;
            for (const place of places) {
              const document = await verifyDocumentOf([place], { env: engine.env, status });
              expect(codes(document), `${target}: ${place}`).toEqual(findings);
            }
          }),
        );
        const run = async (target: string, status: number) =>
          verifyDocumentOf([images[targets.indexOf(target)]!, "--run"], { env: engine.env, status });
        const [removed, user, kill] = await Promise.all([run("removed", 5), run("user", 5), run("kill", 0)]);
        expect(removed.diagnostics.at(-1)).toMatchObject({
          code: "RUN_ENDED",
          args: { how: expect.stringMatching(/^(?!the engine refused).*\/initwrap.*no such file/) },
        });
        expect(user.diagnostics.at(-1)).toMatchObject({
          code: "RUN_ENDED",
          args: { how: "exit code 126, and said: initwrap: /handler: Permission denied" },
        });
        expect(codes(kill)).toEqual(["note COMMAND_UNRECORDED", "warning STOPSIGNAL_KILL"]);
        expect(kill.platforms).toMatchObject([{ verified: true, run: { signal: "SIGKILL", exitCode: 137 } }]);
      });
    }

    if (name !== "modern") return;

    it("is verified by its bytes when a Dockerfile put the init there", async () => {
      const context = await buildContext(HANDLER, [await compileProgram("handler")]);
      contexts.push(context);
      await initwrapOk(["dockerfile", "--write", join(context, "Dockerfile"), "--inject", "inline"]);
      const tag = freshTag("verify");
      tags.push(tag);
      await engine.docker(["build", "--quiet", "--tag", tag, context]);
      const document = await verifyDocumentOf([tag, "--run"], { env: engine.env });
      expect(codes(document)).toEqual(["note COMMAND_UNRECORDED"]);
      expect(document.platforms).toMatchObject([{ init: { sha256: init.sha256 }, command: "unrecorded" }]);
    });

    it("is not, when a build on top of it sets an entrypoint of its own, or puts another file there", async () => {
      const tag = await built(HANDLER);
      await initwrapOk(["image", tag], { env: engine.env });
      const entrypoint = await built(`FROM ${tag}\nENTRYPOINT ["/handler"]\n`);
      expect(codes(await verifyDocumentOf([entrypoint], { env: engine.env, status: 5 }))).toEqual([
        "error PID1_NO_INIT",
      ]);
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
      const [late, missing, noFile] = (await Promise.all([
        built(`${HANDLER}${wrapped}STOPSIGNAL SIGWINCH\n`),
        built(`${HANDLER}COPY initwrap /initwrap\nENTRYPOINT ["/initwrap", "--", "/none"]\n`),
        built('FROM scratch\nCOPY handler /x\nENTRYPOINT ["/initwrap", "--", "/x"]\n'),
      ])) as [string, string, string];
      const [stopped, ended, nothing] = await Promise.all([
        verifyDocumentOf([late, "--run", "--timeout", "1"], { env: engine.env, status: 5 }),
        verifyDocumentOf([missing, "--run"], { env: engine.env, status: 5 }),
        verifyDocumentOf([noFile, "--run"], { env: engine.env, status: 5 }),
      ]);
      expect(codes(stopped)).toEqual(["note COMMAND_UNRECORDED", "error STOP_LATE"]);
      expect(stopped.platforms).toMatchObject([
        { verified: false, run: { signal: "SIGWINCH", stoppedAfter: null, exitCode: null } },
      ]);
      expect(codes(ended)).toEqual(["note COMMAND_UNRECORDED", "error RUN_ENDED"]);
      expect(ended.platforms).toMatchObject([{ run: { exitCode: 127 } }]);
      expect(codes(nothing)).toEqual(["error INIT_FILE", "note COMMAND_UNRECORDED", "error RUN_ENDED"]);
      for (const tag of [late, missing, noFile]) expect(await containersOf(engine, tag)).toBe("");
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
      expect(await containersOf(engine, tag)).toBe("");
    });

    it("with an init of others is verified with a note, and stopped through it", async (context) => {
      requireCapability(context, "tini-static, dumb-init and catatonit", OTHERS.every(existsSync));
      await provideBaseImage(engine);
      const stages = Object.entries(FOREIGN);
      const text = stages.map(
        ([, path], at) => `FROM all AS init${at}\nENTRYPOINT ["/inits${path}", "--", "/handler"]\n`,
      );
      const copies = stages.map(([file, path]) => `COPY ${file} /inits${path}\n`).join("");
      const first = `FROM ${BASE_IMAGE} AS all\nCOPY handler /handler\n${copies}`;
      const images = await buildTargets(
        engine,
        `${first}${text.join("")}FROM all AS supervisor\nCOPY handler /init\nENTRYPOINT ["/init"]\n`,
        [...stages.map((_, at) => `init${at}`), "supervisor"],
        OTHERS,
      );
      tags.push(...images);
      const names = ["tini", "tini", "dumb-init", "catatonit", "s6-overlay"];
      await Promise.all(
        images.map(async (tag, at) => {
          const document = await verifyDocumentOf([tag, "--run"], { env: engine.env });
          expect(codes(document)).toEqual(["note INIT_FOREIGN"]);
          expect(document.platforms, names[at]!).toMatchObject([
            { verified: true, init: { name: names[at], sha256: null, intact: false }, run: { exitCode: 7 } },
          ]);
        }),
      );
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
  },
);

describe("an image in podman", () => {
  let podman: TestPodman | undefined;
  afterAll(() => podman?.stop());
  beforeEach(async (context) => {
    requireCapability(context, "podman", podmanAvailable);
    podman ??= await startPodman();
  });

  it("is verified and run by podman's service, and out of its storage", async (context) => {
    const engine = requireEngine(context);
    const [foreign, kill] = (await buildTargets(
      engine,
      `${IMPOSTORS}FROM scratch AS kill\n${HANDLER.replace(/^.*\n/, "")}STOPSIGNAL KILL\n`,
      ["foreign", "kill"],
    )) as [string, string];
    const tag = await build(engine, HANDLER);
    const all = [tag, foreign, kill];
    const { env, store } = podman!;
    for (const [at, one] of all.entries()) {
      const archive = join(folder, `podman${at}.tar`);
      await engine.docker(["save", "--output", archive, one]);
      await podman!.podman(["load", "--input", archive]);
    }
    await engine.docker(["rmi", "--force", ...all]);
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
    const impostor = await verifyDocumentOf([`podman:docker.io/${foreign}`, "--run"], { env, status: 5 });
    expect(codes(impostor)).toEqual(["note INIT_FOREIGN", "error RUN_PID1"]);
    await initwrapOk(["image", `podman:docker.io/${kill}`], { env });
    const killed = await verifyDocumentOf([`podman:docker.io/${kill}`, "--run"], { env });
    expect(codes(killed)).toEqual(["warning STOPSIGNAL_KILL"]);
    expect(killed.platforms).toMatchObject([{ run: { signal: "KILL", exitCode: 137 } }]);
    expect(await podman!.podman(["ps", "--all", "--quiet"])).toBe("");
    const names = (await podman!.podman(["images", "--format", "{{.Repository}}:{{.Tag}}"])).trimEnd().split("\n");
    expect(names).toEqual(expect.arrayContaining(all.map((one) => `docker.io/${one}`)));
    expect(names.filter((one) => !one.startsWith("docker.io/initwrap-test/verify"))).toEqual([]);
  });
});
