/**
 * `oci:FOLDER[:NAME]`: an OCI image layout. In place it costs a few small files and one rename of index.json.
 *
 * Source: OCI image-spec, image-layout.md.
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { chmod, copyFile, type FileHandle, link, open, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, digestHex, digestOf } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import type {
  Attachment,
  Medium,
  Receipt,
  Region,
  Root,
  Sink,
  SinkOptions,
  Source,
  SourceOptions,
} from "./contract.ts";
import { attachmentsInIndex } from "./index-attachments.ts";
import { fullName, namesInFile, splitLocation } from "./location.ts";
import { whileLocked } from "./lock-file.ts";
import { makeFolder } from "./make-folder.ts";
import { type Chosen, chooseFromIndex, namedIn, replaceInIndex } from "./oci-index.ts";
import { MAX_DOCUMENT, once, readFailure, verified, verifiedBytes, writeFailure } from "./verify.ts";

export const ociLayoutMedium: Medium = {
  scheme: "oci",
  source: async (location, options) => {
    const { path, name } = await splitLocation(location);
    return new LayoutSource(path, name, options);
  },
  sink: async (location, options) => {
    const { path, name } = await splitLocation(location);
    return new LayoutSink(path, name, options);
  },
  namesFor: async (location, asked, kept) => {
    const { name } = await splitLocation(location);
    const given = asked.length > 0 ? asked.map(fullName) : name === undefined ? namesInFile(kept) : [name];
    return given.filter(isFull).map(fullName);
  },
};

export class LayoutSource implements Source {
  readonly folder: string;
  readonly #wanted: string | undefined;
  readonly #options: SourceOptions;
  #index: Buffer | undefined;
  #chosen: Chosen | undefined;

  constructor(folder: string, wanted: string | undefined, options: SourceOptions) {
    this.folder = folder;
    this.#wanted = wanted;
    this.#options = options;
  }

  async root(): Promise<Root> {
    const path = join(this.folder, "index.json");
    try {
      this.#index = await readDocument(path, "index.json");
    } catch (cause) {
      if ((cause as { code?: string }).code === "ENOENT") throw await noLayout(this.folder, cause);
      throw readFailure(cause, path);
    }
    this.#chosen = chooseFromIndex(this.#index, this.#wanted, this.folder);
    return { descriptor: this.#chosen.descriptor, names: this.#chosen.names };
  }

  /** True when index.json itself is the image. */
  get isWhole(): boolean {
    return this.#chosen?.isWhole ?? false;
  }

  /** True when the image goes by that tag, name or digest in the layout. */
  goesBy(name: string): boolean {
    if (name === this.#wanted) return true;
    const digest = this.#chosen?.descriptor.digest;
    return this.#index !== undefined && digest !== undefined && namedIn(this.#index, name).includes(digest);
  }

  async read(descriptor: Descriptor): Promise<Uint8Array> {
    if (this.#index && this.isWhole && digestOf(this.#index) === descriptor.digest) return this.#index;
    const path = blobPath(this.folder, descriptor);
    try {
      return verifiedBytes(descriptor, await readDocument(path, descriptor.digest));
    } catch (cause) {
      throw missing(cause, descriptor, path);
    }
  }

  async open(descriptor: Descriptor): Promise<AsyncIterable<Uint8Array>> {
    if (this.#index && this.isWhole && digestOf(this.#index) === descriptor.digest) return once(this.#index);
    const path = blobPath(this.folder, descriptor);
    let file: FileHandle;
    try {
      file = await openFile(path, descriptor.digest);
    } catch (cause) {
      throw missing(cause, descriptor, path);
    }
    const { signal } = this.#options;
    return file.createReadStream({ highWaterMark: 256 << 10, ...(signal ? { signal } : {}) });
  }

  async attachments(): Promise<readonly Attachment[]> {
    const { descriptor } = await this.root();
    if (this.isWhole || this.#index === undefined) return [];
    return attachmentsInIndex(this.#index, descriptor.digest, (other) => this.read(other));
  }

  async region(descriptor: Descriptor): Promise<Region | undefined> {
    const file = await openFile(blobPath(this.folder, descriptor), descriptor.digest).catch(() => undefined);
    if (!file) return undefined;
    const { size } = await file.stat();
    return { fd: file.fd, offset: 0, size, close: () => file.close() };
  }

  async close(): Promise<void> {}
}

class LayoutSink implements Sink {
  readonly #folder: string;
  readonly #name: string | undefined;
  readonly #options: SinkOptions;
  readonly #from: LayoutSource | undefined;
  readonly #isInPlace: boolean;
  /**
   * New blobs under names of this run alone, until all are there: a blob under its digest may at once be counted on by
   * another process, and is never taken away again.
   */
  readonly #staged = new Map<Digest, string>();
  /** Folders that this run made, the outermost first. */
  #folders: readonly string[] = [];
  #committed = false;
  #moved = 0;
  #ready: Promise<void> | undefined;

  constructor(folder: string, name: string | undefined, options: SinkOptions) {
    this.#folder = folder;
    this.#name = name;
    this.#options = options;
    this.#from = options.from instanceof LayoutSource ? options.from : undefined;
    this.#isInPlace = this.#from !== undefined && resolve(this.#from.folder) === resolve(folder);
  }

  async has(descriptor: Descriptor): Promise<boolean> {
    if (this.#staged.has(descriptor.digest)) return true;
    const path = blobPath(this.#folder, descriptor);
    const found = await stat(path).catch(() => undefined);
    if (found) return found.size === descriptor.size;
    if (!this.#from || this.#isInPlace) return false;
    return this.#borrow(descriptor, path);
  }

  /** Another content under the digest is replaced. */
  async hasIntact(descriptor: Descriptor): Promise<boolean> {
    if (!(await this.has(descriptor))) return false;
    const { digest, size } = descriptor;
    const path = this.#staged.get(digest) ?? blobPath(this.#folder, descriptor);
    const bytes = size > MAX_DOCUMENT ? undefined : await readDocument(path, digest).catch(() => undefined);
    if (bytes && digestOf(bytes) === digest) return true;
    const borrowed = this.#staged.get(digest);
    this.#staged.delete(digest);
    if (borrowed !== undefined) await rm(borrowed, { force: true });
    return false;
  }

  async put(descriptor: Descriptor, content: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#prepare();
    const path = blobPath(this.#folder, descriptor);
    const temporary = temporaryFor(path);
    try {
      const file = await open(temporary, "wx").catch(async (cause) => {
        if ((cause as { code?: string }).code !== "ENOENT") throw cause;
        // Another process made the folder, failed, and took it away again.
        this.#ready = undefined;
        await this.#prepare();
        return open(temporary, "wx");
      });
      try {
        for await (const chunk of verified(descriptor, content, (done) =>
          this.#options.onProgress?.(descriptor, done, descriptor.size),
        )) {
          this.#options.signal?.throwIfAborted();
          await file.write(chunk);
          this.#moved += chunk.length;
        }
      } finally {
        await file.close();
      }
      this.#staged.set(descriptor.digest, temporary);
    } catch (cause) {
      await rm(temporary, { force: true });
      throw writeFailure(cause, path);
    }
  }

  async commit(root: Descriptor): Promise<Receipt> {
    await this.#prepare();
    this.#options.signal?.throwIfAborted();
    const source = await this.#options.from?.root();
    const target = join(this.#folder, "index.json");
    const asked = this.#options.names.map(fullName);
    // Behind the colon of the layout that is changed is what chose the image, or a new name for the result.
    const isChoice = this.#name === undefined || (this.#isInPlace && this.#from!.goesBy(this.#name));
    const given = asked.length > 0 || isChoice ? asked : [this.#name!];
    const names = given.length > 0 ? given : namesInFile(source?.names ?? []);
    try {
      // Another process may be writing to the same layout: no entry of its may be lost.
      await whileLocked(join(this.#folder, LOCK), this.#options.signal, async () => {
        const present = await readDocument(target, "index.json").catch(absent);
        let bytes: Uint8Array;
        if (this.#isInPlace && this.#from?.isWhole && given.length === 0) {
          // index.json was the image: the new index takes its place, and is no blob.
          const own = this.#staged.get(root.digest);
          bytes = await readDocument(own ?? blobPath(this.#folder, root), root.digest);
          if (own !== undefined) await rm(own);
          this.#staged.delete(root.digest);
        } else {
          const before = this.#isInPlace && given.length === 0 ? source?.descriptor.digest : undefined;
          bytes = replaceInIndex(present, before, root, before === undefined ? names : []);
        }
        const temporary = temporaryFor(target);
        try {
          // What can fail for want of space comes first. Who may read the index stays as it is.
          const mode = present && (await stat(target)).mode & 0o7777;
          await writeFile(temporary, bytes, { flag: "wx" });
          if (mode !== undefined) await chmod(temporary, mode);
          await this.#mark();
          for (const [digest, staged] of this.#staged) {
            await rename(staged, blobPath(this.#folder, { digest }));
            this.#staged.delete(digest);
          }
          await rename(temporary, target);
        } catch (cause) {
          await rm(temporary, { force: true });
          throw cause;
        }
        this.#moved += bytes.length;
      });
    } catch (cause) {
      throw writeFailure(cause, target);
    }
    this.#committed = true;
    return { digest: root.digest, names: names.filter(isFull).map(fullName), bytesMoved: this.#moved };
  }

  async close(): Promise<void> {
    if (this.#committed) return;
    for (const path of this.#staged.values()) await rm(path, { force: true });
    this.#staged.clear();
    // Only where nothing is in them: another process may be at work here by now.
    for (const folder of this.#folders.toReversed()) await rmdir(folder).catch(() => undefined);
    this.#folders = [];
  }

  /** A blob of the other layout: shared blocks, else a second name for the same file, else false. */
  async #borrow(descriptor: Descriptor, path: string): Promise<boolean> {
    const other = blobPath(this.#from!.folder, descriptor);
    const found = await stat(other).catch(() => undefined);
    if (found?.size !== descriptor.size) return false;
    await this.#prepare();
    const temporary = temporaryFor(path);
    try {
      await copyFile(other, temporary, constants.COPYFILE_FICLONE_FORCE);
    } catch {
      // A clone that fails removes its target itself, but for a target on another file system.
      await rm(temporary, { force: true });
      try {
        await link(other, temporary);
      } catch {
        return false;
      }
    }
    this.#staged.set(descriptor.digest, temporary);
    return true;
  }

  /** Makes `oci-layout` where there is none. A link to nowhere is replaced: it must not have a file made elsewhere. */
  async #mark(): Promise<void> {
    const marker = join(this.#folder, "oci-layout");
    if (await stat(marker).catch(() => undefined)) return;
    const temporary = temporaryFor(marker);
    try {
      await writeFile(temporary, '{"imageLayoutVersion":"1.0.0"}', { flag: "wx" });
      await rename(temporary, marker);
    } catch (cause) {
      await rm(temporary, { force: true });
      throw cause;
    }
  }

  #prepare(): Promise<void> {
    this.#ready ??= (async () => {
      try {
        const folders = [this.#folder, join(this.#folder, "blobs"), join(this.#folder, "blobs", "sha256")];
        const first = await makeFolder(folders.at(-1)!);
        // What is above the layout's own folder stays.
        const at = first === undefined ? folders.length : folders.findIndex((one) => resolve(one) === resolve(first));
        this.#folders = folders.slice(Math.max(at, 0));
      } catch (cause) {
        throw writeFailure(cause, this.#folder);
      }
    })();
    return this.#ready;
  }
}

/**
 * Opens a file of a layout for reading. A layout is a stranger's: opening a pipe would wait for its other end, and a device may
 * have no end. Throws IMAGE_INVALID for both, and errors of the file system.
 */
async function openFile(path: string, what: string): Promise<FileHandle> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    if (found.isFile()) return file;
    if (found.isDirectory()) throw Object.assign(new Error(path), { code: "EISDIR" });
    throw new InitwrapError("IMAGE_INVALID", `${what} is no file`, { where: path });
  } catch (cause) {
    await file.close();
    throw cause;
  }
}

/** A document of a layout. Throws IMAGE_INVALID for what is none, or too large, and errors of the file system. */
async function readDocument(path: string, what: string): Promise<Buffer> {
  const file = await openFile(path, what);
  try {
    const { size } = await file.stat();
    if (size > MAX_DOCUMENT) {
      throw new InitwrapError("IMAGE_INVALID", `${what} is ${size} bytes: too large for a document`, { where: path });
    }
    // No more than that, though it may grow by now.
    const bytes = Buffer.alloc(size);
    let done = 0;
    while (done < size) {
      const { bytesRead } = await file.read(bytes, done, size - done, done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes.subarray(0, done);
  } finally {
    await file.close();
  }
}

/** Why a folder has no index.json: INPUT_NOT_FOUND. */
async function noLayout(folder: string, cause: unknown): Promise<InitwrapError> {
  const has = (name: string) => stat(join(folder, name)).then(Boolean, () => false);
  if (!(await has("."))) return new InitwrapError("INPUT_NOT_FOUND", `there is no ${folder}`, { where: folder, cause });
  const hint = (await has("manifest.json"))
    ? "It looks like an archive of docker save that was unpacked: use the archive itself."
    : (await has("Dockerfile"))
      ? `initwrap dockerfile ${join(folder, "Dockerfile")} wraps a Dockerfile.`
      : "A layout has an index.json and a folder blobs; skopeo, crane, buildah and buildx write them.";
  return new InitwrapError("INPUT_NOT_FOUND", `${folder} is a folder without an OCI layout: it has no index.json`, {
    where: folder,
    hint,
    cause,
  });
}

/** Beside index.json while it is exchanged. */
const LOCK = ".initwrap-lock";

/** A bare tag has no repository, and is no name. */
function isFull(name: string): boolean {
  return /[/:]/.test(name);
}

/** Of this run alone, also where two containers with one volume have the same process IDs. */
function temporaryFor(path: string): string {
  return `${path}.initwrap-${randomBytes(6).toString("hex")}`;
}

/** Undefined for a file that is not there; another error is thrown again. */
function absent(cause: unknown): undefined {
  if ((cause as { code?: string }).code === "ENOENT") return undefined;
  throw cause;
}

/** The digest's grammar is checked when a descriptor is read, so its path cannot leave the folder. */
function blobPath(folder: string, descriptor: Pick<Descriptor, "digest">): string {
  return join(folder, "blobs", "sha256", digestHex(descriptor.digest));
}

function missing(cause: unknown, descriptor: Descriptor, path: string): unknown {
  if ((cause as { code?: string }).code === "ENOENT") {
    return new InitwrapError("IMAGE_NOT_FOUND", `the layout does not hold ${descriptor.digest}`, { where: path });
  }
  return readFailure(cause, path);
}
