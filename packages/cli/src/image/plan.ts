/**
 * The plan: what an image will become, computed from its small documents alone.
 *
 * It is data. It holds the digest of the result, because a manifest names its layers by digests that are known: the
 * carried ones from the image, ours from the release. Applying it is store/transfer's work.
 *
 * Per platform the rule of model/compose decides; an index keeps every child, and only images that were asked for change.
 */
import { composeEntrypoint, composeError, decompose, INIT_PATH, type Init, initPrefix } from "../model/compose.ts";
import type { Descriptor } from "../model/descriptor.ts";
import type { Diagnostic } from "../model/diagnostics.ts";
import { type Digest, digestOf } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { type Invocation, sameArgv } from "../model/invocation.ts";
import { formatPlatform, type Platform, parsePlatform, samePlatform } from "../model/platform.ts";
import {
  ATTESTATION_SUBJECT,
  baseNameOf,
  type IndexTarget,
  type InitLayer,
  initDescriptor,
  isFailedProof,
  ownershipOf,
  pointBack,
  pointSubject,
  unwrapConfig,
  unwrapIndex,
  unwrapManifest,
  VERSION_LABEL,
  wrapConfig,
  wrapIndex,
  wrapManifest,
} from "./mutate.ts";
import {
  type ArtifactNode,
  type AttestationNode,
  attestationSubject,
  entryKey,
  type ImageConfig,
  type ImageNode,
  type IndexNode,
  type ManifestNode,
  platformOf,
  type Snapshot,
} from "./snapshot.ts";
import { checkImage, checkLayers, invocationOf, proveConfig, variableOf } from "./validate.ts";

export interface ImagePlanRequest {
  readonly action: "wrap" | "undo";
  /** The init's own options, each one word. */
  readonly initOptions?: readonly string[];
  /** Replace tini, dumb-init, catatonit or docker-init instead of leaving them in front. */
  readonly replaceInit?: boolean;
  /** Go on although supervisord is started. */
  readonly force?: boolean;
  /** Only these are changed; all when empty or absent. An index keeps its other platforms as they are. */
  readonly platforms?: readonly Platform[];
  /** BuildKit attestations of a changed image: dropped with a finding, or kept and pointed at the new digest. */
  readonly attestations?: "drop" | "keep";
  /** RFC 3339 time for `created` and history (SOURCE_DATE_EPOCH); without it the image's own is kept. */
  readonly created?: string;
  /** The init layer for a platform, or undefined when there is none. */
  readonly initFor: (platform: Platform) => InitLayer | undefined;
}

/** What happens to one platform's image. */
export type PlatformAction = "wrap" | "renew" | "undo" | "unchanged" | "left-alone" | "absent";

export interface PlatformPlan {
  readonly platform: string;
  readonly action: PlatformAction;
  /** Digests and argv as they are. */
  readonly before: ImageState;
  /** As they will be; equal to `before` when nothing changes. */
  readonly after: ImageState;
}

export interface ImageState {
  readonly manifest: Digest;
  readonly config: Digest | null;
  readonly entrypoint: readonly string[] | null;
  readonly cmd: readonly string[] | null;
}

/** A blob that the result refers to, in the order in which it must be put: children before parents. */
export type PlannedBlob =
  /** A layer, config or manifest of the source that stays as it is. */
  | { readonly kind: "carried"; readonly descriptor: Descriptor }
  /** The init's layer for a platform, compressed or not. */
  | { readonly kind: "init"; readonly descriptor: Descriptor; readonly platform: Platform }
  /** A new config, manifest or index. */
  | { readonly kind: "document"; readonly descriptor: Descriptor; readonly bytes: Uint8Array };

export interface ImagePlan {
  readonly action: "wrap" | "undo";
  /** False when the image is already as asked for: nothing will be written. */
  readonly changed: boolean;
  readonly names: readonly string[];
  /** The descriptor of the image before and after. */
  readonly before: Descriptor;
  readonly after: Descriptor;
  readonly platforms: readonly PlatformPlan[];
  readonly blobs: readonly PlannedBlob[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Plans one image. Throws the coded refusals of validate.ts, MUST_BE_PID1, INIT_NOT_REPLACED, NO_INIT_FOR_PLATFORM and PATH_TAKEN. */
export function planImage(snapshot: Snapshot, request: ImagePlanRequest): ImagePlan {
  const planner = new Planner(snapshot, request);
  const bytes = planner.visit(snapshot.root, true);
  const before = snapshot.root.descriptor;
  const after: Descriptor = bytes ? { ...before, digest: digestOf(bytes), size: bytes.length } : before;
  const changed = after.digest !== before.digest;
  refuseMissing(planner.platforms, request.platforms ?? []);
  return {
    action: request.action,
    changed,
    names: snapshot.names,
    before,
    after,
    platforms: planner.platforms,
    blobs: planner.blobs,
    diagnostics: planner.diagnostics,
  };
}

/** Every platform that was asked for has to be there: a slip in one of several would leave that one without an init. */
function refuseMissing(plans: readonly PlatformPlan[], asked: readonly Platform[]): void {
  const held = plans.filter(({ action }) => action !== "absent").map(({ platform }) => platform);
  const listed = plans.filter(({ action }) => action === "absent").map(({ platform }) => platform);
  const isHeld = (one: Platform): boolean => held.some((text) => samePlatform(one, parsePlatform(text) ?? one));
  const missing = asked.filter((one) => !isHeld(one)).map(formatPlatform);
  if (missing.length === 0 && held.length > 0) return;
  if (plans.length === 0) {
    throw new InitwrapError("IMAGE_NOT_FOUND", "the index lists no image", {
      hint: "There is nothing in it that could be run: build or push the image again, or name another.",
    });
  }
  const names = `Its index names ${listed.join(", ")}`;
  const hint =
    held.length === 0
      ? `${names}, ${listed.length === 1 ? "which is not" : "none of which is"} here.`
      : `It has ${held.join(", ")}.${listed.length > 0 ? ` ${names} as well, which is not here.` : ""}`;
  throw new InitwrapError(
    "IMAGE_NOT_FOUND",
    missing.length > 0 ? `the image is not there for ${missing.join(", ")}` : "none of the image's platforms is here",
    { hint },
  );
}

class Planner {
  readonly platforms: PlatformPlan[] = [];
  readonly diagnostics: Diagnostic[] = [];
  readonly #blobs = new Map<string, PlannedBlob>();
  readonly #request: ImagePlanRequest;
  readonly #baseName: string | undefined;

  constructor(snapshot: Snapshot, request: ImagePlanRequest) {
    this.#request = request;
    this.#baseName = snapshot.names[0];
  }

  get blobs(): readonly PlannedBlob[] {
    return [...this.#blobs.values()];
  }

  note(code: Diagnostic["code"], severity: Diagnostic["severity"], args: Diagnostic["args"]): void {
    this.diagnostics.push({ code, severity, args });
  }

  /** Plans a node and what is under it; the new bytes, or undefined when it stays. */
  visit(node: ImageNode, isRoot: boolean): Uint8Array | undefined {
    switch (node.kind) {
      case "index":
        return this.#index(node);
      case "manifest":
        return this.#manifest(node, isRoot);
      case "absent": {
        const platform = node.descriptor.platform ? formatPlatform(node.descriptor.platform) : node.descriptor.digest;
        this.note("PLATFORM_ABSENT", "note", { platform });
        const state = { manifest: node.descriptor.digest, config: null, entrypoint: null, cmd: null };
        this.platforms.push({ platform, action: "absent", before: state, after: state });
        return undefined;
      }
      case "artifact":
        if (isRoot) {
          throw new InitwrapError("UNSUPPORTED_IMAGE", `not a container image: ${node.reason}`, {
            where: node.descriptor.digest,
          });
        }
        this.#carryOther(node);
        return undefined;
      case "attestation":
        this.#carryOther(node);
        return undefined;
    }
  }

  /**
   * An index is always made from its original: where an earlier run dropped or re-pointed attestations, the list before it comes
   * back first. So renewing equals wrapping anew, and undoing every platform gives the original bytes.
   */
  #index(node: IndexNode): Uint8Array | undefined {
    const original = this.#originalIndex(node);
    const now = listOf(node.bytes);
    const list = listOf(original);
    const children = new Map<string, Successor>();
    for (const child of node.children) {
      if (child.kind === "attestation") continue;
      const bytes = this.visit(child, false) ?? ("bytes" in child ? child.bytes : undefined);
      children.set(entryKey(child.descriptor), { child, bytes });
    }
    const changed = new Map<number, IndexTarget>();
    /** What each image is to be, by the digest under which the original lists it. */
    const successors = new Map<string, Pick<Descriptor, "digest" | "size">>();
    const platformNames = new Map<string, string>();
    const places = imagePlaces(list);
    imagePlaces(now).forEach((placeNow, nth) => {
      const [listed, entry] = [list[places[nth]!]!, now[placeNow]!];
      const { child, bytes } = children.get(entryKey(entry))!;
      const target = bytes ? { digest: digestOf(bytes), size: bytes.length, bytes } : this.#absentTarget(listed, entry);
      if (target.digest !== listed.digest) changed.set(places[nth]!, target);
      // An image may have been attested before it was wrapped, or after.
      for (const { digest } of [listed, entry]) if (!successors.has(digest)) successors.set(digest, target);
      if (child.kind === "manifest") platformNames.set(listed.digest, formatPlatform(platformOf(child)));
    });
    const isListed = (child: ImageNode | undefined): boolean => child !== undefined && node.children.includes(child);
    const nameOf = (subject: string | undefined, { digest }: Descriptor): string =>
      platformNames.get(subject ?? "") ?? subject ?? digest;
    const dropped = new Set<number>();
    const repointed = new Map<number, Digest>();
    list.forEach((descriptor, place) => {
      if (attestationSubject(descriptor) === undefined) return;
      const held = heldAttestation(node, descriptor, list);
      const named = descriptor.annotations?.[ATTESTATION_SUBJECT];
      const subject = named ?? held?.child.manifest?.subject?.digest;
      const successor = subject === undefined ? undefined : successors.get(subject);
      // One that does not say what it attests may be of any image beside it.
      const stays = subject === undefined ? changed.size === 0 : !successor || successor.digest === subject;
      if (stays) {
        if (held) this.#carryOther(held.child, held.bytes);
        else this.note("PLATFORM_ABSENT", "note", { platform: `the attestation of ${nameOf(subject, descriptor)}` });
        return;
      }
      // One that was kept before, and names an image that is not changed now, is not stale.
      const isCurrent = held?.child.subject === successor?.digest && isListed(held?.child);
      if (!successor || !held?.bytes || (this.#request.attestations !== "keep" && !isCurrent)) {
        dropped.add(place);
        // One that an earlier run dropped was told of then.
        if (isListed(held?.child))
          this.note("ATTESTATION_DROPPED", "warning", { platform: nameOf(subject, descriptor) });
        return;
      }
      const bytes = pointSubject(held.bytes, subject!, successor);
      if (digestOf(bytes) !== descriptor.digest) {
        changed.set(place, { digest: digestOf(bytes), size: bytes.length, bytes });
      }
      if (named !== undefined) repointed.set(place, successor.digest);
      this.#carryOther(held.child, bytes);
    });
    const bytes = wrapIndex(original, { children: changed, dropped, repointed });
    if (digestOf(bytes) === node.descriptor.digest) {
      this.#carry(node.descriptor);
      return undefined;
    }
    this.#document(node.descriptor, bytes);
    return bytes;
  }

  /**
   * The index before earlier runs changed it: as one of them recorded it when it dropped or re-pointed attestations, else with each
   * image as it was before. What a record tells of an index that was changed since is no longer so; undo cannot arrive there.
   */
  #originalIndex(node: IndexNode): Uint8Array {
    const isUndo = this.#request.action === "undo";
    try {
      const recorded = unwrapIndex(node.bytes);
      if (recorded && descendsFrom(node, listOf(recorded))) return recorded;
      if (recorded && isUndo) {
        throw new InitwrapError("PROOF_FAILED", "the index lists other images than when it was wrapped", {
          hint: "The index was changed after it was wrapped; go back to the one it was made from.",
          where: node.descriptor.digest,
        });
      }
    } catch (cause) {
      if (!isFailedProof(cause) || isUndo) throw cause;
    }
    const children = new Map(node.children.map((child) => [entryKey(child.descriptor), child]));
    const before = new Map<number, Uint8Array>();
    listOf(node.bytes).forEach((entry, place) => {
      const child = children.get(entryKey(entry));
      const bytes = child && this.#before(child);
      if (bytes) before.set(place, bytes);
    });
    return before.size > 0 ? pointBack(node.bytes, before) : node.bytes;
  }

  /** A child of an index as it was before it was wrapped; undefined where it is that already, or cannot be told. */
  #before(child: ImageNode): Uint8Array | undefined {
    if (child.kind === "index") return this.#originalIndex(child);
    if (child.kind !== "manifest") return undefined;
    try {
      // It may be one that is not asked for, and is no image that could be.
      checkImage(child);
      return ownershipOf(child.config.bytes) && this.#original(child).manifest;
    } catch (cause) {
      if (cause instanceof InitwrapError) return undefined;
      throw cause;
    }
  }

  /** Where the entry of an image points that is not here: to the original when all is undone, else where it pointed. */
  #absentTarget(listed: Descriptor, entry: Descriptor): IndexTarget {
    const isUndone = this.#request.action === "undo" && (this.#request.platforms ?? []).length === 0;
    const { digest, size } = isUndone ? listed : entry;
    return { digest, size };
  }

  #manifest(node: ManifestNode, isRoot: boolean): Uint8Array | undefined {
    const platform = platformOf(node);
    const wanted = this.#request.platforms ?? [];
    if (wanted.length > 0 && !wanted.some((one) => samePlatform(one, platform))) {
      this.#leave(node, "left-alone");
      if (!isRoot) {
        this.note("PLATFORM_LEFT_ALONE", "note", { platform: formatPlatform(platform), reason: "not asked for" });
      }
      return undefined;
    }
    checkImage(node);
    checkLayers(node);
    return this.#request.action === "undo" ? this.#undo(node) : this.#wrap(node, platform);
  }

  #wrap(node: ManifestNode, platform: Platform): Uint8Array | undefined {
    const where = formatPlatform(platform);
    const layer = this.#request.initFor(platform);
    if (!layer) {
      throw new InitwrapError("NO_INIT_FOR_PLATFORM", `there is no init for ${where}`, {
        hint: "Leave that platform out with --platform.",
        where,
      });
    }
    const init: Init = { path: INIT_PATH, options: this.#request.initOptions ?? [] };
    const present = invocationOf(node.config.value);
    const ours = ownershipOf(node.config.bytes);
    const argv = [...(present.entrypoint ?? []), ...(present.cmd ?? [])];
    if (argv[0] === INIT_PATH && !decompose(present)) {
      throw new InitwrapError("PATH_TAKEN", `the image runs an ${INIT_PATH} of its own`, {
        hint: "The init would replace that file. Move the program elsewhere in the image.",
        where,
      });
    }
    if (ours && ours.version === layer.version && ours.diffId === layer.diffId) {
      const now = composeEntrypoint(present, init);
      if (now.kind === "unchanged" && now.reason === "already") {
        this.#leave(node, "unchanged");
        return undefined;
      }
    }
    // Our own older layer is taken away first: renewing an image gives what wrapping its original would have given.
    const base = ours ? this.#original(node) : undefined;
    const config = base?.config ?? node.config.bytes;
    const manifest = base?.manifest ?? node.bytes;
    const value = JSON.parse(new TextDecoder().decode(config)) as ImageConfig;
    const invocation = invocationOf(value);
    // An image of ours whose original begins with another init has had it replaced, and keeps that.
    const composition = composeEntrypoint(invocation, init, {
      replaceInit: this.#request.replaceInit === true || base !== undefined,
      allowSupervisor: this.#request.force === true || base !== undefined,
      variable: (name) => variableOf(value, name),
    });
    if (composition.kind === "refused") throw composeError(composition.note, where);
    const isOurRelease = ours?.version === layer.version && ours.diffId === layer.diffId;
    if (
      isOurRelease &&
      composition.kind === "composed" &&
      sameArgv(composition.invocation.entrypoint, present.entrypoint)
    ) {
      this.#leave(node, "unchanged");
      return undefined;
    }
    for (const { code, ...args } of composition.notes) {
      this.note(code, code === "NO_COMMAND" ? "warning" : "note", { platform: where, ...args });
    }
    if (composition.kind === "unchanged") {
      const inherited = value.config?.Labels?.[VERSION_LABEL];
      if (composition.reason === "already" && inherited !== undefined && inherited !== layer.version) {
        this.note("INIT_INHERITED", "warning", { platform: where, version: inherited });
      }
      this.#leave(node, "unchanged");
      return undefined;
    }
    const { entrypoint } = composition.invocation;
    const prefix = initPrefix(composition.init);
    const newConfig = wrapConfig(config, {
      layer,
      prefix,
      entrypoint: (entrypoint ?? []).slice(prefix.length),
      ...(this.#request.created === undefined ? {} : { created: this.#request.created }),
    });
    const after = JSON.parse(new TextDecoder().decode(newConfig)) as ImageConfig;
    proveConfig(value, after, { entrypoint, cmd: invocation.cmd }, layer.diffId);
    // A renewed image keeps the base name that it was given first, not the name of its own older self.
    const baseName = base ? baseNameOf(node.bytes) : this.#baseName;
    const carriedLayers = base ? node.manifest.layers.slice(0, -1) : node.manifest.layers;
    const descriptor = initDescriptor(layer, node.descriptor.mediaType, carriedLayers);
    const bytes = wrapManifest(manifest, {
      config: { bytes: newConfig },
      layer: descriptor,
      ...(baseName === undefined ? {} : { baseName }),
    });
    for (const one of carriedLayers) this.#carry(one);
    this.#add({ kind: "init", platform, descriptor });
    this.#document(node.config.descriptor, newConfig);
    this.#document(node.descriptor, bytes);
    this.platforms.push({
      platform: where,
      action: base ? "renew" : "wrap",
      before: stateOf(node, present),
      after: {
        manifest: digestOf(bytes),
        config: digestOf(newConfig),
        entrypoint: entrypoint ?? null,
        cmd: invocation.cmd,
      },
    });
    return bytes;
  }

  #undo(node: ManifestNode): Uint8Array | undefined {
    const present = invocationOf(node.config.value);
    if (!ownershipOf(node.config.bytes)) {
      if (decompose(present)) {
        throw new InitwrapError("PROOF_FAILED", "the image has our init, but was not wrapped as an image", {
          hint: "It was built from a wrapped Dockerfile or on top of a wrapped image: build it again without.",
          where: formatPlatform(platformOf(node)),
        });
      }
      this.#leave(node, "unchanged");
      return undefined;
    }
    const { config, manifest } = this.#original(node);
    for (const layer of node.manifest.layers.slice(0, -1)) this.#carry(layer);
    this.#document(node.config.descriptor, config);
    this.#document(node.descriptor, manifest);
    const invocation = invocationOf(JSON.parse(new TextDecoder().decode(config)) as ImageConfig);
    this.platforms.push({
      platform: formatPlatform(platformOf(node)),
      action: "undo",
      before: stateOf(node, present),
      after: { manifest: digestOf(manifest), config: digestOf(config), ...invocation },
    });
    return manifest;
  }

  #original(node: ManifestNode): { readonly config: Uint8Array; readonly manifest: Uint8Array } {
    const config = unwrapConfig(node.config.bytes);
    return { config, manifest: unwrapManifest(node.bytes, config) };
  }

  #leave(node: ManifestNode, action: PlatformAction): void {
    for (const layer of node.manifest.layers) this.#carry(layer);
    this.#carry(node.config.descriptor);
    this.#carry(node.descriptor);
    const state = stateOf(node, invocationOf(node.config.value));
    this.platforms.push({ platform: formatPlatform(platformOf(node)), action, before: state, after: state });
  }

  /** An attestation or artifact as it is, or with another subject: `bytes` is its manifest to be, where that is here. */
  #carryOther(node: AttestationNode | ArtifactNode, bytes?: Uint8Array): void {
    if (!node.manifest) return;
    for (const layer of node.manifest.layers) this.#carry(layer);
    this.#carry(node.manifest.config);
    if (!bytes || digestOf(bytes) === node.descriptor.digest) this.#carry(node.descriptor);
    else this.#document(node.descriptor, bytes);
  }

  #carry(descriptor: Descriptor): void {
    this.#add({ kind: "carried", descriptor });
  }

  #document(like: Descriptor, bytes: Uint8Array): void {
    const descriptor = { mediaType: like.mediaType, digest: digestOf(bytes), size: bytes.length };
    this.#add({ kind: "document", descriptor, bytes });
  }

  #add(blob: PlannedBlob): void {
    const { digest } = blob.descriptor;
    if (!this.#blobs.has(digest)) this.#blobs.set(digest, blob);
  }
}

/** A child of an index, and its bytes to be. */
interface Successor {
  readonly child: ImageNode;
  readonly bytes: Uint8Array | undefined;
}

function listOf(index: Uint8Array): readonly Descriptor[] {
  return (JSON.parse(new TextDecoder().decode(index)) as { manifests?: Descriptor[] | null }).manifests ?? [];
}

function imagePlaces(list: readonly Descriptor[]): readonly number[] {
  return list.flatMap((entry, place) => (attestationSubject(entry) === undefined ? [place] : []));
}

/**
 * The attestation that the original lists as `descriptor`, and its manifest at that time: as it is here, or with the subject that an
 * earlier run gave it taken back.
 */
function heldAttestation(
  node: IndexNode,
  { digest, annotations }: Descriptor,
  original: readonly Descriptor[],
): { readonly child: AttestationNode; readonly bytes: Uint8Array | undefined } | undefined {
  const subject = original.find((entry) => entry.digest === annotations?.[ATTESTATION_SUBJECT]);
  for (const child of [...node.children, ...node.dropped]) {
    if (child.kind !== "attestation") continue;
    if (child.descriptor.digest === digest) return { child, bytes: child.bytes };
    if (!child.bytes || !subject) continue;
    const bytes = pointSubject(child.bytes, child.subject, subject);
    if (digestOf(bytes) === digest) return { child, bytes };
  }
  return undefined;
}

/** True when an index lists what is left of `original` by wrapping it: the same images in the same order, and no attestation more. */
function descendsFrom(node: IndexNode, original: readonly Descriptor[]): boolean {
  const now = listOf(node.bytes);
  if (imageShapes(now) !== imageShapes(original)) return false;
  const attestations = original.filter((entry) => attestationSubject(entry) !== undefined);
  const known = new Set<AttestationNode | undefined>(
    attestations.map((entry) => heldAttestation(node, entry, original)?.child),
  );
  return node.children.every((child) => child.kind !== "attestation" || !child.bytes || known.has(child));
}

/** The images that an index lists, without what they are. */
function imageShapes(list: readonly Descriptor[]): string {
  return JSON.stringify(
    imagePlaces(list).map((place) => {
      const { digest: _digest, size: _size, data: _data, ...shape } = list[place]!;
      return shape;
    }),
  );
}

function stateOf(node: ManifestNode, invocation: Invocation): ImageState {
  return { manifest: node.descriptor.digest, config: node.config.descriptor.digest, ...invocation };
}
