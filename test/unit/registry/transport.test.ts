/** The clocks of an exchange, against a real server that stands still. */
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
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

describe("a connection that its server closes for want of use", () => {
  const sockets = new Set<Socket>();
  let server: ReturnType<typeof createTcpServer>;
  let transport: Transport;
  let requests: string[];
  let url: URL;

  beforeEach(async () => {
    requests = [];
    // It is open until the next request comes, and then it is not: what a server does whose patience ends at that moment.
    server = createTcpServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      let isUsed = false;
      socket.on("data", (bytes) => {
        requests.push(bytes.toString("latin1").split(" ")[0]!);
        if (isUsed) socket.resetAndDestroy();
        else socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        isUsed = true;
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    transport = new Transport({ env: {} });
  });
  afterEach(async () => {
    await transport.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const ask = async (method: "GET" | "HEAD" | "POST" = "GET"): Promise<number> => {
    const answer = await transport.exchange({ method, url });
    await answer.discard();
    return answer.status;
  };

  it("costs a read nothing but another connection, however many rest", async () => {
    await Promise.all([ask(), ask(), ask()]);
    expect(await ask()).toBe(200);
    expect(requests).toHaveLength(3 + 3 + 1);
  });

  it("is told to whoever writes, who knows what has to begin anew", async () => {
    await ask();
    await expect(ask("POST")).rejects.toMatchObject({ retryable: true });
    expect(requests).toEqual(["GET", "POST"]);
  });
});

describe("a request that has to wait for a connection of ours", () => {
  it("is not given up as if its server were silent", async () => {
    const server = createServer(({ url }, answer) => {
      if (url === "/short") answer.end("ok");
      else {
        answer.write("begun");
        setTimeout(() => answer.end("ended"), 600);
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const transport = new Transport({ env: {}, connections: 1, limits: { headers: 200 } });
    try {
      const long = await transport.exchange({ method: "GET", url: new URL(`${origin}/long`) });
      const short = transport.exchange({ method: "GET", url: new URL(`${origin}/short`) });
      expect(Buffer.from(await long.bytes(100)).toString()).toBe("begunended");
      expect(Buffer.from(await (await short).bytes(100)).toString()).toBe("ok");
    } finally {
      await transport.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

describe("a host that is named with the port that its scheme has anyway", () => {
  let proxy: Server;
  const seen: (string | undefined)[] = [];

  beforeEach(async () => {
    seen.length = 0;
    proxy = createServer(({ url, headers }, answer) => {
      seen.push(`${url} ${headers.authorization}`);
      answer.end();
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  });
  afterEach(async () => {
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  });

  it.each([
    ["registry.test:80", true],
    ["registry.test", true],
    ["registry.test:443", false],
    ["registry.test:8080", false],
  ])("as insecure %s gets credentials over plain HTTP at port 80: %s", async (named, gets) => {
    const env = { HTTP_PROXY: `127.0.0.1:${(proxy.address() as AddressInfo).port}` };
    const transport = new Transport({ env, insecure: (host) => host === named });
    const url = new URL("http://registry.test:80/v2/");
    const asked = transport.exchange({ method: "GET", url, authorization: "Basic x" });
    if (gets) await (await asked).discard();
    else await expect(asked).rejects.toThrow(/credentials would go/);
    expect(seen).toEqual(gets ? ["http://registry.test/v2/ Basic x"] : []);
    await transport.close();
  });
});
