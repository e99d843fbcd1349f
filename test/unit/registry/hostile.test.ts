/** Registries that break HTTP itself, byte by byte: each ends soon, in little memory, with a coded error or the right manifest. */
import { createServer, type Server, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { parseReference } from "../../../packages/cli/src/model/reference.ts";
import { attachmentsTo } from "../../../packages/cli/src/store/registry/attachments.ts";
import { RegistryClient } from "../../../packages/cli/src/store/registry/client.ts";
import { RegistrySession, type SessionOptions } from "../../../packages/cli/src/store/registry/session.ts";
import { openRegistrySource } from "../../../packages/cli/src/store/registry/source.ts";
import { sampleImage } from "../../contract/sample-image.ts";

const image = sampleImage();
const manifest = Buffer.from(image.blobs.at(-1)!.bytes);
const TYPE = "application/vnd.oci.image.manifest.v1+json";
const OPTIONS: SessionOptions = {
  env: { HOME: "/nonexistent" },
  retry: { attempts: 1, baseDelay: 1, maxDelay: 1, maxRetryAfter: 1000 },
  limits: { connect: 2000, headers: 400, idle: 400, small: 500 },
  credentials: { find: async () => ({ kind: "password", username: "user", password: "secret-of-the-user" }) },
};

const open = new Set<{ readonly server: Server; readonly sockets: Set<Socket> }>();
afterEach(() => {
  for (const { server, sockets } of open) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
  open.clear();
});

/** A server that answers each request with raw bytes. Gives back its `127.0.0.1:PORT`. */
async function listen(answer: (socket: Socket, request: string) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (!text.includes("\r\n\r\n")) return;
      const request = text;
      text = "";
      // Which of HTTP and HTTPS it speaks; without an answer each test would try both.
      if (request.startsWith("GET /v2/ ")) socket.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
      else answer(socket, request);
    });
  });
  open.add({ server, sockets });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

const ok = (headers: string, body: Uint8Array | string = ""): Buffer =>
  Buffer.concat([
    Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: ${TYPE}\r\nconnection: close\r\n${headers}\r\n`),
    Buffer.from(body),
  ]);
const sized = (body: Uint8Array | string, headers = ""): Buffer =>
  ok(`content-length: ${Buffer.byteLength(body)}\r\n${headers}`, body);

/** Writes for as long as somebody reads. */
function forEver(socket: Socket, piece: () => string | Uint8Array): void {
  const more = (): void => {
    for (let round = 0; round < 50 && !socket.destroyed; round++) if (!socket.write(piece())) return;
    setImmediate(more);
  };
  socket.on("drain", more);
  more();
}

/** One byte after the other. */
function trickle(socket: Socket, bytes: Uint8Array): void {
  let at = 0;
  const timer = setInterval(() => {
    if (socket.destroyed || at >= bytes.length) clearInterval(timer);
    else socket.write(bytes.subarray(at, ++at));
  }, 40);
  socket.on("close", () => clearInterval(timer));
}

const bomb = gzipSync(Buffer.alloc(64 << 20));
const spaces = Buffer.alloc(65536, 0x20);

type Outcome = "ok" | "REGISTRY_FAILED" | "BLOB_CORRUPT" | "AUTH_REQUIRED";
const HOSTILE: readonly (readonly [
  what: string,
  expected: Outcome,
  answer: (socket: Socket, request: string) => void,
])[] = [
  ["HTTP/1.0", "ok", (s) => s.end(`HTTP/1.0 200 OK\r\ncontent-type: ${TYPE}\r\n\r\n${manifest}`)],
  [
    "100 Continue and early hints first",
    "ok",
    (s) => s.end(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${sized(manifest)}`),
  ],
  ["no status line", "REGISTRY_FAILED", (s) => s.end(manifest)],
  ["a status that is none", "REGISTRY_FAILED", (s) => s.end("HTTP/1.1 99999 X\r\n\r\n")],
  ["chunks without a size", "REGISTRY_FAILED", (s) => s.end(ok("transfer-encoding: chunked\r\n", "zz\r\nabc\r\n"))],
  [
    "a chunk of exabytes",
    "REGISTRY_FAILED",
    (s) => s.end(ok("transfer-encoding: chunked\r\n", "fffffffffffffff\r\nabc")),
  ],
  [
    "a length beside chunks",
    "REGISTRY_FAILED",
    (s) => s.end(ok("transfer-encoding: chunked\r\ncontent-length: 5\r\n", "5\r\nhello\r\n0\r\n\r\n")),
  ],
  ["two lengths", "REGISTRY_FAILED", (s) => s.end(ok("content-length: 5\r\ncontent-length: 6\r\n", "hello!"))],
  ["a negative length", "REGISTRY_FAILED", (s) => s.end(ok("content-length: -5\r\n", "hello!"))],
  [
    "a body that is too short",
    "REGISTRY_FAILED",
    (s) => s.end(ok(`content-length: ${manifest.length + 9}\r\n`, manifest)),
  ],
  [
    "headers without an end",
    "REGISTRY_FAILED",
    (s) => {
      s.write("HTTP/1.1 200 OK\r\n");
      forEver(s, () => `x-more: ${"a".repeat(500)}\r\n`);
    },
  ],
  ["a header of 200 kB", "REGISTRY_FAILED", (s) => s.end(sized(manifest, `x: ${"a".repeat(200_000)}\r\n`))],
  [
    "trailers without an end",
    "REGISTRY_FAILED",
    (s) => {
      s.write(ok("transfer-encoding: chunked\r\n", `${manifest.length.toString(16)}\r\n${manifest}\r\n0\r\n`));
      forEver(s, () => `x-more: ${"a".repeat(500)}\r\n`);
    },
  ],
  [
    "early hints without an end",
    "REGISTRY_FAILED",
    (s) => forEver(s, () => "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"),
  ],
  [
    "another protocol",
    "REGISTRY_FAILED",
    (s) => s.end("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"),
  ],
  ["nothing, and the end", "REGISTRY_FAILED", (s) => s.end()],
  ["headers byte by byte", "REGISTRY_FAILED", (s) => trickle(s, sized(manifest))],
  [
    "a body byte by byte",
    "REGISTRY_FAILED",
    (s) => {
      s.write(ok(`content-length: ${manifest.length}\r\n`));
      trickle(s, manifest);
    },
  ],
  [
    "a manifest of gigabytes",
    "REGISTRY_FAILED",
    (s) => {
      s.write(ok("content-length: 4000000000\r\n"));
      forEver(s, () => spaces);
    },
  ],
  [
    "an error of gigabytes",
    "REGISTRY_FAILED",
    (s) => {
      s.write("HTTP/1.1 500 X\r\ncontent-length: 4000000000\r\n\r\n");
      forEver(s, () => spaces);
    },
  ],
  ["a compressed bomb that nobody asked for", "BLOB_CORRUPT", (s) => s.end(sized(bomb, "content-encoding: gzip\r\n"))],
  ["nesting without an end", "BLOB_CORRUPT", (s) => s.end(sized("[".repeat(200_000)))],
  [
    "the digest of something else",
    "BLOB_CORRUPT",
    (s) => s.end(sized(manifest, `docker-content-digest: sha256:${"0".repeat(64)}\r\n`)),
  ],
  ["a digest that is a path", "ok", (s) => s.end(sized(manifest, "docker-content-digest: ../../x\r\n"))],
  [
    "redirects in a circle",
    "REGISTRY_FAILED",
    (s, request) =>
      s.end(`HTTP/1.1 307 X\r\nlocation: ${request.split(" ")[1]}?a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`),
  ],
  [
    "a redirect with a body without an end",
    "REGISTRY_FAILED",
    (s) => {
      s.write("HTTP/1.1 307 X\r\nlocation: /v2/x\r\ncontent-length: 4000000000\r\n\r\n");
      forEver(s, () => spaces);
    },
  ],
  [
    "three hundred challenges",
    "AUTH_REQUIRED",
    (s) =>
      s.end(
        `HTTP/1.1 401 X\r\nconnection: close\r\n${'www-authenticate: Bearer a="b"\r\n'.repeat(300)}content-length: 0\r\n\r\n`,
      ),
  ],
  [
    "a wait of centuries",
    "REGISTRY_FAILED",
    (s) =>
      s.end("HTTP/1.1 429 X\r\nretry-after: 99999999999999999999\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
  ],
];

describe("a registry that sends", () => {
  it.each(HOSTILE)(
    "%s ends with %s",
    async (_, expected, answer) => {
      const host = await listen(answer);
      const session = new RegistrySession(OPTIONS);
      const source = openRegistrySource(parseReference(`${host}/a/b:1`)!, { session });
      const before = process.memoryUsage().rss;
      const pulled = source.root().then(({ descriptor }) => source.read(descriptor));
      try {
        if (expected === "ok") expect(Buffer.from(await pulled).equals(manifest)).toBe(true);
        else {
          const failure = (await pulled.then(
            () => undefined,
            (error: unknown) => error,
          )) as Error | undefined;
          expect(failure).toMatchObject({ code: expected });
          expect(`${failure?.message}${failure?.stack}`).not.toMatch(/secret-of-the-user|dXNlcjpzZWNyZXQ/);
        }
        expect(process.memoryUsage().rss - before).toBeLessThan(150 << 20);
      } finally {
        await source.close();
        await session.close();
      }
    },
    15_000,
  );

  it("a token of gigabytes is given up, and gets the password of nobody else", async () => {
    const tokens = await listen((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 4000000000\r\n\r\n");
      forEver(socket, () => spaces);
    });
    const challenge = `www-authenticate: Bearer realm="http://${tokens}/token",service="x"`;
    const host = await listen((s) => s.end(`HTTP/1.1 401 X\r\n${challenge}\r\ncontent-length: 0\r\n\r\n`));
    const session = new RegistrySession(OPTIONS);
    const source = openRegistrySource(parseReference(`${host}/a/b:1`)!, { session });
    await expect(source.root()).rejects.toMatchObject({ code: "REGISTRY_FAILED" });
    await source.close();
    await session.close();
  });

  it("pages of referrers that lead to each other are left when one brings nothing", async () => {
    const asked: string[] = [];
    const host = await listen((socket, request) => {
      const path = request.split(" ")[1]!;
      asked.push(path);
      if (!path.includes("/referrers/")) {
        socket.end("HTTP/1.1 404 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return;
      }
      const list = JSON.stringify({ schemaVersion: 2, manifests: [{ digest: image.root.digest }] });
      socket.end(sized(list, `link: <${path}?next>; rel="next"\r\n`));
    });
    const session = new RegistrySession(OPTIONS);
    const reference = parseReference(`${host}/a/b:1`)!;
    const found = await attachmentsTo(
      new RegistryClient(session, await session.hosts.push(reference)),
      image.root.digest,
    );
    expect(found).toEqual([{ digest: image.root.digest, kind: "artifact" }]);
    expect(asked.filter((path) => path.includes("/referrers/"))).toHaveLength(2);
    await session.close();
  });
});
