import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { engineEndpoint } from "../../../packages/cli/src/store/docker-endpoint.ts";
import { DockerEngine, inspectDaemonImage } from "../../../packages/cli/src/store/docker-engine.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "initwrap-endpoint-"));
  const id = createHash("sha256").update("far").digest("hex");
  mkdirSync(join(folder, "contexts/meta", id), { recursive: true });
  mkdirSync(join(folder, "contexts/tls", id, "docker"), { recursive: true });
  const meta = { Name: "far", Endpoints: { docker: { Host: "tcp://far.example:2376", SkipTLSVerify: false } } };
  writeFileSync(join(folder, "contexts/meta", id, "meta.json"), JSON.stringify(meta));
  writeFileSync(join(folder, "contexts/tls", id, "docker/ca.pem"), "CA");
  writeFileSync(join(folder, "config.json"), JSON.stringify({ currentContext: "far" }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const FAR = { kind: "tcp", host: "far.example", port: 2376, tls: { ca: "CA", skipVerify: false } };

describe("the engine's endpoint", () => {
  it("is DOCKER_HOST, else the context, else the default socket", () => {
    expect(engineEndpoint({ DOCKER_HOST: "unix:///x.sock", DOCKER_CONFIG: folder })).toEqual({
      kind: "unix",
      path: "/x.sock",
    });
    expect(engineEndpoint({ DOCKER_HOST: "tcp://[::1]:99" })).toEqual({ kind: "tcp", host: "::1", port: 99 });
    expect(engineEndpoint({ DOCKER_CONFIG: folder })).toEqual(FAR);
    expect(engineEndpoint({ DOCKER_CONTEXT: "far", DOCKER_CONFIG: folder })).toEqual(FAR);
    expect(engineEndpoint({ DOCKER_CONTEXT: "default", DOCKER_CONFIG: folder })).toMatchObject({
      path: "/var/run/docker.sock",
    });
    expect(engineEndpoint({ HOME: "/nowhere" })).toMatchObject({ path: "/var/run/docker.sock" });
  });

  it.each([
    ["127.0.0.1:9", "127.0.0.1", 9, undefined],
    [":9", "localhost", 9, undefined],
    ["tcp://:9", "localhost", 9, undefined],
    ["tcp://", "localhost", 2375, undefined],
    ["tcp://10.0.0.1", "10.0.0.1", 2375, undefined],
    ["10.0.0.1", "10.0.0.1", 2375, undefined],
    [" tcp://10.0.0.1:9 ", "10.0.0.1", 9, undefined],
    ["tcp://10.0.0.1:9/", "10.0.0.1", 9, undefined],
    ["tcp://10.0.0.1:9/engines/a", "10.0.0.1", 9, "/engines/a"],
  ])("is in %j what it is for the docker CLI", (DOCKER_HOST, host, port, basePath) => {
    expect(engineEndpoint({ DOCKER_HOST })).toEqual({ kind: "tcp", host, port, ...(basePath ? { basePath } : {}) });
  });

  it("has TLS by DOCKER_TLS_VERIFY, and by DOCKER_TLS without a check of the engine", () => {
    const tls = { DOCKER_CERT_PATH: join(folder, "certificates") };
    mkdirSync(tls.DOCKER_CERT_PATH, { recursive: true });
    for (const name of ["ca", "cert", "key"]) writeFileSync(join(tls.DOCKER_CERT_PATH, `${name}.pem`), name);
    const files = { ca: "ca", cert: "cert", key: "key" };
    const near = { kind: "tcp", host: "localhost", port: 2376 };
    const far = { ...near, host: "10.0.0.1" };
    expect(engineEndpoint({ ...tls, DOCKER_HOST: "tcp://10.0.0.1", DOCKER_TLS_VERIFY: "1" })).toEqual({
      ...far,
      tls: files,
    });
    expect(engineEndpoint({ ...tls, DOCKER_HOST: "tcp://10.0.0.1", DOCKER_TLS: "1" })).toEqual({
      ...far,
      tls: { ...files, skipVerify: true },
    });
    expect(engineEndpoint({ ...tls, HOME: "/nowhere", DOCKER_TLS_VERIFY: "1" })).toEqual({ ...near, tls: files });
    expect(engineEndpoint({ ...tls, DOCKER_HOST: "unix:///x.sock", DOCKER_TLS_VERIFY: "1" })).toEqual({
      kind: "unix",
      path: "/x.sock",
    });
  });

  it("is a context's, DOCKER_HOST before it, and never the default one where the context is broken", () => {
    const id = createHash("sha256").update("other").digest("hex");
    const meta = join(folder, "contexts/meta", id);
    mkdirSync(meta, { recursive: true });
    const env = { DOCKER_CONTEXT: "other", DOCKER_CONFIG: folder };
    const withMeta = (text: string) => {
      writeFileSync(join(meta, "meta.json"), text);
      return () => engineEndpoint(env);
    };
    const endpoint = (docker: object): string => JSON.stringify({ Name: "other", Endpoints: { docker } });
    expect(withMeta(endpoint({ Host: "tcp://10.0.0.1:9", SkipTLSVerify: true }))()).toEqual({
      kind: "tcp",
      host: "10.0.0.1",
      port: 9,
      tls: { skipVerify: true },
    });
    expect(withMeta(endpoint({}))()).toMatchObject({ path: "/var/run/docker.sock" });
    expect(engineEndpoint({ ...env, DOCKER_HOST: "unix:///x.sock" })).toMatchObject({ path: "/x.sock" });
    for (const text of ["{bad", "null", '{"Name":"other"}', '{"Endpoints":{"docker":"tcp://x"}}']) {
      expect(withMeta(text), text).toThrow(
        expect.objectContaining({
          code: "LOCATOR_INVALID",
          message: expect.stringContaining("the Docker context other"),
        }),
      );
    }
    expect(withMeta(endpoint({ Host: "npipe:////./pipe/docker_engine" }))).toThrow(
      expect.objectContaining({
        code: "LOCATOR_INVALID",
        where: "the Docker context other",
        hint: expect.stringContaining("Named pipes of Windows are not spoken here"),
      }),
    );
  });

  it("may be behind ssh", () => {
    const program = "docker";
    expect(engineEndpoint({ DOCKER_HOST: "ssh://host" })).toEqual({ kind: "ssh", host: "host", program });
    expect(engineEndpoint({ DOCKER_HOST: "ssh://me@10.0.0.1:2222/run/docker.sock" })).toEqual({
      kind: "ssh",
      user: "me",
      host: "10.0.0.1",
      port: 2222,
      socket: "/run/docker.sock",
      program,
    });
  });

  it("is refused when it is none", () => {
    for (const env of [
      { DOCKER_HOST: "ssh://me:secret@host" },
      { DOCKER_HOST: "ssh://-oProxyCommand=x" },
      { DOCKER_HOST: "ssh://host/run/$(x).sock" },
      { DOCKER_HOST: "gopher://x" },
      { DOCKER_HOST: "fd://" },
      { DOCKER_HOST: "npipe:////./pipe/docker_engine" },
      { DOCKER_HOST: "unix:/var/run/docker.sock" },
      { DOCKER_HOST: "/var/run/docker.sock" },
      { DOCKER_HOST: "tcp://user:secret@host:1" },
      { DOCKER_HOST: "tcp://host:65536" },
      { DOCKER_HOST: "tcp://host:1/?x=1" },
      { DOCKER_CONTEXT: "none", HOME: "/nowhere" },
    ]) {
      expect(() => engineEndpoint(env)).toThrow(expect.objectContaining({ code: "LOCATOR_INVALID" }));
    }
  });
});

describe("an engine that is not there", () => {
  it("is told apart: no socket, nobody listening, no answer", async () => {
    const reasons = async (host: string): Promise<string> =>
      inspectDaemonImage("x:1", { env: { DOCKER_HOST: host }, timeout: 300 }).then(
        () => "an answer",
        (cause: { code: string; message: string }) => `${cause.code} ${cause.message}`,
      );
    expect(await reasons(`unix://${folder}/none.sock`)).toMatch(/DAEMON_UNREACHABLE .*no socket/);
    expect(await reasons("tcp://127.0.0.1:9")).toMatch(/DAEMON_UNREACHABLE .*refused/);
    const path = join(folder, "mute.sock");
    const server = createServer(() => {}).listen(path);
    await new Promise((resolve) => server.once("listening", resolve));
    expect(await reasons(`unix://${path}`)).toMatch(/DAEMON_UNREACHABLE .*no answer within 0.3 s/);
    server.close();
  });

  it("is looked for where a rootless one is", async () => {
    writeFileSync(join(folder, "docker.sock"), "");
    const env = { DOCKER_HOST: `unix://${folder}/none.sock`, XDG_RUNTIME_DIR: folder };
    await expect(inspectDaemonImage("x:1", { env })).rejects.toMatchObject({
      code: "DAEMON_UNREACHABLE",
      hint: `Start the engine, or set DOCKER_HOST to where it listens: a rootless engine is at unix://${folder}/docker.sock.`,
    });
  });

  it("is not asked in a version that is none", async () => {
    const env = { DOCKER_HOST: `unix://${folder}/none.sock`, DOCKER_API_VERSION: "1.41/../x" };
    await expect(inspectDaemonImage("x:1", { env })).rejects.toMatchObject({
      code: "LOCATOR_INVALID",
      where: "DOCKER_API_VERSION",
    });
  });

  it("may be no engine at all", async () => {
    const path = join(folder, "other.sock");
    const server = createServer((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
    }).listen(path);
    await new Promise((resolve) => server.once("listening", resolve));
    await expect(new DockerEngine({ kind: "unix", path }).json("/x")).rejects.toMatchObject({ code: "DAEMON_FAILED" });
    server.close();
  });
});
