/**
 * Real Dockerfiles, as many as there are: the folder named by INITWRAP_CORPUS (corpus.tar.gz and BuildKit's verdicts beside
 * it), and always the committed samples. Each is read as BuildKit reads it, and rewritten and proved, or refused with a code.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
import { beforeAll, describe, expect, it } from "vitest";
import { evaluate } from "../../../packages/cli/src/dockerfile/evaluate.ts";
import type { Injection } from "../../../packages/cli/src/dockerfile/injection.ts";
import { parseText } from "../../../packages/cli/src/dockerfile/parse.ts";
import { type DockerfilePlan, type PlanRequest, plan } from "../../../packages/cli/src/dockerfile/plan.ts";
import { toText } from "../../../packages/cli/src/dockerfile/text.ts";
import { undoText } from "../../../packages/cli/src/dockerfile/undo.ts";
import { dockerfileSnippets } from "../../../packages/cli/src/wrap/dockerfile-snippets.ts";
import { CONTEXT, FIXTURES, IMAGE, INLINE, sentinelBase } from "./support.ts";

interface Verdict {
  readonly file: string;
  readonly ok: boolean;
  readonly error?: string;
  readonly instructions?: readonly [string, number, number][];
  readonly stages?: readonly ({ readonly error?: string; readonly name: string | null } & Record<string, unknown>)[];
}

const FIELDS = ["os", "entrypoint", "cmd", "shell", "user", "stopSignal", "onBuild"] as const;
const CORPUS = process.env["INITWRAP_CORPUS"];

const samples = new Map(
  readdirSync(join(FIXTURES, "samples")).map((name) => [name, toText(readFileSync(join(FIXTURES, "samples", name)))]),
);

type Extra = Pick<PlanRequest, "allTargets" | "replaceInit">;

/** Plans every file in every way; the counts by outcome. Throws for what is neither proved nor refused. */
function outcomes(
  files: ReadonlyMap<string, string>,
  injection: Injection,
  known: boolean,
  extra: Extra = {},
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [name, text] of files) {
    const request = {
      ...(known ? { base: sentinelBase } : {}),
      init: { path: "/initwrap", options: [] } as const,
      injection,
      snippets: dockerfileSnippets(),
      ...extra,
    };
    let outcome: string;
    try {
      const planned = plan(text, request);
      outcome = planned.kind === "changed" ? "rewritten and proved" : "unchanged (an init is there)";
      if (planned.kind === "changed") {
        expectProved(planned, known, extra, name);
        expect(undoText(planned.result), name).toMatchObject({ kind: "undone", text });
        expect(plan(planned.result, request).kind, name).toBe("unchanged");
      }
    } catch (error) {
      const { code, name: kind } = error as { code?: string; name: string };
      if (code === undefined && kind !== "DockerfileError") throw error;
      outcome = code ?? "DOCKERFILE_SYNTAX";
    }
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
}

/** The proof anew, from the two texts alone: each target runs what it ran behind the init, and the others are as they were. */
function expectProved(planned: DockerfilePlan, known: boolean, extra: Extra, name: string): void {
  const options = known ? { base: sentinelBase } : {};
  const before = evaluate(parseText(planned.source), options).stages;
  const after = evaluate(parseText(planned.result), options).stages.filter(
    (stage) => !(stage.base === "scratch" && stage.name?.startsWith("initwrap")) && !stage.base.startsWith("initwrap"),
  );
  expect(after.length, name).toBe(before.length);
  for (const { index } of planned.targets) {
    const [was, is] = [before[index]?.config, after[index]?.config];
    expect(is?.cmd ?? [], name).toEqual(was?.cmd ?? []);
    const entrypoint = is?.entrypoint ?? [];
    if (entrypoint[0] !== "/initwrap") expect(entrypoint, name).toEqual(was?.entrypoint ?? []);
    else if (extra.replaceInit !== true) expect(entrypoint.slice(2), name).toEqual(was?.entrypoint ?? []);
    else {
      const rest = entrypoint.slice(entrypoint.indexOf("--") + 1);
      expect((was?.entrypoint ?? []).slice(-rest.length || Number.POSITIVE_INFINITY), name).toEqual(rest);
    }
  }
}

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32), so that what fails once fails again. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const MUTATIONS: Readonly<Record<string, (lines: string[], random: () => number) => void>> = {
  "a line dropped": (lines, random) => lines.splice(Math.floor(random() * lines.length), 1),
  "a line doubled": (lines, random) => {
    const at = Math.floor(random() * lines.length);
    lines.splice(at, 0, lines[at] as string);
  },
  "lines swapped": (lines, random) => {
    const [a, b] = [Math.floor(random() * lines.length), Math.floor(random() * lines.length)];
    [lines[a], lines[b]] = [lines[b] as string, lines[a] as string];
  },
  "CRLF everywhere": (lines) =>
    lines.forEach((line, at) => {
      lines[at] = `${line}\r`;
    }),
  "CRLF in one line": (lines, random) => {
    const at = Math.floor(random() * lines.length);
    lines[at] = `${lines[at]}\r`;
  },
  "tabs for spaces": (lines) =>
    lines.forEach((line, at) => {
      lines[at] = line.replaceAll(" ", "\t");
    }),
  "a tab in front": (lines, random) => {
    const at = Math.floor(random() * lines.length);
    lines[at] = `\t${lines[at]}`;
  },
  "cut short": (lines, random) => lines.splice(Math.floor(random() * lines.length) + 1),
  "a character lost": (lines, random) => {
    const at = Math.floor(random() * lines.length);
    const line = lines[at] as string;
    const column = Math.floor(random() * line.length);
    lines[at] = line.slice(0, column) + line.slice(column + 1);
  },
  "an escape at the end of a line": (lines, random) => {
    const at = Math.floor(random() * lines.length);
    lines[at] = `${lines[at]} \\`;
  },
};

/** Every file with one to three mutations of each kind, under names that say which. */
function mutants(files: ReadonlyMap<string, string>, kind: string): ReadonlyMap<string, string> {
  const mutate = MUTATIONS[kind] as (typeof MUTATIONS)[string];
  let seed = 0;
  return new Map(
    [...files].map(([name, text]) => {
      const random = randomFrom(seed++);
      const lines = text.split("\n");
      for (let times = 1 + Math.floor(random() * 3); times > 0 && lines.length > 0; times--) mutate(lines, random);
      return [`${name}, ${kind}`, lines.join("\n")];
    }),
  );
}

const WAYS = [
  ["inline", INLINE],
  ["context", CONTEXT],
  ["image", IMAGE],
] as const;

function suite(title: string, files: () => ReadonlyMap<string, string>): void {
  describe.each(WAYS)(`${title}, %s`, (way, injection) => {
    it.each([
      ["every base known", true],
      ["no base known", false],
    ])("%s", (label, known) => {
      const counts = outcomes(files(), injection, known);
      console.log(`${title}, ${way}, ${label}:`, JSON.stringify(counts));
      expect(counts["PROOF_FAILED"]).toBe(undefined);
    });
    it.each([
      ["all targets", { allTargets: true }],
      ["another init replaced", { replaceInit: true }],
      ["all targets, another init replaced", { allTargets: true, replaceInit: true }],
    ])("%s", (label, extra) => {
      const counts = outcomes(files(), injection, true, extra);
      console.log(`${title}, ${way}, ${label}:`, JSON.stringify(counts));
      expect(counts["PROOF_FAILED"]).toBe(undefined);
    });
  });
}

/** Damaged files: no crash, no hang, no output that is not proved, undone and the same when done again. */
function fuzz(title: string, files: () => ReadonlyMap<string, string>): void {
  it.each(Object.keys(MUTATIONS))(`${title}, %s: proved or refused with a code`, { timeout: 120_000 }, (kind) => {
    const mutated = mutants(files(), kind);
    const counts = outcomes(mutated, CONTEXT, true, { allTargets: true, replaceInit: true });
    console.log(`${title}, ${kind}:`, JSON.stringify(counts));
    expect(counts["PROOF_FAILED"]).toBe(undefined);
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(mutated.size);
    expect(counts["rewritten and proved"]).toBeGreaterThan(mutated.size / 10);
    outcomes(mutated, INLINE, false);
  });
}

suite(`${samples.size} samples`, () => samples);
fuzz(`${samples.size} samples`, () => samples);

describe.skipIf(CORPUS === undefined || !existsSync(join(CORPUS, "corpus.tar.gz")))("the corpus", () => {
  const files = new Map<string, string>();
  let verdicts: readonly Verdict[] = [];

  beforeAll(async () => {
    const folder = CORPUS as string;
    verdicts = gunzipSync(readFileSync(join(folder, "corpus.expected.jsonl.gz")))
      .toString()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Verdict);
    const archive = extract();
    archive.end(gunzipSync(readFileSync(join(folder, "corpus.tar.gz"))));
    for await (const entry of archive) {
      const chunks: Buffer[] = [];
      for await (const chunk of entry) chunks.push(chunk as Buffer);
      if (entry.header.type === "file") {
        files.set(entry.header.name.split("/").at(-1) as string, toText(Buffer.concat(chunks)));
      }
    }
  });

  it("is read and evaluated as BuildKit does, to the word", () => {
    let agreed = 0;
    const wrong: string[] = [];
    for (const verdict of verdicts) {
      const text = files.get(verdict.file);
      const got = text === undefined ? { error: "missing" } : reading(text);
      const want = verdict.ok
        ? {
            instructions: verdict.instructions?.map(([keyword, ...lines]) => [keyword.toUpperCase(), ...lines]),
            stages: verdict.stages?.map((stage) =>
              stage.error === undefined
                ? { name: stage.name, ...Object.fromEntries(FIELDS.map((field) => [field, stage[field]])) }
                : { name: stage.name, error: stage.error },
            ),
          }
        : { error: verdict.error };
      if (JSON.stringify(got) === JSON.stringify(want)) agreed++;
      else wrong.push(verdict.file);
    }
    console.log(`corpus: BuildKit and initwrap agree on ${agreed} of ${verdicts.length}`);
    expect(wrong).toEqual([]);
  });

  suite("the corpus", () => files);
  fuzz("the corpus", () => files);
});

function reading(text: string): unknown {
  try {
    const dockerfile = parseText(text);
    const { stages } = evaluate(dockerfile, { base: sentinelBase });
    return {
      instructions: dockerfile.instructions.map(({ keyword, range }) => [keyword, range.line, range.endLine]),
      stages: stages.map(({ name = null, error, config }) =>
        error === undefined
          ? { name, ...Object.fromEntries(FIELDS.map((field) => [field, config[field]])) }
          : { name, error },
      ),
    };
  } catch (error) {
    return { error: (error as Error).message };
  }
}
