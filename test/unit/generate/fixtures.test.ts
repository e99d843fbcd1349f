/**
 * Each folder of test/fixtures/generate is a project, and beside it what is generated for it: tests, and examples to read.
 * After a change of a template: `vitest run test/unit/generate --update=all`.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hiddenBy, parseIgnore } from "../../../packages/cli/src/dockerfile/ignore.ts";
import { lookUpBase } from "../../../packages/cli/src/wrap/base-table.ts";
import { evaluateDockerfile, parseDockerfile } from "../../../packages/cli/src/wrap/dockerfile.ts";
import { type GenerateRequest, runGenerate } from "../../../packages/cli/src/wrap/generate.ts";
import { ROOT } from "../../support/programs.ts";

const FIXTURES = join(ROOT, "test/fixtures/generate");
const names = await readdir(FIXTURES);

/** What the container images are called whose table nobody publishes; their stages name their own ENTRYPOINT. */
const WITHOUT_TABLE = /^(scratch|debian:trixie-slim|mcr\.microsoft\.com\/dotnet\/\w+:\d+\.0|oven\/bun:[\d.]+-slim)$/;

function request(folder: string): GenerateRequest {
  return {
    folder,
    force: false,
    look: true,
    platforms: [],
    amendIgnore: false,
    offline: true,
    insecureRegistries: [],
    env: {},
    signal: new AbortController().signal,
  };
}

describe.each(names)("a project of %s", (name) => {
  const folder = join(FIXTURES, name, "project");

  it("gets this Dockerfile and this .dockerignore", async () => {
    const run = await runGenerate(request(folder));
    expect(name.startsWith(run.recipe.stack) || name.startsWith(run.recipe.stack.split("-")[0]!)).toBe(true);
    await expect(Buffer.from(run.dockerfile).toString()).toMatchFileSnapshot(join(FIXTURES, name, "Dockerfile"));
    await expect(run.ignore).toMatchFileSnapshot(join(FIXTURES, name, "dockerignore"));
  });

  it("gets what a production image should have", async () => {
    const { dockerfile, ignore, outcome } = await runGenerate(request(folder));
    const parsed = parseDockerfile(dockerfile);
    const { stages } = evaluateDockerfile(parsed);
    const last = stages.at(-1)!;
    expect(outcome.after.entrypoint?.slice(0, 2)).toEqual(["/initwrap", "--"]);
    expect([...(outcome.before.entrypoint ?? []), ...(outcome.before.cmd ?? [])].length).toBeGreaterThan(0);
    const user = last.instructions.findLast(({ keyword }) => keyword === "USER");
    expect(user?.words[0]).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(last.config.stopSignal).toMatch(/^SIG(TERM|QUIT|WINCH)$/);
    for (const { keyword, exec } of last.instructions) {
      if (keyword === "CMD" || keyword === "ENTRYPOINT") expect(exec).toBe(true);
    }
    for (const { base } of stages) {
      if (WITHOUT_TABLE.test(base) || stages.some((stage) => stage.name === base)) continue;
      expect(await lookUpBase(base), base).toBeDefined();
    }
    const patterns = parseIgnore(ignore!);
    expect(hiddenBy(patterns, ".initwrap/linux-amd64/initwrap")).toBeUndefined();
    for (const secret of [".git/config", ".env"]) expect(hiddenBy(patterns, secret)).toBeDefined();
  });

  it("gets the same bytes again, and never an unrendered or escaped word", async () => {
    const [one, two] = await Promise.all([runGenerate(request(folder)), runGenerate(request(folder))]);
    expect(Buffer.compare(one.dockerfile, two.dockerfile)).toBe(0);
    expect(Buffer.from(one.dockerfile).toString()).not.toMatch(/\{\{|&quot;|&amp;|undefined|\[object|\n\n\n/);
  });
});
