/**
 * `--json` of every command: each has a published schema, and what a run prints is a document of it, whether it succeeds, refuses
 * or fails. The documents' fields one by one are tests of the commands.
 */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { commandsOf } from "../../packages/cli/src/reference/command.ts";
import { ociLayoutMedium } from "../../packages/cli/src/store/oci-layout.ts";
import { sampleImage } from "../contract/sample-image.ts";
import { initwrap, initwrapOk } from "../support/cli.ts";
import { requireEngine } from "../support/engine.ts";
import { buildContext, freshTag, removeContext } from "../support/images.ts";
import { compileProgram, ROOT } from "../support/programs.ts";
import { again } from "../support/sample-image.ts";

interface Call {
  readonly args: readonly string[];
  /** The exit code; 0 unless said. */
  readonly status?: number;
  /** Whether the document is a failure's. */
  readonly failure?: true;
}

/** What each command is called with, one after the other, in a folder that has what `beforeAll` makes. */
const CALLS: Readonly<Record<string, readonly Call[]>> = {
  ci: [
    { args: ["tekton"] },
    { args: ["gitlab", "-o", "written.yml"] },
    { args: ["circleci", "-o", "Dockerfile"], status: 5, failure: true },
    { args: ["travis"], status: 2, failure: true },
  ],
  completion: [
    ...["bash", "zsh", "fish"].map((shell) => ({ args: [shell] })),
    { args: ["tcsh"], status: 2, failure: true },
  ],
  config: [
    { args: [] },
    { args: ["dockerfile", "--check", "--all"] },
    { args: ["--config", "wrong.yaml"], status: 3, failure: true },
    { args: ["imag"], status: 2, failure: true },
  ],
  dockerfile: [
    { args: [] },
    { args: ["--check"], status: 1 },
    { args: ["--dry-run", "Dockerfile", "s6.Dockerfile"], status: 5 },
    { args: ["s6.Dockerfile"], status: 5, failure: true },
    { args: ["broken.Dockerfile"], status: 3, failure: true },
    { args: ["--write", "--check"], status: 2, failure: true },
  ],
  "frontend-image": [
    // Node.js is compressed here, which takes seconds: one platform, and no more than once.
    {
      args: ["--platform", "linux/amd64", "--node-modules", dirname(dirname(dirname(process.execPath))), "-o", "f.tar"],
    },
    { args: ["--platform", "linux/s390x", "-o", "nothing.tar"], status: 5, failure: true },
    { args: ["--node-modules", "nowhere", "-o", "nothing.tar"], status: 3, failure: true },
  ],
  generate: [
    { args: ["node", "--offline"] },
    { args: ["node", "--offline"], status: 5, failure: true },
    { args: ["node", "--offline", "--force", "--dry-run", "--inject", "inline"] },
    { args: ["node", "--offline", "-o", "-"] },
    { args: ["nowhere"], status: 3, failure: true },
  ],
  image: [
    { args: ["app", "--dry-run"] },
    { args: ["app", "--check"], status: 1 },
    { args: ["app", "-o", "new.tar"] },
    { args: ["--from", "list", "--dry-run", "-t", "{{name}}:init"], status: 5 },
    { args: ["s6"], status: 5, failure: true },
    { args: ["nowhere.tar"], status: 3, failure: true },
  ],
  "init-image": [
    { args: ["-o", "init"] },
    { args: ["-o", "init.tar", "--platform", "linux/amd64"] },
    { args: ["-o", "other.tar", "--platform", "linux/sparc"], status: 5, failure: true },
    { args: [], status: 2, failure: true },
  ],
  inspect: [{ args: ["Dockerfile"] }, { args: ["app"] }, { args: ["nowhere.tar"], status: 3, failure: true }],
  probe: [{ args: ["nowhere.tar"], status: 6, failure: true }],
  verify: [
    { args: ["wrapped.tar"] },
    { args: ["app"], status: 5 },
    { args: ["nowhere.tar"], status: 3, failure: true },
  ],
};

/** Documents that are not a command's output: a failure, findings, the file of settings and the file of pinned bases. */
const OTHERS = ["error", "report", "initwrap", "lock"];

const commands = commandsOf(JSON.parse(await readFile(join(ROOT, "packages/cli/oclif.manifest.json"), "utf8")));
const names = commands.filter(({ flags }) => flags.some(({ name }) => name === "json")).map(({ name }) => name);
const ajv = new Ajv2020({ allowUnionTypes: true, strictTypes: false, strictRequired: false, allErrors: true });
/** The folder that the calls of each test begin with, and the copy that they run in. */
let original: string;
let folder: string;

async function schemaOf(name: string): Promise<{ readonly $id: string; readonly properties: object }> {
  return JSON.parse(await readFile(join(ROOT, `schemas/${name}.schema.json`), "utf8"));
}

async function place(name: string, text: string): Promise<void> {
  await mkdir(dirname(join(original, name)), { recursive: true });
  await writeFile(join(original, name), text);
}

async function layout(name: string, entrypoint: string): Promise<void> {
  const image = sampleImage({ config: { Entrypoint: [entrypoint], Cmd: ["x"] } });
  const sink = await ociLayoutMedium.sink(join(original, name), { env: {}, names: [`docker.io/library/${name}:1`] });
  for (const { descriptor, bytes } of image.blobs) await sink.put(descriptor, again(bytes));
  await sink.commit(image.root);
  await sink.close();
}

beforeAll(async () => {
  original = await mkdtemp(join(tmpdir(), "initwrap-json-"));
  await place("Dockerfile", 'FROM scratch\nSTOPSIGNAL KILL\nENTRYPOINT ["/app"]\n');
  await place("s6.Dockerfile", 'FROM scratch\nENTRYPOINT ["/init"]\n');
  await place("broken.Dockerfile", "FROM scratch\nNONSENSE\n");
  await place("wrong.yaml", "offlin: true\n");
  await place("list", "app\ns6\n");
  await place("node/package.json", '{"scripts":{"start":"node a.js"}}');
  await place("node/a.js", "");
  await layout("app", "/app");
  await layout("s6", "/init");
  await initwrapOk(["image", "app", "-o", "wrapped.tar"], { cwd: original });
});
afterAll(() => rm(original, { recursive: true }));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-json-"));
  await cp(original, folder, { recursive: true });
});
afterEach(() => rm(folder, { recursive: true }));

/** The run's document, by the schema that it must be of. It lacks nothing that could be left out, and has nothing more. */
async function documentOf(name: string, { args, status = 0, failure }: Call, env: NodeJS.ProcessEnv = {}) {
  const result = await initwrap([name, ...args, "--json"], {
    cwd: folder,
    env: { HOME: "/nonexistent", DOCKER_HOST: "unix:///nonexistent/docker.sock", CONTAINER_HOST: "", ...env },
  });
  const text = result.stdout.toString();
  expect([result.status, result.stderr], text).toEqual([status, ""]);
  const schema = await schemaOf(failure ? "error" : name);
  const valid = ajv.getSchema(schema.$id) ?? ajv.compile(schema);
  const document = JSON.parse(text);
  expect(valid(document), `${JSON.stringify(valid.errors?.slice(0, 5))} ${text}`).toBe(true);
  expect(document.version).toBe(1);
  expect(valid({ ...document, version: 2 })).toBe(false);
  expect(valid({ ...document, surprise: 1 })).toBe(false);
  if (failure) expect(document.error.exit).toBe(status);
}

describe("--json", () => {
  it("has a schema for every command that takes it, and a call of each here", async () => {
    expect(Object.keys(CALLS)).toEqual(names);
    const files = (await readdir(join(ROOT, "schemas"))).map((file) => file.replace(".schema.json", ""));
    expect(files.sort()).toEqual([...names, ...OTHERS].sort());
    for (const file of files) {
      expect((await schemaOf(file)).$id).toBe(`https://unpkg.com/initwrap/schemas/${file}.schema.json`);
    }
  });

  it("is linked to its schema on the command's page", async () => {
    for (const name of names) {
      const page = await readFile(join(ROOT, `docs/commands/${name}.md`), "utf8");
      expect(page, name).toContain(`(../../schemas/${name}.schema.json)`);
    }
  });

  it.each(Object.entries(CALLS))(
    "of initwrap %s prints a document of its schema, or of a failure",
    async (name, calls) => {
      for (const call of calls) await documentOf(name, call);
    },
  );

  it("of initwrap probe prints a document of its schema, of an image that is measured", async (context) => {
    const engine = requireEngine(context, "modern");
    const tag = freshTag("json");
    const image = await buildContext('FROM scratch\nCOPY handler /handler\nENTRYPOINT ["/handler"]\n', [
      await compileProgram("handler"),
    ]);
    try {
      await engine.docker(["build", "--quiet", "--tag", tag, image]);
      const args = [tag, "--ready", "ready", "--grace", "1", "--orphans", "1"];
      await documentOf("probe", { args }, engine.env);
    } finally {
      await engine.docker(["rmi", "--force", tag], { check: false });
      await removeContext(image);
    }
  });
});
