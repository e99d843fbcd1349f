/**
 * The use-case behind `initwrap image`: open the source, read its small documents, plan, and either give the plan or
 * apply it.
 */
import { gunzipSync } from "node:zlib";
import type { InitLayer } from "../image/mutate.ts";
import { type ImagePlan, planImage } from "../image/plan.ts";
import { readSnapshot } from "../image/snapshot.ts";
import type { Descriptor } from "../model/descriptor.ts";
import type { Diagnostic } from "../model/diagnostics.ts";
import type { Digest } from "../model/digest.ts";
import { InitwrapError, withPlace } from "../model/errors.ts";
import type { Platform } from "../model/platform.ts";
import { parseReference, referenceHint } from "../model/reference.ts";
import type { Attachment, Root, Sink, Source, StoreContext } from "../store/contract.ts";
import { besideInEngine, splitEngineLocation } from "../store/engine-location.ts";
import { isSameFile, splitLocation } from "../store/location.ts";
import { type Locator, parseLocator, samePlace, withSchemeHint } from "../store/locator.ts";
import { mediumOf } from "../store/media.ts";
import { ENGINES } from "../store/schemes.ts";
import { type Cargo, type TransferOutcome, transfer } from "../store/transfer.ts";
import { whileUndisturbed } from "../store/written-meanwhile.ts";
import { checkCarried } from "./carried-blobs.ts";
import { isLikelyNew, loadWhileWaiting } from "./early-work.ts";
import { findInit } from "./find-init.ts";
import { PATH_SCHEMES } from "./image-moves.ts";
import { checkInitOptions } from "./init-options.ts";
import { checkPath } from "./path-taken.ts";

export interface WrapImageRequest {
  /** A locator: `app:1`, `image.tar`, `oci:folder:tag`, `registry:host/app:1`… */
  readonly source: string;
  /** Where the result goes; the same place as the source when absent. */
  readonly output?: string;
  /** The result goes to a registry, under its names or else under its own; instead of `output`. */
  readonly push?: boolean;
  /** Names for the result; those of the source when empty. */
  readonly names?: readonly string[];
  readonly action?: "wrap" | "undo";
  readonly platforms?: readonly Platform[];
  /** The init's own options, each one word. */
  readonly initOptions?: readonly string[];
  /** Replace tini, dumb-init, catatonit or docker-init instead of leaving them in front. */
  readonly replaceInit?: boolean;
  /** Go on although the image starts supervisord. */
  readonly force?: boolean;
  readonly attestations?: "drop" | "keep";
  /** False: only plan. Nothing is written and no layer is read. */
  readonly apply?: boolean;
  readonly env?: StoreContext["env"];
  readonly insecureRegistries?: StoreContext["insecureRegistries"];
  readonly signal?: AbortSignal;
  readonly onProgress?: StoreContext["onProgress"];
  /** Connections and tokens that several images share. */
  readonly session?: StoreContext["session"];
  /** Look into every layer for a file where the init goes, also where that means to fetch and inflate them. */
  readonly verifyPath?: boolean;
  /** False: nobody will be told what names the old digest, so that it is not asked for. */
  readonly askAttachments?: boolean;
  /** Ask the registry first whether the names have the result already; then nothing is written. One request a name. */
  readonly skipPresent?: boolean;
}

export interface WrapImageResult {
  readonly plan: ImagePlan;
  /** The plan's findings, and what was found around it. */
  readonly diagnostics: readonly Diagnostic[];
  /** What names the old digest beside a changed image; null when that cannot be known, or was not asked for. */
  readonly attachments: readonly Attachment[] | null;
  /** The digest by which the result is, or will be, known where it goes. */
  readonly digest: string;
  /** Names of the result, in full. */
  readonly names: readonly string[];
  readonly source: Locator;
  readonly target: Locator;
  /** True when the layers stay in the store of one engine, or in one layout, and are never read. */
  readonly sameStore: boolean;
  /** True when no layer was left out in looking for another file where the init goes. */
  readonly pathVerified: boolean;
  /** True when the names were found to have the result already (`skipPresent`). */
  readonly present: boolean;
  /** True when a run has something to write: the changed image, or a copy of an unchanged one. */
  readonly writes: boolean;
  /** What was done; absent for a plan, and when there was nothing to do. */
  readonly receipt?: TransferOutcome;
}

/** The shipped init for a platform as the planner takes it; undefined when there is none. */
export function shippedInit(platform: Platform): InitLayer | undefined {
  const init = findInit(platform);
  if (!init) return undefined;
  return {
    version: init.version,
    digest: init.digest as Digest,
    diffId: init.diffId as Digest,
    size: init.layerSize,
    tarSize: init.tarSize,
  };
}

/** Plans, and unless `apply` is false carries out, the wrapping of one image. Throws InitwrapError. */
export async function wrapImage(request: WrapImageRequest): Promise<WrapImageResult> {
  checkInitOptions(request.initOptions ?? []);
  checkNames(request.names ?? []);
  try {
    // Of an archive in place another run may be at work.
    return await whileUndisturbed(() => wrapOne(request));
  } catch (cause) {
    throw withPlace(cause, request.source);
  }
}

/** Before anything is read: a name that is none would be noticed when all the rest is done. */
function checkNames(names: readonly string[]): void {
  for (const name of names) {
    if (parseReference(name)) continue;
    throw new InitwrapError("LOCATOR_INVALID", `the result cannot be called ${JSON.stringify(name)}`, {
      hint: referenceHint(name),
    });
  }
}

async function wrapOne(request: WrapImageRequest): Promise<WrapImageResult> {
  const env = request.env ?? process.env;
  const context: StoreContext = {
    env,
    ...(request.insecureRegistries ? { insecureRegistries: request.insecureRegistries } : {}),
    ...(request.signal ? { signal: request.signal } : {}),
    ...(request.onProgress ? { onProgress: request.onProgress } : {}),
    ...(request.session ? { session: request.session } : {}),
  };
  const created = epochTime(env["SOURCE_DATE_EPOCH"]);
  const apply = request.apply ?? true;
  const given = await parseLocator(request.source, "source");
  if (given.scheme === "registry") loadWhileWaiting();
  const target = await targetOf(request, given);
  const opened = await openSource(request, given, target, context);
  const { source, root, target: sink, inPlace } = opened;
  const copied = apply && PATH_SCHEMES.has(opened.locator.scheme) && !inPlace;
  let early: Sink | undefined;
  try {
    if (copied && PATH_SCHEMES.has(sink.scheme)) {
      early = await openSink(sink, source, request.names ?? [], context);
      early.prepare?.();
    }
    const read = (descriptor: Descriptor) => readOrAbsent(source, descriptor);
    const reading = readSnapshot(root.descriptor, root.names, read, { forUndo: request.action === "undo" });
    // What is asked for is on its way while this is found out; whether it comes is found out below.
    reading.catch(() => {});
    if (await isChangeAhead(request, opened)) {
      early = await openSink(sink, source, request.names ?? [], context);
      early.prepare?.();
    }
    const snapshot = await reading;
    // Planning keeps Node busy: what was begun early is to be sent before.
    if (early) await soon();
    const plan = planImage(snapshot, {
      action: request.action ?? "wrap",
      initFor: shippedInit,
      ...(request.initOptions ? { initOptions: request.initOptions } : {}),
      ...(request.replaceInit === undefined ? {} : { replaceInit: request.replaceInit }),
      ...(request.force === undefined ? {} : { force: request.force }),
      ...(request.platforms ? { platforms: request.platforms } : {}),
      ...(request.attestations ? { attestations: request.attestations } : {}),
      ...(created === undefined ? {} : { created }),
    });
    const { scheme, location } = opened.locator;
    if (plan.changed && PATH_SCHEMES.has(scheme)) await checkCarried(plan, source, location);
    const pathVerified = await checkPath(snapshot, {
      source,
      manifests: new Set(
        plan.platforms.flatMap(({ action, before }) =>
          action === "wrap" || action === "renew" ? [before.manifest as string] : [],
        ),
      ),
      canRead: opened.layers,
      verify: request.verifyPath ?? false,
      env,
      ...(request.signal ? { signal: request.signal } : {}),
    });
    const isSamePlace = samePlace(opened.locator, sink);
    const planned = {
      plan,
      names: await futureNames(request.names ?? [], root, opened, sink, plan.changed),
      source: opened.locator,
      target: sink,
      sameStore: opened.sameStore || (await sameLayout(opened.locator, sink)),
      pathVerified,
      present: request.skipPresent === true && (await isPresent(plan, sink, request.names ?? [], context)),
    };
    if (inPlace && (plan.changed || request.names?.length)) {
      await (await mediumOf(sink.scheme)).checkInPlace?.(sink.location);
    }
    const writes = !planned.present && (plan.changed || !isSamePlace || (request.names?.length ?? 0) > 0);
    if (writes) checkDigestNames(request.names ?? [], sink, plan.after.digest);
    const isDone = !apply || !writes;
    const names = request.names ?? [];
    const into = early ?? (isDone ? undefined : await openSink(sink, source, names, context));
    const carried = into && !isDone ? carryOut(plan, source, into, context) : Promise.resolve(undefined);
    // Asked while the blobs are on their way, and after them: a notice should cost no time.
    const attached =
      request.askAttachments === false
        ? Promise.resolve(undefined)
        : plan.changed && !planned.present
          ? soon().then(() => attachmentsOf(source, root, plan, sink, names, context))
          : Promise.resolve([]);
    const [receipt, attachments] = await Promise.all([carried, attached]);
    const result = {
      ...planned,
      writes,
      attachments: attachments ?? null,
      diagnostics: [...plan.diagnostics, ...staleFinding(plan, attachments)],
    };
    return receipt
      ? { ...result, receipt, digest: receipt.digest, names: receipt.names }
      : { ...result, digest: await futureDigest(plan, root, opened.locator, sink, context) };
  } catch (cause) {
    throw source.failure?.(cause) ?? cause;
  } finally {
    await early?.close();
    await source.close();
  }
}

/** A digest names one content: as a name of the result it is that of the result, at a registry, or none. Throws TAG_REQUIRED. */
function checkDigestNames(asked: readonly string[], { scheme, location }: Locator, digest: string): void {
  const names = scheme === "registry" && asked.length === 0 ? [location] : asked;
  for (const name of names) {
    const own = parseReference(name)?.digest;
    if (own === undefined || (scheme === "registry" && own === digest)) continue;
    throw new InitwrapError("TAG_REQUIRED", `the result is ${digest}, which cannot be stored as ${own}`, {
      hint: "Name the result by a tag, as in -t NAME:TAG: a digest names one content only.",
    });
  }
}

/** True when something will most likely be written to a registry that the image comes from. See early-work.ts. */
async function isChangeAhead(request: WrapImageRequest, { source, root, locator, target }: Opened): Promise<boolean> {
  if (locator.scheme !== "registry" || target.scheme !== "registry") return false;
  // What is there already, as in a list that is gone through again, is found out first.
  if (request.apply === false || request.action === "undo" || request.skipPresent) return false;
  return isLikelyNew(source, root.descriptor);
}

async function openSink(target: Locator, from: Source, names: readonly string[], context: StoreContext): Promise<Sink> {
  try {
    return await (await mediumOf(target.scheme)).sink(target.location, { ...context, names, from });
  } catch (cause) {
    throw withPlace(cause, placeOf(target));
  }
}

/** A place for messages, as it is mostly written. */
function placeOf({ scheme, location }: Locator): string {
  if (!PATH_SCHEMES.has(scheme)) return `${scheme}:${location}`;
  return location === "-" ? "standard output" : location;
}

async function targetOf(request: WrapImageRequest, given: Locator): Promise<Locator | undefined> {
  if (request.output !== undefined) {
    const output = await parseLocator(request.output, "sink").catch((cause: unknown) => {
      throw withPlace(cause, "--output");
    });
    return spelledAs(given, output);
  }
  const [name] = request.names ?? [];
  const isEngine = ENGINES.has(given.scheme);
  if (request.push) {
    const own = isEngine
      ? splitEngineLocation(given.location).name
      : given.scheme === "registry"
        ? given.location
        : undefined;
    if (name === undefined && own === undefined) {
      throw new InitwrapError("TAG_REQUIRED", `${given.location} has no name to be pushed under`, {
        hint: "Name the result with -t.",
      });
    }
    return { scheme: "registry", location: (name ?? own)!, isBare: false };
  }
  if (given.scheme !== "registry" && !given.isBare) return given;
  if (name === undefined || given.isBare) return undefined;
  return { ...given, location: isEngine ? besideInEngine(given.location, name) : name };
}

/** The target with the source's spelling of the path where both are one file or folder, so that it is seen to be in place. */
async function spelledAs(source: Locator, target: Locator): Promise<Locator> {
  if (!PATH_SCHEMES.has(source.scheme) || !PATH_SCHEMES.has(target.scheme)) return target;
  const [from, to] = await Promise.all([splitLocation(source.location), splitLocation(target.location)]);
  if (from.path === to.path || !(await isSameFile(from.path, to.path))) return target;
  return { ...target, location: to.name === undefined ? from.path : `${from.path}:${to.name}` };
}

/** True when the source's own file is what will be written to, whatever image of it the result is. */
async function isWrittenTo(source: Locator, target: Locator): Promise<boolean> {
  if (samePlace(source, target)) return true;
  if (!PATH_SCHEMES.has(source.scheme) || !PATH_SCHEMES.has(target.scheme)) return false;
  const [from, to] = await Promise.all([splitLocation(source.location), splitLocation(target.location)]);
  return from.path === to.path;
}

interface Opened {
  readonly source: Source;
  readonly root: Root;
  readonly locator: Locator;
  /** Whether the layers' content can be had. */
  readonly layers: boolean;
  /** Whether the layers stay in the store of one engine. */
  readonly sameStore: boolean;
  /** Where the result goes. */
  readonly target: Locator;
  /** Whether that is the source's own file, or what the source is of an engine or a registry. */
  readonly inPlace: boolean;
}

/** A bare name that the engine does not have is looked up in its registry, when the result has a name or place of its own. */
async function openSource(
  request: WrapImageRequest,
  given: Locator,
  target: Locator | undefined,
  context: StoreContext,
): Promise<Opened> {
  const open = async (locator: Locator, otherwise: Locator): Promise<Opened> => {
    const sink = target ?? otherwise;
    const medium = await mediumOf(locator.scheme);
    const sameStore =
      locator.scheme === sink.scheme && (medium.isSameStore?.(locator.location, sink.location) ?? false);
    const apply = request.apply ?? true;
    const inPlace = await isWrittenTo(locator, sink);
    const attempt = async (layers: boolean): Promise<Opened> => {
      const source = await medium.source(locator.location, { ...context, layers, inPlace: apply && inPlace });
      try {
        const canRead = layers || (source.hasLayers ?? true);
        return { source, root: await source.root(), locator, layers: canRead, sameStore, target: sink, inPlace };
      } catch (cause) {
        await source.close();
        throw cause;
      }
    };
    const layers = (apply && !sameStore) || request.verifyPath === true;
    const found = await attempt(layers);
    if (layers || sameStore || !found.root.unsized) return found;
    // A manifest that is made up lists the layers' sizes, and its digest is to be that of the real run.
    await found.source.close();
    return attempt(true);
  };
  try {
    return await open(given, given);
  } catch (failure) {
    const cause = withSchemeHint(failure, request.source, given);
    if (!(cause instanceof InitwrapError) || !given.isBare) throw cause;
    if (cause.code !== "IMAGE_NOT_FOUND" && cause.code !== "DAEMON_UNREACHABLE") throw cause;
    const [name] = request.names ?? [];
    if (target === undefined && name === undefined) {
      throw new InitwrapError(cause.code, cause.message, {
        cause,
        hint: `${cause.hint ?? ""} To take it from its registry, say where the result goes: -t NAME, -o LOCATOR or --push.`.trim(),
        ...(cause.where === undefined ? {} : { where: cause.where }),
      });
    }
    const registry = { scheme: "registry", location: given.location, isBare: false };
    try {
      return await open(registry, name === undefined ? registry : { ...registry, location: name });
    } catch (failure) {
      throw withSchemeHint(failure, request.source, given);
    }
  }
}

async function carryOut(plan: ImagePlan, source: Source, sink: Sink, context: StoreContext): Promise<TransferOutcome> {
  try {
    return await transfer(plan.blobs.map(cargoOf), plan.after, source, sink, context.signal);
  } catch (cause) {
    throw incomplete(cause, plan);
  } finally {
    await sink.close();
  }
}

/** A registry takes no index that lists what it does not hold, and the next call will not find that either. */
function incomplete(cause: unknown, { diagnostics }: ImagePlan): unknown {
  const missing = diagnostics.filter(({ code }) => code === "PLATFORM_ABSENT").map(({ args }) => args["platform"]);
  const isRefused = cause instanceof InitwrapError && /BLOB_UNKNOWN|MANIFEST_UNKNOWN/.test(cause.message);
  if (!isRefused || cause.code !== "REGISTRY_FAILED" || missing.length === 0) return cause;
  return new InitwrapError(
    "IMAGE_NOT_FOUND",
    `the result lists what the registry does not hold: ${missing.join(", ")}`,
    {
      ...(cause.where === undefined ? {} : { where: cause.where }),
      hint: "Take the image from where all of it is, or push what it lists there first.",
      cause,
    },
  );
}

/** Undefined where there is nobody to ask; null where the answer did not come. */
type Attached = readonly Attachment[] | null | undefined;

/**
 * What names the old digest: beside the source, or where nothing stands beside one, as in an engine, at the registry that the
 * result goes to. Never fails: what is really wrong shows in what is read and written.
 */
async function attachmentsOf(
  source: Source,
  root: Root,
  plan: ImagePlan,
  target: Locator,
  names: readonly string[],
  context: StoreContext,
): Promise<Attached> {
  try {
    if (source.attachments) return (await source.attachments()) ?? null;
    // A digest that was made up is nobody's.
    if (target.scheme !== "registry" || root.synthesized) return undefined;
    const { attachmentsAt } = await import("../store/registry/medium.ts");
    return (await attachmentsAt(names[0] ?? target.location, plan.before.digest, context)) ?? null;
  } catch {
    return null;
  }
}

/** When the requests that are being made have been sent. */
function soon(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A warning that names what is stale; a note where a registry did not say whether anything is; else nothing. */
function staleFinding({ before }: ImagePlan, attachments: Attached): readonly Diagnostic[] {
  const { digest } = before;
  if (attachments === null) return [{ code: "SIGNATURE_STALE", severity: "note", args: { digest } }];
  if (attachments === undefined || attachments.length === 0) return [];
  const kinds = [...new Set(attachments.map(({ kind }) => kind))].slice(0, 5).join(", ");
  return [{ code: "SIGNATURE_STALE", severity: "warning", args: { digest, count: attachments.length, kinds } }];
}

/** True when every name at the registry has the result already. */
async function isPresent(
  plan: ImagePlan,
  target: Locator,
  names: readonly string[],
  context: StoreContext,
): Promise<boolean> {
  if (target.scheme !== "registry") return false;
  const { digestAt } = await import("../store/registry/medium.ts");
  for (const name of names.length > 0 ? names : [target.location]) {
    if ((await digestAt(name, context)) !== plan.after.digest) return false;
  }
  return true;
}

function cargoOf(blob: ImagePlan["blobs"][number]): Cargo {
  const { descriptor } = blob;
  if (blob.kind === "document") return { descriptor, bytes: () => blob.bytes, isFresh: true };
  if (blob.kind === "init") return { descriptor, bytes: () => initBytes(blob.platform, descriptor) };
  return { descriptor };
}

/** The shipped layer as its descriptor names it. */
function initBytes(platform: Platform, { digest }: Descriptor): Uint8Array {
  const init = findInit(platform)!;
  return digest === init.diffId ? gunzipSync(init.layer()) : init.layer();
}

/** A document of the source; undefined when the medium names it and does not hold it. */
export async function readOrAbsent(source: Source, descriptor: Descriptor): Promise<Uint8Array | undefined> {
  try {
    return await source.read(descriptor);
  } catch (cause) {
    if (cause instanceof InitwrapError && cause.code === "IMAGE_NOT_FOUND") return undefined;
    throw cause;
  }
}

/** The names that a run will give the result. */
async function futureNames(
  asked: readonly string[],
  root: Root,
  { locator, sameStore }: Opened,
  target: Locator,
  changed: boolean,
): Promise<readonly string[]> {
  const medium = await mediumOf(target.scheme);
  if (asked.length === 0 && samePlace(locator, target)) {
    // In an engine the image that was found by its ID keeps that; the result is another one.
    if (changed && medium.isSameStore && root.names.length === 0) {
      throw new InitwrapError("TAG_REQUIRED", `${locator.location} is no name that the engine can give the result`, {
        hint: "Name it with -t NAME:TAG.",
      });
    }
    return root.names;
  }
  // An engine keeps the names of its own images; what comes from elsewhere is named by where it goes.
  return medium.namesFor(target.location, asked, medium.isSameStore && !sameStore ? [] : root.names);
}

/** A medium without manifests knows the image by its config: the image ID. */
async function futureDigest(
  plan: ImagePlan,
  root: Root,
  source: Locator,
  target: Locator,
  context: StoreContext,
): Promise<string> {
  const medium = await mediumOf(target.scheme);
  const platform = await medium.onlyPlatform?.(target.location, context);
  // An archive of Docker's older layout stays one; an engine says itself what it keeps.
  const staysOne = root.synthesized && source.scheme === target.scheme && !medium.onlyPlatform;
  const keepsNone = platform !== undefined || staysOne;
  if (!keepsNone) return plan.after.digest;
  const held = plan.platforms.filter(({ after }) => after.config !== null);
  const kept = held.find((one) => one.platform === platform || one.platform.startsWith(`${platform}/`));
  return (kept ?? held[0])?.after.config ?? plan.after.digest;
}

/** True for two images of one OCI layout: the result lies beside the original, and its layers are there. */
async function sameLayout(a: Locator, b: Locator): Promise<boolean> {
  if (a.scheme !== "oci" || b.scheme !== "oci") return false;
  const [from, to] = await Promise.all([a, b].map(({ location }) => splitLocation(location)));
  return isSameFile(from!.path, to!.path);
}

/** SOURCE_DATE_EPOCH, seconds since 1970, as RFC 3339. Source: reproducible-builds.org, SOURCE_DATE_EPOCH specification. */
function epochTime(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  const seconds = /^\d{1,11}$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds <= 253402300799)) {
    throw new InitwrapError("USAGE", `SOURCE_DATE_EPOCH is no number of seconds: ${text}`);
  }
  return timeText(new Date(seconds * 1000));
}

/** RFC 3339, in UTC. `toISOString` would look up this machine's time zone before. */
function timeText(time: Date): string {
  const [year, ...rest] = [
    time.getUTCFullYear(),
    time.getUTCMonth() + 1,
    time.getUTCDate(),
    time.getUTCHours(),
    time.getUTCMinutes(),
    time.getUTCSeconds(),
  ];
  const [month, day, hour, minute, second] = rest.map((part) => String(part).padStart(2, "0"));
  return `${String(year).padStart(4, "0")}-${month}-${day}T${hour}:${minute}:${second}Z`;
}
