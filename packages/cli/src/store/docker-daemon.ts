/**
 * `docker:NAME`: the images of a Docker Engine, of both of its stores.
 *
 * Reading: the engine has no call that gives a manifest or a config as bytes. With the containerd store it is asked to push
 * to a registry of our own on the loopback address, which takes the documents and no layer. Where that cannot be (the
 * graph driver, an engine on another machine), the image is saved whole: slow, and exact.
 *
 * Writing: a thin archive that holds only what is new. It is loaded under a temporary name, checked, and only then
 * tagged: an engine says "Loaded" and answers 200 even when a layer is missing.
 */
import { randomBytes } from "node:crypto";
import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, digestHex, isDigest } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { isIndexType, OCI_INDEX, OCI_MANIFEST } from "../model/media-types.ts";
import { familiarReference, formatReference, parseReference, type Reference } from "../model/reference.ts";
import { ArchiveSource } from "./archive.ts";
import { startCaptureRegistry } from "./capture-registry.ts";
import type { Medium, Receipt, Root, Sink, SinkOptions, Source, SourceOptions } from "./contract.ts";
import { engineEndpoint } from "./docker-endpoint.ts";
import { collect, DockerEngine, type ImageInspect } from "./docker-engine.ts";
import { replaceInIndex } from "./oci-index.ts";
import { END_OF_ARCHIVE, padding, tarHeader } from "./tar.ts";
import { verified, verifiedBytes } from "./verify.ts";

export const dockerDaemonMedium: Medium = {
  scheme: "docker",
  source: async (location, options) => DaemonSource.open(location, options),
  sink: async (location, options) => {
    const engine = engineFor(options);
    return new DaemonSink(engine, location, options, await usesContainerd(engine));
  },
};

function engineFor(options: SourceOptions | SinkOptions): DockerEngine {
  return new DockerEngine(engineEndpoint(options.env), options.signal ? { signal: options.signal } : {});
}

/** True when images live in containerd, with their manifests; false for the graph driver, which keeps configs only. */
async function usesContainerd(engine: DockerEngine): Promise<boolean> {
  const info = await engine.json<{ DriverStatus?: readonly (readonly string[])[] }>("/info");
  return (info?.DriverStatus ?? []).some((pair) => pair[0] === "driver-type" && pair[1]?.startsWith("io.containerd"));
}

export class DaemonSource implements Source {
  readonly engine: DockerEngine;
  readonly inspected: ImageInspect;
  readonly #root: Root;
  readonly #documents: ReadonlyMap<string, Uint8Array>;
  readonly #saved: ArchiveSource | undefined;
  #held: ReadonlySet<string> | undefined;

  private constructor(
    engine: DockerEngine,
    inspected: ImageInspect,
    root: Root,
    documents: ReadonlyMap<string, Uint8Array>,
    saved?: ArchiveSource,
  ) {
    this.engine = engine;
    this.inspected = inspected;
    this.#root = root;
    this.#documents = documents;
    this.#saved = saved;
  }

  static async open(location: string, options: SourceOptions): Promise<DaemonSource> {
    const engine = engineFor(options);
    const reference = referenceOf(location);
    const wanted = reference ? familiarReference(reference) : location;
    const inspected = await engine.inspect(wanted);
    if (!inspected) {
      throw new InitwrapError("IMAGE_NOT_FOUND", `the engine has no image ${wanted}`, {
        where: engine.address,
        hint: "Pull or build it first.",
      });
    }
    const containerd = await usesContainerd(engine);
    const names = reference && !reference.digest ? [formatReference(reference)] : [];
    if (containerd && !options.layers && isLocal(engine)) {
      const captured = await capture(engine, wanted, inspected.Id);
      if (captured) {
        return new DaemonSource(engine, inspected, { descriptor: captured.descriptor, names }, captured.documents);
      }
    }
    const response = await engine.request("/images/get", { query: { names: wanted }, timeout: 0 });
    if (response.statusCode !== 200) {
      throw engine.failure("/images/get", response.statusCode ?? 0, await collect(response, 1 << 20));
    }
    const saved = await ArchiveSource.fromStream(response, `docker:${wanted}`, undefined, options);
    const { descriptor } = await saved.root();
    return new DaemonSource(engine, inspected, { descriptor, names, synthesized: !containerd }, new Map(), saved);
  }

  async root(): Promise<Root> {
    return this.#root;
  }

  async read(descriptor: Descriptor): Promise<Uint8Array> {
    const bytes = this.#documents.get(descriptor.digest);
    if (bytes) return verifiedBytes(descriptor, bytes);
    if (this.#saved) return this.#saved.read(descriptor);
    throw this.#missing(descriptor);
  }

  async open(descriptor: Descriptor): Promise<AsyncIterable<Uint8Array>> {
    if (this.#saved) return this.#saved.open(descriptor);
    const bytes = await this.read(descriptor);
    return (async function* () {
      yield bytes;
    })();
  }

  /** True for a blob of the image that the engine holds already: what its documents list, and they themselves. */
  holds(digest: Digest): boolean {
    if (this.#saved?.has(digest)) return true;
    this.#held ??= new Set([...this.#documents].flatMap(([own, bytes]) => [own, ...listedIn(bytes)]));
    return this.#held.has(digest);
  }

  async close(): Promise<void> {
    await this.#saved?.close();
  }

  #missing(descriptor: Descriptor): InitwrapError {
    return new InitwrapError("IMAGE_NOT_FOUND", `the engine did not hand over ${descriptor.digest}`, {
      where: this.engine.address,
    });
  }
}

/** The digests that a manifest refers to; the children of an index need not be there, and come with documents of their own. */
function listedIn(bytes: Uint8Array): readonly string[] {
  const document = JSON.parse(new TextDecoder().decode(bytes)) as { config?: Descriptor; layers?: Descriptor[] };
  return [document.config, ...(Array.isArray(document.layers) ? document.layers : [])].flatMap((one) =>
    typeof one?.digest === "string" ? [one.digest] : [],
  );
}

/** The push to ourselves only works where the engine's loopback is ours. */
function isLocal(engine: DockerEngine): boolean {
  const { endpoint } = engine;
  return endpoint.kind === "unix" || endpoint.host === "localhost" || endpoint.host.startsWith("127.");
}

/** Index, manifests and configs of an image, or undefined when the engine cannot push it (a platform is not there). */
async function capture(
  engine: DockerEngine,
  name: string,
  id: string,
): Promise<{ readonly descriptor: Descriptor; readonly documents: ReadonlyMap<string, Uint8Array> } | undefined> {
  const registry = await startCaptureRegistry();
  const repository = `${registry.host}/initwrap/${randomBytes(6).toString("hex")}`;
  try {
    const tagged = await engine.request(`/images/${encodeURIComponent(name)}/tag`, {
      method: "POST",
      query: { repo: repository, tag: "x" },
    });
    await collect(tagged, 1 << 20);
    if (tagged.statusCode !== 201) return undefined;
    try {
      const auth = Buffer.from("{}").toString("base64");
      const pushed = await engine.request(`/images/${encodeURIComponent(repository)}/push`, {
        method: "POST",
        query: { tag: "x" },
        headers: { "X-Registry-Auth": auth },
      });
      const said = await collect(pushed, 16 << 20);
      if (pushed.statusCode !== 200 || failureIn(said) !== undefined) return undefined;
    } finally {
      const removed = await engine.request(`/images/${encodeURIComponent(`${repository}:x`)}`, {
        method: "DELETE",
        query: { noprune: "1" },
      });
      await collect(removed, 1 << 20);
    }
    const digest = registry.tagged("x");
    const bytes = digest === undefined ? undefined : registry.documents.get(digest);
    if (!bytes || !isDigest(digest) || digest !== id) return undefined;
    const { mediaType, manifests } = JSON.parse(new TextDecoder().decode(bytes)) as {
      mediaType?: string;
      manifests?: unknown;
    };
    const type = mediaType ?? (manifests ? OCI_INDEX : OCI_MANIFEST);
    return { descriptor: { mediaType: type, digest, size: bytes.length }, documents: registry.documents };
  } finally {
    await registry.close();
  }
}

/** The error in a stream of JSON lines, or undefined: the status of such a call is 200 whatever happens. */
function failureIn(stream: Uint8Array): string | undefined {
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

class DaemonSink implements Sink {
  readonly #engine: DockerEngine;
  readonly #location: string;
  readonly #options: SinkOptions;
  readonly #containerd: boolean;
  readonly #from: DaemonSource | undefined;
  readonly #small = new Map<Digest, Buffer>();
  readonly #streamed = new Set<Digest>();
  #upload: Upload | undefined;
  #moved = 0;

  constructor(engine: DockerEngine, location: string, options: SinkOptions, containerd: boolean) {
    this.#engine = engine;
    this.#location = location;
    this.#options = options;
    this.#containerd = containerd;
    const { from } = options;
    this.#from = from instanceof DaemonSource && from.engine.address === engine.address ? from : undefined;
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
    try {
      await this.#upload.write(tarHeader(blobName(digest), size));
      for await (const part of checked) await this.#upload.write(part);
      await this.#upload.write(padding(size));
    } catch (cause) {
      // A tar that ends in the middle is refused whole by the engine.
      await this.#upload.abort();
      this.#upload = undefined;
      this.#streamed.clear();
      throw cause;
    }
    this.#streamed.add(digest);
    this.#moved += size;
  }

  async commit(root: Descriptor): Promise<Receipt> {
    const names = this.#names();
    const temporary = `initwrap.invalid/loading:${randomBytes(8).toString("hex")}`;
    const images = await this.#imagesUnder(root);
    const [image] = images;
    if (!image) throw new InitwrapError("IMAGE_INVALID", "there is no image to load");
    const encode = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
    const files: [string, Uint8Array][] = [...this.#small].map(([digest, bytes]) => [blobName(digest), bytes]);
    files.push(["index.json", replaceInIndex(undefined, undefined, root, [temporary])]);
    files.push([
      "manifest.json",
      encode([
        {
          Config: blobName(image.config.digest),
          RepoTags: [temporary],
          Layers: image.layers.map((layer) => blobName(layer.digest)),
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
    await upload.write(END_OF_ARCHIVE);
    const failure = failureIn(await upload.finish());
    try {
      if (failure !== undefined) throw this.#failed(`it could not load the image: ${failure}`);
      const loaded = await this.#engine.inspect(temporary);
      const expected = this.#containerd ? root.digest : image.config.digest;
      if (loaded?.Id !== expected) throw this.#failed(`it loaded ${loaded?.Id ?? "nothing"} instead of ${expected}`);
      await this.#prove(temporary);
      this.#options.signal?.throwIfAborted();
      for (const name of names) await this.#tag(temporary, name);
      return { digest: expected, names: names.map(formatReference), bytesMoved: this.#moved };
    } finally {
      await this.#remove(temporary);
    }
  }

  async close(): Promise<void> {
    await this.#upload?.abort();
    this.#upload = undefined;
  }

  #names(): readonly Reference[] {
    const given = this.#options.names.length > 0 ? this.#options.names : [this.#location];
    return given.map((name) => {
      const reference = referenceOf(name);
      if (reference && !reference.digest) return reference;
      throw new InitwrapError("TAG_REQUIRED", `${name} is no name that the engine can give the result`, {
        hint: "Name it with -t NAME:TAG.",
      });
    });
  }

  /** Creates a container, and removes it: the one call that fails when the image's layers are not really there. */
  async #prove(name: string): Promise<void> {
    if (!this.#containerd) return;
    const body = Buffer.from(JSON.stringify({ Image: name, Cmd: ["true"], NetworkDisabled: true }));
    const response = await this.#engine.request("/containers/create", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body,
    });
    const said = await collect(response, 1 << 20);
    if (response.statusCode !== 201) {
      const message = new TextDecoder().decode(said);
      // An image for other machines only is no broken image.
      if (/platform|does not provide/i.test(message)) return;
      throw this.#failed(`the image is not usable there: ${message.trim()}`);
    }
    const { Id } = JSON.parse(new TextDecoder().decode(said)) as { Id: string };
    const removed = await this.#engine.request(`/containers/${Id}`, {
      method: "DELETE",
      query: { force: "1", v: "1" },
    });
    await collect(removed, 1 << 20);
  }

  async #tag(from: string, to: Reference): Promise<void> {
    const short = familiarReference({ registry: to.registry, repository: to.repository }).replace(/:latest$/, "");
    const response = await this.#engine.request(`/images/${encodeURIComponent(from)}/tag`, {
      method: "POST",
      query: { repo: short, tag: to.tag ?? "latest" },
    });
    const said = await collect(response, 1 << 20);
    if (response.statusCode !== 201) throw this.#engine.failure("/images/tag", response.statusCode ?? 0, said);
  }

  async #remove(name: string): Promise<void> {
    const response = await this.#engine
      .request(`/images/${encodeURIComponent(name)}`, { method: "DELETE", query: { noprune: "1" } })
      .catch(() => undefined);
    if (response) await collect(response, 1 << 20).catch(() => undefined);
  }

  async #imagesUnder(root: Descriptor): Promise<readonly { config: Descriptor; layers: readonly Descriptor[] }[]> {
    const bytes = this.#small.get(root.digest) ?? (await this.#options.from?.read(root).catch(() => undefined));
    if (!bytes) return [];
    const document = JSON.parse(new TextDecoder().decode(bytes)) as {
      manifests?: Descriptor[];
      config: Descriptor;
      layers: readonly Descriptor[];
    };
    if (!isIndexType(root.mediaType) && !document.manifests) return [document];
    const children = (document.manifests ?? []).filter((child) => !child.annotations?.["vnd.docker.reference.type"]);
    return (await Promise.all(children.map((child) => this.#imagesUnder(child)))).flat();
  }

  #failed(what: string): InitwrapError {
    return new InitwrapError("DAEMON_FAILED", `the engine did not take the image: ${what}`, {
      where: this.#engine.address,
      hint: "The tag was left as it was. A base image whose layers were removed must be pulled again.",
    });
  }
}

/** One `POST /images/load` whose body is written piece by piece. */
class Upload {
  readonly #answer: Promise<Uint8Array>;
  #queue: Uint8Array | undefined;
  #ended = false;
  #failure: unknown;
  #wake = Promise.withResolvers<void>();
  #taken = Promise.withResolvers<void>();

  constructor(engine: DockerEngine) {
    this.#answer = (async () => {
      const response = await engine.request("/images/load", {
        method: "POST",
        query: { quiet: "1" },
        headers: { "Content-Type": "application/x-tar" },
        body: this.#body(),
        timeout: 0,
      });
      const said = await collect(response, 16 << 20);
      if (response.statusCode !== 200) throw engine.failure("/images/load", response.statusCode ?? 0, said);
      return said;
    })();
    this.#answer.catch((cause) => {
      this.#failure = cause;
      this.#taken.resolve();
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

  async abort(): Promise<void> {
    this.#failure ??= new Error("the upload was given up");
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

function referenceOf(text: string): Reference | undefined {
  return parseReference(text);
}

function blobName(digest: Digest): string {
  return `blobs/sha256/${digestHex(digest)}`;
}
