/**
 * Images in tar archives: what docker save, podman save, skopeo, crane and buildx write.
 *
 * Two layouts are read, and one file may be both: Docker's (`manifest.json` lists config and layers) and OCI's
 * (`index.json` over `blobs/sha256`). Every producer writes those two files behind the blobs. So an archive is rewritten by
 * keeping everything before them, byte for byte, and writing a new tail: kilobytes for an image of gigabytes.
 *
 * Docker's older layout has no manifest; one is made up here from the config and the layers' own sizes, so that the rest
 * of the program sees one kind of image. `Root.synthesized` says so: such an image is known by its config's digest.
 *
 * Sources: Docker Image Specification v1.2, "Combined Image JSON + Filesystem Changeset Format"; OCI image-layout.md.
 */
import { createHash } from "node:crypto";
import { close, closeSync, createReadStream, fstatSync, openSync, read as readFd, readSync, statSync } from "node:fs";
import { addAbortSignal, type Readable } from "node:stream";
import { isatty } from "node:tty";
import { promisify } from "node:util";
import { type Descriptor, unreadError } from "../model/descriptor.ts";
import { type Digest, digestHex, digestOf, isDigest, unreadDigest } from "../model/digest.ts";
import { changed, EXIT, InitwrapError, withPlace } from "../model/errors.ts";
import { addMember, decodeJson, editItems, parseJson, rawAt, replaceAt } from "../model/json-edit.ts";
import { isIndexType, OCI_LAYER_GZIP, OCI_LAYER_TAR } from "../model/media-types.ts";
import { requireOneSpelling } from "../model/one-spelling.ts";
import { isRecord } from "../model/record.ts";
import { familiarReference, parseReference } from "../model/reference.ts";
import { NewFile } from "./atomic-file.ts";
import { COPIED_BY_CHILD } from "./child-copy.ts";
import type { Attachment, Receipt, Region, Root, Sink, SinkOptions, Source, SourceOptions } from "./contract.ts";
import { type Codec, codecOf, MAGIC_LENGTH } from "./decompress.ts";
import { ExpansionLimit } from "./expansion-limit.ts";
import { attachmentsInIndex } from "./index-attachments.ts";
import { fullName, namesInFile, splitLocation } from "./location.ts";
import { type Chosen, chooseFromIndex, replaceInIndex } from "./oci-index.ts";
import { spent } from "./spent-memory.ts";
import {
  type FileState,
  fileState,
  isBeingWritten,
  isHalfWritten,
  MAX_SPLICED,
  recoverTail,
  settledState,
  spliceTail,
  stateNamed,
} from "./splice.ts";
import { newSpool, type Spool, spoolArchive, spoolStream } from "./spool.ts";
import { synthesizeManifest } from "./synthesized-manifest.ts";
import {
  END_OF_ARCHIVE,
  indexTar,
  padded,
  padding,
  resolveEntry,
  type TarEntry,
  type TarIndex,
  tarHeader,
  Window,
} from "./tar.ts";
import { MAX_DOCUMENT, readFailure, verified, verifiedBytes, writeFailure } from "./verify.ts";
import { changedMeanwhile, WrittenMeanwhile } from "./written-meanwhile.ts";

/** Small files behind the metadata that are carried over in memory; more than this is no tail. */
const MAX_TAIL = 16 << 20;
const CHUNK = 256 << 10;
/** More images than this are in no archive: as many as an index may list. */
const MAX_IMAGES = 2000;

const TAIL_NAMES = new Set(["manifest.json", "index.json", "repositories", "oci-layout"]);

interface DockerEntry {
  readonly place: number;
  readonly config: string;
  readonly tags: readonly string[];
  readonly layers: readonly string[];
}

const readAsync = promisify(readFd) as unknown as (
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number,
) => Promise<{ bytesRead: number }>;

export class ArchiveSource implements Source {
  /** The file's path as the user gave it, `-` for standard input. */
  readonly path: string;
  /** How the file is compressed; a compressed archive is spooled to a temporary file and cannot be spliced. */
  readonly codec: Codec | undefined;
  readonly fd: number;
  /** The file's state before anything of it was read. */
  readonly state: FileState;
  readonly index: TarIndex;
  readonly window: Window;
  readonly metadata: { readonly index?: Buffer; readonly manifest?: Buffer };
  /** Content by digest: where it lies in the file, or bytes that were made up. */
  readonly #blobs = new Map<Digest, TarEntry | Uint8Array>();
  /** Digests of files that were hashed: a list may name one file a hundred thousand times. */
  readonly #hashed = new Map<TarEntry, Digest>();
  /** What chose the image among several. */
  readonly wanted: string | undefined;
  readonly #options: SourceOptions;
  readonly #spool: Spool | undefined;
  #root: Root | undefined;
  #isWhole = false;
  #closed = false;

  private constructor(
    path: string,
    fd: number,
    options: SourceOptions,
    wanted: string | undefined,
    spool?: Spool & { readonly codec?: Codec | undefined },
    state: FileState = fileState(fd),
  ) {
    this.path = path;
    this.fd = fd;
    this.codec = spool?.codec;
    this.#spool = spool;
    this.#options = options;
    this.wanted = wanted;
    this.state = state;
    this.window = new Window(fd, fstatSync(fd).size);
    this.index = indexTar(this.window);
    // Nothing is read from it; it is written anew, or left out.
    const repositories = this.index.entries.get("repositories");
    if (repositories && repositories.size > MAX_DOCUMENT) throw this.#tooLarge(repositories);
    const index = this.#document("index.json");
    const manifest = this.#document("manifest.json");
    for (const [name, found] of Object.entries({ "index.json": index, "manifest.json": manifest })) {
      // Another reader may find something where it leads.
      if (found || !this.index.entries.has(name)) continue;
      throw new InitwrapError("ARCHIVE_INVALID", `${name} is a link that leads to no file, or is none`, {
        where: path,
      });
    }
    this.metadata = { ...(index ? { index } : {}), ...(manifest ? { manifest } : {}) };
    if (!index && !manifest) {
      throw new InitwrapError("ARCHIVE_INVALID", "the archive has neither manifest.json nor index.json", {
        where: path,
        hint: "It is no image archive; docker export writes file systems, docker save writes images.",
      });
    }
  }

  /** Opens an archive. `wanted` chooses among several images by name, tag or digest. */
  static async open(path: string, wanted: string | undefined, options: SourceOptions): Promise<ArchiveSource> {
    const label = path === "-" ? "standard input" : path;
    if (path !== "-" && options.inPlace) await recoverTail(path, options.signal);
    /** What is open, and to be closed again. */
    let fd: number | undefined;
    let state: FileState | undefined;
    let spooled: Spool | undefined;
    let pipe: Readable | undefined;
    try {
      const stat = path === "-" ? fstatSync(0) : statSync(path);
      if (stat.isDirectory()) {
        throw new InitwrapError("LOCATOR_INVALID", `${label} is a folder`, {
          ...(path === "-" ? {} : { hint: `Use oci:${path} for an OCI layout.` }),
        });
      }
      if (path === "-" && isatty(0)) {
        throw new InitwrapError("INPUT_UNREADABLE", "standard input is a terminal", {
          hint: "Pipe an archive into it: docker save app:1 | initwrap image - -o docker:app:1",
        });
      }
      const isFile = stat.isFile();
      const isPipe = stat.isFIFO() || stat.isSocket();
      // Once it has been read, nothing of it is left to be changed.
      if (isPipe && options.inPlace) refuseInPlace(path);
      // Opening a pipe, or reading from one, waits for its other end.
      if (isPipe) pipe = (await import("./named-pipe.ts")).pipeForReading(path === "-" ? 0 : path);
      else if (path !== "-") fd = openSync(path, "r");
      const codec = isFile ? codecOfFile(fd ?? 0) : undefined;
      if (isFile && !codec) {
        state = options.inPlace && fd !== undefined ? await settledState(fd) : fileState(fd ?? 0);
        return new ArchiveSource(path, fd ?? 0, options, wanted, undefined, state);
      }
      const limit = new ExpansionLimit(options.env);
      spooled = await newSpool();
      const whole = { fd: fd ?? 0, autoClose: fd !== undefined, highWaterMark: CHUNK, ...(isFile ? { start: 0 } : {}) };
      const input = pipe ?? createReadStream("", whole);
      // It closes what it reads, also when it is broken off.
      fd = undefined;
      const content = readUntil(input, options.signal, (cause) => readFailure(cause, label));
      const found = await spoolArchive(content, spooled.file, { limit, size: isFile ? stat.size : undefined });
      fd = openSync(spooled.file, "r");
      return new ArchiveSource(path, fd, options, wanted, { ...spooled, codec: found });
    } catch (cause) {
      const read = fd !== undefined && state !== undefined ? { fd, state } : undefined;
      const failure = readFailure(cause, label);
      const told = spooled ? failure : halfWritten(failure, path, read, options.inPlace);
      if (fd !== undefined) closeSync(fd);
      await spooled?.remove();
      throw withPlace(told, label);
    } finally {
      // Who writes into a pipe is told that nobody reads any more.
      pipe?.destroy();
    }
  }

  /**
   * Opens an archive that arrives as a stream, through a temporary file. `failure` names what the stream fails with, and `label`
   * stands for its path in messages.
   */
  static async fromStream(
    content: Readable,
    failure: (cause: unknown) => unknown,
    label: string,
    wanted: string | undefined,
    options: SourceOptions,
  ): Promise<ArchiveSource> {
    const brokenOff = (cause: unknown): unknown => {
      const known = failure(cause);
      if (known instanceof InitwrapError) return withPlace(known, label);
      return new InitwrapError("DAEMON_FAILED", `the image broke off: ${(cause as Error).message}`, {
        where: label,
        cause,
      });
    };
    const spooled = await newSpool();
    try {
      await spoolStream(readUntil(content, options.signal, brokenOff), spooled.file);
      const fd = openSync(spooled.file, "r");
      try {
        return new ArchiveSource(label, fd, options, wanted, spooled);
      } catch (cause) {
        closeSync(fd);
        throw cause;
      }
    } catch (cause) {
      await spooled.remove();
      throw cause;
    }
  }

  failure(cause: unknown): unknown {
    return this.#closed || this.#spool ? cause : halfWritten(cause, this.path, this, this.#options.inPlace);
  }

  async root(): Promise<Root> {
    try {
      return await this.#findRoot();
    } catch (cause) {
      throw this.failure(cause);
    }
  }

  async #findRoot(): Promise<Root> {
    if (this.#root) return this.#root;
    const { index, manifest } = this.metadata;
    if (index) {
      for (const entry of this.index.entries.values()) {
        const match = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(entry.name);
        const blob = match && resolveEntry(this.index, entry.name);
        if (blob) this.#blobs.set(`sha256:${match[1]}`, blob);
      }
      const chosen: Chosen = chooseFromIndex(index, this.wanted, this.path);
      this.#isWhole = chosen.isWhole;
      if (chosen.isWhole) this.#blobs.set(chosen.descriptor.digest, index);
      this.#root = { descriptor: chosen.descriptor, names: this.#namesBeside(chosen) };
      if (manifest) this.#agree(manifest);
      return this.#root;
    }
    this.#root = await this.#synthesize(manifest!);
    return this.#root;
  }

  /** The file, where a copy of it would be the archive; what came as a stream or was compressed has none. */
  get file(): string | undefined {
    return this.#spool === undefined ? this.path : undefined;
  }

  /** True when index.json itself is the image. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  has(digest: Digest): boolean {
    return this.#blobs.has(digest);
  }

  /** The name of the file that holds a blob, following links. */
  nameOf(digest: Digest): string | undefined {
    const blob = this.#blobs.get(digest);
    return blob && !(blob instanceof Uint8Array) ? blob.name : undefined;
  }

  /** The size in bytes of a blob that lies in the archive. */
  sizeOf(digest: Digest): number | undefined {
    const blob = this.#blobs.get(digest);
    return blob && !(blob instanceof Uint8Array) ? blob.size : undefined;
  }

  /** A small file of the archive by its name. */
  held(name: string): Buffer | undefined {
    return this.#document(name);
  }

  async read(descriptor: Descriptor): Promise<Uint8Array> {
    const blob = this.#blobs.get(descriptor.digest);
    if (blob === undefined) throw this.#missing(descriptor);
    if (blob instanceof Uint8Array) return verifiedBytes(descriptor, blob);
    if (blob.type !== "file") throw this.#missing(descriptor);
    try {
      return verifiedBytes(descriptor, this.#content(blob));
    } catch (cause) {
      throw this.failure(cause);
    }
  }

  async open(descriptor: Descriptor): Promise<AsyncIterable<Uint8Array>> {
    const blob = this.#blobs.get(descriptor.digest);
    if (blob === undefined) throw this.#missing(descriptor);
    if (blob instanceof Uint8Array) {
      return (async function* () {
        yield blob;
      })();
    }
    return this.#stream(blob.data, blob.size);
  }

  async attachments(): Promise<readonly Attachment[]> {
    const { descriptor } = await this.root();
    // The older layout has no place for anything beside an image.
    if (this.isWhole || !this.metadata.index) return [];
    return attachmentsInIndex(this.metadata.index, descriptor.digest, (other) => this.read(other));
  }

  async region(descriptor: Descriptor): Promise<Region | undefined> {
    const blob = this.#blobs.get(descriptor.digest);
    if (blob === undefined || blob instanceof Uint8Array || blob.type !== "file") return undefined;
    return { fd: this.fd, offset: blob.data, size: blob.size, close: async () => {} };
  }

  async *#stream(from: number, size: number): AsyncGenerator<Uint8Array> {
    for (let done = 0; done < size; ) {
      this.#options.signal?.throwIfAborted();
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK, size - done));
      const { bytesRead } = await readAsync(this.fd, buffer, 0, buffer.length, from + done);
      if (bytesRead === 0) throw new InitwrapError("ARCHIVE_TRUNCATED", `${this.path} ends too early`);
      done += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  /** Throws a WrittenMeanwhile when the file, or what has come in its place, is not what it was when it was read. */
  requireSame(): void {
    if (this.#spool) return;
    const named = this.path === "-" ? undefined : stateNamed(this.path);
    if (fileState(this.fd) === this.state && (named ?? this.state) === this.state) return;
    throw changedMeanwhile("INPUT_UNREADABLE", this.path);
  }

  /** Everything before the tail, as a stream: for a copy that cannot be a clone. */
  prefix(end: number): AsyncIterable<Uint8Array> {
    return this.#stream(0, end);
  }

  /**
   * Where the tail starts, and what stands in it that must be kept: raw entries behind the metadata files.
   * Undefined when so much stands there that rewriting the tail would be no gain.
   */
  tail(): { readonly start: number; readonly kept: readonly Buffer[] } | undefined {
    const all = [...this.index.entries.values()];
    const start = Math.min(this.index.end, ...all.filter((entry) => MOVED.has(entry.name)).map((entry) => entry.start));
    const kept = all.filter((entry) => entry.start >= start && !MOVED.has(entry.name));
    const size = kept.reduce((sum, entry) => sum + entry.size, 0);
    if (size > MAX_TAIL || this.index.end - start > MAX_SPLICED) return undefined;
    return {
      start,
      kept: kept.map((entry) => this.window.copy(entry.start, entry.data + padded(entry.size) - entry.start)),
    };
  }

  /** All entries but the metadata files, where those come first: what another image of the archive needs is among them. */
  async *withoutMetadata(): AsyncGenerator<Uint8Array> {
    const moved = [...this.index.entries.values()].filter((entry) => MOVED.has(entry.name));
    let at = 0;
    for (const entry of moved.toSorted((a, b) => a.start - b.start)) {
      yield* this.#stream(at, entry.start - at);
      at = entry.data + padded(entry.size);
    }
    yield* this.#stream(at, this.index.end - at);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await promisify(close)(this.fd);
    await this.#spool?.remove();
  }

  #document(name: string): Buffer | undefined {
    const entry = resolveEntry(this.index, name);
    return entry && this.#content(entry);
  }

  #content(entry: TarEntry): Buffer {
    if (entry.size > MAX_DOCUMENT) throw this.#tooLarge(entry);
    return this.window.copy(entry.data, entry.size);
  }

  #tooLarge(entry: TarEntry): InitwrapError {
    return new InitwrapError("ARCHIVE_INVALID", `${entry.name} is ${entry.size} bytes: too large for a document`, {
      where: this.path,
    });
  }

  #missing(descriptor: Descriptor): InitwrapError {
    return new InitwrapError("IMAGE_NOT_FOUND", `the archive does not hold ${descriptor.digest}`, { where: this.path });
  }

  #namesBeside(chosen: Chosen): readonly string[] {
    if (chosen.names.length > 0 || !this.metadata.manifest) return chosen.names;
    const entries = this.#dockerEntries(this.metadata.manifest);
    return entries.length === 1 ? entries[0]!.tags.map(fullName) : [];
  }

  /** Docker's file and OCI's must show the same image: a config that only one of them reaches is a second image. */
  #agree(manifest: Buffer): void {
    const reachable = new Set<string>();
    const seen = new Set<string>();
    const visit = (bytes: Buffer, depth: number): void => {
      const { config, manifests } = recordIn(bytes, "a manifest");
      if (isRecord(config) && isDigest(config["digest"])) reachable.add(config["digest"]);
      for (const child of Array.isArray(manifests) ? manifests : []) {
        const digest = isRecord(child) ? child["digest"] : undefined;
        // Each once: a list may hold the same a thousand times, and so may what it lists.
        if (!isDigest(digest) || seen.has(digest)) continue;
        seen.add(digest);
        const blob = this.#blobs.get(digest);
        if (depth < 5 && blob && !(blob instanceof Uint8Array) && blob.type === "file") {
          visit(this.#content(blob), depth + 1);
        }
      }
    };
    visit(this.metadata.index!, 0);
    for (const entry of this.#dockerEntries(manifest)) {
      if (!reachable.has(this.#configDigest(entry))) {
        throw new InitwrapError("ARCHIVE_INVALID", "manifest.json and index.json show different images", {
          where: this.path,
          hint: "Two readers would load two images from it; save it again.",
        });
      }
    }
  }

  /** The entries of manifest.json: the digest of the config, and the place in the list. Several may show one image. */
  dockerPlaces(): readonly (readonly [config: Digest, place: number])[] {
    if (!this.metadata.manifest) return [];
    return this.#dockerEntries(this.metadata.manifest).map((entry) => [this.#configDigest(entry), entry.place]);
  }

  #config(entry: DockerEntry): TarEntry {
    const found = resolveEntry(this.index, normal(entry.config));
    if (found) return found;
    throw new InitwrapError("ARCHIVE_INVALID", `manifest.json names the config ${entry.config}, which is missing`, {
      where: this.path,
    });
  }

  #configDigest(entry: DockerEntry): Digest {
    const found = this.#config(entry);
    const known = this.#hashed.get(found) ?? digestOf(this.#content(found));
    this.#hashed.set(found, known);
    return known;
  }

  #dockerEntries(bytes: Buffer): readonly DockerEntry[] {
    const text = decodeJson(bytes, "manifest.json");
    parseJson(text, "manifest.json");
    const list = JSON.parse(text) as unknown;
    if (!Array.isArray(list))
      throw new InitwrapError("ARCHIVE_INVALID", "manifest.json is no list", { where: this.path });
    if (list.length > MAX_IMAGES) {
      const message = `manifest.json lists ${list.length} images: more than ${MAX_IMAGES}`;
      throw new InitwrapError("ARCHIVE_INVALID", message, { where: this.path });
    }
    return list.map((item: { Config?: unknown; RepoTags?: unknown; Layers?: unknown } | null, place) => {
      const layers = item?.Layers ?? [];
      const tags = item?.RepoTags ?? [];
      if (typeof item?.Config !== "string" || !isStrings(layers) || !isStrings(tags)) {
        throw new InitwrapError("ARCHIVE_INVALID", "manifest.json has an entry without config and layers", {
          where: this.path,
        });
      }
      requireOneSpelling(item, ["Config", "RepoTags", "Layers"], "manifest.json", this.path);
      return { place, config: item.Config, tags, layers };
    });
  }

  async #synthesize(manifest: Buffer): Promise<Root> {
    const entry = this.#chooseDocker(this.#dockerEntries(manifest));
    const configEntry = this.#config(entry);
    const config = this.#content(configEntry);
    this.#blobs.set(digestOf(config), configEntry);
    const { rootfs } = recordIn(config, "the config");
    const diffIds = (isRecord(rootfs) ? rootfs["diff_ids"] : undefined) ?? [];
    const unread = Array.isArray(diffIds) ? diffIds.map(unreadDigest).find(Boolean) : undefined;
    if (unread !== undefined) throw unreadError(`the config has a ${unread} digest among its diff_ids`, this.path);
    if (!Array.isArray(diffIds) || !diffIds.every(isDigest)) {
      throw new InitwrapError("IMAGE_INVALID", "the config's diff_ids are no list of sha256 digests", {
        where: this.path,
      });
    }
    if (diffIds.length !== entry.layers.length) {
      throw new InitwrapError(
        "IMAGE_INVALID",
        `the config lists ${diffIds.length} layers and manifest.json ${entry.layers.length}`,
        { where: this.path, hint: "The image is damaged or was edited by hand; save it again." },
      );
    }
    const layers: Descriptor[] = [];
    for (const [place, name] of entry.layers.entries()) layers.push(await this.#layer(name, diffIds[place]!));
    const { descriptor, bytes } = synthesizeManifest(config, layers);
    this.#blobs.set(descriptor.digest, bytes);
    return { descriptor, names: entry.tags.map(fullName), synthesized: true };
  }

  /** A layer that is a plain tar is known by its diff_id; a compressed one by its name, else by hashing it. */
  async #layer(name: string, diffId: Digest): Promise<Descriptor> {
    const entry = resolveEntry(this.index, normal(name));
    if (!entry) {
      throw new InitwrapError("ARCHIVE_INVALID", `manifest.json names the layer ${name}, which is missing`, {
        where: this.path,
      });
    }
    const codec = codecOf(this.window.view(entry.data, Math.min(MAGIC_LENGTH, entry.size)));
    const named = /([0-9a-f]{64})(?:\.tar)?(?:\.gz|\.zst)?$/.exec(name)?.[1];
    const digest: Digest = codec ? (named ? `sha256:${named}` : await this.#hash(entry)) : diffId;
    this.#blobs.set(digest, entry);
    const mediaType = codec === "gzip" ? OCI_LAYER_GZIP : codec === "zstd" ? `${OCI_LAYER_TAR}+zstd` : OCI_LAYER_TAR;
    return { mediaType, digest, size: entry.size };
  }

  async #hash(entry: TarEntry): Promise<Digest> {
    const known = this.#hashed.get(entry);
    if (known !== undefined) return known;
    const hash = createHash("sha256");
    for await (const chunk of this.#stream(entry.data, entry.size)) {
      hash.update(chunk);
      spent(chunk.length);
    }
    const digest: Digest = `sha256:${hash.digest("hex")}`;
    this.#hashed.set(entry, digest);
    return digest;
  }

  #chooseDocker(entries: readonly DockerEntry[]): DockerEntry {
    const wanted = this.wanted === undefined ? undefined : fullName(this.wanted);
    const matching =
      wanted === undefined ? entries : entries.filter((entry) => entry.tags.map(fullName).includes(wanted));
    if (matching.length === 1) return matching[0]!;
    const known = entries.map((entry) => entry.tags[0] ?? entry.config).join(", ");
    if (matching.length === 0) {
      throw new InitwrapError("IMAGE_NOT_FOUND", this.wanted ? `no image ${this.wanted}` : "manifest.json is empty", {
        where: this.path,
        ...(known ? { hint: `It holds ${known}.` } : {}),
      });
    }
    throw new InitwrapError("LOCATOR_INVALID", `the archive holds several images: ${known}`, {
      where: this.path,
      hint: "Say which one, behind a colon: PATH:NAME.",
    });
  }
}

/** Files that are written anew in the tail. `oci-layout` never changes, and stays where it is. */
const MOVED = new Set([...TAIL_NAMES].filter((name) => name !== "oci-layout"));

/** What the sink needs to know of a manifest that it holds. */
interface HeldManifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/**
 * Writes an archive: in place by a new tail, or a new file, cloned from the source where that is an archive too.
 * A new archive is of both layouts at once, so that every loader takes it.
 */
export class ArchiveSink implements Sink {
  readonly #path: string;
  readonly #options: SinkOptions;
  /** The archive whose blobs are kept where they are; undefined when every blob is written anew. */
  readonly #seed: ArchiveSource | undefined;
  readonly #isInPlace: boolean;
  readonly #codec: Codec | undefined;
  readonly #withDocker: boolean;
  /** New small blobs: of a splice all of them, of a new file the documents, for manifest.json is made from them. */
  readonly #documents = new Map<Digest, Buffer>();
  readonly #placed = new Map<Digest, string>();
  #file: NewFile | undefined;
  #opening: Promise<NewFile> | undefined;
  /** Ends a copy that is under way when nobody needs it any more. */
  readonly #given: AbortController = new AbortController();
  #closed = false;

  constructor(path: string, name: string | undefined, kind: "docker-archive" | "oci-archive", options: SinkOptions) {
    this.#path = path;
    if (path === "-" && isatty(1)) {
      throw new InitwrapError(
        "OUTPUT_NOT_WRITTEN",
        "standard output is a terminal, and an archive is nothing to read",
        {
          hint: "Redirect it, or name a file: -o wrapped.tar",
        },
      );
    }
    const from = options.from instanceof ArchiveSource ? options.from : undefined;
    // What chose the image in this very file is no new name: it may be a digest or a bare tag, and other names stay.
    const isChoice = from?.path === path && from.wanted === name;
    this.#options =
      options.names.length > 0 || name === undefined || isChoice ? options : { ...options, names: [name] };
    this.#isInPlace =
      from !== undefined && from.path === path && path !== "-" && !from.codec && from.tail() !== undefined;
    // A layout of Docker alone has its blobs under other names than OCI's readers look for.
    const fits = from && (from.metadata.index !== undefined || kind === "docker-archive");
    this.#seed = from && fits ? from : undefined;
    this.#codec = from && from.path === path ? from.codec : codecOfName(path);
    this.#withDocker = !this.#isInPlace;
  }

  async has(descriptor: Descriptor): Promise<boolean> {
    return this.#placed.has(descriptor.digest) || this.#documents.has(descriptor.digest) || this.#seedHas(descriptor);
  }

  #seedHas(descriptor: Descriptor): boolean {
    return this.#seed?.sizeOf(descriptor.digest) === descriptor.size;
  }

  /** Throws ARCHIVE_INVALID where the seed has another content under the digest: two files of one name would be two images. */
  async hasIntact(descriptor: Descriptor): Promise<boolean> {
    const { digest, size } = descriptor;
    if (this.#placed.has(digest) || this.#documents.has(digest)) return true;
    const name = this.#seed?.nameOf(digest);
    if (name === undefined) return false;
    const held = size <= MAX_DOCUMENT && this.#seedHas(descriptor) ? this.#seed!.held(name) : undefined;
    if (held && digestOf(held) === digest) return true;
    throw misnamed(name, this.#path);
  }

  async put(descriptor: Descriptor, content: AsyncIterable<Uint8Array>): Promise<void> {
    const { digest, size } = descriptor;
    if (await this.has(descriptor)) return;
    const progress = (done: number): void => this.#options.onProgress?.(descriptor, done, size);
    if (size <= MAX_DOCUMENT && (this.#isInPlace || isDocument(descriptor))) {
      const parts: Uint8Array[] = [];
      for await (const part of verified(descriptor, content, progress)) parts.push(part);
      this.#documents.set(digest, Buffer.concat(parts));
      return;
    }
    const name = blobName(digest);
    if (this.#seed?.index.entries.has(name)) throw misnamed(name, this.#path);
    const file = await this.#target();
    const mark = file.position;
    try {
      await file.write(tarHeader(name, size));
      for await (const part of verified(descriptor, content, progress)) {
        this.#options.signal?.throwIfAborted();
        await file.write(part);
      }
      await file.write(padding(size));
    } catch (cause) {
      await file.rewind(mark);
      throw writeFailure(cause, this.#path);
    }
    this.#placed.set(digest, name);
  }

  async commit(root: Descriptor): Promise<Receipt> {
    this.#options.signal?.throwIfAborted();
    const seed = this.#seed;
    const old = await seed?.root();
    const isLegacy = seed !== undefined && seed.metadata.index === undefined;
    const names = this.#options.names.map(fullName);
    const kept = names.length > 0 ? names : namesInFile((await this.#options.from?.root())?.names ?? []);
    const tail: Uint8Array[] = [];
    const add = (name: string, bytes: Uint8Array): void => {
      tail.push(tarHeader(name, bytes.length), bytes, padding(bytes.length));
    };
    const manifests = await this.#imagesUnder(root);
    for (const [digest, bytes] of this.#documents) {
      // The older layout has no manifests: the one we made up is not written.
      if (isLegacy && digest === root.digest) continue;
      if (seed?.isWhole && digest === root.digest) continue;
      const name = isLegacy ? legacyName(digest, bytes, manifests) : blobName(digest);
      const there = seed?.held(name);
      if (there && digestOf(there) !== digest) throw misnamed(name, this.#path);
      // A link to nowhere has the name as well.
      if (!there && seed?.index.entries.has(name)) throw misnamed(name, this.#path);
      // Undo finds what it goes back to: the archive still has it.
      if (!there) add(name, bytes);
      this.#placed.set(digest, name);
    }
    if (!isLegacy) {
      const index =
        seed?.isWhole && this.#documents.has(root.digest)
          ? this.#documents.get(root.digest)!
          : replaceInIndex(seed?.metadata.index, old?.descriptor.digest, root, seed ? names : kept);
      add("index.json", index);
    }
    if (seed?.metadata.manifest || this.#withDocker) add("manifest.json", await this.#dockerManifest(manifests, kept));
    if (!seed) add("oci-layout", new TextEncoder().encode('{"imageLayoutVersion":"1.0.0"}'));
    tail.push(END_OF_ARCHIVE);
    const bytesMoved = await this.#write(tail);
    const digest = isLegacy ? manifests[0]!.manifest.config.digest : root.digest;
    return { digest, names: kept, bytesMoved };
  }

  /** A large archive is copied while its documents are still being read: by another process, on another processor. */
  prepare(): void {
    // What has gone to standard output cannot be taken back.
    if (this.#path === "-" || this.#isInPlace || this.#codec || !this.#seed || this.#seed.codec) return;
    if ((this.#seed.tail()?.start ?? 0) >= COPIED_BY_CHILD) this.#target().catch(() => {});
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#given.abort(new InitwrapError("OUTPUT_NOT_WRITTEN", `${this.#path} was given up`));
    await this.#opening?.catch(() => {});
    await this.#file?.discard();
  }

  async #write(tail: readonly Uint8Array[]): Promise<number> {
    const seed = this.#seed;
    const place = seed?.tail();
    if (this.#isInPlace && place && seed)
      return spliceTail(seed.path, seed.state, place.start, [...place.kept, ...tail]);
    const file = await this.#target();
    try {
      for (const part of [...(place?.kept ?? []), ...tail]) await file.write(part);
      // What was cloned or copied has to be what it was when its documents were read.
      seed?.requireSame();
      await file.commit();
    } catch (cause) {
      // What has gone into a pipe cannot be written again.
      if (cause instanceof WrittenMeanwhile && file.isStream) throw changed(cause, {});
      throw writeFailure(cause, this.#path);
    }
    return file.written;
  }

  /** The new file, begun with the seed's blobs. */
  #target(): Promise<NewFile> {
    this.#opening ??= this.#begin();
    return this.#opening;
  }

  async #begin(): Promise<NewFile> {
    const seed = this.#seed;
    const { signal } = this.#options;
    const stop = signal ? AbortSignal.any([signal, this.#given.signal]) : this.#given.signal;
    try {
      this.#file = await NewFile.create(this.#path, this.#codec, stop);
      const place = seed?.tail();
      if (seed && place) await this.#file.cloneFrom(seed, place.start);
      else if (seed) for await (const chunk of seed.withoutMetadata()) await this.#file.write(chunk);
      return this.#file;
    } catch (cause) {
      throw writeFailure(cause, this.#path);
    }
  }

  async #document(descriptor: Descriptor): Promise<Buffer | undefined> {
    const held = this.#documents.get(descriptor.digest);
    if (held) return held;
    if (!this.#options.from) return undefined;
    try {
      return Buffer.from(await this.#options.from.read(descriptor));
    } catch (cause) {
      if (cause instanceof InitwrapError && cause.code === "IMAGE_NOT_FOUND") return undefined;
      throw cause;
    }
  }

  /** Every image under the root, with its config's platform and text; children that are absent are left out. */
  async #imagesUnder(root: Descriptor): Promise<readonly HeldImage[]> {
    const bytes = await this.#document(root);
    if (!bytes) return [];
    const document = JSON.parse(decodeJson(bytes, "the manifest")) as HeldManifest & { manifests?: Descriptor[] };
    if (document.manifests || isIndexType(root.mediaType)) {
      const images = await Promise.all(
        (document.manifests ?? [])
          .filter((child) => !child.annotations?.["vnd.docker.reference.type"])
          .map((child) => this.#imagesUnder(child)),
      );
      return images.flat();
    }
    const config = document.config && (await this.#document(document.config));
    if (!config) return [];
    const value = JSON.parse(decodeJson(config, "the config")) as {
      os?: string;
      architecture?: string;
      variant?: string;
    };
    return [{ manifest: document, platform: `${value.os}/${value.architecture}/${value.variant ?? ""}` }];
  }

  /**
   * manifest.json: an existing one with the changed images' entries edited, the others as they are; or a new one for the
   * image of this machine's platform, else the first, because Docker's format has no platforms.
   */
  async #dockerManifest(images: readonly HeldImage[], names: readonly string[]): Promise<Uint8Array> {
    const seed = this.#seed;
    const tags = names.map((name) => familiarReference(parseReference(name)!));
    const layersOf = (image: HeldImage): string[] => image.manifest.layers.map((layer) => this.#nameOf(layer.digest));
    const present = seed?.metadata.manifest;
    if (seed && present) {
      const old = await this.#oldImages(seed);
      const configs = new Map(seed.dockerPlaces().map(([digest, place]) => [place, digest]));
      const text = editItems(decodeJson(present, "manifest.json"), [], (entry, place) => {
        const platform = old.get(configs.get(place)!);
        const image = images.find((one) => one.platform === platform);
        if (!image) return entry;
        const changed = withMember(entry, "Config", this.#nameOf(image.manifest.config.digest));
        const layered = withMember(changed, "Layers", layersOf(image));
        return this.#options.names.length > 0 ? withMember(layered, "RepoTags", tags) : layered;
      });
      return new TextEncoder().encode(text);
    }
    const here = `linux/${process.arch === "x64" ? "amd64" : process.arch}/`;
    const image = images.find((one) => one.platform.startsWith(here)) ?? images[0];
    const list = image
      ? [{ Config: this.#nameOf(image.manifest.config.digest), RepoTags: tags, Layers: layersOf(image) }]
      : [];
    return new TextEncoder().encode(JSON.stringify(list));
  }

  async #oldImages(seed: ArchiveSource): Promise<ReadonlyMap<string, string>> {
    const { descriptor } = await seed.root();
    const images = await this.#imagesUnder(descriptor);
    return new Map(images.map((image) => [image.manifest.config.digest, image.platform]));
  }

  #nameOf(digest: Digest): string {
    return this.#placed.get(digest) ?? this.#seed?.nameOf(digest) ?? blobName(digest);
  }
}

interface HeldImage {
  readonly manifest: HeldManifest;
  readonly platform: string;
}

/** The text of an object with a member of that value, in its place or behind the others: an image without layers may have no list. */
function withMember(text: string, key: string, value: unknown): string {
  return rawAt(text, [key]) === undefined
    ? addMember(text, [], key, value)
    : replaceAt(text, [key], JSON.stringify(value));
}

function misnamed(name: string, where: string): InitwrapError {
  return new InitwrapError("ARCHIVE_INVALID", `${name} in the archive is not what its name says`, {
    where,
    hint: "The image is damaged or was made to deceive: save it again.",
  });
}

function isDocument(descriptor: Descriptor): boolean {
  return /\bjson\b/.test(descriptor.mediaType) || descriptor.mediaType === "";
}

function blobName(digest: Digest): string {
  return `blobs/sha256/${digestHex(digest)}`;
}

/** Names as older producers write them: the config under its ID, a layer with its compression. */
function legacyName(digest: Digest, bytes: Uint8Array, images: readonly HeldImage[]): string {
  const isConfig = images.some((image) => image.manifest.config.digest === digest);
  const end = isConfig ? "json" : codecOf(bytes) === "gzip" ? "tar.gz" : "tar";
  return `${digestHex(digest)}.${end}`;
}

/** The names of a result in an archive: see Medium.namesFor. */
export async function archiveNames(
  location: string,
  asked: readonly string[],
  kept: readonly string[],
): Promise<readonly string[]> {
  const { name } = await splitLocation(location);
  const given = asked.length > 0 || name === undefined ? asked : [name];
  return given.length > 0 ? given.map(fullName) : namesInFile(kept);
}

function normal(name: string): string {
  return name.replace(/^(\.\/)+/, "");
}

/** A document that is an object. Throws IMAGE_INVALID. */
function recordIn(bytes: Uint8Array, what: string): Record<string, unknown> {
  const text = decodeJson(bytes, what);
  parseJson(text, what);
  const value: unknown = JSON.parse(text);
  if (isRecord(value)) return value;
  throw new InitwrapError("IMAGE_INVALID", `${what} is no object`);
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function codecOfFile(fd: number): Codec | undefined {
  const bytes = Buffer.alloc(MAGIC_LENGTH);
  return codecOf(bytes.subarray(0, readSync(fd, bytes, 0, MAGIC_LENGTH, 0)));
}

function codecOfName(path: string): Codec | undefined {
  if (/\.(tgz|gz)$/.test(path)) return "gzip";
  return /\.(tzst|zst)$/.test(path) ? "zstd" : undefined;
}

/** What is rewritten in place has to be a file with one name. Throws LOCATOR_INVALID or HARD_LINKED. */
export function refuseInPlace(path: string): void {
  if (path === "-") return;
  const stat = statSync(path);
  if (!stat.isFile()) {
    throw new InitwrapError("LOCATOR_INVALID", `${path} is no file that could be changed in place`, {
      where: path,
      hint: "Write to another file with -o.",
    });
  }
  if (stat.nlink > 1) {
    throw new InitwrapError("HARD_LINKED", `${path} has ${stat.nlink} names: all of them would change`, {
      where: path,
      hint: "Write to another file with -o.",
    });
  }
}

/**
 * The failure of reading a file: a WrittenMeanwhile where another process wrote to it since, or is at it; with another hint where
 * that was broken off. `read` is the file, and its state before it was read.
 */
function halfWritten(
  cause: unknown,
  path: string,
  read: { readonly fd: number; readonly state: FileState } | undefined,
  inPlace = false,
): unknown {
  if (!(cause instanceof InitwrapError) || cause.exit !== EXIT.input || path === "-") return cause;
  if (cause instanceof WrittenMeanwhile) return cause;
  const isOther = read !== undefined && fileState(read.fd) !== read.state;
  if (!isOther && !isHalfWritten(path)) return cause;
  // What was killed is brought back before anything is read in place: this one has begun since.
  if (isOther || inPlace || isBeingWritten(path)) {
    return changedMeanwhile(inPlace ? "OUTPUT_NOT_WRITTEN" : cause.code, path, cause);
  }
  const hint = `A run that changes it in place was killed: initwrap image ${path} brings it back.`;
  return changed(cause, { hint });
}

/** What a stream gives, until the signal ends it. Its failure is thrown in the words of `failure`. */
async function* readUntil(
  input: Readable,
  signal: AbortSignal | undefined,
  failure: (cause: unknown) => unknown,
): AsyncGenerator<Uint8Array> {
  // Also while nothing comes.
  if (signal) addAbortSignal(signal, input);
  try {
    yield* input as AsyncIterable<Buffer>;
  } catch (cause) {
    signal?.throwIfAborted();
    throw failure(cause);
  }
}
