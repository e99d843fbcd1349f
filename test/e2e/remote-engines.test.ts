/** Engines that are reached otherwise than by a local socket: over ssh, by a context, and over TLS with certificates. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer, request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createServer, type Server } from "node:tls";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { dockerDaemonMedium } from "../../packages/cli/src/store/docker-daemon.ts";
import { requireCapability } from "../support/capability.ts";
import { initwrap, initwrapOk } from "../support/cli.ts";
import { type Engine, findEngine, requireEngine } from "../support/engine.ts";
import { buildContext, freshTag, removeContext, runContainer } from "../support/images.ts";
import { podmanAvailable, startPodman, type TestPodman } from "../support/podman.ts";
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
    } finally {
      await podman.stop();
    }
  });
});

describe("an engine behind a proxy that lets nobody create a container", () => {
  it.each(["modern-graph", "classic"] as const)("is saved instead, with the same result: %s", async (name) => {
    const engine = requireEngine({ skip: () => undefined }, name);
    if (!engine) return;
    const socket = join(folder, `${name}.sock`);
    const asked: string[] = [];
    const proxy = createHttpServer((incoming, outgoing) => {
      asked.push(`${incoming.method} ${incoming.url}`);
      if (incoming.url!.startsWith("/containers/create")) {
        outgoing.writeHead(403, { "Content-Type": "application/json" }).end('{"message":"not here"}');
        return;
      }
      const { method, url: path, headers } = incoming;
      const inner = request({ socketPath: engine.host.replace("unix://", ""), method, path, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
      });
      incoming.pipe(inner);
    }).listen(socket);
    try {
      await wrapsAndRuns(engine, { DOCKER_HOST: `unix://${socket}` });
      expect(asked.some((one) => one.startsWith("POST /containers/create"))).toBe(true);
      expect(asked.some((one) => one.startsWith("GET /images/get"))).toBe(true);
    } finally {
      proxy.close();
    }
  });
});

describe("an engine behind TLS", () => {
  let server: Server;
  let port: number;
  const certificates = (): string => join(folder, "tls");

  /** A CA, and a certificate of it for the engine's address and one for a client. */
  async function makeCertificates(): Promise<void> {
    const place = certificates();
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
    if (!engine) return;
    await makeCertificates();
    const read = (name: string): Promise<Buffer> => readFile(join(certificates(), name));
    // What dockerd does with --tlsverify, in front of its socket: whoever has no certificate of the CA gets no byte.
    server = createServer(
      {
        ca: await read("ca.pem"),
        cert: await read("server.pem"),
        key: await read("server-key.pem"),
        requestCert: true,
        rejectUnauthorized: true,
      },
      (client) => {
        const inner = connect(engine.host.replace("unix://", ""));
        client.pipe(inner).pipe(client);
        client.on("error", () => inner.destroy());
        inner.on("error", () => client.destroy());
      },
    );
    server.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    port = (server.address() as { port: number }).port;
  });
  afterAll(() => server?.close());

  it("takes the certificates of DOCKER_CERT_PATH, and those of a context", async (context) => {
    const engine = requireEngine(context);
    const host = `tcp://127.0.0.1:${port}`;
    await wrapsAndRuns(engine, { DOCKER_HOST: host, DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: certificates() });
    const config = join(folder, "tls-config");
    const id = createHash("sha256").update("secured").digest("hex");
    await mkdir(join(config, "contexts/meta", id), { recursive: true });
    await mkdir(join(config, "contexts/tls", id, "docker"), { recursive: true });
    const meta = { Name: "secured", Metadata: {}, Endpoints: { docker: { Host: host, SkipTLSVerify: false } } };
    await writeFile(join(config, "contexts/meta", id, "meta.json"), JSON.stringify(meta));
    for (const name of ["ca.pem", "cert.pem", "key.pem"]) {
      const bytes = await readFile(join(certificates(), name));
      await writeFile(join(config, "contexts/tls", id, "docker", name), bytes);
    }
    await wrapsAndRuns(engine, { DOCKER_HOST: "", DOCKER_CONTEXT: "secured", DOCKER_CONFIG: config });
  });

  it("is refused without a certificate, and when its own is of another CA", async (context) => {
    requireEngine(context);
    const host = `tcp://127.0.0.1:${port}`;
    const empty = join(folder, "no-client");
    await mkdir(empty);
    await writeFile(join(empty, "ca.pem"), await readFile(join(certificates(), "ca.pem")));
    for (const [path, reason] of [
      [empty, /alert|certificate|socket/],
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
