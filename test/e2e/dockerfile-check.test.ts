/**
 * `docker build --check`, the builder's own lint: wrapping adds no warning, and generated Dockerfiles have none.
 *
 * One call of bake checks several files; each has an answer of its own, a refusal included.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planDockerfile } from "../../packages/cli/src/wrap/dockerfile.ts";
import { forEachAtOnce } from "../support/builders.ts";
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

/** Files that one call checks: all at once, so that more of them than this make the builder lose some. */
const AT_ONCE = 10;

async function check(engine: Engine, targets: Readonly<Record<string, Target>>): Promise<ReadonlyMap<string, Checked>> {
  const names = Object.keys(targets);
  const chunks = Array.from({ length: Math.ceil(names.length / AT_ONCE) }, (_, index) =>
    names.slice(index * AT_ONCE, (index + 1) * AT_ONCE),
  );
  const checked = new Map<string, Checked>();
  await forEachAtOnce(chunks, async (chunk) => {
    const file = join(folder, `bake-${chunk[0]}.json`);
    const target = Object.fromEntries(chunk.map((name) => [name, targets[name]]));
    await writeFile(file, JSON.stringify({ group: { default: { targets: chunk } }, target }));
    const { stdout, stderr } = await engine.docker(["buildx", "bake", "-f", file, "--call=check,format=json"], {
      env: { BUILDX_BAKE_ENTITLEMENTS_FS: "0" },
      check: false,
      timeoutMs: 300_000,
    });
    const answers = stdout.startsWith("{") ? (JSON.parse(stdout) as Answers).target : {};
    for (const name of chunk) {
      const answer = answers[name]?.check;
      if (answer === undefined) throw new Error(`${name} got no answer:\n${stderr}`);
      const said = (answer.warnings ?? []).map(({ ruleName, detail = "" }) => `${ruleName} ${detail}`);
      const { buildError } = answer;
      checked.set(name, buildError === undefined ? { warnings: said.toSorted() } : { refused: buildError.message });
    }
  });
  return checked;
}

/** The warnings that are there more often than before. */
function addedWarnings(before: readonly string[], after: readonly string[]): readonly string[] {
  const left = [...before];
  return after.filter((warning) => {
    const at = left.indexOf(warning);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
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

/** Two ENTRYPOINTs in one stage: that of a base's trigger, and the one that has to come behind it. */
const BEHIND_TRIGGER =
  "MultipleInstructionsDisallowed Multiple ENTRYPOINT instructions should not be used in the same stage because only the last one will be used";

describe("docker build --check", () => {
  it("has nothing new to say of what was wrapped", { timeout: 600_000 }, async (test) => {
    const engine = requireEngine(test, "newest");
    await provideRealBases(engine, context);
    const targets: Record<string, Target> = {};
    // A frontend of its own is an image, and there is no registry to have it from.
    const files = [...(await readRealDockerfiles())].filter(([, text]) => !/^# *syntax=/i.test(text.toString()));
    for (const [name, text] of files) {
      const add = async (as: string, bytes: Uint8Array) => {
        const dockerfile = join(folder, `${name}-${as}`);
        await writeFile(dockerfile, bytes);
        targets[`${name}-${as}`] = { dockerfile, context };
      };
      await add("before", text);
      for (const inject of ["inline", "context"] as const) {
        const outcome = await planDockerfile(text, { name, inject, env: engine.env }).catch((error) => error as Error);
        if (!(outcome instanceof Error)) await add(inject, outcome.result);
      }
    }
    const checked = await check(engine, targets);
    const faults: Record<string, unknown> = {};
    let compared = 0;
    let warned = 0;
    for (const [name, text] of files) {
      const before = checked.get(`${name}-before`)!;
      if ("warnings" in before && before.warnings.length > 0) warned++;
      for (const inject of ["inline", "context"]) {
        const after = checked.get(`${name}-${inject}`);
        if (after !== undefined && "warnings" in before && "warnings" in after) {
          compared++;
          const triggered = /FROM initwrap-real\/onbuild-(entrypoint|shell)|ONBUILD ENTRYPOINT/.test(text.toString());
          const added = addedWarnings(before.warnings, after.warnings);
          const expected = triggered && added.length > 0 ? [BEHIND_TRIGGER] : [];
          if (!isDeepStrictEqual(added, expected)) faults[`${name} ${inject}`] = added;
        } else if ("warnings" in before) faults[`${name} ${inject}`] = after ?? "only initwrap refuses it";
        else if (after !== undefined && "warnings" in after) faults[`${name} ${inject}`] = { before, after };
      }
    }
    console.log(`checked ${files.length} files, ${compared} times wrapped; ${warned} had warnings as they were`);
    expect(faults).toEqual({});
    expect(compared).toBeGreaterThanOrEqual(200);
    // A lint that finds nothing anywhere would prove nothing.
    expect(warned).toBeGreaterThanOrEqual(20);
  });

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
