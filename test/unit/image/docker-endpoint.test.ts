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
