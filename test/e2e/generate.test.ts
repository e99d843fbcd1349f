/** `initwrap generate`, as a process: what is written, what is kept, what is refused. */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { initwrap, initwrapOk } from "../support/cli.ts";
import { ROOT } from "../support/programs.ts";

const FIXTURES = join(ROOT, "test/fixtures/generate");
const folders: string[] = [];

/** A copy of a fixture's project, with more files. */
async function project(name: string | undefined, files: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-generate-"));
  folders.push(folder);
  if (name !== undefined) await cp(join(FIXTURES, name, "project"), folder, { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return folder;
}

afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

describe("initwrap generate", () => {
  it("writes the Dockerfile, the ignore file and the inits, and nothing else", async () => {
    const folder = await project("node-npm");
    const { stdout, stderr } = await initwrapOk(["generate"], { cwd: folder });
    expect(stdout.length).toBe(0);
    expect(stderr).toContain("node-npm, by package.json, package-lock.json");
    expect(await readFile(join(folder, "Dockerfile"), "utf8")).toBe(
      await readFile(join(FIXTURES, "node-npm/Dockerfile"), "utf8"),
    );
    const names = (await readdir(folder)).filter((name) => name.startsWith(".") || name === "Dockerfile").sort();
    expect(names).toEqual([".dockerignore", ".initwrap", "Dockerfile"]);
    for (const arch of ["amd64", "arm64"]) {
      expect((await stat(join(folder, `.initwrap/linux-${arch}/initwrap`))).mode & 0o777).toBe(0o755);
    }
    // What was generated needs nothing more.
    expect((await initwrap(["dockerfile", "--check", "--offline"], { cwd: folder })).status).toBe(0);
  });

  it("refuses to replace a Dockerfile unless told to, and then gives the same bytes", async () => {
    const folder = await project("go", { Dockerfile: "FROM mine\n" });
    for (const args of [[], ["--dry-run"]]) {
      const refused = await initwrap(["generate", folder, ...args]);
      expect([refused.status, refused.stderr]).toEqual([5, expect.stringContaining("OUTPUT_EXISTS")]);
    }
    await initwrapOk(["generate", folder, "--dry-run", "--force"]);
    expect(await readFile(join(folder, "Dockerfile"), "utf8")).toBe("FROM mine\n");
    expect((await readdir(folder)).includes(".initwrap")).toBe(false);
    await initwrapOk(["generate", folder, "--force"]);
    const first = await readFile(join(folder, "Dockerfile"));
    await initwrapOk(["generate", folder, "--force"]);
    expect(await readFile(join(folder, "Dockerfile"))).toEqual(first);
  });

  it("keeps an ignore file that is there, and refuses one that hides the init", async () => {
    const kept = await project("go", { ".dockerignore": "secret\n" });
    await initwrapOk(["generate", kept]);
    expect(await readFile(join(kept, ".dockerignore"), "utf8")).toBe("secret\n");
    const hiding = await project("go", { ".dockerignore": "*\n!cmd\n" });
    for (const args of [[], ["--dry-run"]]) {
      const refused = await initwrap(["generate", hiding, ...args]);
      expect([refused.status, refused.stderr]).toEqual([5, expect.stringContaining("CONTEXT_IGNORED")]);
    }
    await initwrapOk(["generate", hiding, "--dry-run", "--amend-dockerignore"]);
    expect((await readdir(hiding)).sort()).toEqual([".dockerignore", "cmd", "go.mod", "go.sum"]);
    await initwrapOk(["generate", hiding, "--amend-dockerignore"]);
    expect(await readFile(join(hiding, ".dockerignore"), "utf8")).toBe("*\n!cmd\n!.initwrap\n");
  });

  it("prints a Dockerfile that carries the init, and writes nothing", async () => {
    const folder = await project("static");
    const { stdout } = await initwrapOk(["generate", folder, "-o", "-"]);
    expect(stdout.includes("FROM scratch AS initwrap")).toBe(true);
    expect(await readdir(folder)).toEqual(["index.html"]);
    expect((await initwrap(["generate", folder, "-o", "-", "--inject", "context"])).status).toBe(2);
  });

  it("shows its plan without writing, to people and to programs", async () => {
    const folder = await project("python-pip");
    const plan = (await initwrapOk(["generate", folder, "--dry-run"])).stdout.toString();
    expect(plan).toContain('cmd         ["gunicorn","--bind","0.0.0.0:8000","app:app"]');
    const document = JSON.parse((await initwrapOk(["generate", folder, "--dry-run", "--json"])).stdout.toString());
    expect(document).toMatchObject({
      version: 1,
      stack: "python-pip",
      port: 8000,
      entrypoint: ["/initwrap", "--"],
      base: "python:3.13-slim-trixie",
    });
    expect((await readdir(folder)).sort()).toEqual(["app.py", "requirements.txt"]);
  });

  it("lets the user's templates stand in for its own, one by one", async () => {
    const folder = await project("go");
    const templates = await project(undefined, {
      "go.hbs": "FROM scratch\nUSER {{port}}\nCMD {{command}}\n{{#if cgo}}# cgo{{/if}}\n",
    });
    const { stdout } = await initwrapOk([
      "generate",
      folder,
      "-o",
      "-",
      "--template",
      templates,
      "--inject",
      "image",
      "--init-image",
      `a/b@sha256:${"0".repeat(64)}`,
    ]);
    expect(stdout.toString()).toContain("USER 8080\n");
    expect(stdout.toString()).toContain('ENTRYPOINT ["/initwrap", "--"]');
    const cases: readonly (readonly [string, string])[] = [
      ["FROM {{absent}}\n", "TEMPLATE_INVALID"],
      ["FROM {{#if}\n", "TEMPLATE_INVALID"],
      ["FROM scratch\nNONSENSE\n", "TEMPLATE_INVALID"],
      ["FROM registry.invalid/nothing:1\nCMD {{command}}\n", "BASE_UNKNOWN"],
    ];
    for (const [text, code] of cases) {
      await writeFile(join(templates, "go.hbs"), text);
      const result = await initwrap(["generate", folder, "-o", "-", "--offline", "--template", templates]);
      expect(result.stderr, text).toContain(code);
    }
    expect((await initwrap(["generate", folder, "--template", await project(undefined)])).stderr).toContain(
      "INPUT_NOT_FOUND",
    );
  });

  it("refuses what it would have to guess, with its exit codes", async () => {
    const empty = await project(undefined, { "README.md": "" });
    const two = await project("go", { "package.json": '{"scripts":{"start":"node a.js"}}' });
    const results = await Promise.all([
      initwrap(["generate", empty]),
      initwrap(["generate", two]),
      initwrap(["generate", join(empty, "nowhere")]),
      initwrap(["generate", empty, "--stack", "cobol"]),
      initwrap(["generate", two, "--stack", "go", "--start", "go"]),
      initwrap(["generate", two, "--stack", "go", "--port", "70000"]),
      initwrap(["generate", await project(undefined, { "package.json": "{" })]),
    ]);
    expect(results.map(({ status }) => status)).toEqual([5, 5, 3, 2, 2, 2, 3]);
    expect(results[1]!.stderr).toContain("--stack node-npm");
    await initwrapOk(["generate", two, "--stack", "go"]);
  });

  it("leaves no Dockerfile behind when it cannot write all", async () => {
    const folder = await project("go", { ".initwrap": "a file where a folder should be" });
    const result = await initwrap(["generate", folder]);
    expect([result.status, result.stderr]).toEqual([7, expect.stringContaining("OUTPUT_NOT_WRITTEN")]);
    expect((await readdir(folder)).sort()).toEqual([".initwrap", "cmd", "go.mod", "go.sum"]);
  });
});
