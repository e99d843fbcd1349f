/**
 * Writing to an engine: a thin archive that holds only what is new. It is loaded under a temporary name, checked, and only
 * then tagged: an engine says "Loaded" and answers 200 even when a layer is missing.
 *
 * An engine that keeps no manifests keeps one platform's image of an index: its own, else the first.
 */
import { randomBytes } from "node:crypto";
import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, digestHex } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { isIndexType } from "../model/media-types.ts";
import { formatReference, isImageId, type Reference } from "../model/reference.ts";
import type { Receipt, Sink, SinkOptions } from "./contract.ts";
import { CREATE_LIMIT, collect, type DockerEngine, type EngineFacts } from "./docker-engine.ts";
import { failureIn } from "./engine-documents.ts";
import { EngineSource } from "./engine-source.ts";
import { replaceInIndex } from "./oci-index.ts";
import { END_OF_ARCHIVE, padding, tarHeader } from "./tar.ts";
import { verified } from "./verify.ts";

export class EngineSink implements Sink {
  readonly #engine: DockerEngine;
  readonly #location: string;
  readonly #options: SinkOptions;
  readonly #facts: EngineFacts;
  readonly #from: EngineSource | undefined;
  readonly #small = new Map<Digest, Uint8Array>();
  readonly #streamed = new Set<Digest>();
  #upload: Upload | undefined;
  #moved = 0;

  constructor(engine: DockerEngine, facts: EngineFacts, location: string, options: SinkOptions) {
    this.#engine = engine;
    this.#location = location;
    this.#options = options;
    this.#facts = facts;
    const { from } = options;
    this.#from = from instanceof EngineSource && from.engine.address === engine.address ? from : undefined;
  }

  async has(descriptor: Descriptor): Promise<boolean> {
    const { digest } = descriptor;
    return this.#small.has(digest) || this.#streamed.has(digest) || (this.#from?.holds(digest) ?? false);
  }

  async put(descriptor: Descriptor, content: AsyncIterable<Uint8Array>): Promise<void> {
    const { digest, size } = descriptor;
    const checked = verified(descriptor, content, (done) => this.#options.onProgress?.(descriptor, done, size));
    if (size <= 1 << 20) {
      const parts: Uint8Array[] = [];
      for await (const part of checked) parts.push(part);
      this.#small.set(digest, Buffer.concat(parts));
      return;
    }
    this.#upload ??= new Upload(this.#engine);
    const upload = this.#upload;
    try {
      await upload.write(tarHeader(blobName(digest), size));
      for await (const part of checked) await upload.write(part);
      await upload.write(padding(size));
    } catch (cause) {
      // A tar that ends in the middle is refused whole by the engine.
      await upload.abort();
      this.#upload = undefined;
      this.#streamed.clear();
      throw cause;
    }
    this.#streamed.add(digest);
    this.#moved += size;
  }

  async commit(root: Descriptor): Promise<Receipt> {
    const names = await this.#names();
    const temporary = `initwrap.invalid/loading:${randomBytes(8).toString("hex")}`;
    const images = await this.#imagesUnder(root);
    const image = images.find((one) => one.platform === this.#facts.platform) ?? images[0];
    if (!image) throw new InitwrapError("IMAGE_INVALID", "there is no image to load");
    const { config, layers } = image.manifest;
    const encode = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
    const shown = this.#facts.keepsManifests ? root : image.descriptor;
    // A document that the engine has, and so was not put, is looked for in the archive all the same.
    for (const descriptor of [root, image.descriptor, config]) {
      const bytes = await this.#bytes(descriptor);
      if (bytes) this.#small.set(descriptor.digest, bytes);
    }
    const files: [string, Uint8Array][] = [...this.#small].map(([digest, bytes]) => [blobName(digest), bytes]);
    files.push(["index.json", replaceInIndex(undefined, undefined, shown, [temporary])]);
    files.push([
      "manifest.json",
      encode([
        {
          Config: blobName(config.digest),
          RepoTags: [temporary],
          Layers: layers.map((layer) => blobName(layer.digest)),
        },
      ]),
    ]);
    files.push(["oci-layout", encode({ imageLayoutVersion: "1.0.0" })]);
    const upload = this.#upload ?? new Upload(this.#engine);
    this.#upload = undefined;
    for (const [name, bytes] of files) {
      await upload.write(Buffer.concat([tarHeader(name, bytes.length), bytes, padding(bytes.length)]));
      this.#moved += bytes.length;
    }
    if (this.#options.signal?.aborted) {
      await upload.abort();
      throw this.#options.signal.reason;
    }
    await upload.write(END_OF_ARCHIVE);
    try {
      const failure = failureIn(await upload.finish());
      if (failure !== undefined) throw this.#failed(`it could not load the image: ${failure}`);
      const [loaded, isWhole] = await Promise.all([this.#engine.inspect(temporary), this.#isUnpacked(temporary)]);
      const expected = this.#facts.keepsManifests ? root.digest : config.digest;
      if (loaded?.Id !== expected) throw this.#failed(`it loaded ${loaded?.Id ?? "nothing"} instead of ${expected}`);
      if (!isWhole) await this.#prove(temporary);
      this.#options.signal?.throwIfAborted();
      // Not by the caller's signal: all of the names, or none.
      for (const name of names) await this.#engine.tag(temporary, name, AbortSignal.timeout(CREATE_LIMIT));
      return { digest: expected, names: names.map(formatReference), bytesMoved: this.#moved };
    } finally {
      await this.#engine.untag(temporary);
    }
  }

  async close(): Promise<void> {
    await this.#upload?.abort();
    this.#upload = undefined;
    await this.#engine.close();
  }

  async #names(): Promise<readonly Reference[]> {
    const kept = (await this.#from?.root())?.names ?? [];
    return engineNames(this.#location, this.#options.names, kept, (name) => this.#engine.referenceOf(name));
  }

  /**
   * True when it is known that a container can be made of the image. An engine that keeps manifests looks for each layer when it
   * is asked for the history: it fails when one is not there unpacked (Docker 26), or knows no history (28). One that keeps none
   * would not have loaded the image.
   */
  async #isUnpacked(name: string): Promise<boolean> {
    if (!this.#facts.keepsManifests) return true;
    const response = await this.#engine.request(`/images/${encodeURIComponent(name)}/history`);
    const said = new TextDecoder().decode(await collect(response, 16 << 20));
    return response.statusCode === 200 && /"Id"/.test(said);
  }

  /** Creates a container, and removes it: the call that fails when the image's layers cannot be had. */
  async #prove(image: string): Promise<void> {
    const name = `initwrap-${randomBytes(6).toString("hex")}`;
    const body = Buffer.from(JSON.stringify({ Image: image, Cmd: ["true"], NetworkDisabled: true }));
    try {
      const response = await this.#engine.request("/containers/create", {
        method: "POST",
        query: { name },
        headers: { "Content-Type": "application/json" },
        body,
        // Not the caller's signal: a call that is given up may still make the container.
        signal: AbortSignal.timeout(CREATE_LIMIT),
        timeout: CREATE_LIMIT,
      });
      const said = await collect(response, 1 << 20);
      if (response.statusCode === 201) return;
      const message = new TextDecoder().decode(said);
      // An image for other machines only is no broken image.
      if (/platform|does not provide/i.test(message)) return;
      throw this.#failed(`the image is not usable there: ${message.trim()}`);
    } finally {
      // By its name: whoever is not answered does not know an ID.
      await this.#engine.cleanUp(`/containers/${name}`, { force: "1", v: "1" });
    }
  }

  async #imagesUnder(root: Descriptor): Promise<readonly HeldImage[]> {
    const document = (await this.#document(root)) as (HeldImage["manifest"] & { manifests?: Descriptor[] }) | undefined;
    if (!document) return [];
    if (!isIndexType(root.mediaType) && !document.manifests) {
      const config = (await this.#document(document.config)) as { os?: string; architecture?: string } | undefined;
      return [{ descriptor: root, manifest: document, platform: `${config?.os}/${config?.architecture}` }];
    }
    const children = (document.manifests ?? []).filter((child) => !child.annotations?.["vnd.docker.reference.type"]);
    return (await Promise.all(children.map((child) => this.#imagesUnder(child)))).flat();
  }

  async #document(descriptor: Descriptor): Promise<unknown> {
    const bytes = await this.#bytes(descriptor);
    return bytes && JSON.parse(new TextDecoder().decode(bytes));
  }

  async #bytes(descriptor: Descriptor): Promise<Uint8Array | undefined> {
    return this.#small.get(descriptor.digest) ?? this.#options.from?.read(descriptor).catch(() => undefined);
  }

  #failed(what: string): InitwrapError {
    return new InitwrapError("DAEMON_FAILED", `the engine did not take the image: ${what}`, {
      where: this.#engine.address,
      hint: "The tag was left as it was. A base image whose layers were removed must be pulled again.",
    });
  }
}

/** The names of a result in an engine, of which `referenceOf` says what they mean. Throws TAG_REQUIRED. */
export function engineNames(
  location: string,
  asked: readonly string[],
  kept: readonly string[],
  referenceOf: (name: string) => Reference | undefined,
): readonly Reference[] {
  // The name under which the source was found: podman finds a short one in several registries.
  const short = /:[^/]*$/.test(location) ? location : `${location}:latest`;
  const same = kept.find((name) => name === short || name.endsWith(`/${short}`));
  const given = asked.length > 0 ? asked : [same ?? location];
  return given.map((name) => {
    const reference = referenceOf(name);
    if (reference && !reference.digest && !isImageId(name)) return reference;
    throw new InitwrapError("TAG_REQUIRED", `${name} is no name that the engine can give the result`, {
      hint: "Name it with -t NAME:TAG.",
    });
  });
}

/** A platform's image, as far as loading it goes. */
interface HeldImage {
  readonly descriptor: Descriptor;
  readonly manifest: { readonly config: Descriptor; readonly layers: readonly Descriptor[] };
  readonly platform: string;
}

/** One `POST` of an archive whose body is written piece by piece. */
class Upload {
  readonly #answer: Promise<Uint8Array>;
  /** Breaks the connection: an engine that reads no more would have the body wait for ever. */
  readonly #broken = new AbortController();
  #queue: Uint8Array | undefined;
  #ended = false;
  #failure: unknown;
  #wake = Promise.withResolvers<void>();
  #taken = Promise.withResolvers<void>();

  constructor(engine: DockerEngine) {
    this.#answer = (async () => {
      const response = await engine.request(engine.loadPath, {
        method: "POST",
        query: { quiet: "1" },
        headers: { "Content-Type": "application/x-tar" },
        body: this.#body(),
        // Not the caller's signal: an engine that has the whole archive loads it, whether somebody listens or not, and its name
        // can only be taken away when it is there.
        signal: this.#broken.signal,
        timeout: 0,
      });
      const said = await collect(response, 16 << 20);
      if (response.statusCode !== 200) throw engine.failure(engine.loadPath, response.statusCode ?? 0, said);
      if (!this.#ended) {
        const reason = failureIn(said) ?? "it answered before it had the whole archive";
        throw new InitwrapError("DAEMON_FAILED", `the engine did not take the image: ${reason}`, {
          where: engine.address,
        });
      }
      return said;
    })();
    this.#answer.catch((cause) => {
      this.#failure ??= cause;
      this.#taken.resolve();
      this.#broken.abort(cause);
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    while (this.#queue && !this.#failure) await this.#taken.promise;
    if (this.#failure) throw this.#failure;
    this.#queue = bytes;
    this.#taken = Promise.withResolvers<void>();
    this.#wake.resolve();
  }

  async finish(): Promise<Uint8Array> {
    this.#ended = true;
    this.#wake.resolve();
    return this.#answer;
  }

  /** For an archive that is not whole yet. */
  async abort(): Promise<void> {
    this.#failure ??= new Error("the upload was given up");
    this.#broken.abort(this.#failure);
    this.#wake.resolve();
    await this.#answer.catch(() => {});
  }

  async *#body(): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.#failure) throw this.#failure;
      if (this.#queue) {
        const bytes = this.#queue;
        yield bytes;
        this.#queue = undefined;
        this.#taken.resolve();
        continue;
      }
      if (this.#ended) return;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers<void>();
    }
  }
}

function blobName(digest: Digest): string {
  return `blobs/sha256/${digestHex(digest)}`;
}
