/**
 * An image in the Docker Engine as it is and wrapped, for as long as both are measured.
 *
 * The wrapped one is what `initwrap image` gives, under a throw-away name; one that came from elsewhere is loaded under another.
 * Such a name is all that is taken away afterwards, and the image with it where nobody else has a name for it: an image that was
 * there without any name gets none, for taking it away again would remove what was the user's.
 */
import { randomBytes } from "node:crypto";
import { configFindings } from "../image/config-findings.ts";
import { type ManifestNode, platformOf, readSnapshot } from "../image/snapshot.ts";
import { type Pid1, pid1Of } from "../image/verdict.ts";
import type { Diagnostic } from "../model/diagnostics.ts";
import type { Digest } from "../model/digest.ts";
import { InitwrapError, withPlace } from "../model/errors.ts";
import { formatPlatform, type Platform } from "../model/platform.ts";
import { parseReference } from "../model/reference.ts";
import type { Root, Source, StoreContext } from "../store/contract.ts";
import { engineEndpoint } from "../store/docker-endpoint.ts";
import { DockerEngine } from "../store/docker-engine.ts";
import { EngineSource } from "../store/engine-source.ts";
import type { Locator } from "../store/locator.ts";
import { mediumOf } from "../store/media.ts";
import { readOrAbsent, type WrapImageResult, wrapImage } from "./image.ts";
import { engineImage } from "./init-file.ts";
import { type OpenImage, openImage } from "./open-image.ts";
import { manifestsUnder } from "./path-taken.ts";
import { loadImage } from "./verify-run.ts";

/** How an engine is told which image is meant. */
export interface EngineImage {
  readonly image: string;
  readonly platform?: string;
}

export interface ProbedImages {
  readonly engine: DockerEngine;
  readonly source: Locator;
  readonly names: readonly string[];
  readonly platform: Platform;
  readonly node: ManifestNode;
  readonly pid1: Pid1;
  readonly before: EngineImage;
  readonly after: EngineImage;
  /** How the engine knows each. */
  readonly digests: { readonly before: string; readonly after: string };
  /** What was done for the wrapped one; `unchanged` where an init is in front already, and both are the same image. */
  readonly action: "wrap" | "renew" | "unchanged";
  readonly diagnostics: readonly Diagnostic[];
  /** Takes away what was brought; never fails. */
  close(): Promise<void>;
}

/** Throws what opening, loading and wrapping throw, having left nothing. */
export async function provideImages(
  subject: string,
  initOptions: readonly string[],
  context: StoreContext,
): Promise<ProbedImages> {
  const names: string[] = [];
  let engine: DockerEngine | undefined;
  const close = async (): Promise<void> => {
    for (const name of names.toReversed()) await engine?.untag(name);
    await engine?.close();
  };
  let opened: OpenImage | undefined;
  try {
    // First, for without an engine it does not matter where the image is.
    engine = new DockerEngine(engineEndpoint(context.env), context);
    const { platform: native, keepsManifests } = await engine.facts();
    opened = await openImage(subject, context);
    const { locator } = opened;
    if (locator.scheme !== "docker" && opened.source instanceof EngineSource) {
      // Another engine's image is brought here with its layers, which it has to save.
      await opened.source.close();
      const source = await (await mediumOf(locator.scheme)).source(locator.location, { ...context, layers: true });
      opened = { locator, source, root: await source.root() };
    }
    const { source, root } = opened;
    const node = await nativeNode(source, root, native);
    const throwAway = (): string => {
      const name = `initwrap.invalid/probe:${randomBytes(8).toString("hex")}`;
      names.push(name);
      return name;
    };
    let before: EngineImage;
    let location = locator.location;
    if (locator.scheme === "docker") before = engineImage(root, node);
    else {
      const id = (keepsManifests ? node.descriptor : node.config.descriptor).digest;
      before = { image: id };
      location = (await keep(engine, id, throwAway)) ?? id;
      if (!(await engine.inspect(id))) {
        location = throwAway();
        await loadImage(source, node, location, context);
      }
    }
    await opened.source.close();
    const wrapped = await wrap(engine, location, initOptions, platformOf(node), throwAway, context);
    const plan = wrapped.plan.platforms.find(({ action }) => action !== "left-alone" && action !== "absent");
    const changed = plan?.action === "wrap" || plan?.action === "renew";
    return {
      engine,
      source: locator,
      names: root.names,
      platform: platformOf(node),
      node,
      pid1: pid1Of(node),
      before,
      after: changed ? { ...before, image: wrapped.digest } : before,
      digests: { before: before.image, after: changed ? wrapped.digest : before.image },
      action: changed ? plan.action : "unchanged",
      // What is said of a digest that is published is not true of a copy that is thrown away.
      diagnostics: [
        ...wrapped.diagnostics.filter(({ code }) => !ABOUT_PUBLISHING.has(code)),
        ...configFindings(node).filter(({ code }) => code === "STOPSIGNAL_KILL"),
      ],
      close,
    };
  } catch (cause) {
    await opened?.source.close();
    await close();
    throw withPlace(cause, subject);
  }
}

const ABOUT_PUBLISHING: ReadonlySet<string> = new Set([
  "SIGNATURE_STALE",
  "ATTESTATION_DROPPED",
  "PLATFORM_LEFT_ALONE",
]);

async function nativeNode(source: Source, root: Root, native: string): Promise<ManifestNode> {
  const snapshot = await readSnapshot(root.descriptor, root.names, (descriptor) => readOrAbsent(source, descriptor));
  if (snapshot.root.kind === "artifact") {
    throw new InitwrapError("UNSUPPORTED_IMAGE", `not a container image: ${snapshot.root.reason}`, {
      where: snapshot.root.descriptor.digest,
    });
  }
  const nodes = [...manifestsUnder(snapshot.root)];
  const node = nodes.find((one) => {
    const { os, architecture } = platformOf(one);
    return `${os}/${architecture}` === native;
  });
  if (node) return node;
  throw new InitwrapError("IMAGE_NOT_FOUND", `there is no image for ${native}, which the engine runs`, {
    hint: `There is ${nodes.map((one) => formatPlatform(platformOf(one))).join(", ") || "none"}.`,
  });
}

/** Another name for an image that has one, so that it stays when that one goes; undefined where it has none or is not there. */
async function keep(engine: DockerEngine, id: string, throwAway: () => string): Promise<string | undefined> {
  const found = (await engine.inspect(id)) as { readonly RepoTags?: readonly string[] | null } | undefined;
  if (!found?.RepoTags?.length) return undefined;
  const name = throwAway();
  try {
    await engine.tag(id, parseReference(name)!);
    return name;
  } catch (cause) {
    // Another probe of the same image, whose name it was, has ended since.
    if (!(cause instanceof InitwrapError) || cause.code !== "DAEMON_FAILED") throw cause;
    return undefined;
  }
}

async function wrap(
  engine: DockerEngine,
  location: string,
  initOptions: readonly string[],
  platform: Platform,
  throwAway: () => string,
  context: StoreContext,
): Promise<WrapImageResult> {
  const request = { ...context, source: `docker:${location}`, initOptions, platforms: [platform] };
  const planned = await wrapImage({ ...request, apply: false });
  if (!planned.plan.changed) return planned;
  await keep(engine, planned.digest as Digest, throwAway);
  if (await engine.inspect(planned.digest)) return planned;
  return wrapImage({ ...request, names: [throwAway()] });
}
