/**
 * Brings one blob into a repository, with a digest and size check before the registry is told that it is complete.
 *
 * Three ways, each of which starts anew when its connection breaks:
 * - small content is read into memory first, then sent in one PUT;
 * - content that can be read again is streamed in one PUT, and streamed again from its first byte after a failure;
 * - content that can be read only once, and any that does not get through in one request, goes in pieces (PATCH),
 *   each kept in memory until the registry has it. A registry that lost a piece half-way cannot always be told to
 *   continue; then content that can be read again is begun anew, and for any other the failure is reported.
 *
 * Source: distribution-spec, "Pushing a blob monolithically" and "Pushing a blob in chunks".
 */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { Descriptor } from "../../model/descriptor.ts";
import { InitwrapError } from "../../model/errors.ts";
import { spent } from "../spent-memory.ts";
import type { RegistryClient } from "./client.ts";
import { ExchangeError, ResponseFailure } from "./failures.ts";
import { Transient } from "./retry.ts";
import type { ExchangeResponse } from "./transport.ts";

/** Complaints about an upload that a new one gets over. Source: distribution-spec, "Error Codes". */
const UPLOAD_LOST = ["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID", "DIGEST_INVALID", "SIZE_INVALID", "RANGE_INVALID"];

/** A registry may want pieces that are larger than ours, up to this. Bytes. */
const MAX_PIECE = 32 * 1024 * 1024;

/** What registries without mounts answer to one, though they should open an upload. */
const NO_MOUNTS: readonly number[] = [400, 404, 405, 501];

/** What is answered to a request that is too large, or to an upload in one request where there is no such thing. */
const NOT_WHOLE: readonly number[] = [404, 405, 411, 413, 501];

/** Content that can be read again is still held in memory up to this size. Bytes. */
const SMALL = 1024 * 1024;

/** An upload that the registry no longer continues. */
class UploadLost extends InitwrapError {}

/** An upload that the registry has opened: where its next request goes. */
export interface Upload {
  readonly location: URL;
  /** The smallest piece the registry takes. Bytes. */
  readonly minimum: number;
}

/**
 * Asks the registry to take a blob over from another of its repositories. `mounted`, or an upload that it opened instead,
 * or undefined when it refused.
 */
export async function mountBlob(
  client: RegistryClient,
  descriptor: Descriptor,
  from: string,
): Promise<"mounted" | Upload | undefined> {
  const query = new URLSearchParams({ mount: descriptor.digest, from });
  try {
    return await client.call(
      {
        method: "POST",
        target: `blobs/uploads/?${query}`,
        actions: ["pull", "push"],
        from,
        headers: { "content-length": "0" },
        accept: [201, 202, ...NO_MOUNTS],
      },
      async (response) => {
        await response.discard();
        if (NO_MOUNTS.includes(response.status)) return undefined;
        return response.status === 201 ? "mounted" : uploadOf(client, response);
      },
    );
  } catch (error) {
    // No right to read the other repository: it is uploaded instead.
    if (error instanceof InitwrapError && error.code === "AUTH_REQUIRED") return undefined;
    throw error;
  }
}

/** Ends an upload that will not be finished, so that the registry can clean up. Never fails. */
export async function cancelUpload(client: RegistryClient, upload: Upload): Promise<void> {
  await client
    .once(
      { method: "DELETE", target: upload.location, actions: ["pull", "push"], accept: [200, 202, 204, 404, 405] },
      (response) => response.discard(),
    )
    .catch(() => {});
}

/**
 * Uploads `content`, whose size and digest must be the descriptor's: BLOB_CORRUPT otherwise, and then nothing is stored.
 * `opened` is an upload that a refused mount left open.
 */
export async function uploadBlob(
  client: RegistryClient,
  descriptor: Descriptor,
  content: AsyncIterable<Uint8Array>,
  opened?: Upload,
): Promise<void> {
  const isAgain = isRepeatable(content);
  // What is read once would be in memory as a piece anyway, and one request can be repeated.
  if (descriptor.size <= (isAgain ? Math.min(SMALL, client.session.pieceSize) : client.session.pieceSize)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of verified(descriptor, content)) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    return uploadWhole(client, descriptor, () => bytes, opened);
  }
  if (!isAgain) return uploadPieces(client, descriptor, content, opened);
  try {
    await uploadWhole(
      client,
      descriptor,
      () => ({ length: descriptor.size, open: () => verified(descriptor, content) }),
      opened,
    );
  } catch (error) {
    if (!isTooLong(client, error)) throw error;
    await client.retrying(() =>
      uploadPieces(client, descriptor, content, undefined).catch((failure: unknown) => {
        throw failure instanceof UploadLost ? new Transient(failure) : failure;
      }),
    );
  }
}

/** True where one request was too long: proxies in front of a registry limit its size, and connections do not last for ever. */
function isTooLong(client: RegistryClient, error: unknown): boolean {
  if (error instanceof ResponseFailure) return NOT_WHOLE.includes(error.status);
  // What broke may also be where the content comes from, which is read no better in pieces.
  if (!(error instanceof InitwrapError) || error.where !== client.where) return false;
  return error.cause instanceof ExchangeError && error.cause.retryable;
}

/** Opens an upload, a new one each time. One attempt: throws Transient for what may pass. */
export async function openUpload(client: RegistryClient): Promise<Upload> {
  return client.once(
    {
      method: "POST",
      target: "blobs/uploads/",
      actions: ["pull", "push"],
      headers: { "content-length": "0" },
      accept: [202],
    },
    async (response) => {
      await response.discard();
      return uploadOf(client, response);
    },
  );
}

async function uploadWhole(
  client: RegistryClient,
  descriptor: Descriptor,
  body: () => Uint8Array | { length: number; open: () => AsyncIterable<Uint8Array> },
  opened: Upload | undefined,
): Promise<void> {
  let upload = opened;
  await client.retrying(async (attempt) => {
    // The answer to the last attempt may be all that was lost.
    if (attempt > 1 && (await client.headBlob(descriptor))) return;
    const current = upload ?? (await openUpload(client));
    upload = undefined;
    try {
      await client.once(
        {
          method: "PUT",
          target: withDigest(current.location, descriptor),
          headers: { "content-type": "application/octet-stream" },
          body: body(),
          actions: ["pull", "push"],
          accept: [200, 201, 204],
          passing: UPLOAD_LOST,
        },
        (response) => response.discard(),
      );
    } catch (error) {
      await cancelUpload(client, current);
      // Any server that does not know the upload it opened has lost it.
      throw error instanceof ResponseFailure && error.status === 404 ? new Transient(error) : error;
    }
  });
}

async function uploadPieces(
  client: RegistryClient,
  descriptor: Descriptor,
  content: AsyncIterable<Uint8Array>,
  opened: Upload | undefined,
): Promise<void> {
  const upload = opened ?? (await client.retrying(() => openUpload(client)));
  if (upload.minimum > MAX_PIECE) {
    await cancelUpload(client, upload);
    throw tooLarge(client, upload.minimum);
  }
  await client.session.pieceMemory.lend(upload.minimum, (memory) =>
    sendPieces(client, descriptor, content, upload, memory),
  );
}

async function sendPieces(
  client: RegistryClient,
  descriptor: Descriptor,
  content: AsyncIterable<Uint8Array>,
  opened: Upload,
  memory: Buffer,
): Promise<void> {
  let upload = opened;
  try {
    let offset = 0;
    for await (const piece of pieces(verified(descriptor, content), memory)) {
      upload = await sendPiece(client, upload, piece, offset);
      offset += piece.length;
    }
    await finish(client, upload, descriptor);
  } catch (error) {
    await cancelUpload(client, upload);
    throw error;
  }
}

async function sendPiece(client: RegistryClient, upload: Upload, piece: Uint8Array, offset: number): Promise<Upload> {
  let current = upload;
  let sent = 0;
  return client.retrying(async (attempt) => {
    if (attempt > 1 && offset === 0) {
      // Everything there is so far is in memory, so there is nothing to ask for.
      await cancelUpload(client, current);
      current = await openUpload(client);
    } else if (attempt > 1) {
      const state = await status(client, current);
      current = state.upload;
      sent = state.received - offset;
      if (sent === piece.length) return current;
      if (sent < 0 || sent > piece.length) throw lost(client, "the registry lost what was uploaded before");
    }
    const rest = piece.subarray(sent);
    const first = offset + sent;
    const request = client.once(
      {
        method: "PATCH",
        target: current.location,
        headers: {
          "content-type": "application/octet-stream",
          "content-range": `${first}-${first + rest.length - 1}`,
        },
        body: rest,
        actions: ["pull", "push"],
        accept: [201, 202, 204],
      },
      async (response) => {
        await response.discard();
        const end = /^(?:bytes=)?0-(\d+)$/.exec(response.header("range") ?? "")?.[1];
        if (end !== undefined && Number(end) + 1 !== first + rest.length) {
          throw new Transient(lost(client, "the registry took another number of bytes than were sent"));
        }
        return uploadOf(client, response, current);
      },
    );
    return request.catch((error: unknown) => {
      // Not where the registry is: it is asked how far it got.
      if (error instanceof ResponseFailure && error.status === 416) throw new Transient(error);
      if (!isForgotten(error)) throw error;
      const failure = lost(client, "the registry no longer knows it");
      throw offset === 0 ? new Transient(failure) : failure;
    });
  });
}

/** True when the registry does not know, or does not want, what it has taken so far. */
function isForgotten(error: unknown): boolean {
  if (!(error instanceof ResponseFailure)) return false;
  return error.status === 404 || error.complaints.some(({ code }) => UPLOAD_LOST.includes(code));
}

/** How far an upload got. Throws a lasting failure when the registry no longer knows it. */
async function status(client: RegistryClient, upload: Upload): Promise<{ upload: Upload; received: number }> {
  return client.once(
    { method: "GET", target: upload.location, actions: ["pull", "push"], accept: [204, 202, 200, 404, 400, 416] },
    async (response) => {
      await response.discard();
      if (response.status >= 400) throw lost(client, "the registry cannot continue an interrupted upload");
      const end = /^(?:bytes=)?0-(\d+)$/.exec(response.header("range") ?? "")?.[1];
      // `0-0` is what registries say of an upload that has nothing yet, and of one with a single byte.
      const received = end === undefined || end === "0" ? 0 : Number(end) + 1;
      return { upload: uploadOf(client, response, upload), received };
    },
  );
}

async function finish(client: RegistryClient, upload: Upload, descriptor: Descriptor): Promise<void> {
  await client.retrying(async (attempt) => {
    if (attempt > 1 && (await client.headBlob(descriptor))) return;
    const request = client.once(
      {
        method: "PUT",
        target: withDigest(upload.location, descriptor),
        headers: { "content-length": "0" },
        actions: ["pull", "push"],
        accept: [200, 201, 204],
      },
      (response) => response.discard(),
    );
    await request.catch((error: unknown) => {
      throw isForgotten(error) ? lost(client, "the registry did not take its end") : error;
    });
  });
}

function uploadOf(client: RegistryClient, response: ExchangeResponse, before?: Upload): Upload {
  const location = response.header("location");
  const minimum = Number(response.header("oci-chunk-min-length") ?? before?.minimum ?? 0) || 0;
  if (location === undefined) {
    if (before) return { location: before.location, minimum };
    throw new ExchangeError("the registry opened an upload without saying where", { retryable: false });
  }
  return { location: client.session.transport.redirectTarget(response.url, location), minimum };
}

function withDigest(location: URL, descriptor: Descriptor): URL {
  const url = new URL(location.href);
  // The location's own query is the registry's and is kept as it is written.
  url.search += `${url.search ? "&" : "?"}digest=${encodeURIComponent(descriptor.digest)}`;
  return url;
}

/**
 * The content, with its last bytes held back until size and digest are known to be right: a registry that does not check
 * them must not end up with a whole blob that is not what its name says.
 */
async function* verified(
  descriptor: Descriptor,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash("sha256");
  let size = 0;
  let held: Uint8Array | undefined;
  for await (const chunk of content) {
    if (chunk.length === 0) continue;
    size += chunk.length;
    if (size > descriptor.size) break;
    hash.update(chunk);
    spent(chunk.length);
    if (held) yield held;
    held = chunk;
  }
  if (size !== descriptor.size || `sha256:${hash.digest("hex")}` !== descriptor.digest) {
    throw new InitwrapError(
      "BLOB_CORRUPT",
      `the content of ${descriptor.digest} is not what its digest and size name`,
      {
        hint: "The source is damaged; nothing was published.",
      },
    );
  }
  if (held) yield held;
}

/**
 * Cuts a stream into pieces of the size of `memory`; the last may be shorter. Each lies in it, and is done with when the next
 * is asked for.
 */
async function* pieces(
  content: AsyncIterable<Uint8Array>,
  memory: Buffer,
): AsyncGenerator<Uint8Array, void, undefined> {
  let filled = 0;
  for await (const chunk of content) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + memory.length - filled);
      memory.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled === memory.length) {
        yield memory;
        filled = 0;
      }
    }
  }
  if (filled > 0) yield memory.subarray(0, filled);
}

/** True for content that gives a new iterator each time. A generator is its own, and a stream is read once. */
export function isRepeatable(content: AsyncIterable<Uint8Array>): boolean {
  return !(content instanceof Readable) && (content as unknown) !== content[Symbol.asyncIterator]();
}

function tooLarge(client: RegistryClient, minimum: number): InitwrapError {
  return new InitwrapError(
    "REGISTRY_FAILED",
    `upload to ${client.where}: the registry takes no pieces below ${minimum} bytes`,
    {
      where: client.where,
      hint: `Pieces are held in memory, and have ${MAX_PIECE >> 20} MiB at most.`,
    },
  );
}

function lost(client: RegistryClient, why: string): UploadLost {
  return new UploadLost("REGISTRY_FAILED", `upload to ${client.where}: ${why}`, {
    where: client.where,
    hint: "The same call may succeed later.",
  });
}
