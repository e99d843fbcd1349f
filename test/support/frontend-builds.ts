/** What every test of builds through the frontend has: its image in a registry of the test file's own, contexts and tags. */
import { execFile } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { requireCapability } from "./capability.ts";
import { type Engine, type EngineName, findEngine } from "./engine.ts";
import { buildFrontendImage, nodeModules } from "./frontend-image.ts";
import { buildContext, freshTag, removeContext } from "./images.ts";
import { compileProgram } from "./programs.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "./registry.ts";

export interface FrontendBuilds {
  /** The registry, once the tests run. */
  registry: TestRegistry | undefined;
  /** The folder of Node.js for both architectures, once the tests run; undefined where it cannot be had. */
  modules: string | undefined;
  /** The frontend's image in the registry. */
  reference: string;
  /** Images that are removed from the engines in the end. */
  readonly tags: string[];
  /** Build contexts that are removed in the end. */
  readonly contexts: string[];
  tagOf(purpose: string): string;
  /** A context with the program `say`, and with `more` files. */
  contextOf(dockerfile: string, more?: readonly string[]): Promise<string>;
  /** The arguments of `docker build` that name the frontend. */
  through(frontend?: string): string[];
}

/** Called at the top of a test file: builds and pushes the frontend's image before its tests, and clears `engines` up after. */
export function useFrontend(engines: readonly EngineName[]): FrontendBuilds {
  const builds: FrontendBuilds = {
    registry: undefined,
    modules: undefined,
    reference: "",
    tags: [],
    contexts: [],
    tagOf: (purpose) => {
      const tag = freshTag(purpose);
      builds.tags.push(tag);
      return tag;
    },
    contextOf: async (dockerfile, more = []) => {
      const folder = await buildContext(dockerfile, [await compileProgram("say"), ...more]);
      builds.contexts.push(folder);
      return folder;
    },
    through: (frontend = builds.reference) => ["--build-arg", `BUILDKIT_SYNTAX=${frontend}`],
  };
  beforeAll(async () => {
    builds.modules = await nodeModules();
    if (!registryAvailable || builds.modules === undefined) return;
    builds.registry = await startRegistry();
    builds.reference = `${builds.registry.host}/tools/frontend:1`;
    await buildFrontendImage(builds.modules, ["--push", builds.reference, "--platform", "linux/amd64"]);
  });
  afterAll(async () => {
    const words = ["rmi", "-f", ...builds.tags, builds.reference];
    // An engine collects its garbage for each of them.
    await Promise.all(engines.map((name) => findEngine(name)?.docker(words, { check: false, timeoutMs: 280_000 })));
    await builds.registry?.stop();
    await Promise.all(builds.contexts.map(removeContext));
    if (builds.modules !== undefined) await rm(builds.modules, { recursive: true, force: true });
  });
  beforeEach((context) => {
    requireCapability(context, "docker-registry", registryAvailable);
    requireCapability(context, "Node.js for the other architecture", builds.modules !== undefined);
  });
  return builds;
}

/** Unpacks an OCI archive beside itself: the digest it names first, and what reads its documents. */
export async function openArchive(archive: string) {
  const folder = dirname(archive);
  await promisify(execFile)("tar", ["-xf", archive, "-C", folder]);
  const read = async (digest: string) =>
    JSON.parse(await readFile(join(folder, "blobs/sha256", digest.slice("sha256:".length)), "utf8"));
  const top = JSON.parse(await readFile(join(folder, "index.json"), "utf8")).manifests[0].digest as string;
  return { top, read };
}

/** The engine, whose `docker build` is BuildKit's also where the client would choose another builder. */
export function withBuildKit(engine: Engine): Engine {
  return {
    ...engine,
    docker: (args, options) => engine.docker(args, { ...options, env: { DOCKER_BUILDKIT: "1", ...options?.env } }),
  };
}
