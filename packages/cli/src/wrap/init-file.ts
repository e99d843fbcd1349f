/**
 * What a container would find at the init's path.
 *
 * An engine is asked for the file itself, out of a container that is created and never started: it shows what all layers
 * give together, and no layer has to be saved. Everywhere else the layers are read from the top down until one says
 * something about the path. That is one small layer where the init was put last, and all of them where it is not there.
 */

import { type ManifestNode, platformOf } from "../image/snapshot.ts";
import type { InitFile } from "../image/verdict.ts";
import { INIT_PATH } from "../model/compose.ts";
import type { Descriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { formatPlatform } from "../model/platform.ts";
import type { Root, Source, StoreContext } from "../store/contract.ts";
import { EngineContainer } from "../store/engine-container.ts";
import { EngineSource } from "../store/engine-source.ts";
import { type PathFinding, readLayer, seekInLayer } from "../store/layer-scan.ts";

/** The path in a layer: without the slash. */
const NAME = INIT_PATH.slice(1);

export class InitFiles {
  readonly #source: Source;
  readonly #root: Root;
  readonly #context: StoreContext;
  /** By digest, for platforms share layers. */
  readonly #layers = new Map<Digest, Promise<PathFinding | undefined>>();

  constructor(source: Source, root: Root, context: StoreContext) {
    this.#source = source;
    this.#root = root;
    this.#context = context;
  }

  /** Throws what the source throws, DAEMON_UNREACHABLE and IMAGE_NOT_FOUND for a missing layer among others. */
  async find(node: ManifestNode): Promise<InitFile> {
    return this.#source instanceof EngineSource ? this.#inEngine(this.#source, node) : this.#inLayers(node);
  }

  async #inEngine(source: EngineSource, node: ManifestNode): Promise<InitFile> {
    let container: EngineContainer | undefined;
    try {
      container = await EngineContainer.create(source.engine, {
        ...engineImage(this.#root, node),
        cmd: ["true"],
      });
      return fileOf(await container.file(NAME, this.#context.signal), null);
    } catch (cause) {
      // One platform of an index that the engine cannot unpack, or a policy of its own.
      if (!(cause instanceof InitwrapError) || cause.code !== "DAEMON_FAILED") throw cause;
      return { kind: "unusable", problem: `it could not be looked at: ${cause.message}` };
    } finally {
      await container?.remove();
    }
  }

  async #inLayers(node: ManifestNode): Promise<InitFile> {
    for (const layer of node.manifest.layers.toReversed()) {
      const finding = await this.#look(layer);
      if (finding === undefined) {
        return { kind: "unusable", problem: `the layer ${layer.digest} cannot be read as a tar` };
      }
      if (finding.kind !== "absent") return fileOf(finding, layer.digest);
    }
    return fileOf({ kind: "absent" }, null);
  }

  #look(layer: Descriptor): Promise<PathFinding | undefined> {
    const known = this.#layers.get(layer.digest);
    if (known) return known;
    const find = async (): Promise<PathFinding | undefined> =>
      (await seekInLayer(this.#source, layer, NAME, this.#context.signal)) ??
      (await readLayer(this.#source, layer, NAME, this.#context));
    const found = find();
    this.#layers.set(layer.digest, found);
    return found;
  }
}

/** How an engine is told which image of `root` is meant: its ID, and the platform where the ID is an index's. */
export function engineImage(root: Root, node: ManifestNode): { readonly image: string; readonly platform?: string } {
  if (root.synthesized) return { image: node.config.descriptor.digest };
  const { digest } = root.descriptor;
  return digest === node.descriptor.digest
    ? { image: digest }
    : { image: digest, platform: formatPlatform(platformOf(node)) };
}

const OTHER = { directory: "a folder", symlink: "a link", hardlink: "a hard link", other: "a device" };

function fileOf(finding: PathFinding | undefined, layer: Digest | null): InitFile {
  const unusable = (problem: string): InitFile => ({ kind: "unusable", problem });
  if (finding === undefined) return unusable("the engine's answer cannot be read");
  if (finding.kind === "absent") return unusable("there is none");
  const from = layer === null ? "" : `, in the layer ${layer}`;
  if (finding.kind === "removed") return unusable(`it is removed${from}`);
  const { type, sha256, mode } = finding;
  if (type !== "file") return unusable(`it is ${OTHER[type]}${from}`);
  if (sha256 === undefined) return unusable(`it is far larger than an init${from}`);
  return { kind: "file", sha256, ...(mode === undefined ? {} : { mode }), layer };
}
