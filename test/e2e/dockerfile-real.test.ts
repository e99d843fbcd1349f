/**
 * Dockerfiles as people have them, one for each row of the grammar and each turn of ENTRYPOINT and CMD, built as they were
 * and wrapped by every builder, and run.
 *
 * A builder's own verdict decides what it takes part in: a file that it refuses as it was, it must refuse wrapped. Bases are
 * images of the engine, so that initwrap asks it for them as it does at a user's.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { InitwrapError } from "../../packages/cli/src/model/errors.ts";
import { formatPlatform } from "../../packages/cli/src/model/platform.ts";
import { type DockerfileOutcome, planDockerfile } from "../../packages/cli/src/wrap/dockerfile.ts";
import {
  BUILDERS,
  type Builder,
  buildFile,
  type Fared,
  fare,
  forEachAtOnce,
  type ImageFacts,
  inspectImages,
} from "../support/builders.ts";
import { type Engine, findEngine, requireEngine } from "../support/engine.ts";
import { freshTag } from "../support/images.ts";
import {
  makeRealContext,
  PLATFORM,
  provideRealBases,
  REAL_DOCKERFILES,
  readRealDockerfiles,
} from "../support/real-dockerfiles.ts";

const tags = new Map<Engine["name"], string[]>();
let samples: ReadonlyMap<string, Buffer>;
let folder: string;
let context: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-real-"));
  context = join(folder, "context");
  await makeRealContext(context);
  samples = await readRealDockerfiles();
});

afterAll(async () => {
  for (const [name, built] of tags) await findEngine(name)?.docker(["rmi", "-f", ...built], { check: false });
  await rm(folder, { recursive: true, force: true });
}, 120_000);

/** One sample's way through one builder. */
interface Way {
  readonly name: string;
  readonly before: string;
  readonly after: string;
  refusedBefore?: string | undefined;
  refusedAfter?: string | undefined;
  outcome?: DockerfileOutcome;
  error?: InitwrapError;
}

/** Builds every sample as it was and wrapped. */
async function buildAll(engine: Engine, builder: Builder): Promise<readonly Way[]> {
  const ways: Way[] = [];
  const files = await mkdtemp(join(folder, "files-"));
  const tag = freshTag("real");
  await forEachAtOnce([...samples], async ([name, text]) => {
    const way: Way = { name, before: `${tag}-${name}-before`, after: `${tag}-${name}-after` };
    ways.push(way);
    const build = async (bytes: Uint8Array, as: string, tagged: string) => {
      const file = join(files, `${name}.${as}`);
      await writeFile(file, bytes);
      return buildFile(engine, builder, { file, tag: tagged, context });
    };
    way.refusedBefore = await build(text, "before", way.before);
    try {
      const platforms = [formatPlatform(PLATFORM)];
      way.outcome = await planDockerfile(text, { name, inject: builder.inject, platforms, env: engine.env });
    } catch (error) {
      way.error = error as InitwrapError;
      return;
    }
    way.refusedAfter = await build(way.outcome.result, "after", way.after);
  });
  const built = ways.flatMap(({ before, after }) => [before, after]);
  tags.set(engine.name, [...(tags.get(engine.name) ?? []), ...built]);
  return ways;
}

describe("a real Dockerfile", () => {
  it.for(BUILDERS)("is the same for $title but for the init", { timeout: 600_000 }, async (builder, test) => {
    const engine = requireEngine(test, builder.engine);
    await provideRealBases(engine, context);
    const ways = await buildAll(engine, builder);
    const both = ways.filter((way) => way.error === undefined && !way.refusedBefore && !way.refusedAfter);
    const facts = await inspectImages(
      engine,
      both.flatMap(({ before, after }) => [before, after]),
    );
    const faults: Record<string, unknown> = {};
    for (const way of ways) {
      const fault = both.includes(way) ? otherwise(way, facts) : await verdictFault(engine, builder, way);
      if (fault !== undefined) faults[way.name] = fault;
    }
    console.log(`${builder.title}: ${both.length} of ${samples.size} built as they were and wrapped`);
    expect(both.length).toBeGreaterThanOrEqual(100);
    const alike = both.filter((way) => !readsOtherwise(way, facts.get(way.before)!));
    const fared = await runAll(engine, alike, facts);
    for (const { name, before, after } of alike) {
      const [was, is] = [fared.get(before)!, fared.get(after)!];
      const expected = expectedOf(was, facts.get(after)!.Config.StopSignal);
      const same = is.output === expected.output || !was.started;
      if (!same || !expected.exitCodes.includes(is.exitCode ?? -1)) faults[name] = { was, expected, is };
    }
    expect(faults).toEqual({});
  });
});

/** What is wrong with two images of which the second should be the first behind the init. */
function otherwise(way: Way, facts: ReadonlyMap<string, ImageFacts>): unknown {
  const [was, is] = [facts.get(way.before)!, facts.get(way.after)!];
  const { Entrypoint: oldEntrypoint, Cmd: oldCmd, ...old } = was.Config;
  const { Entrypoint: newEntrypoint, Cmd: newCmd, ...rest } = is.Config;
  const before = { ...was, Config: old, entrypoint: ["/initwrap", "--", ...(oldEntrypoint ?? [])], cmd: oldCmd ?? [] };
  const after = { ...is, Config: rest, entrypoint: newEntrypoint, cmd: newCmd ?? [] };
  return isDeepStrictEqual(after, before) || readsOtherwise(way, was) ? undefined : { before, after };
}

/**
 * True when an older builder has a reading of its own of this very text, other than BuildKit's of today: and whoever wraps such a
 * text was told.
 */
function readsOtherwise({ outcome }: Way, { Config: { Entrypoint, Cmd } }: ImageFacts): boolean {
  const told = outcome?.diagnostics.some(({ code }) => code === "JSON_FORM_MALFORMED" || code === "COMMAND_EMPTY");
  const { entrypoint, cmd } = outcome!.before;
  return told === true && !isDeepStrictEqual([Entrypoint ?? [], Cmd ?? []], [entrypoint ?? [], cmd ?? []]);
}

/** What is wrong with a file that was not built twice: it may only be one that BuildKit refuses, or this builder does. */
async function verdictFault(engine: Engine, builder: Builder, way: Way): Promise<unknown> {
  const { name, error, refusedBefore, refusedAfter } = way;
  if (error === undefined) {
    if (refusedBefore === undefined) return `refused only when wrapped: ${refusedAfter}`;
    return refusedAfter === undefined ? "built wrapped, and refused as it was" : undefined;
  }
  const request = { file: join(REAL_DOCKERFILES, `${name}.Dockerfile`), tag: way.before, context };
  const verdict = builder.buildkit ? refusedBefore : await buildFile(engine, { buildkit: true }, request);
  return verdict === undefined ? `${error.code ?? error}: ${error.message}` : undefined;
}

/** What ended by itself ends in the same way; what runs on is ended by its own stop signal, not killed ten seconds later. */
function expectedOf(was: Fared, stopSignal = "SIGTERM"): { output: string; exitCodes: readonly number[] } {
  if (!was.started) return { output: was.output, exitCodes: [126, 127] };
  const number = /^\d+$/.test(stopSignal) ? Number(stopSignal) : constants.signals[stopSignal as "SIGTERM"];
  return { output: was.output, exitCodes: [was.exitCode ?? 128 + number] };
}

/** What came of each config on each engine: the builders of an engine make the same of most files. */
const runs = new Map<string, Promise<Fared>>();

/** Runs the images; those that run the same thing on the same engine run once. */
async function runAll(
  engine: Engine,
  ways: readonly Way[],
  facts: ReadonlyMap<string, ImageFacts>,
): Promise<ReadonlyMap<string, Fared>> {
  const fared = new Map<string, Fared>();
  const images = ways.flatMap(({ before, after }) => [
    { image: before, stop: false },
    { image: after, stop: true },
  ]);
  await forEachAtOnce(images, async ({ image, stop }) => {
    const { Entrypoint, Cmd, Env, User, WorkingDir, StopSignal } = facts.get(image)!.Config;
    const identity = JSON.stringify([engine.name, stop, Entrypoint, Cmd, Env, User, WorkingDir, StopSignal]);
    const run = runs.get(identity) ?? fare(engine, image, { stop });
    runs.set(identity, run);
    fared.set(image, await run);
  });
  return fared;
}
