/** A project's files are data of strangers: whatever they hold, the Dockerfile has the lines of its template and no others. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cook } from "../../../packages/cli/src/generate/detect.ts";
import { projectOf } from "../../../packages/cli/src/generate/project.ts";
import { parseToml } from "../../../packages/cli/src/generate/toml.ts";
import { chooseVersion } from "../../../packages/cli/src/generate/versions.ts";
import { execForm, plainPath, splitCommand } from "../../../packages/cli/src/generate/words.ts";
import { InitwrapError } from "../../../packages/cli/src/model/errors.ts";
import { parseDockerfile } from "../../../packages/cli/src/wrap/dockerfile.ts";
import { shippedTemplate } from "../../../packages/cli/src/wrap/templates.ts";

const hostile = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.constantFrom(
    "\nRUN evil",
    "'; evil #",
    "$(evil)",
    "`evil`",
    "a\\\nb",
    "{{evil}}",
    "<<EOF",
    "\u2028",
    "--from=x",
    "../..",
    '"]\nRUN x',
  ),
  fc.constantFrom("app", "server.js", "3.12", "node"),
);

/** Keywords of the rendered Dockerfile, or the code of the refusal. */
function outline(files: Readonly<Record<string, string>>): string {
  try {
    const { recipe } = cook(projectOf(files), {});
    const text = shippedTemplate<Readonly<Record<string, unknown>>>("dockerfile", recipe.template)(recipe.data);
    return parseDockerfile(text)
      .instructions.map(({ keyword }) => keyword)
      .join(" ");
  } catch (error) {
    if (error instanceof InitwrapError && error.code !== "DOCKERFILE_SYNTAX") return error.code;
    throw error;
  }
}

describe("a hostile project", () => {
  const refusals = ["PROJECT_INVALID", "START_UNKNOWN", "STACK_UNKNOWN"];

  it("in Node gets the template's instructions or a refusal", () => {
    const normal = outline({ "package.json": JSON.stringify({ scripts: { start: "node a.js" } }) });
    fc.assert(
      fc.property(hostile, hostile, hostile, (start, node, main) => {
        const text = JSON.stringify({
          name: start,
          main,
          engines: { node },
          scripts: { start },
          packageManager: `npm@${node}`,
        });
        expect([normal, ...refusals]).toContain(outline({ "package.json": text }));
      }),
    );
  });

  it("in Go, Rust, .NET and Python gets the template's instructions or a refusal", () => {
    const cases: readonly ((name: string) => Readonly<Record<string, string>>)[] = [
      (name) => ({ "go.mod": `module ${name}\n`, "main.go": "package main\n" }),
      (name) => ({ "go.mod": "module m\n", [`cmd/${name.replaceAll("/", "")}/main.go`]: "package main\n" }),
      (name) => ({ "Cargo.toml": `[package]\nname = ${JSON.stringify(name)}\n`, "src/main.rs": "" }),
      (name) => ({ [`${name}/a.csproj`]: '<Project Sdk="Microsoft.NET.Sdk.Web"/>' }),
      (name) => ({ "requirements.txt": "uvicorn", [`${name.replaceAll("/", "")}/main.py`]: "app = FastAPI()\n" }),
      (name) => ({ "requirements.txt": "", Procfile: `web: ${name}\n` }),
    ];
    for (const files of cases) {
      const normal = outline(files("app"));
      fc.assert(fc.property(hostile, (name) => void expect([normal, ...refusals]).toContain(outline(files(name)))));
    }
  });
});

describe("words", () => {
  it("of an exec form are what went in", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme", maxLength: 8 }), { minLength: 1 }), (words) => {
        const text = execForm(words);
        expect(JSON.parse(text)).toEqual(words.map((word) => word.toWellFormed()));
        expect(text).not.toMatch(/[\n\r\u2028\u2029]/);
      }),
    );
  });

  it.each<[string, readonly string[] | undefined]>([
    ["node a.js", ["node", "a.js"]],
    ["node \"a b\" 'c d'", ["node", "a b", "c d"]],
    ['node "say \\"x\\""', ["node", 'say "x"']],
    ["", undefined],
    ["A=1 node a.js", undefined],
    ["node a.js && node b.js", undefined],
    ["node $X", undefined],
    ["node *.js", undefined],
    ['node a"b"', undefined],
    ["node `x`", undefined],
    ["node a.js # note", undefined],
  ])("of %s are told apart, or left to a shell", (line, words) => {
    expect(splitCommand(line)).toEqual(words);
  });

  it.each(["a/../b", "/etc", "-x", "a\nb", "a'b", "a$b", "a*b", "a[0]", "a\\b", "a;b", ""])(
    "of the path %j are refused",
    (path) => {
      expect(() => plainPath(path)).toThrow(InitwrapError);
    },
  );
});

describe("a version range", () => {
  const candidates = ["3.10", "3.11", "3.12", "3.13", "3.14"];
  it.each<[string, string | undefined]>([
    ["", "3.13"],
    [">=3.9", "3.13"],
    ["~=3.11", "3.13"],
    ["~=3.11.2", "3.11"],
    ["^3.12", "3.13"],
    [">=3.10,<3.12", "3.11"],
    ["==3.12.*", "3.12"],
    ["!=3.13.*", "3.14"],
    [">3.13", "3.14"],
    ["<=3.10", "3.10"],
    ["3.10 - 3.11", "3.11"],
    ["3.14.1", "3.14"],
    ["<3", undefined],
    ["something", "3.13"],
  ])("%j gives %s", (range, expected) => {
    expect(chooseVersion(range, candidates, "3.13")).toBe(expected);
  });
});

describe("TOML", () => {
  it("is read as it is written", () => {
    const text = [
      'a.b = "x\\u00e9" # note',
      "list = [\n  1, # one\n  'two',\n]",
      'long = """\none "two"\n"""',
      "[t.'q r']\nyes = true\nwhen = 2024-01-02",
      "[[bin]]\nname = 'one'\n[[bin]]\nname = 'two'\n[bin.sub]\nx = { y = [ { z = 1_000 } ] }",
    ].join("\r\n");
    expect(JSON.parse(JSON.stringify(parseToml(text, "a.toml")))).toEqual({
      a: { b: "xé" },
      list: [1, "two"],
      long: 'one "two"\n',
      t: { "q r": { yes: true, when: "2024-01-02" } },
      bin: [{ name: "one" }, { name: "two", sub: { x: { y: [{ z: 1000 }] } } }],
    });
  });

  it("never fails but with a code, and never hangs", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("[", "]", "a", "=", '"', "'", "\n", ".", "{", "}", ",", "#", "\\", "__proto__", "1")),
        (parts) => {
          try {
            parseToml(parts.join(""), "a.toml");
          } catch (error) {
            expect((error as InitwrapError).code).toBe("PROJECT_INVALID");
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
