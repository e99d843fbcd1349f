/** A real BuildKit builds Dockerfiles as they were and wrapped: only Entrypoint differs, and CMD that was made explicit. */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initFor } from "@initwrap/init-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { wrapDockerfile } from "../../packages/cli/src/wrap/dockerfile.ts";
import { requireEngine } from "../support/engine.ts";

const BASE = "initwrap-test-dockerfile-base";
const BASE_FILE = `FROM scratch\nENV A=1\nENTRYPOINT ["/be"]\nCMD ["bc"]\n`;
const MATRIX: readonly (readonly [string, string])[] = [
  ["nothing set", `FROM ${BASE}\nENV X=1\n`],
  ["CMD only", `FROM ${BASE}\nCMD ["c"]\n`],
  ["CMD in shell form, no final newline", `FROM ${BASE}\nCMD c $X`],
  ["ENTRYPOINT in exec form", `FROM ${BASE}\nENTRYPOINT [ "e" ]\nCMD ["c"]\n`],
  ["ENTRYPOINT in shell form", `FROM ${BASE}\nSHELL ["/bin/bash", "-c"]\nENTRYPOINT e "$@"\n`],
  ["ENTRYPOINT over lines", `FROM ${BASE}\nENTRYPOINT [ \\\n  "e", \\\n# c\n  "f" ]\n`],
  ["ENTRYPOINT cleared", `FROM ${BASE}\nENTRYPOINT []\nCMD ["c"]\n`],
  ["bare ENTRYPOINT", `FROM ${BASE}\nENTRYPOINT\n`],
  ["CRLF", `FROM ${BASE}\r\nUSER 1000\r\nENTRYPOINT e \\\r\n f\r\n`],
  ["byte order mark", `\ufeffFROM ${BASE}\nSTOPSIGNAL SIGQUIT\n`],
  ["open continuation", `FROM ${BASE}\nCMD c \\\n# last\n`],
  ["backtick escape", `# escape=\`\nFROM ${BASE}\nCMD c \`\n d\n`],
  ["heredoc", `FROM ${BASE}\nCOPY <<E /x\nENTRYPOINT ["no"]\nE\nCMD ["c"]\n`],
  ["stages by number", `FROM scratch\nCOPY <<E /x\nx\nE\nFROM ${BASE}\nCOPY --from=0 /x /x\n`],
  ["parent stage", `FROM ${BASE} AS p\nENTRYPOINT ["e"]\nCMD ["c"]\nFROM p\nENV X=1\n`],
  ["ONBUILD", `FROM ${BASE} AS p\nONBUILD ENTRYPOINT ["oe"]\nFROM p\nENV X=1\n`],
  ["ARG in FROM", `ARG B=${BASE}\nFROM \${B}\nCMD ["c"]\n`],
  ["build platform", `FROM --platform=$BUILDPLATFORM ${BASE}\nCMD ["c"]\n`],
  ["scratch", `FROM scratch\nCOPY <<E /x\nx\nE\nENTRYPOINT ["/x"]\n`],
  ["lower case", `from ${BASE} as a\n  cmd ["c"]\n`],
  ["UTF-8", `FROM ${BASE}\nENTRYPOINT ["Grüße ☃"]\n`],
];

let context: string;
beforeAll(async () => {
  context = await mkdtemp(join(tmpdir(), "initwrap-dockerfile-"));
});
afterAll(() => rm(context, { recursive: true, force: true }));

interface Config {
  readonly Entrypoint: string[] | null;
  readonly Cmd: string[] | null;
}

describe("a built Dockerfile", () => {
  it.for(MATRIX)("%s", async ([name, text], test) => {
    const engine = requireEngine(test);
    const tag = `initwrap-test-dockerfile-${createHash("sha256").update(name).digest("hex").slice(0, 12)}`;
    const build = async (bytes: Uint8Array, as: string): Promise<Config & Record<string, unknown>> => {
      const file = join(context, `${as}.Dockerfile`);
      await writeFile(file, bytes);
      await engine.docker(["build", "-q", "-t", as, "-f", file, context]);
      return JSON.parse((await engine.docker(["inspect", "-f", "{{json .Config}}", as])).stdout);
    };
    await build(Buffer.from(BASE_FILE), BASE);
    const before = await build(Buffer.from(text), `${tag}-before`);
    const base = { os: "linux", entrypoint: ["/be"], cmd: ["bc"] };
    const wrapped = await wrapDockerfile(text, text.includes(BASE) ? { base } : {});
    const after = await build(wrapped, `${tag}-after`);
    expect(after.Entrypoint).toEqual(["/initwrap", "--", ...(before.Entrypoint ?? [])]);
    expect(after.Cmd ?? []).toEqual(before.Cmd ?? []);
    const rest = ({ Entrypoint: _e, Cmd: _c, Image: _i, ...others }: Record<string, unknown>) => others;
    expect(rest(after)).toEqual(rest(before));
  });

  it("carries the init bit for bit", async (test) => {
    const engine = requireEngine(test);
    const tag = "initwrap-test-dockerfile-bytes";
    const wrapped = await wrapDockerfile('FROM scratch\nENTRYPOINT ["/x"]\n');
    await engine.docker(["build", "-q", "-t", tag, "-"], { input: wrapped });
    const { stdout: id } = await engine.docker(["create", tag]);
    const file = join(context, "initwrap");
    await engine.docker(["cp", `${id.trim()}:/initwrap`, file]);
    await engine.docker(["rm", id.trim()]);
    const { stdout: arch } = await engine.docker(["inspect", "-f", "{{.Architecture}}", tag]);
    const init = initFor({ os: "linux", architecture: arch.trim() });
    expect(
      createHash("sha256")
        .update(await readFile(file))
        .digest("hex"),
    ).toBe(init.sha256);
  });
});
