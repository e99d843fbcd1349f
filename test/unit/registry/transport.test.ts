/** The clocks of an exchange, against a real server that stands still. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Transport } from "../../../packages/cli/src/store/registry/transport.ts";

describe("an answer that begins and then stands still", () => {
  let server: Server;
  let transport: Transport;
  let url: URL;

  beforeEach(async () => {
    server = createServer((_, answer) => {
      answer.writeHead(200);
      answer.write("begun");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  });
  afterEach(async () => {
    await transport.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const start = (limits: { readonly idle: number; readonly small: number }) => {
    transport = new Transport({ env: {}, limits });
    return transport.exchange({ method: "GET", url });
  };

  it("is given up when a small one had to be there, however long a large one may rest", async () => {
    const answer = await start({ idle: 600_000, small: 100 });
    await expect(answer.bytes(1000)).rejects.toThrow("the answer did not end in time");
  });

  it("is let go of by then when nobody wants it", async () => {
    const answer = await start({ idle: 600_000, small: 100 });
    await answer.discard();
  });

  it("is given up when no more of a large one comes", async () => {
    const answer = await start({ idle: 100, small: 600_000 });
    const read = async () => {
      for await (const _ of answer.body());
    };
    await expect(read()).rejects.toThrow("no more of the answer came within 0.1 s");
  });
});
