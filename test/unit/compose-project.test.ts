/** How Compose files come together: overrides, several files, extends, include, COMPOSE_FILE. */
import { mkdir, mkdtemp, realpath, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { InitwrapError } from "../../packages/cli/src/model/errors.ts";
import type { BuildUnit } from "../../packages/cli/src/wrap/build-unit.ts";
import { readCompose } from "../../packages/cli/src/wrap/compose-project.ts";
import { siblingFindings } from "../../packages/cli/src/wrap/compose-siblings.ts";

async function project(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "initwrap-compose-")));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof InitwrapError) return `${error.code} ${error.message}`;
    throw error;
  }
  throw new Error("nothing was refused");
}

const BASE = `services:
  web:
    build:
      context: web
      target: dev
      args: { A: 1, B: 2 }
      platforms: [linux/amd64]
    entrypoint: [a]
    init: true
  api:
    build: api
`;

describe("the default file", () => {
  it.each(["compose.override.yaml", "compose.override.yml"])("has %s merged into it", async (name) => {
    const folder = await project({
      "compose.yaml": BASE,
      [name]: `services:
  web:
    build: { target: release, args: [B=3, C=4], platforms: [linux/amd64, linux/arm64], dockerfile: Dockerfile.release }
    init: false
  worker: { build: worker }
`,
    });
    const expected: Partial<BuildUnit>[] = [
      {
        name: "web",
        definedIn: join(folder, "compose.yaml"),
        line: 2,
        context: join(folder, "web"),
        dockerfile: { kind: "file", path: join(folder, "web/Dockerfile.release") },
        target: "release",
        args: { A: "1", B: "3", C: "4" },
        platforms: ["linux/amd64", "linux/arm64"],
        entrypointOverride: ["a"],
        init: false,
      },
      { name: "api", context: join(folder, "api") },
      { name: "worker", definedIn: join(folder, name), context: join(folder, "worker") },
    ];
    expect(readCompose([join(folder, "compose.yaml")], [], {})).toMatchObject(expected);
    expect(readCompose([folder], [], {})).toMatchObject(expected);
    // Named in a list, it is what it is.
    expect(readCompose([join(folder, "compose.yaml"), join(folder, "compose.yaml")], ["web"], {})[0]?.init).toBe(true);
  });

  it("is found with its override by a Dockerfile beside it", async () => {
    const folder = await project({
      "compose.yaml": "services: {a: {build: .}}\n",
      "compose.override.yaml": "services: {a: {init: true}}\n",
    });
    const findings = await siblingFindings(join(folder, "Dockerfile"), undefined, {});
    expect(findings.map(({ code }) => code)).toEqual(["COMPOSE_INIT"]);
  });

  it("gives way to COMPOSE_FILE, of the environment or of .env, when a folder is named", async () => {
    const folder = await project({
      "compose.yaml": BASE,
      "one.yaml": "services: {one: {build: one}}\n",
      "sub/two.yaml": "services: {two: {build: two}, one: {build: {target: x}}}\n",
      ".env": "COMPOSE_FILE=one.yaml:sub/two.yaml\n",
    });
    const names = (units: readonly BuildUnit[]) => units.map(({ name, context, target }) => [name, context, target]);
    // Paths of every file count from the folder of the first.
    expect(names(readCompose([folder], [], {}))).toEqual([
      ["one", join(folder, "one"), "x"],
      ["two", join(folder, "two"), undefined],
    ]);
    expect(names(readCompose([folder], [], { COMPOSE_FILE: "one.yaml" }))).toEqual([
      ["one", join(folder, "one"), undefined],
    ]);
    const separated = { COMPOSE_FILE: "one.yaml,sub/two.yaml", COMPOSE_PATH_SEPARATOR: "," };
    expect(names(readCompose([folder], ["two"], separated))).toHaveLength(1);
  });

  it("is missing from a folder that has none", async () => {
    const folder = await project({});
    expect(refusal(() => readCompose([folder], [], {}))).toBe(`INPUT_NOT_FOUND there is no Compose file in ${folder}`);
  });
});

describe("several files", () => {
  it("have !reset take away and !override take over what came before", async () => {
    const folder = await project({
      "base.yaml": BASE,
      "more.yaml": `services:
  web:
    build:
      target: !reset null
      args: !override { C: 3 }
      platforms: !reset []
    entrypoint: !reset null
    init: !reset false
  api:
    build: !override { context: other }
`,
      "last.yaml": "services: {web: {build: {args: {A: !reset null, C: 5}}}}\n",
    });
    const files = ["base.yaml", "more.yaml"].map((name) => join(folder, name));
    expect(readCompose(files, [], {})).toMatchObject([
      { target: undefined, args: { C: "3" }, platforms: [], entrypointOverride: undefined, init: undefined },
      { context: join(folder, "other") },
    ]);
    const without = [join(folder, "base.yaml"), join(folder, "last.yaml")];
    expect(readCompose(without, ["web"], {})[0]?.args).toEqual({ B: "2", C: "5" });
  });

  it("keep dockerfile and dockerfile_inline apart, as Compose does", async () => {
    const folder = await project({
      "a.yaml": "services: {a: {build: {dockerfile: x}}}\n",
      "b.yaml": "services: {a: {build: {dockerfile_inline: FROM x}}}\n",
      "c.yaml": "services: {a: {build: {dockerfile: !reset null, dockerfile_inline: FROM x}}}\n",
    });
    const read =
      (...names: string[]) =>
      () =>
        readCompose(
          names.map((name) => join(folder, name)),
          [],
          {},
        );
    expect(refusal(read("a.yaml", "b.yaml"))).toContain("has both dockerfile and dockerfile_inline");
    expect(read("a.yaml", "c.yaml")()).toMatchObject([{ dockerfile: { kind: "inline", text: "FROM x" } }]);
  });
});

describe("extends", () => {
  it("puts a service's own words on those of another, in the file or in one elsewhere", async () => {
    const folder = await project({
      "compose.yaml": `services:
  web:
    extends: base
    build: { target: web }
  base:
    extends: { service: root, file: common/services.yaml }
    build: { args: { B: 2 } }
`,
      "common/services.yaml": `services:
  root:
    extends: deeper
    build: { context: ./app, args: { A: 1, B: 1 } }
    init: true
  deeper:
    entrypoint: [x]
`,
    });
    expect(readCompose([join(folder, "compose.yaml")], ["web"], {})).toMatchObject([
      {
        name: "web",
        line: 2,
        definedIn: join(folder, "compose.yaml"),
        // Paths in the other file count from that file.
        context: join(folder, "common/app"),
        target: "web",
        args: { A: "1", B: "2" },
        entrypointOverride: ["x"],
        init: true,
      },
    ]);
  });

  it("finds a service in the files that came before, and ends in a circle nowhere", async () => {
    const folder = await project({
      "a.yaml": "services: {base: {build: base}}\n",
      "b.yaml": "services: {web: {extends: base}}\n",
      "c.yaml": "services: {web: {extends: {service: web, file: c.yaml}}}\n",
    });
    expect(readCompose([join(folder, "a.yaml"), join(folder, "b.yaml")], ["web"], {})).toMatchObject([
      { name: "web", context: join(folder, "base") },
    ]);
    expect(refusal(() => readCompose([join(folder, "c.yaml")], [], {}))).toContain("extends itself");
    expect(refusal(() => readCompose([join(folder, "b.yaml")], [], {}))).toContain("extends base, which is not there");
  });
});

describe("include", () => {
  it("takes in other projects, each with its own folder and .env", async () => {
    const folder = await project({
      "compose.yaml": `include:
  - db/compose.yaml
  - path: [queue/a.yaml, queue/b.yaml]
    project_directory: shared
    env_file: queue/vars
services:
  web: { build: "\${WHERE:-web}" }
`,
      "db/compose.yaml": 'services: {db: {build: {context: "$WHERE", target: "$OUTER"}}}\n',
      "db/.env": "WHERE=dir\nOUTER=inner\n",
      "queue/a.yaml": "services: {queue: {build: {context: q, target: a}}}\n",
      "queue/b.yaml": 'services: {queue: {build: {target: "$T"}}}\n',
      "queue/vars": "T=b\n",
    });
    const units = readCompose([folder], [], { OUTER: "outer" });
    expect(units).toMatchObject([
      { name: "web", context: join(folder, "web") },
      { name: "db", context: join(folder, "db/dir"), target: "outer" },
      { name: "queue", context: join(folder, "shared/q"), target: "b" },
    ]);
    expect(readCompose([folder], ["db"], {})).toMatchObject([{ target: "inner" }]);
  });

  it("refuses a name that is there twice, a circle, and a file that is not there", async () => {
    const folder = await project({
      "twice.yaml": "include: [other.yaml]\nservices:\n  a: {build: .}\n",
      "other.yaml": "services: {a: {build: x}}\n",
      "circle.yaml": "include: [circle.yaml]\n",
      "missing.yaml": "include: [none.yaml]\n",
    });
    const read = (name: string) => refusal(() => readCompose([join(folder, name)], [], {}));
    expect(read("twice.yaml")).toBe("BUILD_FILE_INVALID service a is included as well");
    expect(read("circle.yaml")).toContain("includes itself");
    expect(read("missing.yaml")).toBe(`INPUT_NOT_FOUND there is no file ${join(folder, "none.yaml")}`);
  });
});
