/** Engines that are reached otherwise than by a local socket: over ssh, by a context, over TLS with certificates, and by the locator. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { digestHex } from "../../packages/cli/src/model/digest.ts";
import { formatReference, parseReference } from "../../packages/cli/src/model/reference.ts";
import { dockerDaemonMedium } from "../../packages/cli/src/store/docker-daemon.ts";
import { sampleImage, tarOf } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { initwrap, initwrapOk } from "../support/cli.ts";
import { type Engine, type EngineName, findEngine, requireEngine } from "../support/engine.ts";
import { type EngineProxyRules, startEngineProxy } from "../support/engine-proxy.ts";
import { buildContext, freshTag, removeContext, runContainer } from "../support/images.ts";
import { podmanAvailable, startPodman, type TestPodman } from "../support/podman.ts";
import { freePort } from "../support/registry.ts";
import { hasDaemonFolder, type SecondDaemon, startSecondDaemon } from "../support/second-daemon.ts";
import { sshdAvailable, startSshd, type TestSshd } from "../support/ssh.ts";

const run = promisify(execFile);
const ENGINES = ["modern", "modern-graph", "classic"] as const;
let folder: string;

interface Outcome {
  readonly digest: string;
  readonly receipt: { readonly bytesMoved: number; readonly skipped: readonly string[] };
}

/** A small program in an image whose one layer is a megabyte: a save would show in the bytes. */
async function buildImage(engine: Engine): Promise<string> {
  const tag = freshTag("remote");
  const busybox = (await run("sh", ["-c", "command -v busybox"])).stdout.trim();
  const lines = ["FROM scratch", "COPY busybox /bin/busybox", 'ENTRYPOINT ["/bin/busybox", "echo"]', 'CMD ["hello"]'];
  const context = await buildContext(lines.join("\n"), [busybox]);
  const isClassic = engine.name === "classic";
  await engine.docker(["build", "--quiet", ...(isClassic ? [] : ["--provenance=false"]), "--tag", tag, context], {
    env: { DOCKER_BUILDKIT: "1" },
  });
  await removeContext(context);
  return tag;
}

/** Wraps an image where it is, and runs it there. */
async function wrapsAndRuns(engine: Engine, env: NodeJS.ProcessEnv): Promise<Outcome> {
  const tag = await buildImage(engine);
  try {
    const before = JSON.parse((await engine.docker(["image", "inspect", tag])).stdout)[0];
    const outcome = JSON.parse((await initwrapOk(["image", "--json", tag], { env })).stdout.toString()) as Outcome;
    const after = JSON.parse((await engine.docker(["image", "inspect", tag])).stdout)[0];
    expect(after.Id).toBe(outcome.digest);
    expect(after.Config.Entrypoint).toEqual(["/initwrap", "--", ...before.Config.Entrypoint]);
    expect((await runContainer(engine, tag)).stdout).toBe("hello\n");
    await initwrapOk(["image", "--undo", tag], { env });
    expect(JSON.parse((await engine.docker(["image", "inspect", tag])).stdout)[0].Id).toBe(before.Id);
    // Nothing is left behind: no container of these two images, and no name of ours. Other tests have containers meanwhile.
    const ours = [before.Id, after.Id].flatMap((id) => ["--filter", `ancestor=${id}`]);
    const { stdout: containers } = await engine.docker(["ps", "--all", ...ours, "--quiet"]);
    expect(containers).toBe("");
    return outcome;
  } finally {
    await engine.docker(["rmi", "--force", tag], { check: false });
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-remote-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe("an engine behind ssh", () => {
  let sshd: TestSshd | undefined;

  beforeAll(async () => {
    const engine = findEngine("modern");
    if (!sshdAvailable || !engine) return;
    const client = process.env["INITWRAP_TEST_DOCKER_MODERN"]?.split(",")[1];
    const path = [...(client ? [dirname(client)] : []), "/usr/bin", "/bin"].join(":");
    sshd = await startSshd({ PATH: path, DOCKER_HOST: engine.host });
  });
  afterAll(async () => sshd?.stop());
  beforeEach((context) => requireCapability(context, "openssh-server", sshdAvailable));

  it.each(ENGINES)("moves kilobytes and runs the result: %s", async (name) => {
    const engine = requireEngine({ skip: () => undefined }, name);
    if (!engine) return;
    const socket = engine.host.replace("unix://", "");
    const env = { ...sshd!.env(), DOCKER_HOST: `ssh://${sshd!.host}${socket}` };
    const { receipt } = await wrapsAndRuns(engine, env);
    expect(receipt.bytesMoved).toBeLessThan(64 << 10);
    expect(receipt.skipped.length).toBeGreaterThan(0);

    // Reading moved no layer either: there is none to give.
    const tag = await buildImage(engine);
    const source = await dockerDaemonMedium.source(tag, { env: { ...process.env, ...env }, layers: false });
    const manifest = JSON.parse(Buffer.from(await source.read((await source.root()).descriptor)).toString());
    const config = JSON.parse(Buffer.from(await source.read(manifest.config)).toString());
    expect(config.config.Cmd).toEqual(["hello"]);
    await expect(source.open(manifest.layers[0])).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
    await source.close();
    await engine.docker(["rmi", "--force", tag]);
  });

  it("is found by a context of the docker CLI", async (context) => {
    const engine = requireEngine(context);
    const config = join(folder, "config");
    const id = createHash("sha256").update("far").digest("hex");
    await mkdir(join(config, "contexts/meta", id), { recursive: true });
    const meta = { Name: "far", Metadata: {}, Endpoints: { docker: { Host: `ssh://${sshd!.host}` } } };
    await writeFile(join(config, "contexts/meta", id, "meta.json"), JSON.stringify(meta));
    await writeFile(join(config, "config.json"), JSON.stringify({ currentContext: "far" }));
    await wrapsAndRuns(engine, { ...sshd!.env(), DOCKER_HOST: "", DOCKER_CONFIG: config });
  });

  it("gives its layers to an archive, and takes them from one", async (context) => {
    const engine = requireEngine(context);
    const env = { ...sshd!.env(), DOCKER_HOST: `ssh://${sshd!.host}` };
    const tag = await buildImage(engine);
    const other = freshTag("remote");
    const archive = join(folder, "over-ssh.tar");
    const plan = JSON.parse((await initwrapOk(["image", tag, "--dry-run", "--json"], { env })).stdout.toString());
    const { stdout } = await initwrapOk(["image", tag, "-o", archive], { env });
    expect(stdout.toString()).toBe(`${tag}@${plan.digest}\n`);
    await engine.docker(["rmi", "--force", tag]);
    await initwrapOk(["image", archive, "-o", `docker:${other}`], { env });
    expect((await runContainer(engine, other)).stdout).toBe("hello\n");
    await engine.docker(["rmi", "--force", other]);
  });

  it("fails with ssh's own words when the host is not the one that is known", async () => {
    const env = { ...sshd!.env(true), DOCKER_HOST: `ssh://${sshd!.host}` };
    const { status, stderr } = await initwrap(["image", "any:1", "--dry-run"], { env });
    expect(status).toBe(6);
    expect(stderr).toMatch(/DAEMON_UNREACHABLE.*Host key verification failed/);
  });

  it("may be podman", async (context) => {
    requireCapability(context, "podman", podmanAvailable);
    const podman: TestPodman = await startPodman();
    try {
      const busybox = (await run("sh", ["-c", "command -v busybox"])).stdout.trim();
      const built = await buildContext('FROM scratch\nCOPY busybox /bin/busybox\nCMD ["/bin/busybox"]\n', [busybox]);
      await podman.podman(["build", "--quiet", "--tag", "far:1", built]);
      await removeContext(built);
      const socket = podman.env["CONTAINER_HOST"]!.replace("unix://", "");
      const env = { ...sshd!.env(), CONTAINER_HOST: `ssh://${sshd!.host}${socket}` };
      await initwrapOk(["image", "podman:far:1"], { env });
      const inspected = await podman.podman(["image", "inspect", "--format", "{{json .Config}}", "localhost/far:1"]);
      expect(JSON.parse(inspected)).toMatchObject({ Entrypoint: ["/initwrap", "--"], Cmd: ["/bin/busybox"] });

      const file = join(folder, "podman-connections.json");
      const connections = { far: { URI: env.CONTAINER_HOST } };
      await writeFile(file, JSON.stringify({ Connection: { Default: "far", Connections: connections } }));
      const named = { ...sshd!.env(), PODMAN_CONNECTIONS_CONF: file, CONTAINER_CONNECTION: "far" };
      await initwrapOk(["image", "podman:far:1", "--undo"], { env: named });
      const undone = await podman.podman(["image", "inspect", "--format", "{{json .Config}}", "localhost/far:1"]);
      expect(JSON.parse(undone).Entrypoint).toBeUndefined();
    } finally {
      await podman.stop();
    }
  });
});

describe("the documents of an image in an engine", () => {
  const READ = "GET /images/get";
  const CREATED = "POST /containers/create";

  /** What is asked of an engine when an image in it is wrapped, seen to run and unwrapped. */
  async function askedOf(name: EngineName, rules: EngineProxyRules): Promise<readonly string[]> {
    const engine = requireEngine({ skip: () => undefined }, name);
    if (!engine) return [];
    const proxy = await startEngineProxy(engine, rules);
    try {
      await wrapsAndRuns(engine, { DOCKER_HOST: proxy.host });
      return proxy.asked;
    } finally {
      await proxy.stop();
    }
  }

  it.each(["modern", "modern-graph", "newest"] as const)("are read in its own folder by root: %s", async (name) => {
    requireCapability({ skip: () => undefined }, "root", process.getuid?.() === 0);
    const asked = await askedOf(name, {});
    const kinds = asked.map((line) => line.replace(/\/images\/(?!load)[^/?]+/, "/images/NAME").replace(/\?.*/, ""));
    const keepsManifests = name !== "modern-graph";
    const [opened, loaded] = [["GET /images/NAME/json", "GET /info"], ["GET /images/NAME/json"]];
    const run = [
      ...opened,
      "POST /images/load",
      ...loaded,
      ...(keepsManifests ? ["GET /images/NAME/history"] : []),
      "POST /images/NAME/tag",
      "DELETE /images/NAME",
    ];
    expect(kinds.slice(0, run.length)).toEqual(run);
    expect(kinds.filter((line) => line === "GET /info")).toHaveLength(2);
    expect(asked.filter((line) => line.startsWith(CREATED) || line.startsWith(READ))).toEqual([]);
  });

  it("are pushed to us where that folder is elsewhere", async () => {
    const asked = await askedOf("modern", { hideFolder: true });
    expect(asked.filter((line) => /^POST \/images\/.*\/push/.test(line))).toHaveLength(2);
    expect(asked.filter((line) => line.startsWith(CREATED) || line.startsWith(READ))).toEqual([]);
  });

  it.each(["modern-graph", "classic"] as const)(
    "are in the saved image where no container may be created: %s",
    async (name) => {
      const asked = await askedOf(name, { hideFolder: true, refuse: CREATED });
      expect(asked.some((line) => line.startsWith(CREATED))).toBe(true);
      expect(asked.some((line) => line.startsWith(READ))).toBe(true);
    },
  );

  it.each(["modern", "newest"] as const)(
    "are not enough where a layer is gone, and no name is given: %s",
    async (name) => {
      const engine = requireEngine({ skip: () => undefined }, name);
      if (!engine) return;
      const tag = freshTag("hollow");
      const content = sampleImage({ layers: [`gone ${tag}`], config: { Entrypoint: ["/app"] } });
      const archive = join(folder, `${name}.tar`);
      const manifests = [{ ...content.root, annotations: { "io.containerd.image.name": `docker.io/${tag}` } }];
      const documents = content.blobs.filter(({ descriptor }) => descriptor.mediaType.endsWith("json"));
      await writeFile(
        archive,
        tarOf([
          ...documents.map(({ descriptor, bytes }) => [`blobs/sha256/${digestHex(descriptor.digest)}`, bytes] as const),
          ["index.json", JSON.stringify({ schemaVersion: 2, manifests })],
          ["oci-layout", '{"imageLayoutVersion":"1.0.0"}'],
        ]),
      );
      const loading = async () => {
        const { stdout } = await engine.docker(["images", "--format", "{{.Tag}}", "initwrap.invalid/loading"]);
        return stdout.split("\n");
      };
      const before = await loading();
      try {
        await engine.docker(["load", "--input", archive], { check: false });
        const result = await initwrap(["image", tag, "-t", `${tag}-init`], { env: engine.env });
        expect([result.status, result.stderr]).toEqual([6, expect.stringContaining("did not take the image")]);
        expect((await engine.docker(["image", "inspect", `${tag}-init`], { check: false })).status).not.toBe(0);
        // Other runs on this engine have such names for a moment; one of ours would stay.
        const left = async () => (await loading()).filter((name) => !before.includes(name));
        await expect.poll(left, { timeout: 20_000, interval: 200 }).toEqual([]);
      } finally {
        await engine.docker(["rmi", "--force", tag], { check: false });
      }
    },
  );
});

describe("an engine behind a proxy", () => {
  it.each(["modern-graph", "classic"] as const)(
    "may be below a path, in the version that is asked for: %s",
    async (name) => {
      const engine = requireEngine({ skip: () => undefined }, name);
      if (!engine) return;
      const proxy = await startEngineProxy(engine, { under: "/engines/a" });
      try {
        const env = { DOCKER_HOST: proxy.host, DOCKER_API_VERSION: "1.41" };
        // The engine's own client reads both in the same way.
        await engine.docker(["image", "ls"], { env });
        expect(proxy.asked.at(-1)).toMatch(/^GET \/engines\/a\/v1\.41\/images\/json/);
        await wrapsAndRuns(engine, env);
        expect(proxy.asked.filter((line) => !/^[A-Z]+ \/engines\/a\/(?:v1\.41\/|_ping)/.test(line))).toEqual([]);

        const tooNew = await initwrap(["image", "docker:any:1"], { env: { ...env, DOCKER_API_VERSION: "1.999" } });
        expect([tooNew.status, tooNew.stderr]).toEqual([
          6,
          expect.stringMatching(/DAEMON_FAILED.*version 1\.999 is too new/),
        ]);
        const [above] = proxy.host.split("/engines");
        const astray = await initwrap(["image", "docker:any:1"], { env: { DOCKER_HOST: `${above}/elsewhere` } });
        expect([astray.status, astray.stderr]).toEqual([3, expect.stringMatching(/IMAGE_NOT_FOUND.*\/elsewhere/)]);
      } finally {
        await proxy.stop();
      }
    },
  );

  it("that passes on only what it has whole is one like any other", async (context) => {
    const engine = requireEngine(context, "modern-graph");
    const proxy = await startEngineProxy(engine, { buffers: true });
    try {
      const { receipt } = await wrapsAndRuns(engine, { DOCKER_HOST: proxy.host });
      expect(receipt.bytesMoved).toBeLessThan(64 << 10);
    } finally {
      await proxy.stop();
    }
  });
});

describe("dockerd --tlsverify", () => {
  /** A daemon of its own, in front of which nothing stands. */
  let daemon: SecondDaemon | undefined;
  let secured: Engine;
  let host: string;
  const certificates = (): string => join(daemon!.folder, "tls");

  /** A CA, and a certificate of it for the engine's address and one for a client. */
  async function makeCertificates(place: string): Promise<void> {
    await mkdir(place, { recursive: true });
    const openssl = (...args: string[]) => run("openssl", args, { cwd: place });
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    await openssl("req", "-x509", ...key, "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=test CA");
    for (const [name, extension] of [
      ["server", "subjectAltName=IP:127.0.0.1"],
      ["client", "extendedKeyUsage=clientAuth"],
    ] as const) {
      const files = name === "client" ? ["key.pem", "cert.pem"] : ["server-key.pem", "server.pem"];
      await openssl("req", ...key, "-keyout", files[0]!, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
      await writeFile(join(place, `${name}.ext`), extension);
      const ca = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial"];
      await openssl("x509", "-req", "-in", `${name}.csr`, ...ca, "-out", files[1]!, "-extfile", `${name}.ext`);
    }
  }

  beforeAll(async () => {
    const engine = findEngine("modern");
    if (!engine || !hasDaemonFolder(engine)) return;
    host = `tcp://127.0.0.1:${await freePort()}`;
    daemon = await startSecondDaemon(engine, undefined, async (place) => {
      const tls = join(place, "tls");
      await makeCertificates(tls);
      return [
        "--tlsverify",
        `--tlscacert=${tls}/ca.pem`,
        `--tlscert=${tls}/server.pem`,
        `--tlskey=${tls}/server-key.pem`,
        `--host=${host}`,
      ];
    });
    secured = { ...engine, host: daemon.env["DOCKER_HOST"]!, env: daemon.env, docker: daemon.docker };
  });
  afterAll(() => daemon?.stop());
  beforeEach((context) => requireCapability(context, "an engine that up.sh started", daemon !== undefined));

  it("takes the certificates of DOCKER_CERT_PATH", async () => {
    const env = { DOCKER_HOST: host, DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: certificates() };
    // The engine's own client gets in by the same variables.
    await secured.docker(["--host", host, "version"], { env });
    const { receipt } = await wrapsAndRuns(secured, env);
    expect(receipt.bytesMoved).toBeLessThan(64 << 10);
  });

  it("takes those of a context that the docker CLI made, by DOCKER_CONTEXT, as the current one, and in a locator", async () => {
    const env = { DOCKER_HOST: "", DOCKER_CONFIG: join(folder, "tls-config") };
    const files = ["ca", "cert", "key"].map((name) => `${name}=${certificates()}/${name}.pem`).join(",");
    await secured.docker(["context", "create", "secured", "--docker", `host=${host},${files}`], { env });
    await wrapsAndRuns(secured, { ...env, DOCKER_CONTEXT: "secured" });
    const tag = await buildImage(secured);
    await initwrapOk(["image", `docker:[secured]${tag}`], { env: { ...env, DOCKER_HOST: "unix:///nowhere.sock" } });
    expect((await runContainer(secured, tag)).stdout).toBe("hello\n");
    await secured.docker(["rmi", "--force", tag]);
    await secured.docker(["context", "use", "secured"], { env });
    await wrapsAndRuns(secured, env);
  });

  it("is refused without a certificate, with one of a stranger, and when its own is of another CA", async () => {
    const [empty, strange] = [join(folder, "no-client"), join(folder, "stranger")];
    await mkdir(empty);
    await copyFile(join(certificates(), "ca.pem"), join(empty, "ca.pem"));
    await makeCertificates(strange);
    const wrongCa = join(folder, "wrong-ca");
    await mkdir(wrongCa);
    for (const name of ["cert.pem", "key.pem"]) await copyFile(join(certificates(), name), join(wrongCa, name));
    await copyFile(join(strange, "ca.pem"), join(wrongCa, "ca.pem"));
    await copyFile(join(certificates(), "ca.pem"), join(strange, "ca.pem"));
    for (const [path, reason] of [
      [empty, /alert|certificate|socket/],
      [strange, /alert|certificate|socket/],
      [wrongCa, /certificate/],
      [join(folder, "nowhere"), /certificate/],
    ] as const) {
      const env = { DOCKER_HOST: host, DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: path };
      const { status, stderr } = await initwrap(["image", "any:1", "--dry-run"], { env });
      expect({ path, status }).toEqual({ path, status: 6 });
      expect(stderr).toMatch(/DAEMON_UNREACHABLE/);
      expect(stderr).toMatch(reason);
    }
  });
});

describe("another engine than the environment's, in the locator", () => {
  const at = (engine: Engine, name: string): string => `docker:[${engine.host}]${name}`;

  it.each([
    ["modern", "modern-graph", "and in two by a pipe"],
    ["modern-graph", "classic", "and in two by a pipe"],
    ["classic", "modern", "and in two by a pipe"],
    ["modern", "classic", ""],
    ["modern-graph", "modern", ""],
    ["classic", "modern-graph", ""],
    ["newest", "classic", ""],
    ["modern-graph", "newest", ""],
  ] as const)("goes from %s to %s in one run %s", async (from, to, more) => {
    const context = { skip: () => undefined };
    const [source, target] = [requireEngine(context, from), requireEngine(context, to)];
    if (!source || !target) return;
    const tag = await buildImage(source);
    const [named, piped] = [freshTag("crossed"), freshTag("piped")];
    const env = { DOCKER_HOST: "unix:///nowhere.sock" };
    const words = ["image", at(source, tag), "-o", at(target, named)];
    const plan = JSON.parse((await initwrapOk([...words, "--dry-run", "--json"], { env })).stdout.toString());
    const done = JSON.parse((await initwrapOk([...words, "--json"], { env })).stdout.toString());
    expect([plan.digest, plan.names]).toEqual([done.digest, done.names]);
    expect(done.names).toEqual([formatReference(parseReference(named)!)]);
    expect((await runContainer(target, named)).stdout).toBe("hello\n");
    if (more === "") {
      await source.docker(["rmi", "--force", tag]);
      await target.docker(["rmi", "--force", named]);
      return;
    }

    const { stdout: stream } = await initwrapOk(["image", tag, "-o", "-"], { env: { DOCKER_HOST: source.host } });
    await initwrapOk(["image", "-", "-o", `docker:${piped}`], { env: { DOCKER_HOST: target.host }, input: stream });
    expect((await runContainer(target, piped)).stdout).toBe("hello\n");
    const id = async (name: string): Promise<string> =>
      JSON.parse((await target.docker(["image", "inspect", name])).stdout)[0].Id;
    // What keeps manifests has a digest of its own for an image that came through an archive of another layout.
    if (to !== "modern") expect(await id(piped)).toBe(await id(named));
    await source.docker(["rmi", "--force", tag]);
    await target.docker(["rmi", "--force", named, piped]);
  });

  it("-t names the result in that engine, where the layers stay", async (context) => {
    const engine = requireEngine(context, "modern-graph");
    const [tag, named] = [await buildImage(engine), freshTag("beside")];
    const env = { DOCKER_HOST: "unix:///nowhere.sock" };
    const { stdout } = await initwrapOk(["image", at(engine, tag), "-t", named, "--json"], { env });
    expect((JSON.parse(stdout.toString()) as Outcome).receipt.bytesMoved).toBeLessThan(64 << 10);
    expect((await runContainer(engine, named)).stdout).toBe("hello\n");
    await engine.docker(["rmi", "--force", tag, named]);
  });

  it("is an error when it is none", async () => {
    for (const [locator, problem] of [
      ["docker:[nobody]app:1", /there is no Docker context nobody/],
      ["docker:[gopher://x]app:1", /not an engine's endpoint: gopher:/],
      ["podman:[nobody]app:1", /there is no podman connection nobody/],
    ] as const) {
      const { status, stderr } = await initwrap(["image", locator], { env: { HOME: folder, DOCKER_CONFIG: folder } });
      expect([locator, status]).toEqual([locator, 3]);
      expect(stderr).toMatch(problem);
    }
  });
});

describe("the name of an image in the engine", () => {
  it.each(["modern", "modern-graph", "newest"] as const)(
    "is the result's afterwards, and the old ID is printed and still there: %s",
    async (name) => {
      const engine = requireEngine({ skip: () => undefined }, name);
      if (!engine) return;
      const tag = await buildImage(engine);
      const idOf = async (image: string): Promise<string> =>
        (await engine.docker(["image", "inspect", "--format", "{{.Id}}", image])).stdout.trim();
      const old = await idOf(tag);
      const other = freshTag("second-name");
      await engine.docker(["tag", tag, other]);
      const command = ["--entrypoint", "/bin/busybox", tag, "sleep", "300"];
      const container = (await engine.docker(["run", "--detach", "--network=none", ...command])).stdout.trim();
      const { stdout, stderr } = await initwrapOk(["image", tag], { env: engine.env });
      const now = await idOf(tag);
      expect(now).not.toBe(old);
      expect(stderr).toContain(`digest ${old}\n    -> ${now}\n`);
      expect(stdout.toString()).toBe(`${tag}@${now}\n`);
      // Another name stays where it is, and so does a container.
      expect(await idOf(other)).toBe(old);
      const state = ["inspect", "--format", "{{.State.Running}} {{.Image}}", container];
      expect((await engine.docker(state)).stdout.trim()).toBe(`true ${old}`);
      await engine.docker(["rm", "--force", container]);
      await engine.docker(["tag", tag, other]);
      // Without any name it is still there.
      expect(await idOf(old)).toBe(old);
      await engine.docker(["rmi", "--force", old]);
      await engine.docker(["rmi", "--force", tag, other]);
    },
  );
});

describe("an image that is meant by its ID", () => {
  it.each(ENGINES)("needs a name for what is changed, planned or done: %s", async (name) => {
    const engine = requireEngine({ skip: () => undefined }, name);
    if (!engine) return;
    const [tag, named] = [await buildImage(engine), freshTag("by-id")];
    const id: string = JSON.parse((await engine.docker(["image", "inspect", tag])).stdout)[0].Id;
    const env = { DOCKER_HOST: engine.host };
    const digests = new Set<string>();
    const digest = engine.name === "modern" ? [`${tag.split(":")[0]}@${id}`, `${tag}@${id}`] : [];
    for (const spelled of [id, id.slice(7), id.slice(7, 19), id.slice(0, 19), ...digest]) {
      for (const flags of spelled === id ? [["--dry-run"], ["--check"], []] : [[]]) {
        const { status, stderr } = await initwrap(["image", `docker:${spelled}`, ...flags], { env });
        expect({ spelled, flags, status, stderr }).toMatchObject({
          status: 5,
          stderr: expect.stringMatching(/^error\[TAG_REQUIRED\]: .*\nhint: Name it with -t NAME:TAG\.\n$/),
        });
      }
      const { stdout } = await initwrapOk(["image", `docker:${spelled}`, "-t", named, "--json"], { env });
      const done = JSON.parse(stdout.toString()) as Outcome;
      expect(done.receipt.bytesMoved).toBeLessThan(64 << 10);
      digests.add(done.digest);
    }
    // Nothing is to do for it any more, and that needs no name.
    const again = await initwrapOk(["image", `docker:${[...digests][0]}`, "--check"], { env });
    expect(again.stdout.toString()).toContain([...digests][0]);
    expect(digests.size).toBe(1);
    expect((await runContainer(engine, named)).stdout).toBe("hello\n");
    await engine.docker(["rmi", "--force", tag, named]);
  });
});
