/** Laws that hold for any Dockerfile, however broken: an answer in time, no unproved output, once is twice, undo is exact. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyEdits } from "../../packages/cli/src/dockerfile/edit.ts";
import { evaluate } from "../../packages/cli/src/dockerfile/evaluate.ts";
import { parseText } from "../../packages/cli/src/dockerfile/parse.ts";
import { type PlanRequest, plan } from "../../packages/cli/src/dockerfile/plan.ts";
import { toText } from "../../packages/cli/src/dockerfile/text.ts";
import { undoText } from "../../packages/cli/src/dockerfile/undo.ts";
import { sameArgv } from "../../packages/cli/src/model/invocation.ts";
import { dockerfileSnippets } from "../../packages/cli/src/wrap/dockerfile-snippets.ts";
import { CONTEXT, FIXTURES, IMAGE, INLINE, sentinelBase } from "../unit/dockerfile/support.ts";

const folder = join(FIXTURES, "samples");
const samples = readdirSync(folder).map((name) => toText(readFileSync(join(folder, name))));

type Mutation = (lines: string[], at: number) => void;

const MUTATIONS: readonly Mutation[] = [
  (lines, at) => lines.splice(at, 1),
  (lines, at) => lines.splice(at, 0, lines[at] as string),
  (lines, at) => {
    lines[at] = `${lines[at]}\r`;
  },
  (lines, at) => {
    lines[at] = `\t${lines[at]}`;
  },
  (lines, at) => {
    lines[at] = `${lines[at]} \\`;
  },
  (lines, at) => {
    lines[at] = `${lines[at]}\``;
  },
  (lines, at) => {
    lines[at] = (lines[at] as string).slice(0, -1);
  },
  (lines, at) => lines.splice(at, 0, ""),
  (lines, at) => lines.splice(at, 0, "# initwrap begin"),
  (lines, at) => lines.splice(at, 0, "# initwrap end"),
  (lines, at) => lines.splice(at, 0, "RUN <<EOF"),
  (lines, at) => lines.splice(at, 0, "ENTRYPOINT e \\"),
  (lines, at) => lines.splice(at, 0, 'ENTRYPOINT ["/initwrap", "--", "x"]'),
  (lines, at) => lines.splice(at, 0, 'ENTRYPOINT ["tini", "-g", "--", "x"]'),
  (lines, at) => lines.splice(at, 0, "FROM a AS middle"),
  (lines, at) => lines.splice(at, 0, "FROM middle AS child"),
  (lines, at) => lines.splice(at, 0, "\x00\xff\xfe"),
];

const mutated = fc
  .tuple(
    fc.constantFrom(...samples),
    fc.array(fc.tuple(fc.constantFrom(...MUTATIONS), fc.nat()), { minLength: 1, maxLength: 6 }),
  )
  .map(([text, mutations]) => {
    const lines = text.split("\n");
    for (const [mutate, at] of mutations) if (lines.length > 0) mutate(lines, at % lines.length);
    return lines.join("\n");
  });

const injection = fc.constantFrom(INLINE, CONTEXT, IMAGE);

const asked = fc.constantFrom<readonly string[]>([], ["linux/amd64"], ["linux/arm64", "linux/arm/v7"]);
const extra = fc.record({ allTargets: fc.boolean(), replaceInit: fc.boolean(), asked });

function attempt(text: string, way: typeof INLINE, more: Partial<PlanRequest> = {}) {
  const request = {
    ...more,
    base: sentinelBase,
    init: { path: "/initwrap", options: [] } as const,
    injection: way,
    snippets: dockerfileSnippets(),
  };
  try {
    return { planned: plan(text, request), again: (result: string) => plan(result, request) };
  } catch (error) {
    const { code, name } = error as { code?: string; name: string };
    if (code === undefined && name !== "DockerfileError") throw error;
    expect(code).not.toBe("PROOF_FAILED");
    return undefined;
  }
}

describe("any Dockerfile", () => {
  it("is proved, or refused with a code", () => {
    fc.assert(
      fc.property(mutated, injection, extra, (text, way, more) => {
        const outcome = attempt(text, way, more);
        if (outcome === undefined || outcome.planned.kind === "unchanged") return;
        const { planned, again } = outcome;
        // The proof anew, by the definition: entrypoint' = init + entrypoint, cmd' = cmd.
        const stages = evaluate(parseText(planned.result), { base: sentinelBase }).stages;
        const target = stages.at(-1);
        expect(sameArgv(target!.config.entrypoint, planned.after.entrypoint)).toBe(true);
        expect(sameArgv(target!.config.cmd, planned.before.cmd)).toBe(true);
        expect(applyEdits(planned.source, planned.edits).text).toBe(
          planned.edits.length === 0 ? planned.source : planned.result,
        );
        if (planned.edits.length > 0) {
          expect(again(planned.result).kind).toBe("unchanged");
          const platforms = more.asked;
          expect(undoText(planned.result)).toMatchObject({ kind: "undone", text: planned.source, platforms });
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("of any bytes ends in an answer", () => {
    const line = fc.oneof(
      fc.constantFrom(
        "FROM a",
        "FROM scratch",
        "CMD",
        "ENTRYPOINT [",
        '["x"]',
        "\\",
        "<<E",
        "E",
        "ARG A=${A:-b}",
        "$",
        "\r",
      ),
      fc.string({ unit: "binary", maxLength: 30 }).map((text) => toText(Buffer.from(text))),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
        attempt(lines.join("\n"), CONTEXT as typeof INLINE);
      }),
      { numRuns: 3000 },
    );
  });
});
