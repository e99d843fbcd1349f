/**
 * A registry as a place to put images.
 *
 * Children are there before parents, and the tag moves last, in the one request that stores the root manifest under it.
 * Until then nobody sees anything but unnamed blobs, which registries collect.
 */
import type { Descriptor } from "../../model/descriptor.ts";
import { type Digest, digestOf } from "../../model/digest.ts";
import { InitwrapError } from "../../model/errors.ts";
import { isIndexType, isManifestType } from "../../model/media-types.ts";
import { formatReference, type Reference } from "../../model/reference.ts";
import type { Receipt, Sink, Source } from "../contract.ts";
import { MAX_MANIFEST, RegistryClient } from "./client.ts";
import { RegistrySession } from "./session.ts";
import { type RegistryOptions, RegistrySource } from "./source.ts";
import { cancelUpload, isRepeatable, mountBlob, openUpload, type Upload, uploadBlob } from "./upload.ts";

export interface RegistrySinkOptions extends RegistryOptions {
  /** Where the blobs come from: at the same registry they are mounted, in the same repository they are there. */
  readonly from?: Source;
  /** More references for the result, in the same repository. */
  readonly names?: readonly Reference[];
}

/** Opens `reference` for writing. A source at a registry lends its connections and tokens, unless `session` is given. */
export function openRegistrySink(reference: Reference, options: RegistrySinkOptions = {}): RegistrySink {
  const names = [reference, ...(options.names ?? [])];
  const foreign = names.find(
    ({ registry, repository }) => registry !== reference.registry || repository !== reference.repository,
  );
  if (foreign) {
    throw new InitwrapError(
      "USAGE",
      `${formatReference(foreign)} is not in ${reference.registry}/${reference.repository}`,
      {
        hint: "One run writes to one repository; run it again for another one.",
      },
    );
  }
  const shared = options.session ?? (options.from instanceof RegistrySource ? options.from.session : undefined);
  return new RegistrySink(names, options, shared ?? new RegistrySession(options), shared === undefined);
}

/** See the contract. */
export class RegistrySink implements Sink {
  /** Enough to hide the time that a request is on its way, and little enough memory. */
  readonly parallel = 4;
  readonly asksFar = true;
  readonly #names: readonly Reference[];
  readonly #options: RegistrySinkOptions;
  readonly #session: RegistrySession;
  readonly #owned: boolean;
  /** Uploads that a refused mount opened and that `put` may use, by digest. */
  readonly #uploads = new Map<string, Upload>();
  /** An upload that was opened before there was anything to put. */
  #spare: Promise<Upload | undefined> | undefined;
  /** Manifests that were stored here, and so can be tagged without being read again. */
  readonly #manifests = new Map<string, Uint8Array>();
  /** The last manifest put, not yet sent: as the root it is stored under its tag at once, which saves a request. */
  #pending: { descriptor: Descriptor; bytes: Uint8Array } | undefined;
  #client: Promise<RegistryClient> | undefined;
  #bytesMoved = 0;

  constructor(names: readonly Reference[], options: RegistrySinkOptions, session: RegistrySession, owned: boolean) {
    this.#names = names;
    this.#options = options;
    this.#session = session;
    this.#owned = owned;
  }

  /** Opens an upload: the new config needs one, and opening it needs nothing of the config. */
  prepare(): void {
    // A moment later: what is being asked for now is waited for, and may have the connection that is there.
    this.#spare ??= new Promise((resolve) => setImmediate(resolve))
      .then(() => this.#opened())
      .then(openUpload)
      // It is asked for again by what needs it, with retries.
      .catch(() => undefined);
  }

  async has(descriptor: Descriptor): Promise<boolean> {
    const client = await this.#opened();
    if (isManifestType(descriptor.mediaType) || isIndexType(descriptor.mediaType)) {
      if (this.#pending?.descriptor.digest === descriptor.digest || this.#manifests.has(descriptor.digest)) return true;
      return (await client.headManifest(descriptor.digest)) !== undefined;
    }
    const isHere = await this.#holds(client, descriptor);
    if (isHere) this.#session.noteBlob(client.endpoint, descriptor.digest);
    return isHere;
  }

  async #holds(client: RegistryClient, descriptor: Descriptor): Promise<boolean> {
    const origin = await this.#originOf(descriptor.digest);
    if (origin === "here") return true;
    if (origin === undefined) return client.headBlob(descriptor);
    const mounted = await mountBlob(client, descriptor, origin);
    if (mounted === "mounted") return true;
    if (mounted) this.#uploads.set(descriptor.digest, mounted);
    // Without a mount the blob may still be here from before.
    return client.headBlob(descriptor);
  }

  async put(descriptor: Descriptor, content: AsyncIterable<Uint8Array>): Promise<void> {
    if (isManifestType(descriptor.mediaType) || isIndexType(descriptor.mediaType)) {
      const bytes = await collect(descriptor, content);
      await this.#sendPending();
      this.#pending = { descriptor, bytes };
      return;
    }
    const client = await this.#opened();
    const opened = this.#uploads.get(descriptor.digest) ?? (await this.#takeSpare());
    this.#uploads.delete(descriptor.digest);
    await uploadBlob(client, descriptor, this.#watched(descriptor, content), opened);
    this.#session.noteBlob(client.endpoint, descriptor.digest);
    this.#bytesMoved += descriptor.size;
  }

  /** Throws REGISTRY_FAILED when the registry does not take the manifest; the names then are as they were. */
  async commit(root: Descriptor): Promise<Receipt> {
    const client = await this.#opened();
    for (const { digest } of this.#names) {
      if (digest !== undefined && digest !== root.digest) {
        throw new InitwrapError("TAG_REQUIRED", `the result is ${root.digest}, which cannot be stored as ${digest}`, {
          hint: "Name the result by a tag: a digest names one content only.",
        });
      }
    }
    if (this.#pending?.descriptor.digest !== root.digest) await this.#sendPending();
    const bytes =
      this.#pending?.bytes ?? this.#manifests.get(root.digest) ?? (await client.manifest(root.digest))?.bytes;
    if (!bytes) {
      throw new InitwrapError(
        "IMAGE_NOT_FOUND",
        `${client.where} does not hold ${root.digest}, so it cannot be tagged`,
        {
          where: client.where,
        },
      );
    }
    for (const name of this.#names) {
      await client.putManifest(name.tag ?? name.digest ?? "latest", root, bytes);
      this.#bytesMoved += bytes.length;
    }
    this.#manifests.set(root.digest, bytes);
    this.#pending = undefined;
    return { digest: root.digest, names: this.#names.map(formatReference), bytesMoved: this.#bytesMoved };
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    const spare = await this.#takeSpare();
    const open = [...this.#uploads.values(), ...(spare ? [spare] : [])];
    this.#uploads.clear();
    this.#pending = undefined;
    if (client) await Promise.all(open.map((upload) => cancelUpload(client, upload)));
    if (this.#owned) await this.#session.close();
  }

  #takeSpare(): Promise<Upload | undefined> | undefined {
    const spare = this.#spare;
    this.#spare = undefined;
    return spare;
  }

  #opened(): Promise<RegistryClient> {
    this.#client ??= this.#session.hosts
      .push(this.#names[0]!)
      .then((endpoint) => new RegistryClient(this.#session, endpoint));
    return this.#client;
  }

  /** `here` for a blob of this repository's own image, or the other repository of this registry that it is known to be in. */
  async #originOf(digest: Digest): Promise<"here" | string | undefined> {
    const { from } = this.#options;
    const ours = (await this.#opened()).endpoint;
    const listed = from instanceof RegistrySource && from.lists(digest) ? (await from.client())?.endpoint : undefined;
    const repository = listed?.host === ours.host ? listed.repository : this.#session.repositoryOf(ours.host, digest);
    return repository === ours.repository ? "here" : repository;
  }

  async #sendPending(): Promise<void> {
    const pending = this.#pending;
    if (!pending) return;
    const client = await this.#opened();
    await client.putManifest(pending.descriptor.digest, pending.descriptor, pending.bytes);
    this.#manifests.set(pending.descriptor.digest, pending.bytes);
    this.#bytesMoved += pending.bytes.length;
    this.#pending = undefined;
  }

  /** The content with its progress told; one that could be read again still can. */
  #watched(descriptor: Descriptor, content: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    const { onProgress } = this.#options;
    if (!onProgress) return content;
    const watch = async function* (): AsyncGenerator<Uint8Array> {
      let done = 0;
      for await (const chunk of content) {
        yield chunk;
        done += chunk.length;
        onProgress(descriptor, done, descriptor.size);
      }
    };
    return isRepeatable(content) ? { [Symbol.asyncIterator]: watch } : watch();
  }
}

async function collect(descriptor: Descriptor, content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of content) {
    size += chunk.length;
    if (size > Math.min(descriptor.size, MAX_MANIFEST)) break;
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  if (size !== descriptor.size || digestOf(bytes) !== descriptor.digest) {
    throw new InitwrapError("BLOB_CORRUPT", `the manifest ${descriptor.digest} is not what its digest and size name`);
  }
  return bytes;
}
