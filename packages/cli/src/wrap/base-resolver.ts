/**
 * Where a base image's command is read from, in order: what the user says, the lock, the local engine, the registry, the
 * table of official tags. The first that knows it answers; every answer carries where it came from.
 */
import type { BaseConfig } from "../dockerfile/evaluate.ts";
import { InitwrapError } from "../model/errors.ts";
import { formatPlatform, type Platform } from "../model/platform.ts";
import { parseReference } from "../model/reference.ts";
import { readBaseConfig } from "./base-config.ts";
import { guessBase, lookUpBase } from "./base-table.ts";

export const PROVENANCE_SOURCES = [
  "flags",
  "layout",
  "lock",
  "daemon",
  "podman",
  "registry",
  "table",
  "assumed",
] as const;

/** Where a fact came from. `detail` is an image id, a digest, a file; for `lock` the source that it was locked from; for `assumed` the tag it is taken from. */
export interface Provenance {
  readonly source: (typeof PROVENANCE_SOURCES)[number];
  readonly detail?: string;
}

export interface ResolvedBase {
  readonly reference: string;
  readonly config: BaseConfig;
  readonly provenance: Provenance;
}

/** One place to ask. Undefined: it does not know the image. Throws InitwrapError when it could not be asked. */
export type BaseSource = (reference: string, platform: Platform) => Promise<ResolvedBase | undefined>;

export interface ResolverOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
  /** Registries that may be reached without TLS, or with any certificate. */
  readonly insecureRegistries?: readonly string[];
  /** Ask neither the engine nor a registry. */
  readonly offline?: boolean;
  /** An OCI image layout that holds the base, `FOLDER[:NAME]`; nothing else is asked then. */
  readonly layout?: string;
  /** Guess an unknown tag from the other tags of its image, last of all. */
  readonly assume?: boolean;
  /** The answers of this call so far, so that many Dockerfiles on one base ask once. */
  readonly answers?: Map<string, Promise<Resolution>>;
  /** Looks a base up in the lock; before anything is asked. */
  readonly locked?: (reference: string, platform: Platform) => ResolvedBase | undefined;
  /** What `--base-*` say; stands for any base. */
  readonly given?: BaseConfig;
}

export interface Resolution {
  readonly base: ResolvedBase | undefined;
  /** What stood in the way of those that could not be asked, one sentence each. */
  readonly obstacles: readonly string[];
}

/** Asks each place in turn. Only an interruption is thrown; a place that fails is an obstacle. */
export async function resolveBase(
  reference: string,
  platform: Platform,
  options: ResolverOptions,
): Promise<Resolution> {
  return once("", reference, platform, options, () => ask(sources(options), reference, platform, options.signal));
}

/** What the engines and the registry say now, whatever is locked; undefined when none knows the image or can be asked. */
export async function resolveLive(
  reference: string,
  platform: Platform,
  options: ResolverOptions,
): Promise<ResolvedBase | undefined> {
  const places = liveSources(options);
  const resolution = await once("live", reference, platform, options, () =>
    ask(places, reference, platform, options.signal),
  );
  return resolution.base;
}

function once(
  kind: string,
  reference: string,
  platform: Platform,
  { answers }: ResolverOptions,
  work: () => Promise<Resolution>,
): Promise<Resolution> {
  const question = [kind, reference, formatPlatform(platform)].join(" ");
  const answer = answers?.get(question) ?? work();
  answers?.set(question, answer);
  return answer;
}

async function ask(
  places: readonly NamedSource[],
  reference: string,
  platform: Platform,
  signal: AbortSignal | undefined,
): Promise<Resolution> {
  const obstacles: string[] = [];
  for (const [name, source] of places) {
    try {
      const base = await source(reference, platform);
      if (base !== undefined) return { base, obstacles };
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof InitwrapError)) throw error;
      obstacles.push(`${name}: ${error.message}`);
    }
  }
  return { base: undefined, obstacles };
}

type NamedSource = readonly [name: string, source: BaseSource];

function sources(options: ResolverOptions): readonly NamedSource[] {
  const { given } = options;
  if (given !== undefined) {
    return [["flags", async (reference) => ({ reference, config: given, provenance: { source: "flags" } })]];
  }
  if (options.layout !== undefined) return [["layout", layoutSource(options.layout, options)]];
  const { locked } = options;
  return [
    ...(locked === undefined ? [] : [["lock", async (...question) => locked(...question)] as NamedSource]),
    ...(options.offline === true ? [] : liveSources(options)),
    ["table", tableSource],
    ...(options.assume === true ? [["family", familySource] as NamedSource] : []),
  ];
}

/** The places that hold images, not facts about them. */
function liveSources(options: ResolverOptions): readonly NamedSource[] {
  return [
    ["engine", daemonSource(options)],
    ["podman", podmanSource(options)],
    ["registry", registrySource(options)],
  ];
}

function daemonSource(options: ResolverOptions): BaseSource {
  return async (reference) => {
    const { inspectDaemonImage } = await import("../store/docker-engine.ts");
    const image = await inspectDaemonImage(reference, {
      env: options.env,
      timeout: 5000,
      ...(options.signal ? { signal: options.signal } : {}),
    });
    if (image === undefined) return undefined;
    const config = readBaseConfig({ config: image.config ?? {} }, reference, image.os);
    return { reference, config, provenance: { source: "daemon", detail: image.id } };
  };
}

/** An image in podman's store; nothing where there is no podman. */
function podmanSource(options: ResolverOptions): BaseSource {
  return async (reference) => {
    const [{ podmanEndpointIfAny }, { PodmanEngine }] = await Promise.all([
      import("../store/podman-endpoint.ts"),
      import("../store/podman-engine.ts"),
    ]);
    const endpoint = podmanEndpointIfAny(options.env);
    if (endpoint === undefined) return undefined;
    const { env, signal } = options;
    const engine = new PodmanEngine(endpoint, { env, timeout: 5000, ...(signal ? { signal } : {}) });
    // As FROM spells it: podman builds look a short name up the same way, localhost/ first.
    const image = await engine.dockerInspect(reference).finally(() => engine.close());
    if (image === undefined) return undefined;
    const config = readBaseConfig({ config: image.Config ?? {} }, reference, image.Os);
    return { reference, config, provenance: { source: "podman", detail: image.Id } };
  };
}

function registrySource(options: ResolverOptions): BaseSource {
  return async (reference, platform) => {
    const parsed = parseReference(reference);
    if (parsed === undefined) return undefined;
    const [{ fetchImageConfig }, { registryOptions }] = await Promise.all([
      import("../store/registry/image-config.ts"),
      import("../store/registry/medium.ts"),
    ]);
    const found = await fetchImageConfig(parsed, platform, {
      ...registryOptions({
        env: options.env,
        ...(options.insecureRegistries ? { insecureRegistries: options.insecureRegistries } : {}),
        ...(options.signal ? { signal: options.signal } : {}),
      }),
      // The table may answer instead, so a registry that cannot be reached is not waited for long.
      retry: { attempts: 2, baseDelay: 200, maxDelay: 1000, maxRetryAfter: 2000 },
    });
    if (found === undefined) return undefined;
    const config = readBaseConfig(found.config, `${reference} (${formatPlatform(platform)})`);
    return { reference, config, provenance: { source: "registry", detail: found.digest } };
  };
}

const tableSource: BaseSource = async (reference) => {
  const config = await lookUpBase(reference);
  return config && { reference, config, provenance: { source: "table" } };
};

const familySource: BaseSource = async (reference) => {
  const guess = await guessBase(reference);
  return guess && { reference, config: guess.config, provenance: { source: "assumed", detail: guess.like } };
};

function layoutSource(location: string, options: ResolverOptions): BaseSource {
  return async (reference, platform) => {
    const [{ ociLayoutMedium }, { configFrom }] = await Promise.all([
      import("../store/oci-layout.ts"),
      import("../store/image-config.ts"),
    ]);
    const source = await ociLayoutMedium.source(location, {
      layers: false,
      env: options.env,
      ...(options.signal ? { signal: options.signal } : {}),
    });
    const found = await configFrom(source, platform, location);
    if (found === undefined) return undefined;
    const config = readBaseConfig(found.config, `${location} (${formatPlatform(platform)})`);
    return { reference, config, provenance: { source: "layout", detail: found.digest } };
  };
}
