/**
 * Builds through the frontend beside the same builds without it: on Docker 26.1 with both of its image stores, and on 20.10, whose
 * BuildKit has no merge operation, no inputs, no heredocs and no named contexts.
 */
import { execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { initFor } from "@initwrap/init-core";
import { describe, expect, it, vi } from "vitest";
import { accepts } from "../support/accepts.ts";
import { initwrapOk } from "../support/cli.ts";
import { type Engine, type EngineName, requireEngine } from "../support/engine.ts";
import { openArchive, useFrontend, withBuildKit } from "../support/frontend-builds.ts";
import { buildFrontendImage } from "../support/frontend-image.ts";
import { BASE_IMAGE, buildContext, provideBaseImage, runContainer } from "../support/images.ts";
import { compileProgram } from "../support/programs.ts";
import { verifyDocumentOf } from "../support/verify.ts";

// Every build is two processes and a container; the machine has other work.
vi.setConfig({ testTimeout: 400_000 });

const frontend = useFrontend(["modern", "modern-graph", "classic", "newest"]);
const { tags, contexts, tagOf, contextOf, through } = frontend;
const { diffId } = initFor({ os: "linux", architecture: "amd64" });

const ENGINES = ["modern", "modern-graph", "classic"] as const;

/** 20.10's archiver writes user names and the kind of file into a header of tar, later ones do not: the same file, another diff_id. */
const layerOn = (name: EngineName): unknown =>
  name === "classic" ? expect.stringMatching(/^sha256:(?!0{64})/) : diffId;

interface Inspected {
  readonly Id: string;
  readonly Config: { readonly Entrypoint?: readonly string[] | null; readonly Cmd?: readonly string[] | null };
  readonly RootFS: { readonly Layers: readonly string[] | null };
}
const inspect = async (engine: Engine, image: string): Promise<Inspected> =>
  (JSON.parse((await engine.docker(["inspect", image])).stdout) as [Inspected])[0];
const historyOf = async (engine: Engine, image: string): Promise<string[]> => {
  const words = ["history", "--no-trunc", "--format", "{{.CreatedBy}}", image];
  return (await engine.docker(words)).stdout.trimEnd().split("\n");
};

/** Python that prints the comment of an SSH agent's only key: a request of five bytes, and the answer's last string. */
const ASK_AGENT = [
  "import os, socket",
  "s = socket.socket(socket.AF_UNIX)",
  "s.connect(os.environ['SSH_AUTH_SOCK'])",
  "s.sendall(bytes([0, 0, 0, 1, 11]))",
  "print(s.recv(4096)[-12:].decode())",
].join("; ");

/** Builds with and without the frontend, and gives both images. */
async function both(engine: Engine, dockerfile: string, args: readonly string[] = []) {
  const folder = await contextOf(dockerfile);
  const [plain, wrapped] = [tagOf("plain"), tagOf("wrapped")];
  await engine.docker(["build", "-q", ...args, "-t", plain, folder]);
  await engine.docker(["build", "-q", ...args, ...through(), "-t", wrapped, folder], { timeoutMs: 300_000 });
  return { folder, plain, wrapped, before: await inspect(engine, plain), after: await inspect(engine, wrapped) };
}

const STAGES = `FROM scratch AS base
COPY say /say
ENV A=1
FROM base AS one
ARG WHO=nobody
LABEL who=$WHO
USER 1000:1000
VOLUME /v
EXPOSE 80
WORKDIR /w
STOPSIGNAL SIGINT
HEALTHCHECK --interval=9s CMD ["/say"]
ONBUILD COPY . /
SHELL ["/bin/x", "-c"]
ENTRYPOINT ["/say", "é \\"quoted\\" <&>"]
CMD ["b"]
FROM base
CMD ["/say", "last"]
`;

/** Without provenance, which names the build; a variable, for 20.10's client does not know the option. */
const UNATTESTED = { BUILDX_NO_DEFAULT_ATTESTATIONS: "1" };

/** What a Dockerfile can be faulty in: the words, a missing file, stage or argument, a build that fails. */
const FAULTY: Readonly<Record<string, string>> = {
  "an unknown instruction": "FROM scratch\nCOPPY a b\n",
  "a missing file": 'FROM scratch\nCOPY absent /x\nCMD ["/x"]\n',
  "no instruction at all": "# nothing\n",
  "no FROM": "RUN true\n",
  "a stage that is not there": "FROM scratch\nCOPY --from=9 /a /b\n",
  "an unknown flag": "FROM scratch\nCOPY --what=1 say /x\n",
  "too few arguments": "FROM scratch\nCOPY say\n",
  "an empty FROM": "ARG X\nFROM $X\n",
  "a heredoc without an end": "FROM scratch\nCOPY <<EOF /x\nab\n",
  "a program that cannot be run": 'FROM scratch\nCOPY say /say\nRUN --network=none ["/absent"]\nCMD ["/x"]\n',
};

function buildsOn(name: EngineName): void {
  it("differs from the plain build in Entrypoint, one history entry and one layer", async (context) => {
    const engine = withBuildKit(requireEngine(context, name));
    for (const args of [[], ["--target", "one", "--build-arg", "WHO=me"]]) {
      const { plain, wrapped, before, after } = await both(engine, STAGES, args);
      const entrypoint = ["/initwrap", "--", ...(before.Config.Entrypoint ?? [])];
      expect(after.Config).toEqual({ ...before.Config, Entrypoint: entrypoint });
      expect(after.RootFS.Layers).toEqual([...(before.RootFS.Layers ?? []), layerOn(name)]);
      const history = await historyOf(engine, wrapped);
      expect(history[0]).toMatch(/^initwrap \d/);
      expect(history.slice(1)).toEqual(await historyOf(engine, plain));
    }
  });

  it("runs the same program with the same arguments, behind the init", async (context) => {
    const engine = withBuildKit(requireEngine(context, name));
    const { plain, wrapped } = await both(engine, STAGES, ["--target", "one"]);
    for (const args of [[], ["of my own", "-x"]]) {
      const [first, second] = await Promise.all([plain, wrapped].map((image) => runContainer(engine, image, args)));
      expect(second!.stdout).toBe(first!.stdout);
      expect(second!.stdout).toContain("uid 1000\n");
    }
    const verified = await verifyDocumentOf([wrapped], { env: engine.env });
    expect(verified.diagnostics.map(({ code }) => code)).toEqual(["COMMAND_UNRECORDED"]);
  });

  it("is taken from the cache as a whole the second time", async (context) => {
    const engine = withBuildKit(requireEngine(context, name));
    const folder = await contextOf(STAGES);
    const args = ["build", "--progress=plain", ...through(), "-t", tagOf("cached"), folder];
    await engine.docker(args, { env: UNATTESTED });
    const { stderr } = await engine.docker(args, { env: UNATTESTED });
    // Docker's own image store has no merge operation, and the file is written over the image.
    const last = name === "modern" ? "[initwrap] merge" : "[initwrap] /initwrap";
    // 20.10 says a step's digest first.
    expect(stderr).toMatch(/\[base 1\/1\] COPY .*\n(?:#\d+ sha256:.*\n)?#\d+ CACHED/);
    expect(stderr.slice(stderr.indexOf(last))).toMatch(/^.*\n(?:#\d+ sha256:.*\n)?#\d+ CACHED/);
  });

  it.for(Object.entries(FAULTY))("says of %s what the plain build says", async ([, dockerfile], context) => {
    const engine = withBuildKit(requireEngine(context, name));
    const folder = await contextOf(dockerfile);
    const said = async (args: readonly string[]): Promise<string> => {
      const { status, stderr } = await engine.docker(["build", ...args, folder], { check: false });
      expect(status).not.toBe(0);
      return verdict(stderr);
    };
    const plain = await said([]);
    expect(plain).toMatch(/ERROR|failed to/);
    expect(await said(through())).toBe(plain);
  });

  it("leaves an init that is there, and refuses to go before one that must be PID 1", async (context) => {
    const engine = withBuildKit(requireEngine(context, name));
    const tini = await both(engine, 'FROM scratch\nCOPY say /tini\nENTRYPOINT ["/tini", "--"]\nCMD ["/x"]\n');
    expect(tini.after.Config).toEqual(tini.before.Config);
    expect(tini.after.RootFS).toEqual(tini.before.RootFS);
    const folder = await contextOf('FROM scratch\nCOPY say /init\nENTRYPOINT ["/init"]\n');
    const { status, stderr } = await engine.docker(["build", ...through(), folder], { check: false });
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/initwrap: linux\/amd64: s6-overlay has to be PID 1 itself \[MUST_BE_PID1\]/);
  });

  it("takes options from the syntax line and from build arguments, and another frontend below it", async (context) => {
    const engine = withBuildKit(requireEngine(context, name));
    const body = 'FROM scratch\nCOPY say /say\nENTRYPOINT ["/say"]\n';
    const entrypointOf = async (dockerfile: string, args: readonly string[]) => {
      const tag = tagOf("options");
      await engine.docker(["build", "-q", ...args, "-t", tag, await contextOf(dockerfile)]);
      return (await inspect(engine, tag)).Config.Entrypoint;
    };
    const line = `# syntax=${frontend.reference} init="-g --grace=5s"\n${body}`;
    const options = ["/initwrap", "-g", "--grace=5s", "--", "/say"];
    expect(await entrypointOf(line, [])).toEqual(options);
    expect(await entrypointOf(line, ["--build-arg", "INITWRAP_INIT=-v"])).toEqual(["/initwrap", "-v", "--", "/say"]);
    const below = [
      "--build-arg",
      `INITWRAP_UPSTREAM=${frontend.reference}`,
      "--build-arg",
      "INITWRAP_INIT=-g --grace=5s",
    ];
    expect(await entrypointOf(body, [...through(), ...below])).toEqual(options);
    // The Dockerfile's own syntax line is honoured below it.
    expect(await entrypointOf(line, through())).toEqual(["/initwrap", "--", "/say"]);
    const other = ["--build-arg", "INITWRAP_PLATFORMS=linux/arm64"];
    expect(await entrypointOf(body, [...through(), ...other])).toEqual(["/say"]);
  });

  it("reads the Dockerfile from standard input, secrets, an SSH agent, and named contexts where there are any", async (context) => {
    const engine = withBuildKit(requireEngine(context, name));
    await provideBaseImage(engine);
    const folder = await contextOf("");
    const more = await contextOf("");
    await mkdir(join(more, "data"));
    for (const file of [join(more, "data/word"), join(folder, "word")]) await writeFile(file, "from another place\n");
    await writeFile(join(folder, "secret"), "hush\n");
    const hasContexts = name !== "classic";
    const dockerfile = `FROM ${BASE_IMAGE}
COPY ${hasContexts ? "--from=more data/word" : "word"} /word
RUN ${hasContexts ? "--network=none" : ""} --mount=type=secret,id=s wc -c < /run/secrets/s >> /word
RUN ${hasContexts ? "--network=none" : ""} --mount=type=ssh python3 -c "${ASK_AGENT}" >> /word
ENTRYPOINT ["cat"]
CMD ["/word"]
`;
    const tag = tagOf("stdin");
    const secret = ["--secret", `id=s,src=${join(folder, "secret")}`];
    const contextArgs = hasContexts ? ["--build-context", `more=${more}`] : [];
    const agent = await startAgent(folder, "of the agent");
    const ssh = ["--ssh", `default=${agent.socket}`];
    const args = [...contextArgs, ...secret, ...ssh, ...through(), "-t", tag, "-f", "-", folder];
    try {
      await engine.docker(["build", ...args], { input: dockerfile, timeoutMs: 300_000 });
    } finally {
      agent.stop();
    }
    expect((await runContainer(engine, tag)).stdout).toBe("from another place\n5\nof the agent\n");
    expect((await inspect(engine, tag)).Config.Entrypoint).toEqual(["/initwrap", "--", "cat"]);
  });

  it("is the same image when it is made again from nothing, for a given SOURCE_DATE_EPOCH", async (context) => {
    // 20.10 knows no SOURCE_DATE_EPOCH, and dates each image.
    if (name === "classic") return;
    const engine = requireEngine(context, name);
    const folder = await contextOf(STAGES);
    const ids: string[] = [];
    for (const tag of [tagOf("clean"), tagOf("clean")]) {
      const args = ["--no-cache", "--build-arg", "SOURCE_DATE_EPOCH=86400", ...through(), "-t", tag, folder];
      await engine.docker(["build", "-q", ...args], { env: UNATTESTED });
      ids.push((await inspect(engine, tag)).Id);
    }
    expect(ids[1]).toBe(ids[0]);
  });

  it("can be done six times at once", async (context) => {
    const engine = withBuildKit(requireEngine(context, name));
    const folder = await contextOf('FROM scratch\nCOPY say /say\nENTRYPOINT ["/say"]\n');
    const images = Array.from({ length: 6 }, () => tagOf("at-once"));
    await Promise.all(
      images.map((tag, index) =>
        engine.docker(["build", "-q", ...through(), "--label", `n=${index}`, "-t", tag, folder], {
          timeoutMs: 300_000,
        }),
      ),
    );
    for (const tag of images) {
      expect((await inspect(engine, tag)).Config.Entrypoint).toEqual(["/initwrap", "--", "/say"]);
    }
  });

  it("has the same layer as a wrapped image and as a Dockerfile that copies the init's image", async (context) => {
    const engine = withBuildKit(requireEngine(context, name));
    const { folder, plain, after } = await both(engine, STAGES, ["--no-cache"]);
    const image = tagOf("image");
    await initwrapOk(["image", `docker:${plain}`, "-t", image], { env: engine.env });
    const asImage = await inspect(engine, image);
    expect(asImage.Config.Entrypoint).toEqual(after.Config.Entrypoint);
    expect(asImage.RootFS.Layers?.at(-1)).toBe(diffId);

    const layer = after.RootFS.Layers?.at(-1);
    const layerOf = async (dockerfile: string | Uint8Array) => {
      const tag = tagOf("dockerfile");
      await engine.docker(["build", "-q", "--no-cache", "-t", tag, "-f", "-", folder], { input: dockerfile });
      const built = await inspect(engine, tag);
      expect(built.Config.Entrypoint).toEqual(after.Config.Entrypoint);
      return built.RootFS.Layers?.at(-1);
    };
    const file = join(folder, "Dockerfile");
    const place = (await initwrapOk(["init-image", "--push", `${frontend.registry!.host}/tools/init:1`])).stdout
      .toString()
      .trim();
    const copying = await initwrapOk(["dockerfile", file, "--inject", "image", "--init-image", place]);
    expect(await layerOf(copying.stdout)).toBe(layer);
    // A heredoc has no file whose time could be kept: BuildKit writes the time of the build. 20.10 has no heredocs.
    if (name !== "classic") {
      expect(await layerOf((await initwrapOk(["dockerfile", file, "--inject", "inline"])).stdout)).not.toBe(layer);
    }
    // A file of the context has the time at which it was written, and nothing else differs.
    await initwrapOk(["dockerfile", file, "--inject", "context", "--write"]);
    expect(await layerOf(await readFile(file))).not.toBe(layer);
    await utimes(join(folder, ".initwrap/linux-amd64/initwrap"), 0, 0);
    expect(await layerOf(await readFile(file))).toBe(layer);
  });
}

// The engines build side by side, each one thing after the other, as its cache is looked at; the late start is fifteen seconds of sleep.
describe.concurrent.each(ENGINES)("on %s", (name) => {
  describe("a build through the frontend", { concurrent: false }, () => buildsOn(name));
});
describe.concurrent("the frontend on a machine that is busy", () => {
  it("may start later than BuildKit waits for a frontend", async (context) => {
    const [engine, other] = [requireEngine(context, "modern-graph"), requireEngine(context, "modern")];
    const slow = `${frontend.registry!.host}/tools/slow:1`;
    tags.push(slow);
    const folder = await buildContext(
      `FROM ${frontend.reference}\nCOPY --from=${frontend.reference} /node /real/node\nCOPY slow-node /node\n`,
      [await compileProgram("slow-node")],
    );
    contexts.push(folder);
    await engine.docker(["build", "-q", "-t", slow, folder]);
    await engine.docker(["push", slow]);
    const tag = tagOf("slow");
    const body = await contextOf('FROM scratch\nCOPY say /say\nENTRYPOINT ["/say"]\n');
    await Promise.all(
      [engine, other].map(async (one) => {
        await one.docker(["build", "-q", ...through(slow), "-t", tag, body]);
        expect((await inspect(one, tag)).Config.Entrypoint).toEqual(["/initwrap", "--", "/say"]);
      }),
    );
  });
});

describe("the frontend", () => {
  it("makes an index with the init of each platform, twice bit for bit, and keeps provenance", async (context) => {
    const engine = requireEngine(context, "modern");
    const folder = await contextOf('FROM scratch\nCOPY say /say\nENTRYPOINT ["/say"]\n');
    const out = await mkdtemp(join(tmpdir(), "initwrap-index-"));
    contexts.push(out);
    const digests: string[] = [];
    for (const provenance of ["false", "false", "mode=max"]) {
      const archive = join(out, "index.tar");
      const args = ["--platform", "linux/amd64,linux/arm64", "--no-cache", `--provenance=${provenance}`];
      const epoch = ["--build-arg", "SOURCE_DATE_EPOCH=86400"];
      const to = ["--output", `type=oci,dest=${archive}`];
      await engine.docker(["build", ...args, ...epoch, ...to, ...through(), folder], { timeoutMs: 300_000 });
      const { top, read } = await openArchive(archive);
      digests.push(top);
      const kinds = new Set<string>();
      for (const entry of (await read(top)).manifests) {
        const kind = entry.annotations?.["vnd.docker.reference.type"] ?? entry.platform.architecture;
        kinds.add(kind);
        if (kind === "attestation-manifest") continue;
        const config = await read((await read(entry.digest)).config.digest);
        expect(config.config.Entrypoint).toEqual(["/initwrap", "--", "/say"]);
        expect(config.rootfs.diff_ids.at(-1)).toBe(initFor(entry.platform).diffId);
        expect(config.history.at(-1).created).toBe("1970-01-02T00:00:00Z");
      }
      const attested = provenance === "false" ? [] : ["attestation-manifest"];
      expect([...kinds].sort()).toEqual(["amd64", "arm64", ...attested].sort());
    }
    expect(digests[1]).toBe(digests[0]);
    expect(digests[2]).not.toBe(digests[0]);
  });

  it("has the layer of a heredoc and of a file of the context, where BuildKit sets all times to 1970", async (context) => {
    const engine = requireEngine(context, "modern");
    const plain = 'FROM scratch\nCOPY say /say\nENTRYPOINT ["/say"]\n';
    const folder = await contextOf(plain);
    const file = join(folder, "Dockerfile");
    const inline = (await initwrapOk(["dockerfile", file, "--inject", "inline"])).stdout;
    await initwrapOk(["dockerfile", file, "--inject", "context", "--write"]);
    const archive = join(folder, "image.tar");
    for (const [dockerfile, args] of [
      [plain, through()],
      [inline, []],
      [await readFile(file), []],
    ] as const) {
      const times = [
        "--build-arg",
        "SOURCE_DATE_EPOCH=0",
        "--output",
        `type=oci,dest=${archive},rewrite-timestamp=true`,
      ];
      const words = ["build", "--provenance=false", ...times, ...args, "-f", "-", folder];
      await engine.docker(words, { input: dockerfile, timeoutMs: 300_000 });
      const { top, read } = await openArchive(archive);
      const { config, rootfs } = await read((await read(top)).config.digest);
      expect(config.Entrypoint).toEqual(["/initwrap", "--", "/say"]);
      expect(rootfs.diff_ids.at(-1)).toBe(diffId);
    }
  });

  it("shows as many warnings of a build as there are without it", async (context) => {
    const engine = requireEngine(context, "newest");
    const folder = await contextOf("from scratch AS a\nCOPY say /say\nCMD /say\n");
    const warnings = async (args: readonly string[]) => {
      const { stderr } = await engine.docker(["build", "--progress=plain", ...args, folder]);
      return stderr.match(/(\d+) warnings? found/)?.[1];
    };
    // Not which: the client shows of them those that have come when the build ends.
    const plain = await warnings([]);
    expect(plain).toBe("3");
    expect(await warnings(through())).toBe(plain);
  });

  it("answers queries about a Dockerfile as BuildKit does", async (context) => {
    const engine = requireEngine(context, "newest");
    const folder = await contextOf("from scratch AS a\nARG X=1\nCOPY say /say\nCMD /say\nFROM a AS b\n");
    for (const call of ["check", "outline", "targets"]) {
      const ask = (args: readonly string[]) =>
        engine.docker(["build", "--progress=quiet", `--call=${call}`, ...args, folder], { check: false });
      const [plain, asked] = [await ask([]), await ask(through())];
      expect(asked.status, asked.stderr).toBe(plain.status);
      // Nothing but that argument itself is new in an outline.
      expect(asked.stdout).toBe(plain.stdout);
      expect(plain.stdout.length).toBeGreaterThan(10);
    }
  });

  it.for(["modern", "modern-graph"] as const)(
    "builds bake's linked targets on %s, one init for both",
    async (name, context) => {
      const engine = requireEngine(context, name);
      const folder = await contextOf("");
      const tag = tagOf("bake");
      const target = (dockerfile: string) => ({
        "dockerfile-inline": dockerfile,
        args: { BUILDKIT_SYNTAX: frontend.reference },
      });
      const file = {
        target: {
          base: target('FROM scratch\nCOPY say /say\nENTRYPOINT ["/say"]\n'),
          app: { ...target('FROM base\nCOPY say /more\nCMD ["x"]\n'), contexts: { base: "target:base" }, tags: [tag] },
        },
      };
      await writeFile(join(folder, "docker-bake.json"), JSON.stringify(file));
      await engine.docker(["buildx", "bake", "--load", "app"], { cwd: folder, timeoutMs: 300_000 });
      const { Config, RootFS } = await inspect(engine, tag);
      expect([Config.Entrypoint, Config.Cmd]).toEqual([["/initwrap", "--", "/say"], ["x"]]);
      expect(RootFS.Layers?.filter((layer) => layer === diffId)).toHaveLength(1);
    },
  );
});

describe("the frontend's image", () => {
  it("is at most 40 MB for each platform, and the same when it is built again", async () => {
    const out = await mkdtemp(join(tmpdir(), "initwrap-frontend-"));
    contexts.push(out);
    const first = await buildFrontendImage(frontend.modules!, ["-o", join(out, "layout")]);
    expect(first.platforms.map(({ platform }) => platform)).toEqual(["linux/amd64", "linux/arm64"]);
    for (const { size } of first.platforms) expect(size).toBeLessThan(40_000_000);
    const again = await buildFrontendImage(frontend.modules!, ["-o", join(out, "again"), "--platform", "linux/arm64"]);
    expect(again.platforms[0]).toEqual(first.platforms[1]);
  });
});

/** An SSH agent with one key of that comment. */
async function startAgent(folder: string, comment: string): Promise<{ socket: string; stop: () => void }> {
  const [socket, key] = [join(folder, "agent.sock"), join(folder, "key")];
  const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  await promisify(execFile)("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", key]);
  for (let tries = 0; tries < 100 && !(await accepts(socket)); tries++) await sleep(50);
  await promisify(execFile)("ssh-add", ["-q", key], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
  return { socket, stop: () => agent.kill() };
}

/**
 * What a failed build ends with, the excerpt of the source first, without what differs from one run of the same build to the next:
 * names that are made up, times, and which of the client's two errors came first. BuildKit itself names the frontend in an error
 * without a place, whatever frontend it is; 20.10's names each that the error came through.
 */
function verdict(stderr: string): string {
  const lines = stderr.split("\n");
  const start = lines.findIndex((line) => /^\S+:\d+$|^ERROR: |^------$|^failed to /.test(line));
  return lines
    .slice(start)
    .join("\n")
    .replace(/\bref \w+(?:-\w+)*::\w+/g, "ref R")
    .replace(/^\d+\.\d+ /gm, "TIME ")
    .replace(/failed with build-arg:BUILDKIT_SYNTAX = \S+: /, "")
    .replace("failed to run Build function: ", "failed to solve: ")
    .replace(
      /^(?:failed to solve(?: with frontend \S+)?: (?:rpc error: code = Unknown desc = )?)+/gm,
      "failed to solve: ",
    )
    .trim();
}
