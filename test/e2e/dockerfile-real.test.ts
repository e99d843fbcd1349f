/**
 * Dockerfiles as people have them, one for each row of the grammar and each turn of ENTRYPOINT and CMD, built as they were
 * and wrapped by every builder, and run.
 *
 * A builder's own verdict decides what it takes part in: a file that it refuses as it was, it must refuse wrapped. Bases are
 * images of the engine, so that initwrap asks it for them as it does at a user's.
 */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { InitwrapError } from "../../packages/cli/src/model/errors.ts";
import { type DockerfileOutcome, planDockerfile } from "../../packages/cli/src/wrap/dockerfile.ts";
import { contextFiles } from "../../packages/cli/src/wrap/dockerfile-context.ts";
import {
  BUILDERS,
  type Builder,
  buildFile,
  type Fared,
  fare,
  forEachAtOnce,
  inspectImages,
} from "../support/builders.ts";
import { type Engine, findEngine, requireEngine } from "../support/engine.ts";
import { freshTag, provideBaseImage } from "../support/images.ts";
import { ROOT } from "../support/programs.ts";

const FOLDER = join(ROOT, "test/fixtures/dockerfile/real");
const BASES = ["programs", "both", "cmd", "entrypoint", "shell", "user", "health"];
const TRIGGERS = ["onbuild-entrypoint", "onbuild-cmd", "onbuild-shell", "onbuild-app"];
const PROGRAMS = ["e", "e1", "e2", "c", "c1", "c2", "be", "bc", "oe", "oc"];
const ARCHITECTURE = process.arch === "x64" ? "amd64" : process.arch;
const PLATFORM = { os: "linux", architecture: ARCHITECTURE };

const samples = new Map<string, Buffer>();
const tags = new Map<Engine["name"], string[]>();
let context: string;

beforeAll(async () => {
  context = await mkdtemp(join(tmpdir(), "initwrap-real-"));
  await mkdir(join(context, "context/bin"), { recursive: true });
  await writeFile(join(context, "context/app.conf"), "port = 80\n");
  for (const name of PROGRAMS) {
    const path = join(context, "context/bin", name);
    await writeFile(path, await readFile(join(FOLDER, "program.sh")));
    await chmod(path, 0o755);
  }
  for (const { path, bytes } of contextFiles([PLATFORM])) {
    await mkdir(join(context, "context", dirname(path)), { recursive: true });
    await writeFile(join(context, "context", path), bytes, { mode: 0o755 });
  }
  for (const name of (await readdir(FOLDER)).filter((file) => file.endsWith(".Dockerfile")).toSorted()) {
    samples.set(name.replace(".Dockerfile", ""), await readFile(join(FOLDER, name)));
  }
});

afterAll(async () => {
  for (const [name, built] of tags) await findEngine(name)?.docker(["rmi", "-f", ...built], { check: false });
  await rm(context, { recursive: true, force: true });
}, 120_000);

async function provideBases(engine: Engine): Promise<void> {
  await provideBaseImage(engine);
  for (const name of [...BASES, ...TRIGGERS]) {
    const file = join(FOLDER, "bases", `${name}.Dockerfile`);
    const request = { file, tag: `initwrap-real/${name}:1`, context: join(context, "context") };
    // The triggers of a base are kept by every builder in the same way; the classic one needs no session.
    expect(await buildFile(engine, { buildkit: true }, request)).toBe(undefined);
  }
}

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
  const folder = await mkdtemp(join(context, "files-"));
  const tag = freshTag("real");
  await forEachAtOnce([...samples], async ([name, text]) => {
    const way: Way = { name, before: `${tag}-${name}-before`, after: `${tag}-${name}-after` };
    ways.push(way);
    const build = async (bytes: Uint8Array, as: string, tagged: string) => {
      const file = join(folder, `${name}.${as}`);
      await writeFile(file, bytes);
      return buildFile(engine, builder, { file, tag: tagged, context: join(context, "context") });
    };
    way.refusedBefore = await build(text, "before", way.before);
    try {
      const platforms = [`linux/${ARCHITECTURE}`];
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
    await provideBases(engine);
    const ways = await buildAll(engine, builder);
    const faults: Record<string, unknown> = {};
    const both: Way[] = [];
    for (const way of ways) {
      const { name, error, refusedBefore, refusedAfter } = way;
      if (error !== undefined) {
        if (refusedBefore === undefined) faults[name] = `${error.code} ${error.message}`;
      } else if (refusedBefore === undefined && refusedAfter === undefined) both.push(way);
      else if (refusedBefore === undefined) faults[name] = refusedAfter;
      else if (refusedAfter === undefined) faults[name] = "is built wrapped, and was not as it was";
    }
    const facts = await inspectImages(
      engine,
      both.flatMap(({ before, after }) => [before, after]),
    );
    for (const { name, before, after, outcome } of both) {
      const [was, is] = [facts.get(before)!, facts.get(after)!];
      const { Entrypoint: oldEntrypoint, Cmd: oldCmd, ...old } = was.Config;
      const { Entrypoint: newEntrypoint, Cmd: newCmd, ...rest } = is.Config;
      try {
        expect(newEntrypoint).toEqual(["/initwrap", "--", ...(oldEntrypoint ?? [])]);
        expect(newCmd ?? []).toEqual(oldCmd ?? []);
        expect({ ...is, Config: rest }).toEqual({ ...was, Config: old });
      } catch (error) {
        faults[name] = [(error as Error).message, outcome?.before, outcome?.diagnostics];
      }
    }
    console.log(`${builder.title}: ${both.length} of ${samples.size} built as they were and wrapped`);
    expect(faults).toEqual({});
    expect(both.length).toBeGreaterThanOrEqual(60);
    const fared = await runAll(engine, both, facts);
    for (const { name, before, after } of both) {
      const stopSignal = facts.get(after)!.Config.StopSignal ?? "SIGTERM";
      const number = /^\d+$/.test(stopSignal) ? Number(stopSignal) : constants.signals[stopSignal as "SIGTERM"];
      const [was, is] = [fared.get(before)!, fared.get(after)!];
      // What ended by itself ends in the same way; what runs on is ended by its own stop signal, not killed ten seconds later.
      const expected = { ...was, exitCode: was.exitCode ?? 128 + number };
      if (JSON.stringify(is) !== JSON.stringify(expected)) faults[name] = { expected, is };
    }
    expect(faults).toEqual({});
  });
});

/** Runs the images; two that have the same config and files run once. */
async function runAll(
  engine: Engine,
  ways: readonly Way[],
  facts: Awaited<ReturnType<typeof inspectImages>>,
): Promise<ReadonlyMap<string, Fared>> {
  const runs = new Map<string, Promise<Fared>>();
  const fared = new Map<string, Fared>();
  const images = ways.flatMap(({ before, after }) => [
    { image: before, stop: false },
    { image: after, stop: true },
  ]);
  await forEachAtOnce(images, async ({ image, stop }) => {
    const { Labels: _, ...config } = facts.get(image)!.Config;
    const identity = JSON.stringify([stop, config]);
    const run = runs.get(identity) ?? fare(engine, image, { stop });
    runs.set(identity, run);
    fared.set(image, await run);
  });
  return fared;
}
