/** Bake files as buildx itself reads them: `docker buildx bake --print` is the last word on every target. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readBakeFile } from "../../packages/cli/src/wrap/bake-file.ts";
import { requireEngine } from "../support/engine.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-bake-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Printed {
  readonly target: Readonly<
    Record<string, { readonly args?: Record<string, string>; readonly target?: string; readonly platforms?: string[] }>
  >;
}

/** An expression as the value of an argument. */
const EXPRESSIONS = [
  '"${TAG}-${N}"',
  "1 + 2 * 3 - 4 / 2",
  "(1 + 2) * 3",
  "7 % 4",
  "-N",
  "7 / 2",
  "N >= 2 && N < 3 || false",
  '!DEBUG ? "yes" : "no"',
  'TAG == "v1.2" ? upper(TAG) : lower(TAG)',
  'N == 2 ? N : "x"',
  '"1" == 1',
  '[1, 2] == [1, 2] ? "same" : "other"',
  "LIST[1]",
  '{ a = "x", b = "y" }.b',
  '{ a = "x" }["a"]',
  "length(LIST) + 1",
  'join(",", concat(LIST, ["z"]))',
  'split("-", "a-b-c")[2]',
  'replace("a.b.c", ".", "-")',
  'trimprefix("v1", "v")',
  'trimsuffix("1.tar", ".tar")',
  'trim("xxaxx", "x")',
  'trimspace("  a ")',
  'substr("hello", 1, 3)',
  'substr("hello", -3, -1)',
  'strlen("grüße")',
  'reverse("abc")',
  'format("%s-%03d|%5s|%v%%", "z", 7, "ab", true)',
  'format("%5d", -3)',
  'contains(LIST, "b")',
  'join("", distinct(["a", "b", "a"]))',
  'join("", compact(["a", "", "b"]))',
  "element(LIST, 3)",
  "index(LIST, 0)",
  'join("", slice(["a", "b", "c"], 1, 3))',
  'join("", sort(["b", "a", "C"]))',
  'join("", reverselist(LIST))',
  'join(",", keys({ b = 1, a = 2 }))',
  'join(",", values({ b = "1", a = "2" }))',
  'lookup({ a = "1" }, "b", "none")',
  'merge({ a = "1" }, { a = "2" }).a',
  'coalesce(null, "z")',
  "and(true, not(false)) && or(false, true)",
  'equal(1, 1) && notequal("a", "b")',
  "max(1, N, 3) - min(4, 2)",
  "add(1, 2) * subtract(5, 3) + multiply(2, 3)",
  "greaterthan(2, 1) && lessthan(1, 2)",
  'img("A", "b")',
  'wrap("x", "y", "z")',
  'wrap("x")',
  '"${N == 2 ? "two" : "${TAG}"}"',
  '"a${"b${"c"}"}"',
];

const HEAD = `
variable "TAG" { default = "v1.2" }
variable "DEBUG" { default = false }
variable "N" { default = 2 }
variable "LIST" { default = ["a", "b"] }
function "img" {
  params = [name, suffix]
  result = "\${lower(name)}:\${TAG}-\${suffix}"
}
function "wrap" {
  params = [first]
  variadic_params = rest
  result = "\${first}(\${join(" ", rest)})"
}
`;

const TARGETS = `
group "default" { targets = ["app", "lib", "twice"] }
target "app" {
  name = "app-\${tgt}-\${replace(version, ".", "-")}"
  matrix = {
    tgt = ["web", "api"]
    version = ["1.0", "2.0"]
  }
  inherits = ["_base"]
  target = DEBUG ? "debug" : tgt
  args = { VERSION = version, B = null }
}
target "lib" {
  matrix = { item = [{ id = "p", os = "linux" }, { id = "q", os = "windows" }] }
  name = "lib-\${item.id}"
  inherits = ["app-web-1-0"]
  platforms = ["\${item.os}/amd64"]
}
target "_base" {
  args = { A = "a", B = "b", N = N }
  platforms = ["linux/amd64"]
}
target "twice" { target = "first" }
target "twice" { args = { X = "x" } }
`;

describe("a bake file means what buildx prints", () => {
  it.for([
    ["with its defaults", {}],
    ["with the environment", { TAG: "E", DEBUG: "1", N: "7" }],
  ] as const)("%s", async ([_title, environment], test) => {
    const engine = requireEngine(test, "newest");
    const values = EXPRESSIONS.map((expression, index) => `    V${index} = ${expression}`);
    const text = `${HEAD}\ntarget "values" {\n  args = {\n${values.join("\n")}\n  }\n}\n${TARGETS}`;
    const path = join(folder, "docker-bake.hcl");
    const override = join(folder, "docker-bake.override.json");
    await writeFile(path, text);
    await writeFile(
      override,
      '{"target": {"_base": {"args": {"A": "${TAG}"}}, "twice": {"platforms": ["linux/arm64"]}}}',
    );
    const args = ["buildx", "bake", "-f", path, "-f", override, "--print", "default", "values"];
    const printed = JSON.parse((await engine.docker(args, { env: environment, cwd: folder })).stdout) as Printed;
    const units = await readBakeFile([path, override], ["default", "values"], environment);
    const ours = Object.fromEntries(units.map(({ name, ...unit }) => [name, unit]));
    expect(Object.keys(ours).toSorted()).toEqual(Object.keys(printed.target).toSorted());
    for (const [name, target] of Object.entries(printed.target)) {
      const { args: given, target: stage, platforms } = ours[name]!;
      const theirs = [target.args ?? {}, target.target, target.platforms ?? []];
      expect([given, stage, platforms], name).toEqual(theirs);
    }
  });
});
