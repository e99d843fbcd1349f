/**
 * `docker:[ENGINE]NAME`: the images of a Docker Engine, of both of its stores.
 *
 * Reading: when no layer is needed, the documents come by one of the ways of engine-documents.ts, in kilobytes. Else, and
 * where both are refused, the image is saved whole: slow, and exact.
 */
import type { Digest } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { familiarReference, formatReference, isImageId, parseReference } from "../model/reference.ts";
import { ArchiveSource } from "./archive.ts";
import type { Medium, SinkOptions, Source, SourceOptions, StoreContext } from "./contract.ts";
import { engineEndpoint } from "./docker-endpoint.ts";
import { brokenAnswer, collect, DockerEngine, type EngineFacts } from "./docker-engine.ts";
import {
  type Documents,
  descriptorOf,
  mountedDocuments,
  pushedDocuments,
  readableDocuments,
} from "./engine-documents.ts";
import { splitEngineLocation } from "./engine-location.ts";
import { EngineSink, engineNames } from "./engine-sink.ts";
import { EngineSource } from "./engine-source.ts";
import { layersOfConfig, synthesizeManifest } from "./synthesized-manifest.ts";

export const dockerDaemonMedium: Medium = {
  scheme: "docker",
  source: openSource,
  sink: async (location, options: SinkOptions) => {
    const { engine: place, name } = splitEngineLocation(location);
    const engine = engineFor(place, options);
    // How the engine keeps images was asked when the source was opened.
    const { from } = options;
    const asked = from instanceof EngineSource && from.engine.address === engine.address ? from.engine : engine;
    return new EngineSink(engine, await asked.facts(), name, options);
  },
  isSameStore: (from, to) => splitEngineLocation(from).engine === splitEngineLocation(to).engine,
  namesFor: async (location, asked, kept) =>
    engineNames(splitEngineLocation(location).name, asked, kept, parseReference).map(formatReference),
  onlyPlatform: async (location, context) => {
    const engine = engineFor(splitEngineLocation(location).engine, context);
    const { keepsManifests, platform } = await engine.facts().finally(() => engine.close());
    return keepsManifests ? undefined : platform;
  },
};

function engineFor(place: string, context: StoreContext): DockerEngine {
  return new DockerEngine(engineEndpoint(context.env, place), context);
}

/** The beginning of an image ID, as the engine takes it where no name is like it. */
const SHORT_ID = /^[0-9a-f]{4,63}$/;

async function openSource(location: string, options: SourceOptions): Promise<Source> {
  const { engine: place, name } = splitEngineLocation(location);
  const engine = engineFor(place, options);
  let reference = isImageId(name) ? undefined : parseReference(name);
  const wanted = reference ? familiarReference(reference) : name;
  let [inspected, facts] = await Promise.all([engine.inspect(wanted), engine.facts()]);
  if (!inspected && SHORT_ID.test(name)) {
    inspected = await engine.inspect(name);
    reference = undefined;
  }
  if (!inspected) {
    throw new InitwrapError("IMAGE_NOT_FOUND", `the engine has no image ${wanted}`, {
      where: engine.address,
      hint: "Pull or build it first.",
    });
  }
  // An image that was found by its ID has no name here: the result needs one.
  const names = reference && !reference.digest ? [formatReference(reference)] : [];
  const id = inspected.Id as Digest;
  const documents = options.layers ? undefined : await documentsOf(engine, facts, reference ? wanted : id, id);
  if (documents && facts.keepsManifests) {
    return new EngineSource(engine, { descriptor: descriptorOf(id, documents.get(id)!), names }, documents);
  }
  if (documents) {
    const config = documents.get(id)!;
    const { descriptor, bytes } = synthesizeManifest(config, layersOfConfig(config));
    const both = new Map([...documents, [descriptor.digest, bytes]]);
    return new EngineSource(engine, { descriptor, names, synthesized: true, unsized: true }, both);
  }
  const response = await engine.request("/images/get", { query: { names: reference ? wanted : id }, timeout: 0 });
  if (response.statusCode !== 200) {
    throw engine.failure("/images/get", response.statusCode ?? 0, await collect(response, 1 << 20));
  }
  const saved = await ArchiveSource.fromStream(response, brokenAnswer, `docker:${location}`, undefined, options);
  const { descriptor } = await saved.root();
  return new EngineSource(engine, { descriptor, names, synthesized: !facts.keepsManifests }, new Map(), saved);
}

async function documentsOf(
  engine: DockerEngine,
  facts: EngineFacts,
  name: string,
  id: Digest,
): Promise<Documents | undefined> {
  const { contentFolders, keepsManifests } = facts;
  const readable = engine.isLocal ? await readableDocuments(contentFolders, id) : undefined;
  if (readable) return readable;
  const pushed = keepsManifests && engine.isLocal ? await pushedDocuments(engine, name, id) : undefined;
  return pushed ?? mountedDocuments(engine, id, contentFolders, id);
}
