/** An engine, or what stands before it, that answers a load before it has read the archive. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { DockerEngine } from "../../../packages/cli/src/store/docker-engine.ts";
import { EngineSink } from "../../../packages/cli/src/store/engine-sink.ts";
import { descriptorOf } from "../../contract/sample-image.ts";

const FACTS = { keepsManifests: false, platform: "linux/amd64", contentFolders: [] };
/** Far more than what the connection takes by itself. */
const LAYER = Buffer.alloc(48 << 20, "layer");

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** The failure of sending a large layer to an engine that answers so at the first byte, and closes the connection or does not read on. */
async function failureWith(status: number, body: string, closes: boolean): Promise<unknown> {
  server = createServer((request, response) => {
    request.on("error", () => {});
    request.once("data", () => {
      request.pause();
      response.writeHead(status, { "Content-Type": "application/json" });
      response.end(body, () => {
        if (closes) request.socket.destroy();
      });
    });
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const engine = new DockerEngine({ kind: "tcp", host: "127.0.0.1", port });
  const sink = new EngineSink(engine, FACTS, "app:1", { env: {}, names: [] });
  const layer = descriptorOf("application/vnd.oci.image.layer.v1.tar", LAYER);
  const content = async function* () {
    for (let at = 0; at < LAYER.length; at += 1 << 16) yield LAYER.subarray(at, at + (1 << 16));
  };
  try {
    await sink.put(layer, content());
    return undefined;
  } catch (cause) {
    return cause;
  } finally {
    await sink.close();
  }
}

describe("a load that is answered before the archive was read", () => {
  it.each([
    ["413, and closes", 413, '{"message":"too large"}', true, /DAEMON_FAILED .*413.*too large/],
    ["413, and reads no more", 413, '{"message":"too large"}', false, /DAEMON_FAILED .*413.*too large/],
    [
      "200 with an error, and closes",
      200,
      '{"errorDetail":{"message":"no space left"}}',
      true,
      /DAEMON_FAILED .*no space left/,
    ],
    [
      "200 with an error, and reads no more",
      200,
      '{"errorDetail":{"message":"no space left"}}',
      false,
      /DAEMON_FAILED .*no space left/,
    ],
    ["200 and nothing, and reads no more", 200, "", false, /DAEMON_FAILED .*before it had the whole archive/],
  ] as const)("is told by the answer: %s", { timeout: 20_000 }, async (_, status, body, closes, told) => {
    const cause = (await failureWith(status, body, closes)) as { code?: string; message?: string };
    expect(`${cause?.code} ${cause?.message}`).toMatch(told);
  });
});

describe("an engine that takes nothing more", () => {
  it("does not keep a run from ending", async () => {
    server = createServer((request) => request.on("error", () => {}).pause());
    await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const sink = new EngineSink(new DockerEngine({ kind: "tcp", host: "127.0.0.1", port }), FACTS, "app:1", {
      env: {},
      names: [],
    });
    const layer = descriptorOf("application/vnd.oci.image.layer.v1.tar", LAYER);
    let sent = 0;
    const content = async function* () {
      for (; sent < LAYER.length; sent += 1 << 16) yield LAYER.subarray(sent, sent + (1 << 16));
    };
    const put = sink.put(layer, content()).catch((cause: Error) => cause.message);
    // It goes on until the connection is full, and then stands still.
    for (let before = -1; sent === 0 || sent !== before; await sleep(300)) before = sent;
    expect(sent).toBeLessThan(LAYER.length);
    await sink.close();
    expect(await put).toBe("the upload was given up");
  });
});
