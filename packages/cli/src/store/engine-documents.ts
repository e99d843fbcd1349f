/**
 * Index, manifests and configs of an image in an engine, as exact bytes and without `docker save`, which moves gigabytes.
 *
 * An engine has no call for them. Three ways lead there, each checked against the image's ID, the digest of one of them:
 * - The engine's own content folder is read, where this process may do so: as root, on the engine's machine.
 * - It pushes the image to a registry of ours on the loopback address, which takes documents and claims to have every
 *   layer. The containerd store only: the graph driver first compresses every layer whose compressed digest it does not
 *   know, and podman pushes manifests that it made up.
 * - A container is created, never started, with the engine's own content folder mounted read-only, and the files are
 *   taken out of it by their digests. It works for an engine on any machine, and for both stores.
 * An engine may refuse the last two (an authorization plugin, a content folder elsewhere); then the image is saved.
 */
import { randomBytes } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, digestHex, digestOf, isDigest } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../model/media-types.ts";
import { parseReference } from "../model/reference.ts";
import { startCaptureRegistry } from "./capture-registry.ts";
import { CREATE_LIMIT, collect, type DockerEngine } from "./docker-engine.ts";
import { MAX_DOCUMENT } from "./verify.ts";

/** Documents by digest. */
export type Documents = ReadonlyMap<Digest, Uint8Array>;

/**
 * Everything under `id` that is in one of the engine's content folders, read as files; undefined where they cannot be read.
 * A file counts only when its bytes have the digest that it is named by.
 */
export async function readableDocuments(folders: readonly string[], id: Digest): Promise<Documents | undefined> {
  for (const folder of folders) {
    const documents = new Map<Digest, Uint8Array>();
    await visitDocuments(id, documents, async (digest) => {
      const path = join(folder, digestHex(digest));
      try {
        if ((await stat(path)).size > MAX_DOCUMENT) return undefined;
        return await readFile(path);
      } catch {
        return undefined;
      }
    });
    if (documents.has(id)) return documents;
  }
  return undefined;
}

/** Takes a document and those that it refers to with `read`, as far as they are there: an index may name absent platforms. */
async function visitDocuments(
  digest: Digest,
  documents: Map<Digest, Uint8Array>,
  read: (digest: Digest) => Promise<Uint8Array | undefined>,
): Promise<void> {
  if (documents.has(digest)) return;
  const bytes = await read(digest);
  if (!bytes || digestOf(bytes) !== digest) return;
  documents.set(digest, bytes);
  for (const child of documentsNamedIn(bytes)) await visitDocuments(child, documents, read);
}

/** Everything under `id`, pushed; undefined when the engine cannot push it (a platform is not there). */
export async function pushedDocuments(engine: DockerEngine, name: string, id: Digest): Promise<Documents | undefined> {
  const registry = await startCaptureRegistry();
  const repository = `${registry.host}/initwrap/${randomBytes(6).toString("hex")}`;
  try {
    try {
      // Whatever becomes of the call: the engine may have given the name before it was broken off. Not by the caller's signal: what is
      // given up may be done after the name was taken away.
      await engine.tag(name, parseReference(`${repository}:x`)!, AbortSignal.timeout(CREATE_LIMIT));
      const auth = Buffer.from("{}").toString("base64");
      const said = await engine.expect(200, `/images/${encodeURIComponent(repository)}/push`, {
        method: "POST",
        query: { tag: "x" },
        headers: { "X-Registry-Auth": auth },
      });
      if (failureIn(said) !== undefined) return undefined;
    } finally {
      await engine.untag(`${repository}:x`);
    }
    return registry.tagged("x") === id ? registry.documents : undefined;
  } catch (cause) {
    return ifRefused(cause);
  } finally {
    await registry.close();
  }
}

/** Everything under `id` that is in one of the engine's content folders; undefined when it does not show them. */
export async function mountedDocuments(
  engine: DockerEngine,
  image: string,
  folders: readonly string[],
  id: Digest,
): Promise<Documents | undefined> {
  for (const folder of folders) {
    try {
      const documents = await documentsIn(engine, image, folder, id);
      if (documents.has(id)) return documents;
    } catch (cause) {
      ifRefused(cause);
    }
  }
  return undefined;
}

async function documentsIn(engine: DockerEngine, image: string, folder: string, id: Digest): Promise<Documents> {
  const name = `initwrap-${randomBytes(6).toString("hex")}`;
  const target = "/.initwrap-content";
  const mount = { Type: "bind", Source: folder, Target: target, ReadOnly: true };
  const documents = new Map<Digest, Uint8Array>();
  const read = async (digest: Digest): Promise<Uint8Array | undefined> => {
    const path = `/containers/${name}/archive`;
    const response = await engine.request(path, { query: { path: `${target}/${digestHex(digest)}` } });
    const answer = await collect(response, MAX_DOCUMENT + (1 << 16));
    return response.statusCode === 200 ? onlyFile(answer) : undefined;
  };
  try {
    await engine.expect(201, "/containers/create", {
      method: "POST",
      query: { name },
      headers: { "Content-Type": "application/json" },
      body: Buffer.from(
        JSON.stringify({
          Image: image,
          Cmd: ["true"],
          NetworkDisabled: true,
          HostConfig: { NetworkMode: "none", Mounts: [mount] },
        }),
      ),
      // Not the caller's signal: a call that is given up may still make the container.
      signal: AbortSignal.timeout(CREATE_LIMIT),
      timeout: CREATE_LIMIT,
    });
    await visitDocuments(id, documents, read);
    return documents;
  } finally {
    await engine.cleanUp(`/containers/${name}`, { force: "1", v: "1" });
  }
}

/** What an index or a manifest refers to that is a document itself. A config names nothing. */
function documentsNamedIn(bytes: Uint8Array): readonly Digest[] {
  let document: { manifests?: readonly Descriptor[]; config?: Partial<Descriptor> } | null;
  try {
    document = JSON.parse(new TextDecoder().decode(bytes)) as typeof document;
  } catch {
    // The config of something that is no image.
    return [];
  }
  const { manifests, config } = document ?? {};
  return [...(Array.isArray(manifests) ? manifests : []), config].flatMap((one) =>
    isDigest(one?.digest) ? [one.digest] : [],
  );
}

/** The content of the one file in a tar, behind whatever extended headers it has. */
function onlyFile(tar: Uint8Array): Uint8Array | undefined {
  const text = new TextDecoder("latin1");
  for (let at = 0; at + 512 <= tar.length; ) {
    const size = Number.parseInt(text.decode(tar.subarray(at + 124, at + 136)).replace(/\0.*$/, ""), 8);
    const type = text.decode(tar.subarray(at + 156, at + 157));
    if (!(size >= 0)) return undefined;
    if (type === "0" || type === "\0") return tar.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return undefined;
}

/** The descriptor of a document that is an index or a manifest. */
export function descriptorOf(digest: Digest, bytes: Uint8Array): Descriptor {
  const { mediaType, manifests } = JSON.parse(new TextDecoder().decode(bytes)) as {
    mediaType?: string;
    manifests?: unknown;
  };
  return { mediaType: mediaType ?? (manifests ? OCI_INDEX : OCI_MANIFEST), digest, size: bytes.length };
}

/** An engine that says no is asked in another way; one that cannot be reached, and an interruption, are told. */
function ifRefused(cause: unknown): undefined {
  if (cause instanceof InitwrapError && cause.code === "DAEMON_FAILED") return undefined;
  throw cause;
}

/** The error in a stream of JSON lines, or undefined: the status of such a call is 200 whatever happens. */
export function failureIn(stream: Uint8Array): string | undefined {
  for (const line of new TextDecoder().decode(stream).split(/\r?\n/)) {
    if (line.trim() === "") continue;
    try {
      const message = JSON.parse(line) as { error?: string; errorDetail?: { message?: string }; stream?: string };
      const error = message.errorDetail?.message ?? message.error;
      if (error !== undefined) return error;
      if (/Error unpacking/i.test(message.stream ?? "")) return message.stream?.trim();
    } catch {
      return line.slice(0, 200);
    }
  }
  return undefined;
}
