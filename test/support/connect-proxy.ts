/** A real HTTP proxy for tests: tunnels by CONNECT, forwards plain requests, wants a password, and knows hosts of its own. */
import { createServer, request as httpRequest } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { connect } from "node:net";

export interface ConnectProxy {
  /** Its URL, with the user and password that it wants. */
  readonly url: string;
  /** Its URL without them. */
  readonly bareUrl: string;
  /** `CONNECT HOST:PORT` or `METHOD URL` of every request that it let through. */
  readonly requests: string[];
  /** How many requests it refused for want of the password. */
  refused: number;
  stop(): Promise<void>;
}

/**
 * Starts one that reaches every host under `.test` on loopback, at the same port unless `ports` has another for it; other hosts
 * it does not reach. With a certificate it is itself reached over TLS.
 */
export async function startConnectProxy(
  ports: Readonly<Record<string, string>> = {},
  tls?: { readonly cert: string; readonly key: string },
): Promise<ConnectProxy> {
  const expected = `Basic ${Buffer.from("user:pass word").toString("base64")}`;
  const requests: string[] = [];
  const sockets = new Set<{ destroy(): void }>();
  const server = tls ? createSecureServer(tls) : createServer();
  server.on("request", (incoming, outgoing) => {
    if (incoming.headers["proxy-authorization"] !== expected) {
      proxy.refused++;
      outgoing.writeHead(407).end();
      return;
    }
    requests.push(`${incoming.method} ${incoming.url}`);
    const url = new URL(incoming.url ?? "");
    const { "proxy-authorization": _, ...headers } = incoming.headers;
    const onward = httpRequest(
      {
        host: "127.0.0.1",
        port: ports[url.port || "80"] ?? url.port,
        method: incoming.method,
        path: url.pathname + url.search,
        headers,
        agent: false,
      },
      (response) => {
        outgoing.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(outgoing);
      },
    );
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  });
  server.on("connect", (incoming, client, head) => {
    sockets.add(client);
    client.on("error", () => {});
    if (incoming.headers["proxy-authorization"] !== expected) {
      proxy.refused++;
      client.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
      return;
    }
    const [host, port] = (incoming.url ?? "").split(":") as [string, string];
    if (!host.endsWith(".test")) {
      client.end("HTTP/1.1 403 Forbidden\r\n\r\n");
      return;
    }
    requests.push(`CONNECT ${incoming.url}`);
    const onward = connect(Number(ports[port] ?? port), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      onward.write(head);
      onward.pipe(client).pipe(onward);
    });
    sockets.add(onward);
    onward.on("error", () => client.destroy());
    client.on("close", () => onward.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const proxy: ConnectProxy = {
    url: `${tls ? "https" : "http"}://user:pass%20word@127.0.0.1:${port}`,
    bareUrl: `${tls ? "https" : "http"}://127.0.0.1:${port}`,
    requests,
    refused: 0,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
        server.closeAllConnections();
      }),
  };
  return proxy;
}
