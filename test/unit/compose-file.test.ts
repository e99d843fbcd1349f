/** What initwrap takes from a Compose file: which Dockerfile is built how, and what the service does to its entrypoint. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the files under test have templates of their own
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InitwrapError } from "../../packages/cli/src/model/errors.ts";
import { splitWords } from "../../packages/cli/src/model/split-words.ts";
import { composeFindings } from "../../packages/cli/src/wrap/compose-file.ts";
import { parseCompose, readCompose } from "../../packages/cli/src/wrap/compose-project.ts";
import { siblingFindings } from "../../packages/cli/src/wrap/compose-siblings.ts";
import { InterpolationError, interpolate, parseEnvFile } from "../../packages/cli/src/wrap/compose-variables.ts";

const parse = (text: string, variables: Record<string, string> = {}, services: string[] = []) =>
  parseCompose(text, { path: "/app/compose.yaml", variables, services });

function refusal(work: () => unknown): { code: string; where: string | undefined } {
  try {
    work();
  } catch (error) {
    if (error instanceof InitwrapError) return { code: error.code, where: error.where };
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("a Compose file", () => {
  it("gives the short and the long form of build, in the services' order", () => {
    const units = parse(
      `services:
  web:
    build: ./web
  api:
    platform: linux/arm64
    build:
      context: api
      dockerfile: ../docker/api.Dockerfile
      target: release
      args: { VERSION: 3, DEBUG: true, FROM_ENV: }
      additional_contexts:
        shared: ../shared
  db:
    image: postgres
`,
      { FROM_ENV: "yes" },
    );
    expect(units).toMatchObject([
      {
        name: "web",
        line: 2,
        context: "/app/web",
        dockerfile: { kind: "file", path: "/app/web/Dockerfile" },
        target: undefined,
        args: {},
        platforms: [],
        entrypointOverride: undefined,
        init: undefined,
      },
      {
        name: "api",
        line: 4,
        context: "/app/api",
        dockerfile: { path: "/app/docker/api.Dockerfile" },
        target: "release",
        args: { VERSION: "3", DEBUG: "true", FROM_ENV: "yes" },
        platforms: ["linux/arm64"],
        namedContexts: ["shared"],
      },
    ]);
  });

  it("takes args from a list, and leaves out what the environment does not have", () => {
    const [unit] = parse("services:\n  a:\n    build:\n      args: [A=1, B, C=x=y, D]\n", { B: "2" });
    expect(unit?.args).toEqual({ A: "1", B: "2", C: "x=y" });
  });

  it("takes the text of dockerfile_inline, with its variables", () => {
    const [unit] = parse(
      "services:\n  a:\n    build:\n      dockerfile_inline: |\n        FROM debian:$TAG\n        CMD echo $$HOME\n",
      { TAG: "12" },
    );
    expect(unit?.dockerfile).toEqual({ kind: "inline", text: "FROM debian:12\nCMD echo $HOME\n" });
  });

  it("follows anchors and merge keys, and does not read a remote context", () => {
    const units = parse(`x-build: &build
  context: .
  args: { A: "1" }
services:
  a: { build: { <<: *build, target: one } }
  b: { build: https://github.com/x/y.git#main }
`);
    expect(units[0]).toMatchObject({ target: "one", context: "/app", args: { A: "1" } });
    expect(units[1]).toMatchObject({ context: "https://github.com/x/y.git#main", dockerfile: { kind: "remote" } });
  });

  it("tells what a service does to the entrypoint", () => {
    const units = parse(
      `services:
  a: { build: ., entrypoint: sh -c "exec 'x y'" }
  b: { build: ., entrypoint: ["\${P}", z], init: true }
  c: { build: ., entrypoint: ["/initwrap", "--", x], init: "\${I:-false}" }
  d: { build: ., entrypoint: [] }
  e: { build: ., entrypoint: null }
`,
      { P: "/p" },
    );
    expect(units.map(({ entrypointOverride }) => entrypointOverride)).toEqual([
      ["sh", "-c", "exec 'x y'"],
      ["/p", "z"],
      ["/initwrap", "--", "x"],
      [],
      undefined,
    ]);
    expect(units.map((unit) => composeFindings(unit).map(({ code }) => code))).toEqual([
      ["COMPOSE_ENTRYPOINT"],
      ["COMPOSE_ENTRYPOINT", "COMPOSE_INIT"],
      [],
      ["COMPOSE_ENTRYPOINT"],
      [],
    ]);
  });

  it.each([
    ["no YAML", "services:\n  a: [", "BUILD_FILE_INVALID", 2],
    ["a key twice", "services:\n  a: {build: .}\n  a: {build: .}\n", "BUILD_FILE_INVALID", 3],
    ["no mapping", "- a\n", "BUILD_FILE_INVALID", 1],
    ["a service that is no mapping", "services:\n  a: 1\n", "BUILD_FILE_INVALID", 2],
    ["two Dockerfiles", "services:\n  a:\n    build: {dockerfile: x, dockerfile_inline: y}\n", "BUILD_FILE_INVALID", 3],
    [
      "a required variable",
      "services:\n  a:\n    build:\n      context: .\n      target: ${T:?which}\n",
      "BUILD_FILE_INVALID",
      5,
    ],
    ["an alias to nothing", "services:\n  a: *x\n", "BUILD_FILE_INVALID", 1],
    ["an include from elsewhere", "include: [oci://x/y]\nservices: {}\n", "BUILD_FILE_UNSUPPORTED", 1],
    ["an include of nothing", "include: [{}]\nservices: {}\n", "BUILD_FILE_INVALID", 1],
    ["a service to extend that is not there", "services:\n  a:\n    extends: {service: b}\n", "BUILD_FILE_INVALID", 3],
    ["a circle of services", "services:\n  a:\n    extends: b\n  b: {extends: a}\n", "BUILD_FILE_INVALID", 3],
    [
      "a service from elsewhere",
      "services:\n  a:\n    extends: {service: b, file: 'https://x/y'}\n",
      "BUILD_FILE_UNSUPPORTED",
      3,
    ],
  ])("refuses %s, with the line", (_name, text, code, line) => {
    expect(refusal(() => parse(text))).toEqual({ code, where: `/app/compose.yaml:${line}` });
  });

  it("names what there is when a service is not, and says when one builds nothing", () => {
    expect(refusal(() => parse("services: {a: {build: .}}", {}, ["b"])).code).toBe("BUILD_NOT_FOUND");
    expect(refusal(() => parse("services: {a: {image: x}}", {}, ["a"])).code).toBe("BUILD_NOT_FOUND");
    expect(parse("services: {a: {build: .}, b: {extends: {service: x}}}", {}, ["a"])).toHaveLength(1);
  });

  it("does not multiply aliases without end", () => {
    const bomb = [
      "a0: &a0 [x]",
      ...Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(",")}]`),
    ].join("\n");
    expect(refusal(() => parse(`${bomb}\nservices: {}\n`)).code).toBe("BUILD_FILE_INVALID");
  });

  it("reads .env beside the file, after the environment; a broken sibling has no say", async () => {
    const folder = await mkdtemp(join(tmpdir(), "initwrap-compose-"));
    await mkdir(join(folder, "web"));
    await writeFile(join(folder, ".env"), "NAME=web\nTARGET=fromfile\n");
    await writeFile(
      join(folder, "compose.yaml"),
      "services:\n  a:\n    build: {context: $NAME, target: $TARGET}\n    init: true\n",
    );
    const [unit] = readCompose([join(folder, "compose.yaml")], [], { TARGET: "given" });
    expect(unit).toMatchObject({ context: join(folder, "web"), target: "given" });

    const dockerfile = join(folder, "web/Dockerfile");
    expect((await siblingFindings(dockerfile, folder, {})).map(({ code }) => code)).toEqual(["COMPOSE_INIT"]);
    expect(await siblingFindings(join(folder, "other/Dockerfile"), folder, {})).toEqual([]);
    await writeFile(join(folder, "compose.yaml"), "include: [x]");
    expect(await siblingFindings(dockerfile, folder, {})).toEqual([]);
    expect(refusal(() => readCompose([join(folder, "none.yaml")], [], {})).code).toBe("INPUT_NOT_FOUND");
  });
});

describe("variables", () => {
  const variables = { SET: "value", EMPTY: "", FOO: "foo" };
  it.each([
    ["$SET", "value"],
    ["${SET}x", "valuex"],
    ["$MISSING.", "."],
    ["$$SET", "$SET"],
    ["a$", "a$"],
    ["$1", "$1"],
    ["${MISSING:-d}", "d"],
    ["${EMPTY:-d}", "d"],
    ["${EMPTY-d}", ""],
    ["${MISSING-d}", "d"],
    ["${SET:-d}", "value"],
    ["${SET:+r}", "r"],
    ["${EMPTY:+r}", ""],
    ["${EMPTY+r}", "r"],
    ["${MISSING+r}", ""],
    ["${MISSING:-${FOO}}", "foo"],
    ["${MISSING:-a${NO:-b}c}d", "abcd"],
    ["${SET:-${NO:?x}}", "value"],
    ["${SET?$FOO}", "value"],
  ])("%s is %j", (text, expected) => {
    expect(interpolate(text, variables)).toBe(expected);
  });

  it.each(["${", "${}", "${SET", "${SET/a/b}", "${MISSING?}", "${EMPTY:?say}", "${MISSING:-${X}"])(
    "%s is refused",
    (text) => {
      expect(() => interpolate(text, variables)).toThrow(InterpolationError);
    },
  );

  it("never looks at an object's own inherited names, and ends for any text", () => {
    expect(interpolate("${constructor-no}", {})).toBe("no");
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."${}:-?+aA\\ ") }), (text) => {
        try {
          interpolate(text, variables);
        } catch (error) {
          expect(error).toBeInstanceOf(InterpolationError);
        }
      }),
    );
  });

  it("are read from .env", () => {
    const text = [
      "# comment=1",
      "A=one # two",
      "B='$A # x'",
      'C="$A\\n${X}" # y',
      "export D=${A}-${OUT}",
      "E=",
      "F: colon",
      "G=a#b",
      'H="two',
      'lines"',
      "broken",
      "I=\\$5",
    ].join("\r\n");
    expect(parseEnvFile(text, { OUT: "out" })).toEqual({
      A: "one",
      B: "$A # x",
      C: "one\n",
      D: "one-out",
      E: "",
      F: "colon",
      G: "a#b",
      H: "two\r\nlines",
      I: "\\$5",
    });
  });
});

describe("words", () => {
  it.each([
    ["a  b", ["a", "b"]],
    ["", []],
    [`'a b' "c d"e`, ["a b", "c de"]],
    [`"a\\"b" 'c\\d' e\\ f`, ['a"b', "c\\d", "e f"]],
    [`'' ""`, ["", ""]],
  ])("%s", (text, expected) => {
    expect(splitWords(text)).toEqual(expected);
  });
});
