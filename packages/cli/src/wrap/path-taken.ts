/**
 * Whether the image has a file of its own where the init goes.
 *
 * Looking costs nothing where a layer is a plain tar in a local file, and a download and an inflation of gigabytes where it
 * is compressed in a registry. So by default the plain ones are looked at, and of the others those of which the image's
 * history says that they write the path; `verify` looks at all of them.
 *
 * The topmost layer that says something about the path decides, as in an engine. Our own init there, of any version and
 * from whatever layer, is no other file: it comes from a base that was wrapped.
 */
import { initFor, initPlatforms } from "@initwrap/init-core";
import { ownershipOf } from "../image/mutate.ts";
import { type ImageConfig, type ImageNode, type ManifestNode, platformOf, type Snapshot } from "../image/snapshot.ts";
import { INIT_PATH } from "../model/compose.ts";
import type { Descriptor } from "../model/descriptor.ts";
import { InitwrapError } from "../model/errors.ts";
import { formatPlatform } from "../model/platform.ts";
import type { Source, StoreContext } from "../store/contract.ts";
import { type PathFinding, readLayer, seekInLayer } from "../store/layer-scan.ts";

export interface PathCheck {
  readonly source: Source;
  /** The manifests that get the init; others are not looked at. */
  readonly manifests: ReadonlySet<string>;
  /** False when the source was opened without its layers, and only what lies in a file can be looked at. */
  readonly canRead: boolean;
  /** Look into every layer, whatever it costs. */
  readonly verify: boolean;
  readonly env: StoreContext["env"];
  readonly signal?: AbortSignal;
}

/** The path in a layer: without the slash. */
const NAME = INIT_PATH.slice(1);

/**
 * Throws PATH_TAKEN when an image of the snapshot has another file at the init's path. True when every layer was looked
 * at, so that this is known for sure.
 */
export async function checkPath(snapshot: Snapshot, check: PathCheck): Promise<boolean> {
  if (check.manifests.size === 0) return true;
  const scanner = new Scanner(check);
  let isSure = true;
  for (const node of manifestsUnder(snapshot.root)) {
    if (!check.manifests.has(node.descriptor.digest)) continue;
    isSure = (await scanner.look(node)) && isSure;
  }
  return isSure;
}

export function* manifestsUnder(node: ImageNode): Generator<ManifestNode> {
  if (node.kind === "manifest") yield node;
  if (node.kind === "index") for (const child of node.children) yield* manifestsUnder(child);
}

class Scanner {
  readonly #check: PathCheck;
  /** By digest, for platforms share layers. */
  readonly #cheap = new Map<string, Promise<PathFinding | undefined>>();
  readonly #whole = new Map<string, Promise<PathFinding | undefined>>();
  readonly #ours = ourFiles();

  constructor(check: PathCheck) {
    this.#check = check;
  }

  async look(node: ManifestNode): Promise<boolean> {
    const { config, manifest } = node;
    // Our own layer on top is exchanged, and says nothing about what is below.
    const count = manifest.layers.length - (ownershipOf(config.bytes) ? 1 : 0);
    const suspects = suspectLayers(config.value, manifest.layers.length);
    const unseen: Descriptor[] = [];
    for (let at = count - 1; at >= 0; at--) {
      const layer = manifest.layers[at]!;
      if (this.#ours.layers.has(layer.digest)) return unseen.length === 0;
      const finding =
        (await this.#seek(layer)) ??
        (this.#check.verify || suspects.has(at) ? await this.#read(layer, node) : undefined);
      if (finding === undefined) {
        unseen.push(layer);
        continue;
      }
      if (finding.kind === "absent") continue;
      if (finding.kind === "removed" || this.#isOurs(finding)) return unseen.length === 0;
      // A layer above that was not looked at may have removed it.
      for (const above of unseen) {
        const said = await this.#read(above, node);
        if (said && said.kind !== "absent") {
          if (said.kind === "removed" || this.#isOurs(said)) return true;
          throw taken(node, above, said);
        }
      }
      throw taken(node, layer, finding);
    }
    return unseen.length === 0;
  }

  #isOurs(finding: PathFinding): boolean {
    if (finding.kind !== "present" || finding.content === undefined) return false;
    return this.#ours.files.has(finding.sha256 ?? "") || isInit(finding.content);
  }

  #seek(layer: Descriptor): Promise<PathFinding | undefined> {
    return remembered(this.#cheap, layer, () => seekInLayer(this.#check.source, layer, NAME, this.#check.signal));
  }

  /** The whole layer; undefined when it is in no medium, as foreign layers often are. */
  async #read(layer: Descriptor, node: ManifestNode): Promise<PathFinding | undefined> {
    if (!this.#check.canRead) {
      throw new InitwrapError("PATH_TAKEN", `the layer ${layer.digest} may have a file ${INIT_PATH} of its own`, {
        hint: "Its history says so, and it was not looked into: --verify-path does it, and goes on when that is the init.",
        where: formatPlatform(platformOf(node)),
      });
    }
    try {
      const { source, verify } = this.#check;
      const diffId = node.config.value.rootfs.diff_ids?.[node.manifest.layers.indexOf(layer)];
      const found = await remembered(this.#whole, layer, () =>
        readLayer(source, layer, NAME, this.#check, verify ? diffId : undefined),
      );
      if (found || !verify) return found;
      throw new InitwrapError("IMAGE_INVALID", `the layer ${layer.digest} cannot be read as a tar`, {
        hint: "Without --verify-path nothing is asked of it.",
        where: formatPlatform(platformOf(node)),
      });
    } catch (cause) {
      const isAbsent = cause instanceof InitwrapError && cause.code === "IMAGE_NOT_FOUND";
      if (isAbsent && Array.isArray(layer.urls)) return undefined;
      throw cause;
    }
  }
}

function remembered(
  known: Map<string, Promise<PathFinding | undefined>>,
  layer: Descriptor,
  find: () => Promise<PathFinding | undefined>,
): Promise<PathFinding | undefined> {
  const before = known.get(layer.digest);
  if (before) return before;
  const found = find();
  known.set(layer.digest, found);
  return found;
}

/** The places of layers whose history names the path: `COPY --from=x /initwrap /initwrap`, `RUN cp a /initwrap`. */
function suspectLayers(config: ImageConfig, layers: number): ReadonlySet<number> {
  const steps = (config.history ?? []).filter((step) => !step.empty_layer);
  // A history that does not match the layers says nothing about them.
  if (steps.length !== layers) return new Set();
  const names = new RegExp(`(^|[\\s"'=,\\[>])${INIT_PATH}($|[\\s"',\\]/;&|])`);
  return new Set(steps.flatMap((step, at) => (names.test(step.created_by ?? "") ? [at] : [])));
}

interface OurFiles {
  readonly files: ReadonlySet<string>;
  readonly layers: ReadonlySet<string>;
}

let known: OurFiles | undefined;

/** The files of the inits that come with this version, and their layers, compressed or not. Read once for a list of images. */
function ourFiles(): OurFiles {
  if (known) return known;
  const inits = initPlatforms().map(initFor);
  known = {
    files: new Set(inits.map(({ sha256 }) => sha256)),
    layers: new Set(inits.flatMap(({ digest, diffId }) => [digest, diffId])),
  };
  return known;
}

/** An init of another version: an ELF executable with the names that all of them have in plain letters. */
function isInit(content: Buffer): boolean {
  return content.subarray(0, 4).toString("latin1") === "\u007fELF" && NAMES.every((name) => content.includes(name));
}

function taken(node: ManifestNode, layer: Descriptor, finding: PathFinding): InitwrapError {
  const words = { file: "a file", directory: "a folder", symlink: "a link", hardlink: "a file", other: "a device" };
  const what = finding.kind === "present" ? words[finding.type] : "a file";
  return new InitwrapError(
    "PATH_TAKEN",
    `the image has ${what} ${INIT_PATH} of its own, from the layer ${layer.digest}`,
    {
      hint: "The init would replace it. Build the image with that file in another place.",
      where: formatPlatform(platformOf(node)),
    },
  );
}

/** What its variables begin with, and one of the names under which it is another program. */
const NAMES = ["INITWRAP_", "docker-init"];
