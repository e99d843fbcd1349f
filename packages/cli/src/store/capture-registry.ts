/**
 * A registry on the loopback address that claims to have every layer, so that an engine which pushes to it hands over
 * the small documents only: exact bytes of index, manifests and configs, in kilobytes, where `docker save` moves gigabytes.
 *
 * Source: OCI distribution-spec, "Pushing". Docker says in `Accept` what kind of blob it asks about; podman does not.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Digest, digestOf } from "../model/digest.ts";
import { collect } from "./docker-engine.ts";
import { MAX_DOCUMENT } from "./verify.ts";

export interface CaptureRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Documents received, by digest. */
  readonly documents: ReadonlyMap<Digest, Uint8Array>;
  /** The digest that was pushed under a tag. */
  tagged(tag: string): string | undefined;
  close(): Promise<void>;
}

/**
 * Starts it on a free port. It keeps at most 64 MiB of documents, and answers nothing but a push. `config` is the digest
 * of one that must be sent.
 */
export async function startCaptureRegistry(config?: Digest): Promise<CaptureRegistry> {
  const documents = new Map<Digest, Uint8Array>();
  const tags = new Map<string, string>();
  const uploads = new Map<string, Uint8Array[]>();
  let kept = 0;
  let nextUpload = 0;
  const keep = (bytes: Uint8Array): Digest => {
    kept += bytes.length;
    if (kept > 64 << 20) throw new Error("more documents than an image has");
    const digest = digestOf(bytes);
    documents.set(digest, bytes);
    return digest;
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const reply = (status: number, headers: Record<string, string> = {}): void => {
      response.writeHead(status, { "Docker-Distribution-API-Version": "registry/2.0", ...headers }).end();
    };
    const blob = /\/blobs\/(sha256:[0-9a-f]{64})$/.exec(url.pathname);
    const upload = /\/blobs\/uploads\/(\d*)$/.exec(url.pathname);
    const manifest = /\/manifests\/([^/]+)$/.exec(url.pathname);
    if (blob && request.method === "HEAD") {
      const digest = blob[1] as Digest;
      // A config must be sent; everything else is claimed to be here.
      const isConfig =
        digest === config || /config\.v1\+json|container\.image\.v1\+json/.test(request.headers.accept ?? "");
      if (isConfig && !documents.has(digest)) return reply(404);
      return reply(200, { "Docker-Content-Digest": digest, "Content-Length": "0" });
    }
    if (upload && request.method === "POST") {
      const id = String(++nextUpload);
      uploads.set(id, []);
      return reply(202, { Location: `${url.pathname.replace(/\/?$/, "/")}${id}`, Range: "0-0" });
    }
    const parts = upload ? uploads.get(upload[1]!) : undefined;
    if (upload && parts && (request.method === "PATCH" || request.method === "PUT")) {
      parts.push(await collect(request, MAX_DOCUMENT));
      if (request.method === "PATCH") return reply(202, { Location: url.pathname, Range: "0-0" });
      uploads.delete(upload[1]!);
      const digest = keep(Buffer.concat(parts));
      return reply(digest === url.searchParams.get("digest") ? 201 : 400, { "Docker-Content-Digest": digest });
    }
    if (manifest && request.method === "PUT") {
      const digest = keep(await collect(request, MAX_DOCUMENT));
      tags.set(decodeURIComponent(manifest[1]!), digest);
      return reply(201, { "Docker-Content-Digest": digest, Location: url.pathname });
    }
    if (manifest) return reply(404);
    return reply(url.pathname === "/v2/" ? 200 : 404);
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => {
      response.writeHead(413).end();
      request.destroy();
    });
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    documents,
    tagged: (tag) => tags.get(tag),
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
