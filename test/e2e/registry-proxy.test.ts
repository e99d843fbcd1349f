/** `initwrap image` as a process behind a company's proxy: tunnels, forwarded requests, exemptions, CAs, client certificates. */
import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RegistrySession } from "../../packages/cli/src/store/registry/session.ts";
import { sampleImage } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { type CliResult, initwrap } from "../support/cli.ts";
import { type ConnectProxy, startConnectProxy } from "../support/connect-proxy.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { putImage, readWhole } from "../support/registry-image.ts";

const image = sampleImage({ layers: ["small\n"] });
let folder: string;
let proxy: ConnectProxy;
/** Over TLS, with a certificate for `registry.test`, and with a demand for the client's. */
let secure: TestRegistry;
let plain: TestRegistry;
let certificate: string;

beforeAll(async () => {
  if (!registryAvailable) return;
  folder = await mkdtemp(join(tmpdir(), "initwrap-proxy-"));
  certificate = join(folder, "tls.crt");
  const key = join(folder, "tls.key");
  const names = "subjectAltName=DNS:registry.test,IP:127.0.0.1";
  execFileSync(
    "openssl",
    // biome-ignore format: one option and its value a line says less.
    ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=registry.test", "-addext", names, "-keyout", key, "-out", certificate],
    { stdio: "ignore" },
  );
  [secure, plain, proxy] = await Promise.all([
    startRegistry({ tls: { certificate, key }, clientCas: [certificate] }),
    startRegistry(),
    startConnectProxy(),
  ]);
  for (const home of ["home", "no-client"]) {
    const certs = join(folder, home, ".docker/certs.d", named(secure));
    await mkdir(certs, { recursive: true });
    await cp(certificate, join(certs, "ca.crt"));
    if (home === "no-client") continue;
    await cp(certificate, join(certs, "client.cert"));
    await cp(key, join(certs, "client.key"));
  }
  const roots = join(folder, "roots");
  await cp(join(folder, "home/.docker/certs.d", named(secure)), join(roots, secure.host), { recursive: true });
  for (const { host } of [secure, plain]) {
    const session = new RegistrySession({ env: { HOME: "/nonexistent" }, certificateRoots: [roots] });
    await putImage(`${host}/app:1`, image, session);
    await session.close();
  }
});
afterAll(async () => {
  await Promise.all([secure?.stop(), plain?.stop(), proxy?.stop()]);
  if (folder) await rm(folder, { recursive: true });
});
beforeEach((context) => {
  requireCapability(context, "docker-registry", registryAvailable);
  proxy.requests.length = 0;
  proxy.refused = 0;
});

/** A registry under a name that only the proxy can find. */
function named({ host }: TestRegistry): string {
  return `registry.test:${host.split(":")[1]}`;
}

/** Every variable that could lead elsewhere is empty. */
function quiet(): Record<string, string> {
  const clean = { HTTP_PROXY: "", HTTPS_PROXY: "", NO_PROXY: "", http_proxy: "", https_proxy: "", no_proxy: "" };
  const home = { HOME: join(folder, "home"), XDG_CONFIG_HOME: "", DOCKER_CONFIG: "", REGISTRY_AUTH_FILE: "" };
  return { ...clean, ...home, SSL_CERT_FILE: "" };
}

/** Wraps `app:1`. */
function wrap(registry: TestRegistry, env: Record<string, string>, ...flags: string[]): Promise<CliResult> {
  const place = named(registry);
  return initwrap(["image", `registry:${place}/app:1`, "-t", `${place}/app:init`, ...flags], {
    env: { ...quiet(), ...env },
  });
}

describe("a registry behind a proxy", () => {
  it("is reached through a tunnel, with its CA and our client certificate from certs.d", async () => {
    const result = await wrap(secure, { HTTPS_PROXY: proxy.url });
    expect(result.stderr).not.toContain("pass");
    expect(result.status, result.stderr).toBe(0);
    expect(new Set(proxy.requests)).toEqual(new Set([`CONNECT ${named(secure)}`]));
    const session = new RegistrySession({
      env: { HOME: "/nonexistent" },
      certificateRoots: [join(folder, "roots")],
    });
    const found = await readWhole(`${secure.host}/app:init`, session);
    await session.close();
    expect(result.stdout.toString()).toContain(found.digest);
  });

  it("is not talked to without the client certificate that it wants, nor with a CA that nobody knows", async () => {
    const without = await wrap(secure, { HTTPS_PROXY: proxy.url, HOME: join(folder, "no-client") });
    expect([without.status, without.stdout.length]).toEqual([6, 0]);
    const unknown = await wrap(secure, { HTTPS_PROXY: proxy.url, HOME: folder });
    expect(unknown.status).toBe(6);
    expect(unknown.stderr).toMatch(/certificate of registry\.test:\d+ is not trusted/);
  });

  it("is not reached when the proxy wants a password that it does not get, which is said", async () => {
    const result = await wrap(secure, { HTTPS_PROXY: proxy.bareUrl });
    expect(result.status).toBe(6);
    expect(result.stderr).toMatch(/proxy 127\.0\.0\.1:\d+ answered 407/);
    expect(proxy.requests).toEqual([]);
    expect(proxy.refused).toBe(1);
  });

  it.each([
    ["socks5://user:secret-word@127.0.0.1:1080", "a proxy by socks5 is not supported"],
    ["http://user:secret-word%@127.0.0.1:1080", "has a % that is none"],
    ["http://user:secret-word@127.0.0.1:108000", "holds no URL of a proxy"],
  ])("is not asked at all where the variable holds %s", async (value, words) => {
    const result = await wrap(secure, { HTTPS_PROXY: value });
    expect([result.status, result.stdout.length]).toEqual([6, 0]);
    expect(result.stderr).toContain(words);
    expect(result.stderr).not.toContain("secret-word");
  });

  it("is asked directly when NO_PROXY names it, and there is no such host then", async () => {
    const result = await wrap(secure, { HTTPS_PROXY: proxy.url, NO_PROXY: ".test" });
    expect(result.status).toBe(6);
    expect(proxy.requests).toEqual([]);
  });

  it("over plain HTTP is forwarded to, for a host that --insecure-registry names", async () => {
    const env = { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url };
    const refused = await wrap(plain, env);
    expect(refused.status).toBe(6);
    expect(proxy.requests.every((line) => line.startsWith("CONNECT"))).toBe(true);
    const result = await wrap(plain, env, "--insecure-registry", named(plain));
    expect(result.status, result.stderr).toBe(0);
    expect(proxy.requests).toContain(`PUT http://${named(plain)}/v2/app/manifests/init`);
    const session = new RegistrySession({ env: { HOME: "/nonexistent" } });
    const found = await readWhole(`${plain.host}/app:init`, session);
    await session.close();
    expect(result.stdout.toString()).toContain(found.digest);
  });

  it("over plain HTTP is asked for a base image, where a flag, a variable or the configuration file names it", async () => {
    const cwd = await mkdtemp(join(folder, "base-"));
    await writeFile(join(cwd, "Dockerfile"), `FROM ${named(plain)}/app:1\n`);
    const env = { ...quiet(), HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, DOCKER_HOST: "unix:///nowhere" };
    const dockerfile = (flags: readonly string[], more = {}) =>
      initwrap(["dockerfile", "--check", ...flags], { cwd, env: { ...env, ...more } });
    expect((await dockerfile([])).stderr).toContain("BASE_UNKNOWN");
    expect((await dockerfile(["--insecure-registry", named(plain)])).stderr).toContain("would change");
    expect((await dockerfile([], { INITWRAP_INSECURE_REGISTRY: named(plain) })).stderr).toContain("would change");
    await writeFile(join(cwd, ".initwrap.yaml"), `insecure-registry: ${named(plain)}\n`);
    expect((await dockerfile([])).stderr).toContain("would change");
    const { stdout } = await initwrap(["inspect", "--json"], { cwd, env });
    expect(JSON.parse(stdout.toString()).subjects[0].cmd.known).toBe(true);
  });
});
