/**
 * Puts our layer and our entrypoint into an image's config and manifest, and takes them away again, by editing their text.
 *
 * What is written beside the change itself is what undo needs. In the config it stands in a label, and holds only what
 * follows from the config, so that one image has one config digest in every medium; in the manifest it stands in an
 * annotation. Undo trusts none of it: it edits backwards and then compares the digest with the recorded one; of a manifest that
 * another tool has written anew, which has no such digest, it takes away what is ours.
 *
 * Sources: OCI image-spec, config.md and manifest.md; Docker Image Specification v1.3.
 */
import { type Descriptor, pointDescriptor } from "../model/descriptor.ts";
import type { Digest } from "../model/digest.ts";
import { digestOf, isDigest } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import {
  addItem,
  addMember,
  countAt,
  decodeJson,
  type JsonPath,
  nodeAt,
  parseJson,
  prependStrings,
  rawAt,
  removeLast,
  removeMember,
  replaceAt,
} from "../model/json-edit.ts";
import {
  DOCKER_LAYER_GZIP,
  DOCKER_LAYER_TAR,
  DOCKER_MANIFEST,
  isPlainLayer,
  OCI_LAYER_GZIP,
  OCI_LAYER_TAR,
} from "../model/media-types.ts";

/** Label: the version of the init in the image. */
export const VERSION_LABEL = "io.initwrap.version";
/** Label of a config and annotation of a manifest or index: JSON that undo reads. */
export const UNDO_KEY = "io.initwrap.undo";
export const BASE_DIGEST = "org.opencontainers.image.base.digest";
export const BASE_NAME = "org.opencontainers.image.base.name";

/** The ready-packed layer that holds the init of one platform. */
export interface InitLayer {
  readonly version: string;
  /** Digest and size in bytes of the gzip-compressed layer. */
  readonly digest: Digest;
  readonly size: number;
  /** Digest and size in bytes of the uncompressed layer. */
  readonly diffId: Digest;
  readonly tarSize: number;
}

export interface ConfigChange {
  readonly layer: InitLayer;
  /** The words in front of the entrypoint, as model/compose gives them. */
  readonly prefix: readonly string[];
  /** What the entrypoint was to `compose`; its elements keep their bytes when the config still says the same. */
  readonly entrypoint: readonly string[] | null;
  /** RFC 3339 time for `created` and for the history entry; without it both are the image's own. */
  readonly created?: string;
}

/** What undo of one document needs: the digest to arrive at, and each value that was replaced, as text; null was absent. */
interface UndoRecord {
  readonly v: 1;
  readonly digest: Digest;
  readonly diffId?: Digest;
  readonly set: readonly (readonly [JsonPath, string | null])[];
}

/** Collects edits together with what reverses them. */
class Editor {
  text: string;
  readonly set: [JsonPath, string | null][] = [];

  constructor(text: string) {
    this.text = text;
  }

  /** Sets a member to raw JSON, making the objects above it where they are absent, null or empty. */
  put(path: readonly string[], value: unknown, raw = JSON.stringify(value)): void {
    const before = rawAt(this.text, path);
    if (before !== undefined) {
      this.set.push([path, before]);
      this.text = replaceAt(this.text, path, raw);
      return;
    }
    const parent = path.slice(0, -1);
    const key = path.at(-1)!;
    if (countAt(this.text, parent)) {
      this.set.push([path, null]);
      this.text = addMember(this.text, parent, key, value);
    } else {
      this.put(parent, { [key]: value });
    }
  }

  /** Adds an item to an array, making it where it is absent, null or empty. */
  append(path: readonly string[], value: unknown): void {
    if (countAt(this.text, path)) this.text = addItem(this.text, path, value);
    else this.put(path, [value]);
  }
}

/** The config with the init in front: Entrypoint, one history entry, one diff_id and our labels differ, nothing else. */
export function wrapConfig(bytes: Uint8Array, change: ConfigChange): Uint8Array {
  const original = decodeJson(bytes, "the config");
  const editor = new Editor(original);
  const { layer, prefix } = change;
  const config = JSON.parse(original) as { created?: string };
  const created = change.created ?? config.created;

  const raw = rawAt(original, ["config", "Entrypoint"]);
  const entrypoint = [...prefix, ...(change.entrypoint ?? [])];
  if (raw?.startsWith("[")) editor.put(["config", "Entrypoint"], entrypoint, prependStrings(rest(raw, change), prefix));
  else editor.put(["config", "Entrypoint"], entrypoint);
  if (change.created !== undefined) editor.put(["created"], change.created);
  editor.append(["history"], {
    ...(created === undefined ? {} : { created }),
    created_by: historyLine(layer.version),
  });
  editor.append(["rootfs", "diff_ids"], layer.diffId);
  editor.put(["config", "Labels", VERSION_LABEL], layer.version);
  const own: readonly string[] = ["config", "Labels", UNDO_KEY];
  const record: UndoRecord = {
    v: 1,
    digest: digestOf(bytes),
    diffId: layer.diffId,
    set: [...editor.set, [own, rawAt(editor.text, own) ?? null]],
  };
  editor.put(own, JSON.stringify(record));
  return encode(editor.text);
}

/** The entrypoint's text without an init of ours that `compose` exchanges for another. */
function rest(raw: string, change: ConfigChange): string {
  const words = JSON.parse(raw) as string[];
  const kept = change.entrypoint ?? [];
  return kept.length === words.length ? raw : JSON.stringify(kept);
}

function historyLine(version: string): string {
  return `initwrap ${version}: /initwrap -- in front of the entrypoint`;
}

/** Whose work the top of an image is. */
export interface Ownership {
  readonly version: string;
  readonly diffId: Digest;
  /** Digest of the config before. */
  readonly original: Digest;
}

/**
 * What we left in a config, when our layer and our history entry are still its last ones. Undefined for an image that we
 * never touched, and for one that was built on top of one we did: the labels are inherited there, and mean nothing.
 */
export function ownershipOf(bytes: Uint8Array): Ownership | undefined {
  const config = JSON.parse(decodeJson(bytes, "the config")) as {
    config?: { Labels?: Record<string, unknown> | null } | null;
    rootfs?: { diff_ids?: unknown[] | null };
    history?: { created_by?: unknown }[] | null;
  };
  const labels = config.config?.Labels;
  const version = labels?.[VERSION_LABEL];
  const record = readRecord(labels?.[UNDO_KEY]);
  if (typeof version !== "string" || !record?.diffId) return undefined;
  if (config.rootfs?.diff_ids?.at(-1) !== record.diffId) return undefined;
  if (config.history?.at(-1)?.created_by !== historyLine(version)) return undefined;
  return { version, diffId: record.diffId, original: record.digest };
}

/** The config as it was before `wrapConfig`, byte for byte, or PROOF_FAILED when its digest is not the recorded one. */
export function unwrapConfig(bytes: Uint8Array): Uint8Array {
  let text = decodeJson(bytes, "the config");
  const record = readRecord(value(text, ["config", "Labels", UNDO_KEY]));
  if (!record) throw new InitwrapError("PROOF_FAILED", "the config has no undo record");
  const replaced = new Set(record.set.map(([path]) => path.join("/")));
  text = reverse(text, record, CONFIG_PATHS);
  // Arrays that were made anew are back already; the others still have our item behind their own.
  const whole = (path: string): boolean => [...replaced].some((one) => path === one || path.startsWith(`${one}/`));
  if (!whole("rootfs/diff_ids")) text = attempt(() => removeLast(text, ["rootfs", "diff_ids"]));
  if (!whole("history")) text = attempt(() => removeLast(text, ["history"]));
  return proven(text, record);
}

/** Paths that an undo record may set; a record that names others was not written by us. */
const CONFIG_PATHS: readonly string[] = [
  "config",
  "config/Entrypoint",
  "config/Labels",
  `config/Labels/${VERSION_LABEL}`,
  `config/Labels/${UNDO_KEY}`,
  "created",
  "history",
  "rootfs",
  "rootfs/diff_ids",
];

export interface ManifestChange {
  readonly config: { readonly bytes: Uint8Array };
  /** The init's, of `initDescriptor`. */
  readonly layer: Descriptor;
  /** Full reference of the image before, where it has one. */
  readonly baseName?: string;
}

/**
 * Our layer as the image's other layers are: uncompressed where all of them are, in the manifest's own family of types.
 *
 * There are readers (go-containerregistry's of archives) that take all layers to be what the first is. Where there is no other
 * layer it is compressed: smaller, and one blob for all such images in a registry. The config is the same either way.
 */
export function initDescriptor(layer: InitLayer, manifestType: string, others: readonly Descriptor[]): Descriptor {
  const isDocker = manifestType === DOCKER_MANIFEST;
  if (others.length > 0 && others.every(({ mediaType }) => isPlainLayer(mediaType))) {
    return { mediaType: isDocker ? DOCKER_LAYER_TAR : OCI_LAYER_TAR, size: layer.tarSize, digest: layer.diffId };
  }
  return { mediaType: isDocker ? DOCKER_LAYER_GZIP : OCI_LAYER_GZIP, size: layer.size, digest: layer.digest };
}

/** The manifest with the new config, one more layer and the base annotations; everything else as bytes. */
export function wrapManifest(bytes: Uint8Array, change: ManifestChange): Uint8Array {
  const editor = new Editor(decodeJson(bytes, "the manifest"));
  editor.text = pointConfig(editor.text, change.config.bytes);
  editor.append(["layers"], change.layer);
  editor.put(["annotations", BASE_DIGEST], digestOf(bytes));
  if (change.baseName !== undefined) editor.put(["annotations", BASE_NAME], change.baseName);
  const own: readonly string[] = ["annotations", UNDO_KEY];
  const record: UndoRecord = {
    v: 1,
    digest: digestOf(bytes),
    set: [...editor.set, [own, rawAt(editor.text, own) ?? null]],
  };
  editor.put(own, JSON.stringify(record));
  return encode(editor.text);
}

/**
 * The manifest before `wrapManifest`, given the config before, which is proven. One that another tool has written anew since cannot
 * be what it was, as when podman pushes an image and compresses its layers: it is then this one without what is ours.
 */
export function unwrapManifest(bytes: Uint8Array, config: Uint8Array): Uint8Array {
  const text = decodeJson(bytes, "the manifest");
  const record = readRecord(value(text, ["annotations", UNDO_KEY]));
  try {
    if (record) return unwrapAsRecorded(text, record, config);
  } catch (cause) {
    if (!isFailedProof(cause)) throw cause;
  }
  const less = attempt(() => pointConfig(removeItem(text, ["layers"]), config));
  return encode(record ? attempt(() => withoutOurs(less, record)) : less);
}

function unwrapAsRecorded(start: string, record: UndoRecord, config: Uint8Array): Uint8Array {
  let text = reverse(start, record, MANIFEST_PATHS);
  if (!record.set.some(([path]) => path.join("/") === "layers")) text = attempt(() => removeLast(text, ["layers"]));
  return proven(
    attempt(() => pointConfig(text, config)),
    record,
  );
}

/** A manifest with the annotations that it had before ours, wherever ours stand now. */
function withoutOurs(start: string, record: UndoRecord): string {
  const before = (...path: string[]) => record.set.find(([one]) => one.join("/") === path.join("/"))?.[1];
  // Where there were no annotations, those that came with the first of ours have no step of their own.
  const whole = before("annotations");
  let text = start;
  for (const key of [UNDO_KEY, BASE_NAME, BASE_DIGEST]) {
    const path = ["annotations", key];
    const step = before(...path);
    const own = step === undefined && key === BASE_DIGEST && whole !== undefined ? null : step;
    if (own === undefined || rawAt(text, path) === undefined) continue;
    const isText = own !== null && typeof JSON.parse(own) === "string";
    text = isText ? replaceAt(text, path, own) : removeMember(text, path);
  }
  if (whole === undefined || rawAt(text, ["annotations"]) === undefined || countAt(text, ["annotations"]) !== 0) {
    return text;
  }
  return whole === null ? removeMember(text, ["annotations"]) : replaceAt(text, ["annotations"], "{}");
}

const MANIFEST_PATHS: readonly string[] = [
  "annotations",
  `annotations/${BASE_DIGEST}`,
  `annotations/${BASE_NAME}`,
  `annotations/${UNDO_KEY}`,
  "layers",
];

/** The base name that a manifest was given when it was wrapped; undefined where it has none, or only one of its own. */
export function baseNameOf(bytes: Uint8Array): string | undefined {
  const text = decodeJson(bytes, "the manifest");
  const record = readRecord(value(text, ["annotations", UNDO_KEY]));
  const name = value(text, ["annotations", BASE_NAME]);
  const isOurs = record?.set.some(([path]) => path.join("/") === `annotations/${BASE_NAME}`);
  return isOurs === true && typeof name === "string" ? name : undefined;
}

/** Points the manifest's `config` at other bytes: digest, size and, where the descriptor embeds it, data. */
function pointConfig(text: string, config: Uint8Array): string {
  return pointDescriptor(text, ["config"], { digest: digestOf(config), size: config.length }, config);
}

/** What an entry of an index points to; `bytes` where its content is at hand. */
export interface IndexTarget extends Pick<Descriptor, "digest" | "size"> {
  readonly bytes?: Uint8Array;
}

/** How an index changes: what each child is now (by its place), and what is dropped. */
export interface IndexChange {
  readonly children: ReadonlyMap<number, IndexTarget>;
  readonly dropped: ReadonlySet<number>;
  /** Attestations that stay and whose descriptors must name the new digest of their subject: place to digest. */
  readonly repointed: ReadonlyMap<number, Digest>;
}

/** Annotation of an attestation's descriptor: the digest of what it attests. Source: BuildKit, attestation storage. */
export const ATTESTATION_SUBJECT = "vnd.docker.reference.digest";

/** Where attestations were dropped or pointed elsewhere, or an entry is written otherwise than we do, undo needs the whole list as it was. */
interface IndexRecord extends UndoRecord {
  /** The text of `manifests` before. */
  readonly manifests: string;
}

/** The index with its children replaced. What does not come back by itself is recorded for undo; nothing else of it changes. */
export function wrapIndex(bytes: Uint8Array, change: IndexChange): Uint8Array {
  const original = decodeJson(bytes, "the index");
  const editor = new Editor(original);
  for (const [place, child] of change.children) {
    editor.text = pointDescriptor(editor.text, ["manifests", place], child, child.bytes);
  }
  for (const [place, subject] of change.repointed) {
    editor.text = replaceAt(
      editor.text,
      ["manifests", place, "annotations", ATTESTATION_SUBJECT],
      JSON.stringify(subject),
    );
  }
  const returns = [...change.children.keys()].every((place) => isPlain(original, ["manifests", place]));
  if (change.dropped.size > 0 || change.repointed.size > 0 || !returns) {
    const manifests = rawAt(original, ["manifests"]) ?? "[]";
    editor.text = dropItems(editor.text, change.dropped);
    const own: readonly string[] = ["annotations", UNDO_KEY];
    const probe = new Editor(editor.text);
    probe.put(own, "");
    const record: IndexRecord = {
      v: 1,
      digest: digestOf(bytes),
      manifests,
      set: probe.set,
    };
    editor.put(own, JSON.stringify(record));
  }
  return encode(editor.text);
}

/**
 * The index before `wrapIndex`, where that recorded it; undefined otherwise: then places and digests are all that changed, and
 * the caller knows them. Throws PROOF_FAILED when the digest is not the recorded one.
 */
export function unwrapIndex(bytes: Uint8Array): Uint8Array | undefined {
  let text = decodeJson(bytes, "the index");
  const record = readRecord(value(text, ["annotations", UNDO_KEY])) as IndexRecord | undefined;
  if (!record || typeof record.manifests !== "string") return undefined;
  text = reverse(text, record, ["annotations", `annotations/${UNDO_KEY}`]);
  return proven(
    attempt(() => replaceAt(text, ["manifests"], record.manifests)),
    record,
  );
}

/** An index that lists its children as they were before they were wrapped, each by itself; `children` by their places. */
export function pointBack(bytes: Uint8Array, children: ReadonlyMap<number, Uint8Array>): Uint8Array {
  let text = decodeJson(bytes, "the index");
  for (const [place, child] of children) {
    const path = ["manifests", place];
    const target = { digest: digestOf(child), size: child.length };
    if (isPlain(text, path)) text = pointDescriptor(text, path, target, child);
  }
  return encode(text);
}

/** True when a descriptor is written as `pointDescriptor` writes one, so that pointing it back gives its bytes. */
function isPlain(text: string, path: JsonPath): boolean {
  const [digest, size, data] = ["digest", "size", "data"].map((field) => rawAt(text, [...path, field]));
  if (digest === undefined || size === undefined) return false;
  if (digest !== JSON.stringify(JSON.parse(digest)) || size !== String(JSON.parse(size))) return false;
  if (data === undefined) return true;
  const content = Buffer.from(String(JSON.parse(data)), "base64");
  return data === JSON.stringify(content.toString("base64")) && digestOf(content) === JSON.parse(digest);
}

/**
 * An attestation's manifest with the new digest of its subject, where it names one itself: so BuildKit writes them as artifacts,
 * which registries then list as referrers. One that names another subject, or none, is as it was.
 */
export function pointSubject(bytes: Uint8Array, from: string, to: Pick<Descriptor, "digest" | "size">): Uint8Array {
  const text = decodeJson(bytes, "the attestation");
  if (value(text, ["subject", "digest"]) !== from || rawAt(text, ["subject", "size"]) === undefined) return bytes;
  return encode(pointDescriptor(text, ["subject"], to));
}

function dropItems(text: string, dropped: ReadonlySet<number>): string {
  const array = nodeAt(parseJson(text), ["manifests"]);
  if (array?.kind !== "array") throw new InitwrapError("IMAGE_INVALID", "the index has no manifests");
  const kept = array.items.filter((_, place) => !dropped.has(place));
  const lead = array.items[0] ? text.slice(array.start + 1, array.items[0].start) : "";
  const tail = array.items.at(-1) ? text.slice(array.items.at(-1)!.end, array.end) : "]";
  const items = kept.map((item) => text.slice(item.start, item.end)).join(`,${lead}`);
  return text.slice(0, array.start) + (items === "" ? "[]" : `[${lead}${items}${tail}`) + text.slice(array.end);
}

/** Plays a record's replacements backwards. */
function reverse(start: string, record: Pick<UndoRecord, "set">, allowed: readonly string[]): string {
  let text = start;
  for (const [path, before] of record.set.toReversed()) {
    if (!allowed.includes(path.join("/"))) throw new InitwrapError("PROOF_FAILED", "the undo record is not ours");
    text = attempt(() => (before === null ? removeLastMember(text, path) : replaceAt(text, path, before)));
  }
  return text;
}

/** Takes the last item away, the only one too. */
function removeItem(text: string, path: JsonPath): string {
  return countAt(text, path) === 1 ? replaceAt(text, path, "[]") : removeLast(text, path);
}

function removeLastMember(text: string, path: JsonPath): string {
  const parent = nodeAt(parseJson(text), path.slice(0, -1));
  if (parent?.kind !== "object" || parent.members.at(-1)?.key !== path.at(-1))
    throw new TypeError("not the last member");
  return removeLast(text, path.slice(0, -1));
}

function proven(text: string, record: Pick<UndoRecord, "digest">): Uint8Array {
  const bytes = encode(text);
  if (digestOf(bytes) !== record.digest) {
    throw new InitwrapError("PROOF_FAILED", `undo did not arrive at ${record.digest}`, {
      hint: "The image was changed after it was wrapped; go back to the image it was made from.",
    });
  }
  return bytes;
}

/** True for the error of an undo that does not arrive, or finds nothing to go by. */
export function isFailedProof(cause: unknown): boolean {
  return cause instanceof InitwrapError && cause.code === "PROOF_FAILED";
}

/** Runs an edit on a stranger's record: whatever goes wrong in it is a failed proof, not a bug. */
function attempt(edit: () => string): string {
  try {
    return edit();
  } catch (cause) {
    throw new InitwrapError("PROOF_FAILED", "the undo record does not fit the image", { cause });
  }
}

function readRecord(label: unknown): UndoRecord | undefined {
  if (typeof label !== "string") return undefined;
  try {
    const record = JSON.parse(label) as UndoRecord;
    const fits =
      record.v === 1 &&
      isDigest(record.digest) &&
      (record.diffId === undefined || isDigest(record.diffId)) &&
      Array.isArray(record.set) &&
      record.set.every(
        (step) =>
          Array.isArray(step) &&
          Array.isArray(step[0]) &&
          step[0].every((part) => typeof part === "string") &&
          (step[1] === null || typeof step[1] === "string"),
      );
    return fits ? record : undefined;
  } catch {
    return undefined;
  }
}

function value(text: string, path: JsonPath): unknown {
  const raw = rawAt(text, path);
  return raw === undefined ? undefined : JSON.parse(raw);
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
