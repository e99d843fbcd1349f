/**
 * A reverse proxy between a client and a registry, or an engine, that does harm to one chosen request and passes on all others.
 *
 * Requests are counted from 0 as they arrive, so a test can run one transfer without a fault to learn how many there are,
 * and then one transfer for each request and each fault.
 */
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";

/** What happens to the chosen request. */
export type Fault =
  /** The connection is closed before anything is answered; `request` lets the registry have the request first. */
  | { readonly kind: "cut"; readonly when: "before" | "request" | "headers" | "body" }
  /** The answer comes late. Milliseconds. */
  | { readonly kind: "delay"; readonly milliseconds: number }
  /** The answer never comes. */
  | { readonly kind: "hang" }
  /** One byte of the answer's body, or of the request's, is another one. */
  | { readonly kind: "corrupt"; readonly what: "answer" | "request" }
  | { readonly kind: "status"; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** The body ends early, though the length was right or not given. */
  | { readonly kind: "short" }
  /** The body does not end. */
  | { readonly kind: "endless" }
  | { readonly kind: "redirect"; readonly location: string; readonly status?: number }
  | { readonly kind: "challenge"; readonly header: string }
  /** Not HTTP at all. */
  | { readonly kind: "garbage" };

export interface FaultProxy {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** `METHOD PATH` of every request so far, in order of arrival. */
  readonly requests: string[];
  /** Forgets what was counted, and does `fault` to request number `at`, for `times` requests in a row. */
  arm(at: number, fault: Fault | undefined, times?: number): void;
  stop(): Promise<void>;
}

/** Starts a proxy in front of `upstream` (`127.0.0.1:PORT`, or `unix:///path`). */
export async function startFaultProxy(upstream: string): Promise<FaultProxy> {
  const requests: string[] = [];
  let armed: { at: number; fault: Fault | undefined; times: number } = { at: -1, fault: undefined, times: 1 };
  const server: Server = createServer((incoming, outgoing) => {
    const number = requests.length;
    requests.push(`${incoming.method} ${incoming.url?.split("?")[0]}`);
    const hit = armed.fault && number >= armed.at && number < armed.at + armed.times;
    outgoing.on("error", () => {});
    incoming.on("error", () => {});
    handle(incoming, outgoing, upstream, hit ? armed.fault : undefined);
  });
  server.requestTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    host: `127.0.0.1:${port}`,
    requests,
    arm(at, fault, times = 1) {
      requests.length = 0;
      armed = { at, fault, times };
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function handle(incoming: IncomingMessage, outgoing: ServerResponse, upstream: string, fault: Fault | undefined): void {
  const cut = (): void => {
    incoming.socket.destroy();
  };
  switch (fault?.kind) {
    case "hang":
      return;
    case "garbage":
      incoming.socket.end("SSH-2.0-OpenSSH_9.2\r\n\r\n");
      return;
    case "status":
      incoming.resume();
      outgoing.writeHead(fault.status, { "content-type": "application/json", ...fault.headers });
      outgoing.end(JSON.stringify({ errors: [{ code: "UNAVAILABLE", message: "out\u001b[31m of order" }] }));
      return;
    case "redirect":
      incoming.resume();
      outgoing.writeHead(fault.status ?? 307, { location: fault.location }).end();
      return;
    case "challenge":
      incoming.resume();
      outgoing.writeHead(401, { "www-authenticate": fault.header }).end();
      return;
    case "endless": {
      outgoing.writeHead(200, { "content-type": "application/vnd.oci.image.manifest.v1+json" });
      incoming.resume();
      // An answer to HEAD has no body, and Node takes writes to it for ever.
      if (incoming.method === "HEAD") {
        outgoing.end();
        return;
      }
      const more = (): void => {
        while (!outgoing.destroyed && outgoing.write(Buffer.alloc(65536, 0x20)));
      };
      outgoing.on("drain", more);
      more();
      return;
    }
    case "cut":
      if (fault.when === "before") {
        cut();
        return;
      }
      break;
    case "delay":
      setTimeout(() => forward(incoming, outgoing, upstream, fault, cut), fault.milliseconds);
      return;
  }
  forward(incoming, outgoing, upstream, fault, cut);
}

function forward(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  upstream: string,
  fault: Fault | undefined,
  cut: () => void,
): void {
  const [hostname, port] = upstream.split(":");
  const place = upstream.startsWith("unix://") ? { socketPath: upstream.slice("unix://".length) } : { hostname, port };
  const request = httpRequest(
    // The registry makes its Locations from Host, and they must lead back here. Connections are not shared, so that the
    // harm done to one request does not reach another.
    { agent: false, ...place, method: incoming.method, path: incoming.url, headers: incoming.headers },
    (response) => {
      if (fault?.kind === "cut" && fault.when === "request") {
        response.resume();
        cut();
        return;
      }
      outgoing.writeHead(response.statusCode!, response.headers);
      outgoing.flushHeaders();
      if (fault?.kind === "cut" && fault.when === "headers") {
        response.resume();
        cut();
        return;
      }
      let seen = 0;
      response.on("data", (chunk: Buffer) => {
        const isFirst = seen === 0;
        seen += chunk.length;
        if (fault?.kind === "cut" && fault.when === "body") {
          outgoing.write(chunk.subarray(0, chunk.length >> 1), cut);
          response.destroy();
        } else if (fault?.kind === "short") {
          outgoing.write(chunk.subarray(0, chunk.length >> 1), () => incoming.socket.end());
          response.destroy();
        } else if (fault?.kind === "corrupt" && fault.what === "answer" && isFirst) {
          outgoing.write(damaged(chunk));
        } else outgoing.write(chunk);
      });
      response.on("end", () => outgoing.end());
      response.on("error", () => outgoing.destroy());
    },
  );
  request.on("error", () => incoming.socket.destroy());
  let sent = 0;
  incoming.on("data", (chunk: Buffer) => {
    const isFirst = sent === 0;
    sent += chunk.length;
    request.write(fault?.kind === "corrupt" && fault.what === "request" && isFirst ? damaged(chunk) : chunk);
  });
  incoming.on("end", () => request.end());
}

/** The same length, one byte in the middle changed, as a broken cable or memory would. */
function damaged(chunk: Buffer): Buffer {
  const copy = Buffer.from(chunk);
  const middle = copy.length >> 1;
  copy[middle] = copy[middle]! ^ 1;
  return copy;
}
