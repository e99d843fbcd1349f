/**
 * A reverse proxy in front of a real registry that speaks as other registries do: it answers some requests itself, and changes
 * the head of what the registry answers to others.
 */
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";

/** A request as it came. */
export interface Seen {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

/** The head of an answer, to be changed in place. */
export interface Head {
  status: number;
  readonly headers: Record<string, string | readonly string[] | undefined>;
}

export interface Manners {
  /** True when it has taken over the answer; the request's body is thrown away then. */
  readonly before?:
    | ((seen: Seen, outgoing: ServerResponse, incoming: IncomingMessage) => boolean | undefined)
    | undefined;
  readonly after?: (seen: Seen, head: Head) => void;
}

export interface Front {
  /** `ADDRESS:PORT`. */
  readonly host: string;
  readonly seen: Seen[];
  /** How it behaves from now on; what it has seen is forgotten. */
  behave(manners: Manners): void;
  stop(): Promise<void>;
}

/** Starts one in front of `upstream` (`ADDRESS:PORT`). */
export async function startFront(upstream: string, first: Manners = {}): Promise<Front> {
  const seen: Seen[] = [];
  let manners = first;
  const [hostname, port] = upstream.split(":");
  const server = createServer((incoming, outgoing) => {
    const { method = "", url: path = "", headers } = incoming;
    const request: Seen = { method, path, headers };
    seen.push(request);
    incoming.on("error", () => {});
    outgoing.on("error", () => {});
    if (manners.before?.(request, outgoing, incoming)) {
      incoming.resume();
      return;
    }
    // Host is kept: the registry makes its Locations of it.
    const far = httpRequest({ agent: false, hostname, port, method, path, headers }, (answer) => {
      const head: Head = { status: answer.statusCode ?? 0, headers: { ...answer.headers } };
      manners.after?.(request, head);
      const entries = Object.entries(head.headers).filter(([, value]) => value !== undefined);
      outgoing.writeHead(head.status, Object.fromEntries(entries) as Record<string, string>);
      answer.pipe(outgoing);
    });
    far.on("error", () => incoming.socket.destroy());
    incoming.pipe(far);
  });
  server.requestTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `127.0.0.1:${(server.address() as { port: number }).port}`,
    seen,
    behave(next) {
      seen.length = 0;
      manners = next;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
