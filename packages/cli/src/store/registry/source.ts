/**
 * A registry as a source of images. The first place of a reference that has it (a mirror, then the registry) is the one
 * that everything else of it is read from, for mirrors differ in what they hold.
 */
import type { Descriptor } from "../../model/descriptor.ts";
import { digestOf, isDigest } from "../../model/digest.ts";
import { InitwrapError } from "../../model/errors.ts";
import { isIndexType, isManifestType } from "../../model/media-types.ts";
import { formatReference, type Reference } from "../../model/reference.ts";
import type { Attachment, Root, Source } from "../contract.ts";
import { attachmentsTo } from "./attachments.ts";
import { type FetchedManifest, MAX_MANIFEST, RegistryClient } from "./client.ts";
import { RegistrySession, type SessionOptions } from "./session.ts";

/** `session` is shared and stays open; without one, a session of its own is opened and closed. */
export interface RegistryOptions extends SessionOptions {
  readonly session?: RegistrySession;
  /** Called as blobs move: the blob, bytes done so far, bytes in all. */
  readonly onProgress?: (descriptor: Descriptor, done: number, total: number) => void;
}

/** Opens `reference` for reading. Nothing is asked before the first method is called. */
export function openRegistrySource(reference: Reference, options: RegistryOptions = {}): RegistrySource {
  return new RegistrySource(reference, options.session ?? new RegistrySession(options), options.session === undefined);
}

/** See the contract. `open` gives content that can be iterated again, each time from the first byte. */
export class RegistrySource implements Source {
  readonly reference: Reference;
  readonly session: RegistrySession;
  readonly #owned: boolean;
  /** Manifests as they were read, by digest: a later `read` asks nothing. */
  readonly #manifests = new Map<string, Uint8Array>();
  /** The digests of what the manifests read so far refer to: what this repository is known to hold. */
  readonly #listed = new Set<string>();
  #root: Promise<{ client: RegistryClient; manifest: FetchedManifest }> | undefined;

  constructor(reference: Reference, session: RegistrySession, owned: boolean) {
    this.reference = reference;
    this.session = session;
    this.#owned = owned;
  }

  /** Throws IMAGE_NOT_FOUND when no place has the reference. */
  async root(): Promise<Root> {
    const { manifest } = await this.#opened();
    return { descriptor: manifest.descriptor, names: [formatReference(this.reference)] };
  }

  async read(descriptor: Descriptor): Promise<Uint8Array> {
    const { client } = await this.#opened();
    const known = this.#manifests.get(descriptor.digest);
    if (known) return known;
    if (!isManifestType(descriptor.mediaType) && !isIndexType(descriptor.mediaType))
      return client.smallBlob(descriptor);
    if (descriptor.size > MAX_MANIFEST) {
      throw new InitwrapError("IMAGE_INVALID", `manifest ${descriptor.digest} is larger than ${MAX_MANIFEST} bytes`, {
        where: client.where,
      });
    }
    const manifest = await client.manifest(descriptor.digest);
    if (!manifest) {
      throw new InitwrapError("IMAGE_NOT_FOUND", `${client.where} does not hold the manifest ${descriptor.digest}`, {
        where: client.where,
      });
    }
    if (manifest.bytes.length !== descriptor.size) {
      throw new InitwrapError(
        "BLOB_CORRUPT",
        `manifest ${descriptor.digest} has ${manifest.bytes.length} bytes instead of ${descriptor.size}`,
        {
          where: client.where,
        },
      );
    }
    this.#remember(manifest);
    return manifest.bytes;
  }

  async open(descriptor: Descriptor): Promise<AsyncIterable<Uint8Array>> {
    if (isManifestType(descriptor.mediaType) || isIndexType(descriptor.mediaType)) {
      const bytes = await this.read(descriptor);
      return {
        async *[Symbol.asyncIterator]() {
          yield bytes;
        },
      };
    }
    const { client } = await this.#opened();
    // A foreign layer is often elsewhere; that has to be known before its first byte is asked for.
    if (Array.isArray(descriptor.urls) && !(await client.headBlob(descriptor))) {
      throw new InitwrapError(
        "IMAGE_NOT_FOUND",
        `${client.where} does not hold the foreign layer ${descriptor.digest}`,
        {
          where: client.where,
        },
      );
    }
    return client.blob(descriptor);
  }

  /** Signatures, attestations and SBOMs of the image beside it; undefined when the registry does not say. */
  async attachments(): Promise<readonly Attachment[] | undefined> {
    const { client, manifest } = await this.#opened();
    return attachmentsTo(client, manifest.descriptor.digest);
  }

  /** The client of the place that has the image; undefined before `root` or `read`. For a sink at the same registry. */
  async client(): Promise<RegistryClient | undefined> {
    return (await this.#root)?.client;
  }

  /** True when a manifest that was read here refers to the digest. */
  lists(digest: string): boolean {
    return this.#listed.has(digest);
  }

  async close(): Promise<void> {
    if (this.#owned) await this.session.close();
  }

  #opened(): Promise<{ client: RegistryClient; manifest: FetchedManifest }> {
    this.#root ??= this.#find();
    return this.#root;
  }

  async #find(): Promise<{ client: RegistryClient; manifest: FetchedManifest }> {
    const endpoints = await this.session.hosts.pull(this.reference);
    const name = this.reference.digest ?? this.reference.tag ?? "latest";
    for (const [index, endpoint] of endpoints.entries()) {
      const client = new RegistryClient(this.session, endpoint);
      const isLast = index === endpoints.length - 1;
      // A mirror that is down or knows nothing is passed over, as podman does; the registry itself has the last word.
      const manifest = await client.manifest(name).catch((error: unknown) => {
        if (isLast || !(error instanceof InitwrapError)) throw error;
        return undefined;
      });
      if (manifest) {
        this.#remember(manifest);
        return { client, manifest };
      }
    }
    throw new InitwrapError("IMAGE_NOT_FOUND", `there is no image ${formatReference(this.reference)}`, {
      where: formatReference(this.reference),
      hint: "Check the name and the tag, and whether you are logged in to the right registry.",
    });
  }

  #remember({ bytes, descriptor }: FetchedManifest): void {
    this.#manifests.set(digestOf(bytes), bytes);
    if (!isManifestType(descriptor.mediaType)) return;
    // Only digests are taken from it; whether it is a proper manifest is for the planner to judge.
    const document = JSON.parse(new TextDecoder().decode(bytes)) as { config?: unknown; layers?: unknown } | null;
    const layers = Array.isArray(document?.layers) ? document.layers : [];
    for (const entry of [document?.config, ...layers]) {
      const { digest, urls } = (entry ?? {}) as { digest?: unknown; urls?: unknown };
      // A foreign layer is named by its manifest without being in the registry.
      if (isDigest(digest) && !Array.isArray(urls)) this.#listed.add(digest);
    }
  }
}
