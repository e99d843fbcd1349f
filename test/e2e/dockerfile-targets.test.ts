/** Every target of a Dockerfile wrapped with --all-targets is built by real builders: each image has one init, and its own command. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { initwrapOk } from "../support/cli.ts";
import { type Engine, requireEngine } from "../support/engine.ts";
import { freshTag } from "../support/images.ts";

const FILES: readonly (readonly [string, string, Readonly<Record<string, boolean>>])[] = [
  [
    "a base with children",
    `FROM scratch AS base\nCOPY x /x\nENTRYPOINT ["/e"]\nCMD ["c"]\nFROM base AS dev\nCMD ["d"]\nFROM base AS prod\nENTRYPOINT ["/p"]\n`,
    { base: true, dev: true, prod: true },
  ],
  [
    "files that are only copied",
    `FROM scratch AS files\nCOPY x /x\nFROM scratch AS tool\nCOPY --from=files /x /x\nCMD ["/t"]\nFROM tool AS last\nENV A=1\n`,
    { files: false, tool: true, last: true },
  ],
  [
    "triggers and shell forms",
    `FROM scratch AS parent\nCOPY x /x\nSHELL ["/s", "-c"]\nENTRYPOINT run $X\nONBUILD CMD ["oc"]\nFROM parent AS child\nENV A=1\n`,
    { parent: true, child: true },
  ],
];

let context: string;
beforeAll(async () => {
  context = await mkdtemp(join(tmpdir(), "initwrap-targets-"));
  await writeFile(join(context, "x"), "x");
});
afterAll(() => rm(context, { recursive: true, force: true }));

interface Config {
  readonly Entrypoint: string[] | null;
  readonly Cmd: string[] | null;
}

async function build(engine: Engine, file: string, target: string, buildkit: "0" | "1"): Promise<Config> {
  const tag = freshTag("targets");
  const env = { DOCKER_BUILDKIT: buildkit };
  await engine.docker(["build", "-q", "-t", tag, "-f", file, "--target", target, context], { env });
  try {
    return JSON.parse((await engine.docker(["inspect", "-f", "{{json .Config}}", tag])).stdout);
  } finally {
    await engine.docker(["image", "rm", "-f", tag], { check: false });
  }
}

describe.each([
  ["BuildKit", "1", "inline"],
  ["the classic builder", "0", "context"],
] as const)("by %s", (_builder, buildkit, inject) => {
  it.for(FILES)("%s", { timeout: 120_000 }, async ([, text, targets], test) => {
    const engine = requireEngine(test, buildkit === "1" ? "modern" : "classic");
    const [before, after] = [join(context, "before.Dockerfile"), join(context, "after.Dockerfile")];
    await writeFile(before, text);
    await writeFile(after, text);
    const flags = ["--inject", inject, "--platform", "linux/amd64", "--context", context];
    await initwrapOk(["dockerfile", after, "-w", "--all-targets", ...flags]);
    for (const [target, isWrapped] of Object.entries(targets)) {
      const [was, is] = [await build(engine, before, target, buildkit), await build(engine, after, target, buildkit)];
      expect(is.Entrypoint ?? [], target).toEqual([
        ...(isWrapped ? ["/initwrap", "--"] : []),
        ...(was.Entrypoint ?? []),
      ]);
      expect(is.Cmd ?? [], target).toEqual(was.Cmd ?? []);
    }
    await initwrapOk(["dockerfile", after, "-w", "--undo"]);
    expect(await readFile(after, "utf8")).toBe(text);
  });
});
