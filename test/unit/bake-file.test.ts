/** What initwrap takes from a bake file, in HCL and JSON. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the files under test have templates of their own
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InitwrapError } from "../../packages/cli/src/model/errors.ts";
import { parseBake, readBakeFile } from "../../packages/cli/src/wrap/bake-file.ts";
import { HclError, parseHcl } from "../../packages/cli/src/wrap/hcl.ts";

const bake = (text: string, targets: string[] = [], variables: Record<string, string> = {}, path = "docker-bake.hcl") =>
  parseBake(text, { path, targets, variables, folder: "/project" });

function refusal(work: () => unknown): { code: string; where: string | undefined } {
  try {
    work();
  } catch (error) {
    if (error instanceof InitwrapError) return { code: error.code, where: error.where };
    throw error;
  }
  throw new Error("nothing was refused");
}

const HCL = `
// the registry
variable "TAG" { default = "latest" }
variable "NODE" {
  default = "22"
  validation {
    condition = NODE != ""
    error_message = "a } in a text"
  }
}
BASE = "base-\${NODE}" # an attribute is a variable too
function "double" { params = [a]
  result = a * 2 }
group "default" { targets = ["web", "all-apis"] }
group "all-apis" { targets = ["api", "web"] }
target "_common" {
  args = { NODE = NODE, "KEEP": "1", DROP = "x" }
  platforms = ["linux/amd64",
    "linux/arm64", // both
  ]
  tags = [for t in ["a"] : upper(t)]
  labels = { a = double(2) }
}
target "web" {
  inherits = ["_common"]
  context = "./web"
  dockerfile = "web.Dockerfile"
  target = TAG == "" ? null : "x"
}
target "api" {
  inherits = ["_common", "other"]
  target = "\${BASE}-$\${x}"
  args = {
    DROP = null
    NOTHING = null
    VERSION = 3.5
    FLAG = true
  }
  contexts = { alpine = target.web.context }
  dockerfile-inline = <<-EOT
    FROM debian:\${TAG}
      CMD ["x"]
  EOT
}
target "other" { platforms = ["linux/riscv64"] }
`;

describe("a bake file in HCL", () => {
  it("gives a target with what it inherits, the environment before the defaults", () => {
    const [api] = bake(HCL, ["api"], { TAG: "12" });
    expect(api).toMatchObject({
      name: "api",
      definedIn: "docker-bake.hcl",
      line: 30,
      context: "/project",
      target: "base-22-${x}",
      args: { NODE: "22", KEEP: "1", DROP: "x", VERSION: "3.5", FLAG: "true" },
      platforms: ["linux/riscv64"],
      namedContexts: ["alpine"],
      dockerfile: { kind: "inline", text: 'FROM debian:12\n  CMD ["x"]\n' },
    });
    expect(api?.args).not.toHaveProperty("NOTHING");
  });

  it("takes a group's targets in order, groups in it included, none twice", () => {
    const text = HCL.replace('TAG == "" ? null : "x"', '"x"');
    expect(bake(text).map(({ name }) => name)).toEqual(["web", "api"]);
    expect(bake(text)[0]).toMatchObject({
      context: "/project/web",
      dockerfile: { path: "/project/web/web.Dockerfile" },
      target: "x",
      platforms: ["linux/amd64", "linux/arm64"],
    });
  });

  it("evaluates operators, conditions, indices and functions, those of the file included", () => {
    expect(bake(HCL, ["web"])[0]).toMatchObject({ context: "/project/web", target: "x" });
    const text = `
variable "DEBUG" { default = false }
variable "N" { default = 2 }
function "img" {
  params = [name]
  variadic_params = rest
  result = "\${lower(name)}-\${join("+", rest)}"
}
target "default" {
  target = DEBUG ? "debug" : "release"
  args = merge({ A = N + 1 }, { B = img("AB", "c", ["d", "e"]...), C = ["x", "y"][1], D = { k = "v" }.k, E = -(3 - 5) * 2 })
}`;
    expect(bake(text.replace('["d", "e"]...', '"d"'))[0]).toMatchObject({
      target: "release",
      args: { A: "3", B: "ab-c+d", C: "y", D: "v", E: "4" },
    });
    expect(
      bake(text.replace('img("AB", "c", ["d", "e"]...)', 'img(["AB", "c"]...)'), [], { DEBUG: "1", N: "5" })[0],
    ).toMatchObject({
      target: "debug",
      args: { A: "6", B: "ab-c" },
    });
    expect(refusal(() => bake(text, [], { DEBUG: "maybe" })).code).toBe("BUILD_FILE_INVALID");
  });

  it("makes a target of each combination of a matrix, and a group of them all", () => {
    const text = `
target "app" {
  name = "app-\${tgt}-\${replace(version, ".", "-")}"
  matrix = { tgt = ["web", "api"], version = ["1.0", "2.0"] }
  inherits = ["base"]
  context = tgt
  args = { VERSION = version }
}
target "base" {
  args = { TGT = "none", BASE = "1" }
}
target "more" {
  inherits = ["app-api-1-0"]
  target = "more"
}
group "default" { targets = ["app", "more"] }`;
    expect(bake(text).map(({ name, context, args }) => [name, context, args])).toEqual([
      ["app-web-1-0", "/project/web", { TGT: "none", BASE: "1", VERSION: "1.0" }],
      ["app-web-2-0", "/project/web", { TGT: "none", BASE: "1", VERSION: "2.0" }],
      ["app-api-1-0", "/project/api", { TGT: "none", BASE: "1", VERSION: "1.0" }],
      ["app-api-2-0", "/project/api", { TGT: "none", BASE: "1", VERSION: "2.0" }],
      ["more", "/project/api", { TGT: "none", BASE: "1", VERSION: "1.0" }],
    ]);
  });

  it("merges blocks of one name, and files in their order; a fault says in which file it is", async () => {
    expect(bake('target "default" { context = "a" }\ntarget "default" { target = "b" }')).toMatchObject([
      { context: "/project/a", target: "b" },
    ]);
    const folder = await mkdtemp(join(tmpdir(), "initwrap-bake-"));
    const paths = ["a.hcl", "b.json"].map((name) => join(folder, name));
    await writeFile(paths[0]!, 'target "default" {\n  args = { A = "1", B = "1" }\n}\n');
    await writeFile(paths[1]!, '{\n"target": {"default": {\n"target": "x", "args": {"B": "2"}}}}');
    expect(await readBakeFile(paths, [], {})).toMatchObject([
      { definedIn: paths[0], line: 1, target: "x", args: { A: "1", B: "2" } },
    ]);
    await writeFile(paths[1]!, '{\n"target": {"default": {\n"target": "${X}"}}}');
    await expect(readBakeFile(paths, [], {})).rejects.toMatchObject({ where: `${paths[1]}:3` });
  });

  it.each([
    ["an unknown function", 'target "default" {\n context = timestamp()\n}', "BUILD_FILE_UNSUPPORTED", 2],
    ["one in a text", 'target "default" {\n\n context = "${sha256("A}")}x"\n}', "BUILD_FILE_UNSUPPORTED", 3],
    ["a loop", 'target "default" {\n platforms = [for p in ["a"] : p]\n}', "BUILD_FILE_UNSUPPORTED", 2],
    ["a verb of format", 'target "default" {\n context = format("%q", "a")\n}', "BUILD_FILE_INVALID", 2],
    [
      "a function without end",
      'function "f" {\n params = [a]\n result = f(a)\n}\nA = f(1)\ntarget "default" { context = A }',
      "BUILD_FILE_INVALID",
      3,
    ],
    [
      "too many arguments",
      'function "f" {\n params = []\n result = 1\n}\ntarget "default" { context = f(1) }',
      "BUILD_FILE_INVALID",
      5,
    ],
    ["a directive", 'target "default" {\n context = "%{if x}a%{endif}"\n}', "BUILD_FILE_UNSUPPORTED", 2],
    ["an operator on texts", 'target "default" {\n target = "a" + "b"\n}', "BUILD_FILE_INVALID", 2],
    ["an index beyond the end", 'target "default" {\n target = ["a"][1]\n}', "BUILD_FILE_INVALID", 2],
    ["a reference", 'target "default" {\n target = target.x.target\n}', "BUILD_FILE_UNSUPPORTED", 2],
    ["a matrix without names", 'target "default" {\n matrix = { a = ["b", "c"] }\n}', "BUILD_FILE_INVALID", 1],
    ["a matrix of no lists", 'target "default" {\n matrix = { a = "b" }\n}', "BUILD_FILE_INVALID", 2],
    ["a name without a matrix", 'target "default" {\n name = "b"\n}', "BUILD_FILE_INVALID", 2],
    ["the builder's own variable", 'target "default" {\n context = BAKE_CMD_CONTEXT\n}', "BUILD_FILE_UNSUPPORTED", 2],
    ["an unknown variable", 'target "default" {\n context = X\n}', "BUILD_FILE_INVALID", 2],
    ["a circle of variables", 'A = B\nB = A\ntarget "default" { context = A }', "BUILD_FILE_INVALID", 2],
    [
      "a circle of parents",
      'target "default" { inherits = ["b"] }\ntarget "b" { inherits = ["default"] }',
      "BUILD_FILE_INVALID",
      1,
    ],
    [
      "a circle of groups",
      'group "default" { targets = ["a"] }\ngroup "a" { targets = ["default"] }',
      "BUILD_FILE_INVALID",
      1,
    ],
    ["a list for a text", 'target "default" {\n context = ["a"]\n}', "BUILD_FILE_INVALID", 2],
    ["an open block", 'target "default" {\n', "BUILD_FILE_INVALID", 1],
    ["an open text", 'target "default" {\n context = "a\n}', "BUILD_FILE_INVALID", 2],
    ["an open list", 'target "default" {\n platforms = ["a"\n', "BUILD_FILE_INVALID", 3],
    ["an attribute twice", 'target "default" {\n context = "a"\n context = "b"\n}', "BUILD_FILE_INVALID", 3],
    ["two attributes on a line", 'A = "a" B = "b"', "BUILD_FILE_INVALID", 1],
    ["no value", "A =\n", "BUILD_FILE_INVALID", 1],
    ["a wrong escape", 'A = "\\q"', "BUILD_FILE_INVALID", 1],
  ])("refuses %s", (_name, text, code, line) => {
    expect(refusal(() => bake(text))).toEqual({ code, where: `docker-bake.hcl:${line}` });
  });

  it("lets a group hold a target of its own name, and says when there is no default", () => {
    expect(bake('group "default" { targets = ["default"] }\ntarget "default" {}')).toHaveLength(1);
    expect(refusal(() => bake('target "a" {}')).code).toBe("BUILD_NOT_FOUND");
    expect(refusal(() => bake('target "a" { inherits = ["b"] }', ["a"])).code).toBe("BUILD_NOT_FOUND");
  });

  it("takes a place from the working folder, and leaves a remote one", () => {
    const text =
      'target "default" {\n context = "cwd://x"\n dockerfile = "cwd://y/Dockerfile"\n}\ntarget "r" { context = "https://github.com/a/b.git" }';
    const units = bake(text, ["default", "r"]);
    expect(units[0]).toMatchObject({ context: "/project/x", dockerfile: { path: "/project/y/Dockerfile" } });
    expect(units[1]).toMatchObject({ context: "https://github.com/a/b.git", dockerfile: { kind: "remote" } });
  });

  it("ends for any text, with a value or a fault that has a line", () => {
    const pieces = fc.constantFrom(
      '"',
      "${",
      "}",
      "{",
      "[",
      "]",
      "=",
      "\n",
      " ",
      "a",
      "for ",
      "<<E\n",
      "E",
      "#",
      "/*",
      "*/",
      "\\",
      ",",
      ":",
      "?",
      "1",
      "$${",
      "%{",
      "(",
      ")",
      "//",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), (parts) => {
        try {
          parseHcl(parts.join(""));
        } catch (error) {
          expect(error).toBeInstanceOf(HclError);
          expect((error as HclError).line).toBeGreaterThan(0);
        }
      }),
      { numRuns: 3000 },
    );
    expect(() => parseHcl("a = (/*")).toThrow(HclError);
    expect(() => parseHcl(`a = ${"[".repeat(5000)}`)).toThrow(HclError);
  });
});

describe("a bake file in JSON", () => {
  const json = (value: unknown, targets: string[] = [], variables = {}) =>
    bake(
      typeof value === "string" ? value : JSON.stringify(value, undefined, 1),
      targets,
      variables,
      "docker-bake.json",
    );

  it("means what the same HCL means", () => {
    const units = json(
      {
        variable: { TAG: { default: "1" }, NONE: {} },
        group: { default: { targets: ["a"] } },
        target: {
          a: {
            inherits: ["b"],
            context: "dir",
            args: { V: "${TAG}-$${x}${NONE}", N: 5 },
            "dockerfile-inline": "FROM x\n",
          },
          b: { platforms: ["linux/amd64"], args: { W: "w" } },
        },
      },
      [],
      { TAG: "2" },
    );
    expect(units).toMatchObject([
      {
        name: "a",
        line: 16,
        context: "/project/dir",
        args: { V: "2-${x}", N: "5", W: "w" },
        platforms: ["linux/amd64"],
        dockerfile: { kind: "inline", text: "FROM x\n" },
      },
    ]);
  });

  it("is refused with the line", () => {
    expect(refusal(() => json('{\n "target": {\n "default": { "context": [1] }\n}}'))).toEqual({
      code: "BUILD_FILE_INVALID",
      where: "docker-bake.json:3",
    });
    expect(refusal(() => json('{\n "target": {,}\n}')).code).toBe("BUILD_FILE_INVALID");
    expect(refusal(() => json("[]")).code).toBe("BUILD_FILE_INVALID");
    expect(refusal(() => json({ target: { default: { context: "${sha256(A)}" } } })).code).toBe(
      "BUILD_FILE_UNSUPPORTED",
    );
  });
});
