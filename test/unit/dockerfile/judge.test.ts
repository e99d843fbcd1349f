/** A verdict is what the plan would say, for files as they are and for files that are wrapped already. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { judgeDockerfile, planDockerfile } from "../../../packages/cli/src/wrap/dockerfile.ts";
import { FIXTURES, fixture } from "./support.ts";

const BASE = { os: "linux", entrypoint: ["/be"], cmd: ["bc"] };
const FILES = ["samples", "real"].flatMap((folder) =>
  readdirSync(join(FIXTURES, folder))
    .filter((name) => name.endsWith(".Dockerfile"))
    .map((name) => `${folder}/${name}`),
);

describe("a verdict without the bytes", () => {
  it.each(["inline", "context"] as const)("is that of the plan, with --inject %s", async (inject) => {
    for (const name of FILES) {
      const options = { base: BASE, offline: true, inject, platforms: ["linux/amd64"] };
      const answer = async (text: Uint8Array) => {
        const facts = ({
          changed,
          target,
          before,
          after,
          diagnostics,
          platforms,
        }: Awaited<ReturnType<typeof judgeDockerfile>>) => ({
          changed,
          target,
          before,
          after,
          diagnostics,
          platforms,
        });
        const refused = (error: { code?: string; message: string }) => ({ code: error.code, message: error.message });
        const plan = await planDockerfile(text, options).catch(refused);
        const verdict = await judgeDockerfile(text, options).catch(refused);
        expect("changed" in verdict ? facts(verdict) : verdict, name).toEqual("changed" in plan ? facts(plan) : plan);
        return "result" in plan ? plan.result : undefined;
      };
      const wrapped = await answer(fixture(name));
      if (wrapped !== undefined) await answer(wrapped);
    }
  });

  it("tells a file that carries an older init from one that is up to date", async () => {
    const { result } = await planDockerfile('FROM scratch\nENTRYPOINT ["/x"]\n', { offline: true });
    expect((await judgeDockerfile(result, { offline: true })).changed).toBe(false);
    const older = Buffer.from(result);
    older[older.indexOf("\x7fELF") + 40] = 1 + (older[older.indexOf("\x7fELF") + 40] ?? 0);
    expect((await judgeDockerfile(older, { offline: true })).changed).toBe(true);
  });
});
