/**
 * An image as its small documents show it: indexes, manifests and configs, with no layer opened.
 *
 * `readSnapshot` walks down from the root through a `read` that the caller gives; what cannot be read because the medium
 * does not hold it becomes an `absent` node, which is normal: daemons and archives keep indexes whose other platforms
 * were never pulled.
 */
import { type Descriptor, isTextRecord, readDescriptor } from "../model/descriptor.ts";
import { InitwrapError } from "../model/errors.ts";
import { decodeJson, parseJson } from "../model/json-edit.ts";
import { isIndexType, isManifestType, OCI_INDEX, OCI_MANIFEST } from "../model/media-types.ts";
import { requireOneSpelling } from "../model/one-spelling.ts";
import type { Platform } from "../model/platform.ts";
import { isRecord } from "../model/record.ts";
import { ATTESTATION_SUBJECT, unwrapIndex } from "./mutate.ts";

export type ImageNode = IndexNode | ManifestNode | AttestationNode | ArtifactNode | AbsentNode;

export interface IndexNode {
  readonly kind: "index";
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  /** What it lists, in its order; an entry that is there twice only once. */
  readonly children: readonly ImageNode[];
  /** Attestations that an earlier run dropped from it and that are still there; read for undo only. */
  readonly dropped: readonly AttestationNode[];
}

/** One platform's image. */
export interface ManifestNode {
  readonly kind: "manifest";
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
  readonly config: { readonly descriptor: Descriptor; readonly bytes: Uint8Array; readonly value: ImageConfig };
}

/** BuildKit's provenance or SBOM of another child; `subject` is that child's digest. */
export interface AttestationNode {
  readonly kind: "attestation";
  readonly descriptor: Descriptor;
  readonly subject: string;
  /** Both undefined when the medium does not hold it. */
  readonly bytes?: Uint8Array;
  readonly manifest?: Manifest;
}

/** A manifest that is no container image: carried as it is inside an index, refused as the root. */
export interface ArtifactNode {
  readonly kind: "artifact";
  readonly descriptor: Descriptor;
  readonly reason: string;
  readonly manifest?: Manifest;
}

/** A child that the index names and the medium does not hold. */
export interface AbsentNode {
  readonly kind: "absent";
  readonly descriptor: Descriptor;
}

export interface Snapshot {
  readonly root: ImageNode;
  /** Full references by which the source knows the image. */
  readonly names: readonly string[];
}

/** A manifest as far as it is read; unknown fields stay in the bytes. Source: OCI image-spec, manifest.md. */
export interface Manifest {
  readonly schemaVersion: number;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  /** What an artifact is about. */
  readonly subject?: { readonly digest?: string } | null;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A config as far as it is read. Source: OCI image-spec, config.md. */
export interface ImageConfig {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly created?: string;
  readonly config?: {
    readonly Entrypoint?: readonly string[] | null;
    readonly Cmd?: readonly string[] | null;
    readonly Env?: readonly string[] | null;
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly ArgsEscaped?: boolean;
    readonly User?: string;
    readonly StopSignal?: string;
    readonly OnBuild?: readonly string[] | null;
  } | null;
  readonly rootfs: { readonly type: string; readonly diff_ids?: readonly string[] | null };
  readonly history?:
    | readonly { readonly created?: string; readonly created_by?: string; readonly empty_layer?: boolean }[]
    | null;
}

/** Reads a document by its descriptor; undefined when the medium does not hold it. */
export type ReadDocument = (descriptor: Descriptor) => Promise<Uint8Array | undefined>;

const INCOMPLETE = "The image is not complete there: copy, save or push it again.";

/** No real index nests deeper; the limit also ends a cycle that a hostile source could build from forged answers. */
const MAX_NESTING = 4;
/** In a whole tree: four indexes that each list the next one a thousand times would be read for years. */
const MAX_LISTED = 2000;
/** Of an index or a manifest. */
const MANIFEST_FIELDS = [
  "schemaVersion",
  "mediaType",
  "artifactType",
  "config",
  "layers",
  "manifests",
  "subject",
  "annotations",
];
/** Of all documents together, for they are held. Bytes. */
const MAX_BYTES = 64 << 20;

/** What may still be listed by indexes, and read; and whether that is more than they list. */
interface Budget {
  listed: number;
  bytes: number;
  readonly withDropped: boolean;
}

/**
 * Reads the tree under `root`; for undo also what an earlier run dropped from it. Throws IMAGE_INVALID or UNSUPPORTED_IMAGE for
 * documents that are none.
 */
export async function readSnapshot(
  root: Descriptor,
  names: readonly string[],
  read: ReadDocument,
  { forUndo = false } = {},
): Promise<Snapshot> {
  const budget: Budget = { listed: MAX_LISTED, bytes: MAX_BYTES, withDropped: forUndo };
  const bounded: ReadDocument = async (descriptor) => {
    spend(budget, { bytes: descriptor.size });
    return read(descriptor);
  };
  const node = await readNode(root, bounded, budget, 0);
  if (node.kind === "absent") {
    throw new InitwrapError("IMAGE_NOT_FOUND", `the image's manifest is missing: ${root.digest}`, { hint: INCOMPLETE });
  }
  return { root: node, names };
}

function spend(budget: Budget, { listed = 0, bytes = 0 }: Partial<Budget>): void {
  budget.listed -= listed;
  budget.bytes -= bytes;
  if (budget.listed >= 0 && budget.bytes >= 0) return;
  throw new InitwrapError("UNSUPPORTED_IMAGE", "the image has too many manifests and configs", {
    hint: `Its indexes may list ${MAX_LISTED}, and all may have ${MAX_BYTES >> 20} MiB together.`,
  });
}

async function readNode(descriptor: Descriptor, read: ReadDocument, budget: Budget, depth: number): Promise<ImageNode> {
  const subject = attestationSubject(descriptor);
  const bytes = await read(descriptor);
  if (!bytes)
    return subject === undefined ? { kind: "absent", descriptor } : { kind: "attestation", descriptor, subject };
  // What its siblings list may have been too much by now.
  spend(budget, {});
  const text = decodeJson(bytes, `the manifest ${descriptor.digest}`);
  parseJson(text, `the manifest ${descriptor.digest}`);
  const document = objectOf(text, "the manifest", descriptor);
  const mediaType = typeOf(document, descriptor);
  if (isIndexType(mediaType) || isManifestType(mediaType)) {
    requireOneSpelling(document, MANIFEST_FIELDS, "the manifest", descriptor.digest);
  }
  if (isIndexType(mediaType)) {
    if (depth >= MAX_NESTING) {
      throw new InitwrapError("UNSUPPORTED_IMAGE", "indexes are nested too deeply", { where: descriptor.digest });
    }
    const listed = descriptorsOf(document["manifests"], "manifests", descriptor);
    spend(budget, { listed: listed.length });
    const children = await Promise.all(eachOnce(listed).map((child) => readNode(child, read, budget, depth + 1)));
    const dropped: AttestationNode[] = [];
    for (const entry of budget.withDropped ? droppedFrom(bytes, listed, descriptor) : []) {
      spend(budget, { listed: 1 });
      const node = await readNode(entry, read, budget, depth + 1);
      if (node.kind === "attestation" && node.bytes) dropped.push(node);
    }
    return { kind: "index", descriptor: { ...descriptor, mediaType }, bytes, children, dropped };
  }
  if (!isManifestType(mediaType)) {
    return { kind: "artifact", descriptor, reason: `its media type is ${mediaType || "not given"}` };
  }
  if (!isTextRecord(document["annotations"])) {
    throw new InitwrapError("IMAGE_INVALID", "the manifest has annotations that are no texts", {
      where: descriptor.digest,
    });
  }
  const manifest: Manifest = {
    ...(document as unknown as Manifest),
    config: descriptorOf(document["config"], "config", descriptor),
    layers: descriptorsOf(document["layers"], "layers", descriptor),
  };
  if (subject !== undefined) return { kind: "attestation", descriptor, subject, bytes, manifest };
  const reason = artifactReason(manifest);
  if (reason !== undefined) return { kind: "artifact", descriptor, reason, manifest };
  const config = await read(manifest.config);
  if (!config) {
    if (depth > 0) return { kind: "absent", descriptor };
    throw new InitwrapError("IMAGE_NOT_FOUND", `the image's config is missing: ${manifest.config.digest}`, {
      hint: INCOMPLETE,
    });
  }
  const configText = decodeJson(config, `the config ${manifest.config.digest}`);
  parseJson(configText, `the config ${manifest.config.digest}`);
  const value = objectOf(configText, "the config", manifest.config) as unknown as ImageConfig;
  return {
    kind: "manifest",
    descriptor: { ...descriptor, mediaType },
    bytes,
    manifest,
    config: { descriptor: manifest.config, bytes: config, value },
  };
}

/** The attestations that the original of a wrapped index lists, and it does not. */
function droppedFrom(bytes: Uint8Array, listed: readonly Descriptor[], owner: Descriptor): readonly Descriptor[] {
  const original = unwrapIndex(bytes);
  if (!original) return [];
  const { manifests } = JSON.parse(new TextDecoder().decode(original)) as { readonly manifests?: unknown };
  const held = new Set<string>(listed.map(({ digest }) => digest));
  return descriptorsOf(manifests, "manifests", owner).filter(
    (entry) => attestationSubject(entry) !== undefined && !held.has(entry.digest),
  );
}

/** Without what an index lists again: the same content for the same platform. */
function eachOnce(listed: readonly Descriptor[]): readonly Descriptor[] {
  const seen = new Set<string>();
  return listed.filter((one) => {
    const key = entryKey(one);
    const isFirst = !seen.has(key);
    seen.add(key);
    return isFirst;
  });
}

/** The same for entries of an index that one child stands for. */
export function entryKey(entry: Descriptor): string {
  const { os, architecture, variant } = entry.platform ?? {};
  return JSON.stringify([entry.digest, os, architecture, variant, attestationSubject(entry)]);
}

function objectOf(text: string, what: string, { digest }: Descriptor): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  if (isRecord(value)) return value;
  throw new InitwrapError("IMAGE_INVALID", `${what} is no object`, { where: digest });
}

/** The platform of an image: its config decides, as it does for engines; a descriptor may leave it out. */
export function platformOf(node: ManifestNode): Platform {
  const { os, architecture, variant } = node.config.value;
  const said = variant || node.descriptor.platform?.variant;
  return { os, architecture, ...(said ? { variant: said } : {}) };
}

function typeOf(document: Record<string, unknown>, descriptor: Descriptor): string {
  if (document["schemaVersion"] === 1) {
    throw new InitwrapError("UNSUPPORTED_IMAGE", "the image has a manifest of schema 1", {
      hint: "Push it again with a current engine, which writes schema 2 or OCI.",
      where: descriptor.digest,
    });
  }
  const own = document["mediaType"];
  if (own !== undefined && typeof own !== "string") {
    throw new InitwrapError("IMAGE_INVALID", "mediaType is no text", { where: descriptor.digest });
  }
  if (own && (isIndexType(own) || isManifestType(own)) && descriptor.mediaType && own !== descriptor.mediaType) {
    // Two readers would take it for two things (the confusion behind CVE-2021-41190).
    if (isIndexType(own) !== isIndexType(descriptor.mediaType)) {
      throw new InitwrapError("IMAGE_INVALID", `a ${descriptor.mediaType} says that it is a ${own}`, {
        where: descriptor.digest,
      });
    }
  }
  if (document["manifests"] !== undefined && (document["layers"] !== undefined || document["config"] !== undefined)) {
    throw new InitwrapError("IMAGE_INVALID", "a document that is both an index and a manifest", {
      where: descriptor.digest,
    });
  }
  if (own) return own;
  if (isIndexType(descriptor.mediaType) || isManifestType(descriptor.mediaType)) return descriptor.mediaType;
  if (descriptor.mediaType) return descriptor.mediaType;
  return Array.isArray(document["manifests"]) ? OCI_INDEX : OCI_MANIFEST;
}

const IMAGE_CONFIGS = new Set([
  "application/vnd.docker.container.image.v1+json",
  "application/vnd.oci.image.config.v1+json",
]);

function artifactReason(manifest: Manifest): string | undefined {
  if (!IMAGE_CONFIGS.has(manifest.config.mediaType)) return `its config is a ${manifest.config.mediaType}`;
  if (manifest.artifactType) return `it is an artifact of type ${manifest.artifactType}`;
  return undefined;
}

/**
 * The digest of what an entry of an index attests, empty where it does not say; undefined for one that is no attestation.
 * Source: BuildKit, docs/attestations/attestation-storage.md.
 */
export function attestationSubject(descriptor: Descriptor): string | undefined {
  const annotations = descriptor.annotations;
  if (annotations?.["vnd.docker.reference.type"] !== "attestation-manifest") return undefined;
  return annotations[ATTESTATION_SUBJECT] ?? "";
}

function descriptorsOf(list: unknown, field: string, owner: Descriptor): readonly Descriptor[] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw new InitwrapError("IMAGE_INVALID", `${field} is no list`, { where: owner.digest });
  return list.map((item, place) => descriptorOf(item, `${field}[${place}]`, owner));
}

function descriptorOf(item: unknown, field: string, owner: Descriptor): Descriptor {
  return readDescriptor(item, field, owner.digest);
}
