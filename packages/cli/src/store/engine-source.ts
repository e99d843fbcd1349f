/** An image in an engine, opened for reading: its small documents, and behind them what the engine saved, if it had to. */
import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import type { ArchiveSource } from "./archive.ts";
import type { Region, Root, Source } from "./contract.ts";
import type { DockerEngine } from "./docker-engine.ts";
import type { Documents } from "./engine-documents.ts";
import { once, verifiedBytes } from "./verify.ts";

export class EngineSource implements Source {
  readonly engine: DockerEngine;
  readonly #root: Root;
  readonly #documents: Documents;
  readonly #saved: ArchiveSource | undefined;
  #held: ReadonlySet<string> | undefined;

  constructor(engine: DockerEngine, root: Root, documents: Documents, saved?: ArchiveSource) {
    this.engine = engine;
    this.#root = root;
    this.#documents = documents;
    this.#saved = saved;
  }

  async root(): Promise<Root> {
    return this.#root;
  }

  async read(descriptor: Descriptor): Promise<Uint8Array> {
    const bytes = this.#documents.get(descriptor.digest);
    if (bytes) return verifiedBytes(descriptor, bytes);
    if (this.#saved) return this.#saved.read(descriptor);
    throw new InitwrapError("IMAGE_NOT_FOUND", `the engine did not hand over ${descriptor.digest}`, {
      where: this.engine.address,
    });
  }

  async open(descriptor: Descriptor): Promise<AsyncIterable<Uint8Array>> {
    if (this.#saved && !this.#documents.has(descriptor.digest)) return this.#saved.open(descriptor);
    return once(await this.read(descriptor));
  }

  /** In what the engine saved. */
  async region(descriptor: Descriptor): Promise<Region | undefined> {
    return this.#saved?.region(descriptor);
  }

  /** True where the image was saved, so that its layers can be opened whether they were asked for or not. */
  get hasLayers(): boolean {
    return this.#saved !== undefined;
  }

  /** True for a blob of the image that the engine holds already: what its documents list, and they themselves. */
  holds(digest: Digest): boolean {
    if (this.#saved?.has(digest)) return true;
    this.#held ??= new Set([...this.#documents].flatMap(([own, bytes]) => [own, ...listedIn(bytes)]));
    return this.#held.has(digest);
  }

  async close(): Promise<void> {
    await this.#saved?.close();
    await this.engine.close();
  }
}

/** The digests that a manifest refers to; the children of an index need not be there, and come with documents of their own. */
function listedIn(bytes: Uint8Array): readonly string[] {
  let document: { config?: Partial<Descriptor>; layers?: readonly Descriptor[] } | null;
  try {
    document = JSON.parse(new TextDecoder().decode(bytes)) as typeof document;
  } catch {
    // The config of something that is no image.
    return [];
  }
  const { config, layers } = document ?? {};
  return [config, ...(Array.isArray(layers) ? layers : [])].flatMap((one) =>
    typeof one?.digest === "string" ? [one.digest] : [],
  );
}
