/** The init's source under the analysers and the fuzzer. `.ci/nightly` fuzzes for longer. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { which } from "./harness.ts";

const CORE = join(import.meta.dirname, "../../packages/init-core");
const checks = (name: string) => join(CORE, "checks", name);
const MINUTE = 60_000;
const SECONDS = 10;

/** What a script prints, of its stdout and stderr, also when it fails. */
async function output(file: string, args: readonly string[] = [], cwd = tmpdir()): Promise<string> {
  const result = await promisify(execFile)(file, args, { cwd, maxBuffer: 64 << 20 }).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  return result.stdout + result.stderr;
}

test(
  "gcc -fanalyzer, clang --analyze and clang-tidy find nothing",
  async (context) => {
    for (const tool of ["gcc", "clang-19", "clang-tidy-19"])
      requireCapability(context, tool, which(tool) !== undefined);
    // Its last line, after which clang-tidy may have counted on stderr what it left out.
    expect(await output(checks("analyze.sh"))).toMatch(/^no findings$/m);
  },
  10 * MINUTE,
);

test(
  "clang-tidy finds what is wrong",
  async (context) => {
    requireCapability(context, "clang-tidy-19", which("clang-tidy-19") !== undefined);
    const directory = mkdtempSync(join(tmpdir(), "initwrap-tidy-"));
    try {
      const source = join(directory, "wrong.c");
      writeFileSync(source, "int wrong(const char *at)\n{\n\tif (at == 0)\n\t\treturn *at;\n\treturn 0;\n}\n");
      const words = ["--quiet", `--config-file=${join(CORE, ".clang-tidy")}`, source, "--", "-std=c11"];
      expect(await output("clang-tidy-19", words)).toContain("[clang-analyzer-core.NullDereference");
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
  MINUTE,
);

test(
  `${SECONDS} seconds of fuzzing find no mistake in the option parser and the tables of signals`,
  async (context) => {
    const runtime = "/usr/lib/llvm-19/lib/clang/19/lib/linux";
    requireCapability(context, "clang-19", which("clang-19") !== undefined);
    requireCapability(context, "libFuzzer (libclang-rt-19-dev)", existsSync(runtime));
    const directory = mkdtempSync(join(tmpdir(), "initwrap-fuzz-"));
    try {
      const text = await output(checks("fuzz.sh"), [String(SECONDS)], directory);
      const statistic = (name: string) => Number(new RegExp(`^stat::${name}: *(\\d+)$`, "m").exec(text)?.[1]);
      expect(text).not.toMatch(/SUMMARY|runtime error|ERROR/);
      expect(text).toMatch(/^Done \d+ runs in \d+ second/m);
      expect(statistic("number_of_executed_units"), text).toBeGreaterThan(10_000);
      expect(statistic("new_units_added")).toBeGreaterThan(10);
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
  5 * MINUTE,
);

test("the fuzzer's dictionary has every documented option and variable", () => {
  const words = new Set(
    [...readFileSync(checks("options.dict"), "utf8").matchAll(/^"(.*)"$/gm)].map(([, word]) => word),
  );
  const table = [...readFileSync(join(CORE, "../../docs/init.md"), "utf8").matchAll(/^\| `-.*/gm)].join("\n");
  const options = [...table.matchAll(/--[a-z]+(?:-[a-z]+)*/g)].map(([name]) => name);
  const variables = [...table.matchAll(/INITWRAP_[A-Z_]+/g)].map(([name]) => `${name}=`);
  expect(options.length).toBeGreaterThan(10);
  expect(variables.length).toBeGreaterThan(7);
  for (const word of [...options, ...variables]) expect(words).toContain(word);
});
