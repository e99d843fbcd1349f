/** Who we are at real registries: passwords, tokens, identity tokens, helpers, TLS, client certificates, and strangers who ask. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parseReference } from "../../packages/cli/src/model/reference.ts";
import { RegistrySession, type SessionOptions } from "../../packages/cli/src/store/registry/session.ts";
import { openRegistrySink } from "../../packages/cli/src/store/registry/sink.ts";
import { openRegistrySource } from "../../packages/cli/src/store/registry/source.ts";
import { requireCapability } from "../support/capability.ts";
import { CLI } from "../support/cli.ts";
import { startConnectProxy } from "../support/connect-proxy.ts";
import { freePort, registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { collect, putImage, sampleImage } from "../support/sample-image.ts";
import { startTokenServer, type TokenServer } from "../support/token-server.ts";

let home: string;
const cleanups: (() => Promise<unknown>)[] = [];
const image = sampleImage("auth", [100]);

beforeEach((context) => requireCapability(context, "docker-registry", registryAvailable));
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "initwrap-auth-"));
});
afterAll(() => rm(home, { recursive: true, force: true }));
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

function session(env: Record<string, string> = {}, options: SessionOptions = {}): RegistrySession {
  const opened = new RegistrySession({
    env: { HOME: home, XDG_RUNTIME_DIR: join(home, "run"), PATH: process.env["PATH"], ...env },
    retry: { attempts: 2, baseDelay: 1 },
    ...options,
  });
  cleanups.push(() => opened.close());
  return opened;
}

/** A docker configuration in a folder of its own; the environment that leads to it. */
async function dockerConfig(content: unknown): Promise<{ DOCKER_CONFIG: string }> {
  const folder = await mkdtemp(join(home, "docker-"));
  await writeFile(join(folder, "config.json"), JSON.stringify(content));
  return { DOCKER_CONFIG: folder };
}

/** False for a zombie too: nothing of it runs. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

const pair = (user: string, password: string): string => Buffer.from(`${user}:${password}`).toString("base64");

async function push(host: string, repository: string, using: RegistrySession): Promise<void> {
  const sink = openRegistrySink(parseReference(`${host}/${repository}:1`)!, { session: using });
  await putImage(sink, image);
  await sink.close();
}

async function pull(host: string, repository: string, using: RegistrySession): Promise<string> {
  const source = openRegistrySource(parseReference(`${host}/${repository}:1`)!, { session: using });
  const { descriptor } = await source.root();
  const manifest = JSON.parse(new TextDecoder().decode(await source.read(descriptor)));
  for (const layer of manifest.layers) await collect(await source.open(layer));
  return descriptor.digest;
}

describe("a registry with passwords", () => {
  let registry: TestRegistry;
  // crypt_blowfish's own test vector, for the password U*U.
  const line = "user:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n";
  beforeAll(async () => {
    if (!registryAvailable) return;
    const file = join(home, "htpasswd");
    await writeFile(file, line);
    registry = await startRegistry({ auth: { htpasswd: { realm: "test", path: file } } });
  });
  afterAll(() => registry?.stop());

  it("is used with the password of the docker configuration, of auth.json and of a helper", async () => {
    const docker = await dockerConfig({ auths: { [registry.host]: { auth: pair("user", "U*U") } } });
    await push(registry.host, "a/b", session(docker));

    const file = join(home, "auth.json");
    await writeFile(file, JSON.stringify({ auths: { [`${registry.host}/a`]: { auth: pair("user", "U*U") } } }));
    expect(await pull(registry.host, "a/b", session({ REGISTRY_AUTH_FILE: file }))).toBe(image.root.digest);

    const bin = join(home, "bin");
    await mkdir(bin, { recursive: true });
    const helper = join(bin, "docker-credential-test");
    await writeFile(
      helper,
      `#!/bin/sh\nread server\n[ "$1" = get ] && [ "$server" = "${registry.host}" ] || { echo credentials not found in native keychain; exit 1; }\necho '{"ServerURL":"x","Username":"user","Secret":"U*U"}'\n`,
    );
    await chmod(helper, 0o755);
    const PATH = `${bin}:${process.env["PATH"]}`;
    for (const config of [{ credsStore: "test" }, { credHelpers: { [registry.host]: "test" } }]) {
      const env = { ...(await dockerConfig(config)), PATH };
      expect(await pull(registry.host, "a/b", session(env))).toBe(image.root.digest);
    }
  });

  // A shell that ignores signals, with a child that would outlive it.
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("waits for a helper, and %s ends it with all that it started", async (signal, status) => {
    const bin = await mkdtemp(join(home, "hanging-"));
    const pids = join(bin, "pids");
    await writeFile(
      join(bin, "docker-credential-hanging"),
      `#!/bin/sh\ntrap "" INT TERM\nsleep 600 &\necho "$$ $!" >"${pids}.new"\nmv "${pids}.new" "${pids}"\nwait\n`,
      { mode: 0o755 },
    );
    const env = {
      HOME: home,
      PATH: `${bin}:${process.env["PATH"]}`,
      ...(await dockerConfig({ credsStore: "hanging" })),
    };
    const output = join(bin, "never.tar");
    const child = spawn(process.execPath, [CLI, "image", `registry:${registry.host}/a/b:1`, "-o", output], {
      env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    await expect.poll(() => existsSync(pids), { timeout: 20_000 }).toBe(true);
    const started = (await readFile(pids, "utf8")).trim().split(" ").map(Number);
    expect(started).toHaveLength(2);
    for (const pid of started) expect(isRunning(pid)).toBe(true);
    child.kill(signal);
    expect(await ended).toBe(status);
    // Killed they are; whoever takes in orphans here has to see it.
    await expect.poll(() => started.filter(isRunning)).toEqual([]);
    expect(existsSync(output)).toBe(false);
  });

  it("refuses a wrong password and none with exit 4 and a hint, and says no secret", async () => {
    const docker = await dockerConfig({ auths: { [registry.host]: { auth: pair("user", "wrong-secret") } } });
    for (const env of [docker, {}]) {
      const error = await push(registry.host, "a/b", session(env)).catch((failure: unknown) => failure);
      expect(error).toMatchObject({ code: "AUTH_REQUIRED", exit: 4, hint: expect.stringMatching(/login/) });
      expect(`${(error as Error).message}${(error as Error).stack}`).not.toMatch(/wrong-secret|d3Jvbmct/);
    }
  });

  it("never gets a password that was saved for a host that only looks like it", async () => {
    const [name, port] = registry.host.split(":") as [string, string];
    const lookalikes = [
      name,
      `${name}:${port}0`,
      `x${registry.host}`,
      `${name}:${port.slice(0, -1)}`,
      `${registry.host}/a`,
    ];
    const auths = Object.fromEntries(lookalikes.map((key) => [key, { auth: pair("user", "U*U") }]));
    await expect(pull(registry.host, "other/b", session(await dockerConfig({ auths })))).rejects.toMatchObject({
      code: "AUTH_REQUIRED",
    });
  });
});

describe("a registry with tokens", () => {
  let tokens: TokenServer;
  let registry: TestRegistry;
  beforeAll(async () => {
    if (!registryAvailable) return;
    tokens = await startTokenServer("user", "pass:word", "the-refresh-token");
    registry = await startRegistry({ auth: { token: tokens.auth } });
  });
  afterAll(async () => {
    await registry?.stop();
    await tokens?.stop();
  });
  beforeEach(() => {
    tokens.requests.length = 0;
    tokens.lifetime = 300;
  });

  it("is pushed to with a password, with one token for each set of rights", async () => {
    const docker = await dockerConfig({ auths: { [registry.host]: { auth: pair("user", "pass:word") } } });
    await push(registry.host, "private/x", session(docker));
    expect(tokens.requests.map(({ scopes, service }) => [scopes, service])).toEqual([
      [["repository:private/x:pull"], "test registry"],
      [["repository:private/x:pull,push"], "test registry"],
    ]);
  });

  it("is pulled from anonymously where that is allowed, and refuses elsewhere with exit 4", async () => {
    const docker = await dockerConfig({ auths: { [registry.host]: { auth: pair("user", "pass:word") } } });
    await push(registry.host, "public/x", session(docker));
    tokens.requests.length = 0;
    expect(await pull(registry.host, "public/x", session())).toBe(image.root.digest);
    expect(tokens.requests).toMatchObject([{ method: "GET", authorization: undefined }]);
    await expect(pull(registry.host, "private/x", session())).rejects.toMatchObject({ code: "AUTH_REQUIRED" });
    await expect(push(registry.host, "public/x", session())).rejects.toMatchObject({ code: "AUTH_REQUIRED" });
  });

  it("exchanges an identity token by POST, and sends nothing else of ours to the token server", async () => {
    const docker = await dockerConfig({ auths: { [registry.host]: { identitytoken: "the-refresh-token" } } });
    await push(registry.host, "private/y", session(docker));
    expect(tokens.requests[0]).toMatchObject({ method: "POST", authorization: undefined });
    expect(Object.fromEntries(tokens.requests[0]!.form)).toMatchObject({
      grant_type: "refresh_token",
      refresh_token: "the-refresh-token",
      scope: "repository:private/y:pull",
    });
    expect(Object.keys(tokens.requests[0]!.headers)).not.toContain("cookie");
  });

  it("renews a token that has expired", async () => {
    tokens.lifetime = 1;
    const docker = await dockerConfig({ auths: { [registry.host]: { auth: pair("user", "pass:word") } } });
    const using = session(docker);
    await push(registry.host, "private/z", using);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(await pull(registry.host, "private/z", using)).toBe(image.root.digest);
  });

  it("is asked for one token by all that begin at the same moment, and by each for a new one when that failed", async () => {
    const docker = await dockerConfig({ auths: { [registry.host]: { auth: pair("user", "pass:word") } } });
    await push(registry.host, "private/many", session(docker));
    tokens.requests.length = 0;
    const using = session(docker);
    const digests = await Promise.all(Array.from({ length: 8 }, () => pull(registry.host, "private/many", using)));
    expect(new Set(digests)).toEqual(new Set([image.root.digest]));
    expect(tokens.requests.map(({ scopes }) => scopes)).toEqual([["repository:private/many:pull"]]);
    const wrong = session(await dockerConfig({ auths: { [registry.host]: { auth: pair("user", "wrong") } } }));
    const all = await Promise.allSettled(Array.from({ length: 4 }, () => pull(registry.host, "private/many", wrong)));
    for (const one of all) expect(one).toMatchObject({ status: "rejected", reason: { code: "AUTH_REQUIRED" } });
    await expect(pull(registry.host, "private/many", wrong)).rejects.toMatchObject({ code: "AUTH_REQUIRED" });
  });

  it("mounts from a repository that needs a right of its own", async () => {
    const docker = await dockerConfig({ auths: { [registry.host]: { auth: pair("user", "pass:word") } } });
    const using = session(docker);
    await push(registry.host, "private/from", using);
    const from = openRegistrySource(parseReference(`${registry.host}/private/from:1`)!, { session: using });
    await from.read((await from.root()).descriptor);
    const sink = openRegistrySink(parseReference(`${registry.host}/private/to:1`)!, { session: using, from });
    const layer = [...image.blobs.values()][0]!.descriptor;
    expect(await sink.has(layer)).toBe(true);
    expect(tokens.requests.at(-1)!.scopes).toEqual(["repository:private/to:pull,push", "repository:private/from:pull"]);
  });

  it("reports a wrong password of the token server as exit 4", async () => {
    const docker = await dockerConfig({ auths: { [registry.host]: { auth: pair("user", "wrong") } } });
    await expect(pull(registry.host, "public/x", session(docker))).rejects.toMatchObject({
      code: "AUTH_REQUIRED",
      message: expect.stringContaining("wrong password"),
    });
  });
});

describe("a registry over TLS", () => {
  let registry: TestRegistry;
  let certificate: string;
  let key: string;
  beforeAll(async () => {
    if (!registryAvailable) return;
    [certificate, key] = [join(home, "tls.crt"), join(home, "tls.key")];
    execFileSync(
      "openssl",
      ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"].concat([
        "-addext",
        "subjectAltName=IP:127.0.0.1,DNS:registry.test",
        "-keyout",
        key,
        "-out",
        certificate,
      ]),
      { stdio: "ignore" },
    );
    registry = await startRegistry({ tls: { certificate, key }, clientCas: [certificate] });
  });
  afterAll(() => registry?.stop());

  it("is trusted by certs.d with a client certificate, and refused without", async () => {
    const roots = await mkdtemp(join(home, "certs-"));
    await mkdir(join(roots, registry.host));
    const options = { certificateRoots: [roots] };
    await expect(push(registry.host, "tls/x", session({}, options))).rejects.toMatchObject({
      code: "REGISTRY_FAILED",
      hint: expect.stringContaining("certs.d"),
    });
    await writeFile(join(roots, registry.host, "ca.crt"), await readFile(certificate));
    // The server wants to see a client's certificate as well.
    await expect(push(registry.host, "tls/x", session({}, options))).rejects.toMatchObject({ code: "REGISTRY_FAILED" });
    await writeFile(join(roots, registry.host, "client.cert"), await readFile(certificate));
    await expect(push(registry.host, "tls/x", session({}, options))).rejects.toMatchObject({
      code: "INPUT_UNREADABLE",
    });
    await writeFile(join(roots, registry.host, "client.key"), await readFile(key));
    await push(registry.host, "tls/x", session({}, options));
    expect(await pull(registry.host, "tls/x", session({}, options))).toBe(image.root.digest);
  });

  it("at port 443 is trusted by certs.d and insecure under its name with and without the port", async () => {
    const plain = await startRegistry({ tls: { certificate, key } });
    const proxy = await startConnectProxy({ 443: plain.host.split(":")[1]! });
    cleanups.push(plain.stop, proxy.stop);
    const env = { HTTPS_PROXY: proxy.url };
    for (const name of ["registry.test", "registry.test:443"]) {
      const roots = await mkdtemp(join(home, "certs-"));
      await mkdir(join(roots, name));
      await writeFile(join(roots, name, "ca.crt"), await readFile(certificate));
      for (const [host, options] of [
        ["registry.test:443", { certificateRoots: [roots] }],
        [name, { certificateRoots: [], insecureRegistries: [name] }],
      ] as const) {
        await push(host, "tls/port", session(env, options));
        expect(await pull(host, "tls/port", session(env, options))).toBe(image.root.digest);
      }
    }
    const other = { certificateRoots: [], insecureRegistries: ["registry.test:80", "registry.test:5000"] };
    await expect(pull("registry.test:443", "tls/port", session(env, other))).rejects.toThrow(/not trusted/);
  });

  it("is reached through a proxy that is reached over TLS, and so is one in plain", async () => {
    const secure = await startRegistry({ tls: { certificate, key } });
    const plain = await startRegistry();
    const pem = { cert: await readFile(certificate, "utf8"), key: await readFile(key, "utf8") };
    const proxy = await startConnectProxy({}, pem);
    cleanups.push(secure.stop, plain.stop, proxy.stop);
    const env = { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url, SSL_CERT_FILE: certificate };
    for (const { host } of [secure, plain]) {
      const name = `registry.test:${host.split(":")[1]}`;
      const options = { certificateRoots: [], insecureRegistries: host === plain.host ? [name] : [] };
      await push(name, "tls/proxy", session(env, options));
      expect(await pull(name, "tls/proxy", session(env, options))).toBe(image.root.digest);
    }
    expect(proxy.requests).toContain(`CONNECT registry.test:${secure.host.split(":")[1]}`);
    expect(proxy.requests.some((line) => line.startsWith("PUT http://registry.test:"))).toBe(true);
    // Its certificate is looked at as the registry's is.
    const blind = session({ HTTPS_PROXY: proxy.url }, { certificateRoots: [] });
    await expect(pull("registry.test:1", "tls/proxy", blind)).rejects.toThrow(/certificate|self-signed/);
  });

  it("refuses what certs.d holds in place of a client certificate, and says where", async () => {
    const roots = await mkdtemp(join(home, "certs-"));
    await mkdir(join(roots, registry.host));
    const texts = { certificate: await readFile(certificate, "utf8"), key: await readFile(key, "utf8") };
    const strange = execFileSync("openssl", ["genrsa", "2048"], { stdio: ["ignore", "pipe", "ignore"] }).toString();
    for (const [cert, own] of [
      ["none", texts.key],
      [texts.certificate, "none"],
      [texts.certificate, strange],
    ] as const) {
      await writeFile(join(roots, registry.host, "client.cert"), cert);
      await writeFile(join(roots, registry.host, "client.key"), own);
      await expect(pull(registry.host, "tls/x", session({}, { certificateRoots: [roots] }))).rejects.toMatchObject({
        code: "INPUT_UNREADABLE",
        where: join(roots, registry.host),
      });
    }
  });

  it("does not send our client certificate, or go to plain HTTP, where it redirects", async () => {
    const seen: [path: string | undefined, client: string | undefined, authorization: string | undefined][] = [];
    const options = { cert: await readFile(certificate), key: await readFile(key), requestCert: true };
    const far = createSecureServer({ ...options, rejectUnauthorized: false }, (request, response) => {
      const { subject } = (request.socket as TLSSocket).getPeerCertificate();
      seen.push([request.url, subject?.CN, request.headers.authorization]);
      response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => far.listen(0, "127.0.0.1", resolve));
    const away = `127.0.0.1:${(far.address() as AddressInfo).port}`;
    let target = `https://${away}/away`;
    const near = createSecureServer({ ...options, rejectUnauthorized: false }, (request, response) => {
      const { subject } = (request.socket as TLSSocket).getPeerCertificate();
      seen.push([request.url?.slice(0, 4), subject?.CN, request.headers.authorization]);
      if (request.headers.authorization) response.writeHead(307, { location: target }).end();
      else response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
    });
    await new Promise<void>((resolve) => near.listen(0, "127.0.0.1", resolve));
    const host = `127.0.0.1:${(near.address() as AddressInfo).port}`;
    for (const server of [far, near]) {
      cleanups.push(() => {
        server.closeAllConnections();
        return new Promise((resolve) => server.close(resolve));
      });
    }
    const roots = await mkdtemp(join(home, "certs-"));
    for (const name of [host, away]) {
      await mkdir(join(roots, name));
      await writeFile(join(roots, name, "ca.crt"), await readFile(certificate));
    }
    await writeFile(join(roots, host, "client.cert"), await readFile(certificate));
    await writeFile(join(roots, host, "client.key"), await readFile(key));
    const docker = await dockerConfig({ auths: { [host]: { auth: pair("user", "secret") } } });
    // Loopback is asked in plain first, which a TLS server does not understand.
    const ask = () => pull(host, "tls/x", session(docker, { certificateRoots: [roots] }));
    await expect(ask()).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
    expect(seen.at(-2)).toEqual(["/v2/", "localhost", `Basic ${pair("user", "secret")}`]);
    expect(seen.at(-1)).toEqual(["/away", undefined, undefined]);
    target = `http://${away}/away`;
    seen.length = 0;
    await expect(ask()).rejects.toMatchObject({ message: expect.stringContaining("from HTTPS to plain HTTP") });
    expect(seen.every(([path]) => path === "/v2/")).toBe(true);
  });

  it("is trusted by SSL_CERT_FILE", async () => {
    const plain = await startRegistry({ tls: { certificate, key } });
    cleanups.push(plain.stop);
    await push(plain.host, "tls/y", session({ SSL_CERT_FILE: certificate }, { certificateRoots: [] }));
    await expect(pull(plain.host, "tls/y", session({}, { certificateRoots: [] }))).rejects.toMatchObject({
      message: expect.stringContaining("not trusted"),
    });
    const insecure = { certificateRoots: [], insecureRegistries: [plain.host] };
    expect(await pull(plain.host, "tls/y", session({}, insecure))).toBe(image.root.digest);
  });
});

describe("a stranger", () => {
  /** A server that answers everything as told, and remembers what it was asked. */
  async function stranger(answer: (request: IncomingMessage) => { status: number; headers: Record<string, string> }) {
    const seen: IncomingMessage[] = [];
    const server = createServer((request, response) => {
      seen.push(request);
      request.resume();
      const { status, headers } = answer(request);
      response.writeHead(status, headers).end();
    });
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    cleanups.push(
      () =>
        new Promise((resolve) => {
          server.close(resolve);
          server.closeAllConnections();
        }),
    );
    return { host: `127.0.0.1:${port}`, seen };
  }

  it("at the end of a redirect does not get the password of the registry that sent us there", async () => {
    const other = await stranger(() => ({ status: 404, headers: {} }));
    const first = await stranger((request) =>
      request.headers.authorization
        ? { status: 307, headers: { location: `http://${other.host}/elsewhere` } }
        : { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } },
    );
    const docker = await dockerConfig({ auths: { [first.host]: { auth: pair("user", "secret") } } });
    await expect(pull(first.host, "a/b", session(docker))).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
    expect(first.seen.at(-1)!.headers.authorization).toBe(`Basic ${pair("user", "secret")}`);
    expect(other.seen).toHaveLength(1);
    expect(other.seen[0]!.headers.authorization).toBeUndefined();
  });

  it("does not get a refresh token by redirecting the token request", async () => {
    const other = await stranger(() => ({ status: 200, headers: {} }));
    const first: Awaited<ReturnType<typeof stranger>> = await stranger((request) =>
      request.url === "/token"
        ? { status: 307, headers: { location: `http://${other.host}/steal` } }
        : { status: 401, headers: { "www-authenticate": `Bearer realm="http://${request.headers.host}/token"` } },
    );
    const docker = await dockerConfig({ auths: { [first.host]: { identitytoken: "refresh" } } });
    await expect(pull(first.host, "a/b", session(docker))).rejects.toThrow(/another host/);
    expect(other.seen).toHaveLength(0);
  });

  it("as a realm that is no web address or has no TLS gets nothing", async () => {
    for (const realm of [
      "file:///etc/passwd",
      "gopher://x/",
      "http://registry.invalid/",
      "http://u:p@127.0.0.1/",
      "::",
    ]) {
      const host = await stranger(() => ({ status: 401, headers: { "www-authenticate": `Bearer realm="${realm}"` } }));
      const docker = await dockerConfig({ auths: { [host.host]: { auth: pair("user", "secret") } } });
      await expect(pull(host.host, "a/b", session(docker))).rejects.toMatchObject({
        code: "AUTH_REQUIRED",
        hint: expect.stringContaining("No credentials were sent"),
      });
      expect(host.seen.every(({ headers }) => headers.authorization === undefined)).toBe(true);
    }
  });

  it("who redirects for ever is left after a few rounds", async () => {
    const host = await stranger((request) => ({ status: 302, headers: { location: `${request.url}x` } }));
    await expect(pull(host.host, "a/b", session())).rejects.toThrow(/redirects without an end/);
    expect(host.seen.length).toBeLessThan(30);
  });
});
