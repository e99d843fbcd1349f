/** Small Dockerfiles, each with the config that BuildKit 0.32 made of it. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../../../packages/cli/src/dockerfile/evaluate.ts";
import { parseText } from "../../../packages/cli/src/dockerfile/parse.ts";
import { encode } from "../../../packages/cli/src/dockerfile/text.ts";
import { fixture } from "./support.ts";

interface Config {
  readonly Entrypoint?: string[];
  readonly Cmd?: string[];
  readonly Shell?: string[];
  readonly OnBuild?: string[];
  readonly Missing?: boolean;
}

const { bases, cases } = JSON.parse(fixture("cases.json").toString()) as {
  bases: Record<string, Config>;
  cases: { name: string; dockerfile: string; expected: Config | string }[];
};

/** What the evaluator makes of the last stage, in the words of the expectation. */
function outcome(dockerfile: string): unknown {
  try {
    const { stages } = evaluate(parseText(encode(dockerfile)), {
      base: (reference) => {
        const base = bases[reference];
        if (base === undefined || base.Missing) return undefined;
        return {
          entrypoint: base.Entrypoint ?? null,
          cmd: base.Cmd ?? null,
          shell: base.Shell ?? null,
          onBuild: base.OnBuild ?? null,
        };
      },
    });
    const last = stages.at(-1)!;
    if (last.error !== undefined) return `ERR ${last.error}`;
    if (last.unknown.size > 0) return `ERR ${last.base}: docker.io/library/${last.base}:latest: not found`;
    const { entrypoint, cmd, shell, onBuild } = last.config;
    return { Entrypoint: entrypoint, Cmd: cmd, Shell: shell, OnBuild: onBuild };
  } catch (error) {
    return `ERR ${(error as Error).message}`;
  }
}

describe("BuildKit's verdict", () => {
  it("is known for 91 cases", () => expect(cases).toHaveLength(91));
  it.each(cases)("$name", ({ dockerfile, expected }) => expect(outcome(dockerfile)).toEqual(expected));
});
