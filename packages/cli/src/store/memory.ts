/** An image in memory: the reference by which the contract is read, and the medium of tests. */
import type { Descriptor } from "../model/descriptor.ts";
import { InitwrapError } from "../model/errors.ts";
import type { Medium, Receipt, Root, Sink, SinkOptions, Source } from "./contract.ts";
import { once, verified } from "./verify.ts";

/** What a memory medium holds: blobs by digest, and images by name. */
export class MemoryStore {
  readonly blobs = new Map<string, Uint8Array>();
  readonly images = new Map<string, Root>();

  /** The medium whose locations are names in this store. */
  medium(): Medium {
    return {
      scheme: "memory",
      source: async (location) => this.source(location),
      sink: async (location, options) => new MemorySink(this, location, options),
      namesFor: async (_location, asked) => asked,
    };
  }

  source(name: string): Source {
    const held = (descriptor: Descriptor): Uint8Array => {
      const bytes = this.blobs.get(descriptor.digest);
      if (!bytes) throw new InitwrapError("IMAGE_NOT_FOUND", `memory does not hold ${descriptor.digest}`);
      return bytes;
    };
    return {
      root: async () => {
        const root = this.images.get(name);
        if (!root) throw new InitwrapError("IMAGE_NOT_FOUND", `memory has no image ${name}`);
        return root;
      },
      read: async (descriptor) => {
        const parts: Uint8Array[] = [];
        for await (const part of verified(descriptor, once(held(descriptor)))) parts.push(part);
        return Buffer.concat(parts);
      },
      open: async (descriptor) => once(held(descriptor)),
      close: async () => {},
    };
  }
}

class MemorySink implements Sink {
  readonly #store: MemoryStore;
  readonly #name: string;
  readonly #options: SinkOptions;
  readonly #put = new Map<string, Uint8Array>();

  constructor(store: MemoryStore, name: string, options: SinkOptions) {
    this.#store = store;
    this.#name = name;
    this.#options = options;
  }

  async has(descriptor: Descriptor): Promise<boolean> {
    return this.#put.has(descriptor.digest) || this.#store.blobs.has(descriptor.digest);
  }

  async put(descriptor: Descriptor, content: AsyncIterable<Uint8Array>): Promise<void> {
    const parts: Uint8Array[] = [];
    for await (const part of verified(descriptor, content)) parts.push(part);
    this.#put.set(descriptor.digest, Buffer.concat(parts));
  }

  async commit(root: Descriptor): Promise<Receipt> {
    let bytesMoved = 0;
    for (const [digest, bytes] of this.#put) {
      this.#store.blobs.set(digest, bytes);
      bytesMoved += bytes.length;
    }
    const { names } = this.#options;
    this.#store.images.set(this.#name, { descriptor: root, names });
    return { digest: root.digest, names, bytesMoved };
  }

  async close(): Promise<void> {
    this.#put.clear();
  }
}
