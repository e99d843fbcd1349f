/** `initwrap dockerfile` on many files, and as Compose and bake files describe their builds; findings in every format. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { initwrap } from "../support/cli.ts";
import { ROOT } from "../support/programs.ts";

const GOOD = 'FROM scratch\nENTRYPOINT ["/app"]\n';
const WRAPPED = 'ENTRYPOINT ["/initwrap", "--", "/app"]\n';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-many-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function write(files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

const run = (args: string[], env: NodeJS.ProcessEnv = {}) =>
  initwrap(["dockerfile", ...args], { cwd: folder, env: { GITHUB_ACTIONS: "", ...env } });

describe("several files", () => {
  beforeEach(() =>
    write({
      "a/Dockerfile": GOOD,
      "b/Dockerfile": 'FROM scratch\nSTOPSIGNAL KILL\nENTRYPOINT ["/b"]\n',
      "c/Dockerfile.j2": "{{ x }}",
    }),
  );

  it("are checked in one call, by glob, by folder and by name", async () => {
    for (const args of [["**/Dockerfile"], ["."], ["b/Dockerfile", "a"]]) {
      const { status, stdout, stderr } = await run([...args, "--check"]);
      expect([status, stdout.toString()]).toEqual([1, ""]);
      expect(stderr).toContain("a/Dockerfile: would change\n");
      expect(stderr).toContain("b/Dockerfile: would change\n");
      expect(stderr).toContain("b/Dockerfile:2: warning[STOPSIGNAL_KILL]");
    }
  });

  it("are written in one call, and then there is nothing to do", async () => {
    expect((await run([".", "--write", "--platform", "linux/amd64"])).status).toBe(0);
    expect(await readFile(join(folder, "a/Dockerfile"), "utf8")).toContain(WRAPPED);
    const again = await run([".", "--check", "--platform", "linux/amd64"]);
    expect(again.status).toBe(0);
    // The init's lines stand above; the finding still names the file's own line.
    expect(again.stderr).toMatch(/b\/Dockerfile:2: warning\[STOPSIGNAL_KILL\]/);
    expect((await run([".", "--write", "--undo"])).status).toBe(0);
    expect(await readFile(join(folder, "a/Dockerfile"), "utf8")).toBe(GOOD);
  });

  it("of which one fails: the others are looked at, and the exit code is the failure's", async () => {
    await write({ "a/Dockerfile": "FROM scratch\nRUNN x\n" });
    const { status, stderr } = await run([".", "--check"]);
    expect(status).toBe(3);
    expect(stderr).toContain("error[DOCKERFILE_SYNTAX]: a/Dockerfile:2");
    expect(stderr).toContain("b/Dockerfile: would change");
    const { stdout } = await run([".", "--json"]);
    const document = JSON.parse(stdout.toString());
    expect(document.files).toMatchObject([
      { file: "a/Dockerfile", error: { code: "DOCKERFILE_SYNTAX", where: "a/Dockerfile:2" } },
      { file: "b/Dockerfile", changed: true },
    ]);
    const validate = new Ajv2020({ allowUnionTypes: true }).compile(
      JSON.parse(await readFile(join(ROOT, "schemas/dockerfile.schema.json"), "utf8")),
    );
    expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
    expect(validate(document.files[1]), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ ...document.files[1], inject: "no" })).toBe(false);
  });

  it("do not go to one stdout; a folder with one file is that file", async () => {
    const many = await run(["."]);
    expect([many.status, many.stdout.length]).toEqual([2, 0]);
    expect(many.stderr).toContain("2 Dockerfiles are meant");
    expect((await run(["a"])).stdout.toString("latin1")).toContain(WRAPPED);
    expect((await run(["c", "--check"])).status).toBe(3);
  });
});

describe("what several files fail with", () => {
  const failing = (args: string[]) => run(["**/Dockerfile", "--check", ...args], { DOCKER_HOST: "tcp://127.0.0.1:1" });

  it("is said once where the call itself is off, and no file is looked at", async () => {
    await write({ "a/Dockerfile": GOOD, "b/Dockerfile": GOOD });
    for (const [args, code, status] of [
      [["--platform", "linux/pdp11"], "NO_INIT_FOR_PLATFORM", 5],
      [["--init-arg=--bogus"], "USAGE", 2],
      [["--build-arg", "=x"], "USAGE", 2],
      [["--base-cmd", "{"], "USAGE", 2],
      [["--init-image", "x:1"], "USAGE", 2],
      [["--base-config", "none.json"], "INPUT_NOT_FOUND", 3],
    ] as const) {
      const result = await failing([...args]);
      expect([result.status, result.stderr.match(/error\[/g)]).toEqual([status, ["error["]]);
      expect(result.stderr).toContain(`error[${code}]`);
      expect(result.stderr).not.toMatch(/Dockerfile:|Dockerfile's path/);
    }
  });

  it("is said once where it is the same, with the files behind it, and an engine that is down once for all", async () => {
    const from = (reference: string) => `FROM ${reference}\n`;
    const base = "127.0.0.1:1/x:1";
    await write({ "a/Dockerfile": from(base), "b/Dockerfile": from(base), "c/Dockerfile": from("127.0.0.1:1/y:2") });
    const { status, stderr } = await failing([]);
    expect(status).toBe(5);
    expect(stderr.match(/cannot reach the Docker Engine/g)).toHaveLength(1);
    expect(stderr.match(/x:1 is not known/g)).toHaveLength(1);
    expect(stderr).toMatch(/\n {2}a\/Dockerfile:1\n {2}b\/Dockerfile:1\nhint: /);
    expect(stderr).toContain("error[BASE_UNKNOWN]: c/Dockerfile:1: the ENTRYPOINT of 127.0.0.1:1/y:2 is not known");
    // A program gets each file's failure whole.
    const { files } = JSON.parse((await failing(["--json"])).stdout.toString());
    for (const { error } of files) expect(error.message).toContain("cannot reach the Docker Engine");
  });
});

describe("a Compose file", () => {
  it("says which stage of which file is wrapped, and its services which findings there are", async () => {
    await write({
      "api/docker/x.Dockerfile": 'ARG TAG\nFROM scratch AS run\nENTRYPOINT ["/app"]\nFROM nowhere.invalid/x:$TAG\n',
      ".env": "STAGE=run\n",
      "compose.yaml":
        "services:\n  api:\n    build: {context: api, dockerfile: docker/x.Dockerfile, target: $STAGE}\n    init: true\n  db: {image: postgres}\n",
    });
    const diff = await run(["--compose", "compose.yaml", "--diff", "--offline"]);
    expect([diff.status, diff.stderr]).toEqual([0, expect.stringContaining("note[COMPOSE_INIT]: compose.yaml:2")]);
    expect(diff.stdout.toString("latin1")).toContain(`+${WRAPPED}`);
    expect((await run(["--compose", "compose.yaml", "--service", "db", "--check"])).stderr).toContain(
      "BUILD_NOT_FOUND",
    );
    // The Dockerfile named itself: the file beside it says the same of the service.
    const beside = await run(["api/docker/x.Dockerfile", "--target", "run", "--context", ".", "--check"]);
    expect(beside.stderr).toContain("note[COMPOSE_INIT]");
  });

  it("may hold the Dockerfile: shown, and not written", async () => {
    await write({
      "compose.yaml":
        'services:\n  a:\n    build:\n      dockerfile_inline: |\n        FROM scratch\n        ENTRYPOINT ["/app"]\n',
    });
    expect((await run(["--compose", "compose.yaml"])).stdout.toString("latin1")).toContain(WRAPPED);
    const written = await run(["--compose", "compose.yaml", "--write"]);
    expect([written.status, written.stderr]).toEqual([3, expect.stringContaining("BUILD_FILE_UNSUPPORTED")]);
  });

  it("may hold a Dockerfile with findings and faults, whose place is the service", async () => {
    const service = (name: string, ...lines: string[]) =>
      `  ${name}:\n    build:\n      dockerfile_inline: |\n${lines.map((line) => `        ${line}\n`).join("")}`;
    await write({
      "compose.yaml": `services:\n${service("a", "FROM scratch", "CMD ['x']")}${service("b", "FROM scratch", "RUNN x")}`,
    });
    const { status, stderr } = await run(["--compose", "compose.yaml", "--check"]);
    expect([status, stderr]).toEqual([
      3,
      expect.stringContaining("error[DOCKERFILE_SYNTAX]: compose.yaml:7: the Dockerfile of b: dockerfile parse error"),
    ]);
    expect(stderr).toContain("compose.yaml:2: warning[JSON_FORM_MALFORMED]");
    expect(stderr).not.toContain(">>> CMD");
    expect(stderr).toContain(">>> RUNN x");
  });

  it("is read with its override where the folder is named, and with others in the order in which they are", async () => {
    await write({
      "web/Dockerfile": 'FROM scratch AS a\nENTRYPOINT ["/app"]\nFROM nowhere.invalid/x\n',
      "compose.yaml": "services: {web: {build: web}}\n",
      "compose.override.yaml": "services: {web: {build: {target: a}}}\n",
      "other.yaml": "services: {web: {build: {target: none}}}\n",
    });
    const files = (...names: string[]) => names.flatMap((name) => ["--compose", name]);
    for (const names of [["."], ["compose.yaml"], ["compose.yaml", "compose.override.yaml"]]) {
      const { status, stderr } = await run([...files(...names), "--check", "--offline"]);
      expect([status, stderr]).toEqual([1, expect.stringContaining("web/Dockerfile: would change")]);
    }
    const other = await run([...files("compose.yaml", "compose.override.yaml", "other.yaml"), "--check"]);
    expect(other.stderr).toContain("STAGE_NOT_FOUND");
    // A name behind the flag's own is a Dockerfile, not one more Compose file.
    expect((await run(["--compose", "compose.yaml", "other.yaml", "--check"])).status).toBe(2);
  });

  it("is refused where two services build a file differently, and where FROM is another context", async () => {
    await write({
      Dockerfile: 'FROM scratch AS a\nENTRYPOINT ["/a"]\nFROM scratch AS b\nENTRYPOINT ["/b"]\n',
      "compose.yaml": "services:\n  one: {build: {context: ., target: a}}\n  two: {build: {context: ., target: b}}\n",
    });
    const both = await run(["--compose", "compose.yaml", "--write"]);
    expect([both.status, both.stderr]).toEqual([2, expect.stringContaining("in different ways")]);
    expect(both.stderr).toContain("--all-targets");
    expect((await run(["--compose", "compose.yaml", "--service", "one", "--write"])).status).toBe(0);
    expect((await run(["--compose", "compose.yaml", "--all-targets", "--write"])).status).toBe(0);
    expect(await readFile(join(folder, "Dockerfile"), "utf8")).toMatch(/"--", "\/a"\][\s\S]*"--", "\/b"\]/);
    await write({
      Dockerfile: 'FROM shared\nCMD ["x"]\n',
      "compose.yaml": "services:\n  one: {build: {context: ., additional_contexts: [shared=../x]}}\n",
    });
    expect((await run(["--compose", "compose.yaml", "--check"])).stderr).toContain("FROM shared takes another context");
  });
});

describe("a bake file", () => {
  it("says what its targets build", async () => {
    await write({
      "src/Dockerfile": 'FROM scratch AS run\nENTRYPOINT ["/app"]\nFROM nowhere.invalid/x\n',
      "docker-bake.hcl":
        'variable "S" { default = "none" }\ntarget "app" {\n context = "src"\n target = S\n tags = [lower("X")]\n}\n',
    });
    const args = ["--bake", "docker-bake.hcl", "--bake-target", "app", "--check", "--offline"];
    expect((await run(args)).stderr).toContain("STAGE_NOT_FOUND");
    const { status, stderr } = await run(args, { S: "run" });
    expect([status, stderr]).toEqual([1, expect.stringContaining("src/Dockerfile: would change")]);
    expect((await run(["--bake", "docker-bake.hcl", "--check"])).stderr).toContain("BUILD_NOT_FOUND");
    expect((await run(["Dockerfile", ...args])).status).toBe(2);
  });
});

describe("--reporter", () => {
  beforeEach(() => write({ Dockerfile: 'FROM scratch\nSTOPSIGNAL KILL\nENTRYPOINT ["/b"]\n' }));

  it("annotates by itself in GitHub Actions, errors too", async () => {
    const actions = { GITHUB_ACTIONS: "true" };
    expect((await run(["--check"], actions)).stderr).toContain(
      "::warning file=Dockerfile,line=2,endLine=2,title=initwrap STOPSIGNAL_KILL::",
    );
    expect((await run(["--check", "--reporter", "pretty"], actions)).stderr).not.toContain("::warning");
    await write({ Dockerfile: "FROM scratch\nRUNN x\n" });
    const failed = await run(["--check"], actions);
    expect(failed.status).toBe(3);
    expect(failed.stderr).toContain("::error file=Dockerfile,line=2,endLine=2,title=initwrap DOCKERFILE_SYNTAX::");
  });

  it("writes a document to stdout when that is free, to a file otherwise, and refuses to mix", async () => {
    const sarif = JSON.parse((await run(["--check", "--reporter", "sarif"])).stdout.toString());
    expect(sarif.runs[0].results[0]).toMatchObject({ ruleId: "STOPSIGNAL_KILL", level: "warning" });
    const gitlab = await run(["--reporter", "gitlab", "--reporter-file", "report.json"]);
    expect([gitlab.status, gitlab.stdout.toString("latin1")]).toEqual([0, expect.stringContaining("/initwrap")]);
    expect(JSON.parse(await readFile(join(folder, "report.json"), "utf8"))[0].location.path).toBe("Dockerfile");
    expect((await run(["--reporter", "sarif"])).status).toBe(2);
    await write({ Dockerfile: "FROM scratch\nRUNN x\n" });
    const failed = await run(["--check", "--reporter", "json"]);
    expect(failed.status).toBe(3);
    expect(JSON.parse(failed.stdout.toString()).files[0].findings[0]).toMatchObject({
      code: "DOCKERFILE_SYNTAX",
      range: { line: 2 },
    });
  });
});
