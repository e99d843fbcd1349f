/**
 * What a medium that holds images must offer: four methods to read one, four to write one. `region` and `attachments` are for
 * those that have what they give.
 *
 * Contract, checked by one suite over every adapter (test/contract):
 * - `read` returns bytes whose digest and size are those of the descriptor, or throws BLOB_CORRUPT; for small JSON only.
 * - `read` and `open` throw IMAGE_NOT_FOUND for a blob that the medium does not hold; a sparse index is normal.
 * - `open` streams a blob once, from its first byte; the caller verifies it as it flows. It may be called again for the
 *   same blob, and several blobs may be read at the same time.
 * - `has` is true only when a later `commit` may rely on the blob; a registry may mount it to make it so.
 * - `put` is atomic for each blob: after a failure the blob is absent, never partial. It verifies digest and size and
 *   throws BLOB_CORRUPT when they differ.
 * - nothing is visible to other readers under its name before `commit`; children are put before parents.
 * - `close` may be called at any time and twice; without a `commit` before it, nothing has changed.
 */
import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import type { RegistrySession } from "./registry/session.ts";

/** What a locator names: an index or a manifest, and every full reference (`docker.io/library/app:1`) it goes by there. */
export interface Root {
  readonly descriptor: Descriptor;
  readonly names: readonly string[];
  /** True where the medium keeps no manifest and this one was made up: the image is known by its config, the image ID. */
  readonly synthesized?: boolean;
  /** True where the made-up manifest does not know its layers' sizes, for no layer was asked for: they are 0 in it. */
  readonly unsized?: boolean;
}

/** A medium opened for reading one image. */
export interface Source {
  /** What the locator names. Throws IMAGE_NOT_FOUND when there is nothing, LOCATOR_INVALID when it names several. */
  root(): Promise<Root>;
  /** An index, manifest or config: whole and verified. At most 8 MiB. */
  read(descriptor: Descriptor): Promise<Uint8Array>;
  /** False where no layer was asked for and none can be opened; true when absent. */
  readonly hasLayers?: boolean;
  /** A blob of any size as a stream. */
  open(descriptor: Descriptor): Promise<AsyncIterable<Uint8Array>>;
  /**
   * What names the root's digest in the same place, signatures for instance; undefined when that could not be learnt. Absent
   * where images stand by themselves.
   */
  attachments?(): Promise<readonly Attachment[] | undefined>;
  /** Where a blob lies in a local file; undefined when it does not. The caller closes it. */
  region?(descriptor: Descriptor): Promise<Region | undefined>;
  /** What a failure of reading it, or of what was made of that, comes from: another process that writes to it. Else the same one. */
  failure?(cause: unknown): unknown;
  close(): Promise<void>;
}

/** A signature, an attestation, an SBOM: something beside an image that refers to its digest. */
export interface Attachment {
  readonly digest: Digest;
  /** Its artifact type, or other words for what it is. */
  readonly kind: string;
}

/** A part of an open file, in bytes. */
export interface Region {
  readonly fd: number;
  readonly offset: number;
  readonly size: number;
  close(): Promise<void>;
}

/** A medium opened for writing one image. */
export interface Sink {
  /** How many blobs may be asked for and put at the same time; 1 when absent. Manifests always come one by one. */
  readonly parallel?: number;
  /** True when asking costs a round trip: what was made in this run is then put without being asked for. */
  readonly asksFar?: boolean;
  /**
   * Begins with what takes long and is needed whatever the result is. It returns at once; what goes wrong is told by the first
   * call that needs it.
   */
  prepare?(): void;
  has(descriptor: Descriptor): Promise<boolean>;
  /**
   * As `has`, by the content and not by the size alone: for the small blobs of this run's own making, which a stranger may have
   * foreseen. Absent where nothing can be there under a digest that is not its own.
   */
  hasIntact?(descriptor: Descriptor): Promise<boolean>;
  put(descriptor: Descriptor, content: AsyncIterable<Uint8Array>): Promise<void>;
  /** Publishes `root` under the sink's names, when everything it refers to has been put. */
  commit(root: Descriptor): Promise<Receipt>;
  close(): Promise<void>;
}

/** What `commit` made visible. */
export interface Receipt {
  /** The digest by which the medium now knows the image: the root's, or the image ID where a medium keeps no manifest. */
  readonly digest: string;
  /** The names it now goes by, in full. */
  readonly names: readonly string[];
  /** Bytes written to disk or sent, headers and tails included. */
  readonly bytesMoved: number;
}

/** Outside facts that an adapter may use; adapters read no globals. */
export interface StoreContext {
  /** The environment: DOCKER_HOST, DOCKER_CONFIG, REGISTRY_AUTH_FILE and the like. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Hosts (`name[:port]`) that may be reached over plain HTTP or with an unknown certificate, besides the environment's. */
  readonly insecureRegistries?: readonly string[];
  /** Connections and tokens of registries that several images share; the caller closes it. */
  readonly session?: RegistrySession;
  /** Aborts every wait; a sink that is aborted leaves nothing behind. */
  readonly signal?: AbortSignal;
  /** Called as blobs move: the blob, bytes done so far, bytes in all where known. */
  readonly onProgress?: (descriptor: Descriptor, done: number, total: number) => void;
}

export interface SourceOptions extends StoreContext {
  /**
   * False when the caller will not `open` any layer, so that a daemon need not be asked for gigabytes. The layer sizes
   * of a medium that keeps none (Docker's graph driver) are then 0.
   */
  readonly layers: boolean;
  /**
   * When the same place is also the sink and will be rewritten: an archive then first recovers from a run that was
   * killed.
   */
  readonly inPlace?: boolean;
}

export interface SinkOptions extends StoreContext {
  /** Full references for the result; empty keeps those of the source, where the medium has names. */
  readonly names: readonly string[];
  /** The source of the transfer: a sink of the same kind takes carried blobs from it the cheap way (same file, link, mount). */
  readonly from?: Source;
}

/** A kind of place that holds images: one row of the table in media.ts. `location` is the locator without its scheme. */
export interface Medium {
  /** `docker-archive`, `oci`, `registry`...: what a locator starts with, before the colon. */
  readonly scheme: string;
  source(location: string, options: SourceOptions): Promise<Source>;
  sink(location: string, options: SinkOptions): Promise<Sink>;
  /** True when an image at `from` can be changed into one at `to` without its layers: the sink has what the source has. */
  isSameStore?(from: string, to: string): boolean;
  /** Refuses a place that cannot be rewritten, before anything is (hard links). Absent where every place can. */
  checkInPlace?(location: string): Promise<void>;
  /**
   * The full names that an image put there gets: `asked` for, else what the location says, else `kept`, those that it has at
   * its source. A bare tag in an OCI layout is no name.
   */
  namesFor(location: string, asked: readonly string[], kept: readonly string[]): Promise<readonly string[]>;
  /**
   * The platform (`linux/amd64`) whose image a sink would keep, where the medium keeps configs and no manifests: the image
   * is then known by its config. Undefined for a medium that keeps what it is given.
   */
  onlyPlatform?(location: string, context: StoreContext): Promise<string | undefined>;
}
