/**
 * `podman:[HOST]NAME`: the images of podman, through the socket of its API service.
 *
 * podman keeps layers unpacked and gives manifests that it made up; an image is known by its config. The config comes by a
 * push to a registry of ours that claims to have every layer. The manifest is made up here, of the config, with the
 * annotations and the kind of media types that podman says the image has: podman minds HEALTHCHECK in Docker's kind only.
 *
 * Writing is the thin archive of engine-sink.ts: podman's load opens no layer that its storage has, known by the digest of
 * the plain tar, and fails with a status when one is missing.
 */
import { type Digest, isDigest } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { DOCKER_MANIFEST } from "../model/media-types.ts";
import { formatReference, parseReference } from "../model/reference.ts";
import { ArchiveSource } from "./archive.ts";
import { startCaptureRegistry } from "./capture-registry.ts";
import type { Medium, Sink, SinkOptions, Source, SourceOptions, StoreContext } from "./contract.ts";
import { brokenAnswer, collect } from "./docker-engine.ts";
import { splitEngineLocation } from "./engine-location.ts";
import { EngineSink, engineNames } from "./engine-sink.ts";
import { EngineSource } from "./engine-source.ts";
import { podmanEndpoint } from "./podman-endpoint.ts";
import { PodmanEngine, type PodmanImage, podmanReference } from "./podman-engine.ts";
import { layersOfConfig, synthesizeManifest } from "./synthesized-manifest.ts";

export const podmanMedium: Medium = {
  scheme: "podman",
  source: async (location, options) => {
    const { engine, name } = splitEngineLocation(location);
    return podmanSource(engineFor(engine, options), name, options);
  },
  sink: async (location, options) => {
    const { engine, name } = splitEngineLocation(location);
    return podmanSink(engineFor(engine, options), name, options);
  },
  isSameStore: (from, to) => splitEngineLocation(from).engine === splitEngineLocation(to).engine,
  namesFor: async (location, asked, kept) => podmanNames(splitEngineLocation(location).name, asked, kept),
  onlyPlatform: async (location, context) => {
    const engine = engineFor(splitEngineLocation(location).engine, context);
    return (await engine.facts().finally(() => engine.close())).platform;
  },
};

function engineFor(host: string, context: StoreContext): PodmanEngine {
  return new PodmanEngine(podmanEndpoint(context.env, host), context);
}

/** The names that podman gives an image: short ones are `localhost/`'s. */
export function podmanNames(location: string, asked: readonly string[], kept: readonly string[]): readonly string[] {
  return engineNames(location, asked, kept, podmanReference).map(formatReference);
}

/** Opens an image; the engine is closed with the source, or here when there is none. */
export async function podmanSource(engine: PodmanEngine, location: string, options: SourceOptions): Promise<Source> {
  try {
    return await openSource(engine, location, options);
  } catch (cause) {
    await engine.close();
    throw cause;
  }
}

export async function podmanSink(engine: PodmanEngine, location: string, options: SinkOptions): Promise<Sink> {
  try {
    return new EngineSink(engine, await engine.facts(), location, options);
  } catch (cause) {
    await engine.close();
    throw cause;
  }
}

async function openSource(engine: PodmanEngine, location: string, options: SourceOptions): Promise<Source> {
  const image = await engine.inspect(location);
  if (!image || !isDigest(image.Id)) {
    throw new InitwrapError("IMAGE_NOT_FOUND", `podman has no image ${location}`, {
      where: engine.address,
      hint: "Pull or build it first; root's images and a user's own are apart.",
    });
  }
  const names = namesOf(image, location);
  const style = { isDocker: image.ManifestType === DOCKER_MANIFEST, annotations: annotationsOf(image) };
  const pushed = options.layers ? undefined : await pushedConfig(engine, image.Id);
  if (pushed) {
    const { descriptor, bytes } = synthesizeManifest(pushed, layersOfConfig(pushed), style);
    const documents = new Map<Digest, Uint8Array>([
      [image.Id, pushed],
      [descriptor.digest, bytes],
    ]);
    return new EngineSource(engine, { descriptor, names, synthesized: true, unsized: true }, documents);
  }
  const path = engine.savePath(image.Id);
  const response = await engine.request(path, { query: { format: "docker-archive" }, timeout: 0 });
  if (response.statusCode !== 200) {
    throw engine.failure(path, response.statusCode ?? 0, await collect(response, 1 << 20));
  }
  const saved = await ArchiveSource.fromStream(response, brokenAnswer, `podman:${location}`, undefined, options);
  try {
    const { config, layers } = JSON.parse(Buffer.from(await saved.read((await saved.root()).descriptor)).toString());
    if (config.digest !== image.Id) {
      throw new InitwrapError("DAEMON_FAILED", `podman saved ${config.digest} instead of ${image.Id}`, {
        where: engine.address,
      });
    }
    const bytes = await saved.read(config);
    const made = synthesizeManifest(bytes, layers, style);
    const documents = new Map<Digest, Uint8Array>([
      [image.Id, bytes],
      [made.descriptor.digest, made.bytes],
    ]);
    return new EngineSource(engine, { descriptor: made.descriptor, names, synthesized: true }, documents, saved);
  } catch (cause) {
    await saved.close();
    throw cause;
  }
}

/**
 * The manifest's annotations, as podman tells them. Those of an earlier run of ours belong to a manifest that podman does
 * not give; the config holds what undo needs.
 */
function annotationsOf({ Annotations }: PodmanImage): Readonly<Record<string, string>> {
  const annotations = Annotations ?? {};
  if (annotations["io.initwrap.undo"] === undefined) return annotations;
  const isOurs = (name: string): boolean => /^(io\.initwrap\.|org\.opencontainers\.image\.base\.)/.test(name);
  return Object.fromEntries(Object.entries(annotations).filter(([name]) => !isOurs(name)));
}

/** The image's config, exact; undefined where podman cannot push to us: it runs elsewhere, or in a machine of its own. */
async function pushedConfig(engine: PodmanEngine, id: Digest): Promise<Uint8Array | undefined> {
  if (!engine.isLocal) return undefined;
  const registry = await startCaptureRegistry(id);
  try {
    await engine.push(id, `${registry.host}/initwrap/config:x`);
    return registry.documents.get(id);
  } catch (cause) {
    if (cause instanceof InitwrapError && cause.code === "DAEMON_FAILED") return undefined;
    throw cause;
  } finally {
    await registry.close();
  }
}

/** The image's own name that the user meant: `app` is `localhost/app:latest`, or what podman found under it elsewhere. */
function namesOf(image: PodmanImage, location: string): readonly string[] {
  const reference = parseReference(location);
  if (!reference || reference.digest) return [];
  const short = reference.tag === undefined ? `${location}:latest` : location;
  const matching = (image.RepoTags ?? []).filter((name) => name === short || name.endsWith(`/${short}`));
  const name = matching.find((one) => one === short) ?? matching.find((one) => /^localhost\//.test(one)) ?? matching[0];
  const full = name === undefined ? undefined : parseReference(name);
  return full ? [formatReference(full)] : [];
}
