/** What a real builder says against a Dockerfile, initwrap says too: the same lines marked, the same words. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { initwrap } from "../support/cli.ts";
import { requireEngine } from "../support/engine.ts";

const FILES: readonly (readonly [string, string])[] = [
  ["an unknown instruction in capitals", 'FROM scratch\nRUNN x\nCMD ["a"]\n'],
  ["an unknown instruction in small letters", "FROM scratch\nlable a=b\n"],
  ["an unknown instruction in both", "FROM scratch\nEntrypont x\n"],
  ["an unknown flag", "FROM scratch\nCOPY --chmo=1 a b\n"],
  ["an unknown flag whose capitals are wrong", "FROM scratch\nCOPY --CHMO=1 a b\n"],
  ["a heredoc without an end", "FROM scratch\nRUN <<EOF\nx\n"],
  ["no FROM", "RUN x\n"],
  ["an array with a number", "FROM a AS x\n# comment\nFROM scratch\nCMD [1]\n"],
  [
    "a broken instruction over lines",
    "FROM scratch\nENV A=1\nENV B=1 \\\n  # comment\n  C \\\n  D\nRUN x\nRUN y\nRUN z\n",
  ],
  ["a STOPSIGNAL without a signal", "FROM scratch\nSTOPSIGNAL\n"],
  ["too many names in FROM", "FROM a b\n"],
  ["CRLF", "FROM scratch\r\nENV A\r\n"],
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-errors-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it.for(FILES)("%s", async ([, text], test) => {
  const engine = requireEngine(test);
  await writeFile(join(folder, "Dockerfile"), text);
  const built = await engine.docker(["build", "--progress=plain", folder], { check: false });
  expect(built.status).not.toBe(0);
  const said = built.stderr.split("\n");
  const [start, end] = [
    said.findIndex((line) => /^-{10}/.test(line)),
    said.findLastIndex((line) => /^-{10}/.test(line)),
  ];
  // The builder shows the empty line behind the last line feed too.
  const excerpt = said.slice(start + 1, end).filter((line) => !/^ *\d+ \| *$/.test(line));
  const message = /failed to solve: (.*)$/m.exec(built.stderr)?.[1] ?? "";
  const { status, stderr } = await initwrap(["dockerfile", "--offline"], { cwd: folder });
  expect(status).toBe(3);
  const ours = stderr.split("\n");
  expect(ours.filter((line) => /^ *\d+ \| /.test(line))).toEqual(excerpt.map((line) => line.trimEnd()));
  // Earlier builders name a flag without its dashes.
  expect(ours[0]?.replace("flag: --", "flag: ")).toContain(message.replace("flag: --", "flag: "));
  expect(ours[0]).toContain(`Dockerfile:${/^ *(\d+) \| >>>/m.exec(built.stderr)?.[1]}`);
});
