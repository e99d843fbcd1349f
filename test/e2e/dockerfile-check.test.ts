/**
 * `docker build --check`, the builder's own lint: wrapping adds no warning, and generated Dockerfiles have none.
 *
 * One call of bake checks hundreds of files; each has an answer of its own, a refusal included.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type InjectKind, planDockerfile } from "../../packages/cli/src/wrap/dockerfile.ts";
import { type Engine, requireEngine } from "../support/engine.ts";
import { ROOT } from "../support/programs.ts";
import { makeRealContext, provideRealBases, readRealDockerfiles } from "../support/real-dockerfiles.ts";

const GENERATED = join(ROOT, "test/fixtures/generate");

let folder: string;
let context: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-check-"));
  context = join(folder, "context");
  await makeRealContext(context);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What the builder says of one file: its warnings without their lines, which wrapping moves, or that it refuses it. */
type Checked = { readonly warnings: readonly string[] } | { readonly refused: string };

interface Target {
  readonly dockerfile: string;
  readonly context: string;
  readonly contexts?: Readonly<Record<string, string>>;
}

async function check(engine: Engine, targets: Readonly<Record<string, Target>>): Promise<ReadonlyMap<string, Checked>> {
  const file = join(folder, "docker-bake.json");
  await writeFile(file, JSON.stringify({ group: { default: { targets: Object.keys(targets) } }, target: targets }));
  const { stdout, stderr } = await engine.docker(["buildx", "bake", "-f", file, "--call=check,format=json"], {
    env: { BUILDX_BAKE_ENTITLEMENTS_FS: "0" },
    check: false,
    timeoutMs: 300_000,
  });
  const answers = stdout.startsWith("{") ? (JSON.parse(stdout) as Answers).target : {};
  const names = Object.keys(targets);
  const unanswered = names.filter((name) => answers[name]?.check === undefined);
  if (unanswered.length > 0) throw new Error(`${unanswered.join(", ")} got no answer:\n${stderr}`);
  return new Map(
    names.map((name) => {
      const { buildError, warnings } = answers[name]!.check!;
      const said = (warnings ?? []).map(({ ruleName, detail = "" }) => `${ruleName} ${detail}`).toSorted();
      return [name, buildError === undefined ? { warnings: said } : { refused: buildError.message }];
    }),
  );
}

interface Answers {
  readonly target: Readonly<
    Record<
      string,
      {
        readonly check?: {
          readonly buildError?: { readonly message: string };
          readonly warnings?: readonly { readonly ruleName: string; readonly detail?: string }[] | null;
        };
      }
    >
  >;
}

describe("docker build --check", () => {
  it.for(["inline", "context"] as const)(
    "has nothing new to say of what --inject %s wrapped",
    {
      timeout: 600_000,
    },
    async (inject: InjectKind, test) => {
      const engine = requireEngine(test, "newest");
      await provideRealBases(engine, context);
      const targets: Record<string, Target> = {};
      for (const [name, text] of await readRealDockerfiles()) {
        const add = async (as: string, bytes: Uint8Array) => {
          const dockerfile = join(folder, `${inject}-${name}-${as}`);
          await writeFile(dockerfile, bytes);
          targets[`${name}-${as}`] = { dockerfile, context };
        };
        await add("before", text);
        const outcome = await planDockerfile(text, { name, inject, env: engine.env }).catch((error) => error as Error);
        if (!(outcome instanceof Error)) await add("after", outcome.result);
      }
      const checked = await check(engine, targets);
      const faults: Record<string, unknown> = {};
      let compared = 0;
      let warned = 0;
      for (const name of (await readRealDockerfiles()).keys()) {
        const [before, after] = [checked.get(`${name}-before`)!, checked.get(`${name}-after`)];
        // What initwrap refuses, the builder must refuse too.
        if (after === undefined && "warnings" in before) faults[name] = "only initwrap refuses it";
        if (after === undefined) continue;
        if ("refused" in before || "refused" in after) {
          if (!("refused" in before && "refused" in after)) faults[name] = { before, after };
          continue;
        }
        compared++;
        if (before.warnings.length > 0) warned++;
        const left = [...before.warnings];
        const added = after.warnings.filter((warning) => {
          const at = left.indexOf(warning);
          if (at >= 0) left.splice(at, 1);
          return at < 0;
        });
        if (added.length > 0) faults[name] = added;
      }
      console.log(
        `checked ${compared} files as they were and wrapped (${inject}); ${warned} had warnings as they were`,
      );
      expect(faults).toEqual({});
      expect(compared).toBeGreaterThanOrEqual(100);
      // A lint that finds nothing anywhere would prove nothing.
      expect(warned).toBeGreaterThanOrEqual(20);
    },
  );

  it("has nothing to say of what initwrap generates", async (test) => {
    const engine = requireEngine(test, "newest");
    await provideRealBases(engine, context);
    const targets: Record<string, Target> = {};
    for (const name of await readdir(GENERATED)) {
      const dockerfile = join(GENERATED, name, "Dockerfile");
      const text = await readFile(dockerfile, "utf8");
      // The lint reads an image's config and never its files, so that one image can stand in for all of them.
      const images = [...text.matchAll(/^FROM (?:--platform=\S+ )?(\S+:\S+)|--from=(\S+:\S+)/gm)];
      const contexts = images.map(([, from, copied]) => [from ?? copied, "docker-image://initwrap-real/programs:1"]);
      targets[name] = { dockerfile, context, contexts: Object.fromEntries(contexts) };
    }
    expect(Object.keys(targets).length).toBeGreaterThanOrEqual(15);
    const checked = await check(engine, targets);
    expect(Object.fromEntries(checked)).toEqual(
      Object.fromEntries(Object.keys(targets).map((name) => [name, { warnings: [] }])),
    );
  });
});
