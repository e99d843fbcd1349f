/** initwrap.lock beside a real registry: what it holds, what it saves asking for, and how a base's change shows itself. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RegistrySession } from "../../packages/cli/src/store/registry/session.ts";
import { sampleImage } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { initwrap, initwrapOk } from "../support/cli.ts";
import { startFaultProxy } from "../support/fault-proxy.ts";
import { ROOT } from "../support/programs.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { putImage } from "../support/registry-image.ts";

const session = new RegistrySession({ env: { HOME: "/nonexistent" } });
let registry: TestRegistry;
let folder: string;
let base: string;

beforeAll(async () => {
  if (registryAvailable) registry = await startRegistry();
});
afterAll(async () => registry?.stop());
beforeEach(async (context) => {
  requireCapability(context, "docker-registry", registryAvailable);
  folder = await mkdtemp(join(tmpdir(), "initwrap-lock-"));
  base = `${registry.host}/lock/base:1`;
  await push({ Entrypoint: ["/be"], Cmd: ["bc"], Env: ["TINI_VERBOSITY=2", "BASE_VERSION=1"] });
  await writeFile(join(folder, "Dockerfile"), `FROM ${base}\nENV X=1\n`);
  return () => rm(folder, { recursive: true, force: true });
});

async function push(config: Record<string, unknown>): Promise<void> {
  await putImage(base, sampleImage({ config }), session);
}

const env = { HOME: "/nonexistent", DOCKER_HOST: "unix:///nonexistent/docker.sock", CONTAINER_HOST: "" };
const run = (...args: string[]) => initwrap(["dockerfile", ...args], { cwd: folder, env });
const ok = (...args: string[]) => initwrapOk(["dockerfile", ...args], { cwd: folder, env });
const lock = async () => JSON.parse(await readFile(join(folder, "initwrap.lock"), "utf8"));
const codes = (stdout: Buffer) => JSON.parse(stdout.toString()).diagnostics.map(({ code }: { code: string }) => code);

describe("--lock", () => {
  it("writes what the base runs, in the published shape, and the same bytes again", async () => {
    const { stderr } = await ok("-w", "--lock");
    expect(stderr).toContain("wrote initwrap.lock");
    const document = await lock();
    expect(document.bases).toEqual([
      {
        name: base,
        platform: "linux/amd64",
        source: "registry",
        digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
        os: "linux",
        entrypoint: ["/be"],
        cmd: ["bc"],
        shell: null,
        user: "",
        stopSignal: "",
        onBuild: null,
        env: ["TINI_VERBOSITY=2"],
      },
    ]);
    const schema = JSON.parse(await readFile(join(ROOT, "schemas/lock.schema.json"), "utf8"));
    const validate = new Ajv2020({ allowUnionTypes: true }).compile(schema);
    expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ ...document, bases: [{ ...document.bases[0], cmd: "c" }] })).toBe(false);
    const bytes = await readFile(join(folder, "initwrap.lock"));
    expect((await ok("-w", "--lock")).stderr).not.toContain("wrote initwrap.lock");
    await rm(join(folder, "initwrap.lock"));
    await ok("-w", "--lock");
    expect(await readFile(join(folder, "initwrap.lock"))).toEqual(bytes);
  });

  it("is one file for several Dockerfiles, in the order of the images", async () => {
    for (const name of ["z", "a"]) {
      const place = `${registry.host}/lock/${name}:1`;
      await putImage(place, sampleImage({ config: { Cmd: [name] } }), session);
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, "Dockerfile"), `FROM ${place}\n`);
    }
    await ok(".", "--write", "--lock");
    const { bases } = await lock();
    expect(bases.map(({ name }: { name: string }) => name.replace(/^.*\//, ""))).toEqual(["a:1", "base:1", "z:1"]);
  });

  it("locks nothing that was not asked for, and writes nothing with --check", async () => {
    await writeFile(join(folder, "Dockerfile"), 'FROM scratch\nENTRYPOINT ["/x"]\n');
    await ok("--lock");
    expect((await run("--lock", "--check")).status).toBe(2);
    expect(await readdir(folder)).toEqual(["Dockerfile"]);
  });
});

it("many Dockerfiles on one base ask the registry once", async () => {
  const counter = await startFaultProxy(registry.host);
  try {
    for (const name of ["a", "b", "c", "d"]) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, "Dockerfile"), `FROM ${counter.host}/lock/base:1\nENV N=${name}\n`);
    }
    await ok("a", "b", "c", "d", "--dry-run");
    expect(counter.requests.filter((line) => line.includes("/manifests/1"))).toHaveLength(1);
    expect(counter.requests.filter((line) => line.includes("/blobs/"))).toHaveLength(1);
  } finally {
    await counter.stop();
  }
});

describe("a lock that is there", () => {
  it("answers before anyone is asked, offline too, and the result is the same", async () => {
    const online = await ok("--lock");
    await push({ Entrypoint: ["/other"] });
    for (const flags of [[], ["--offline"]]) {
      expect((await ok(...flags)).stdout.equals(online.stdout)).toBe(true);
    }
    const document = JSON.parse((await ok("--offline", "--json")).stdout.toString());
    expect(document.base).toMatchObject({ source: "lock", detail: expect.stringMatching(/^registry sha256:/) });
    const plan = (await ok("--offline", "--dry-run")).stdout.toString();
    expect(plan).toContain(`${base}: lock registry sha256:`);
  });

  it("--check fails when the base's command has changed, and says what it was and is", async () => {
    await ok("-w", "--lock");
    expect((await run("--check")).status).toBe(0);
    await push({ Entrypoint: ["/be"], Cmd: ["bc"], Env: ["BASE_VERSION=2"] });
    expect((await run("--check")).status).toBe(0);
    await push({ Entrypoint: ["/new"], Cmd: ["bc"] });
    const { status, stderr } = await run("--check");
    expect(status).toBe(1);
    expect(stderr).toContain("BASE_DRIFT");
    expect(stderr).toContain(`ENTRYPOINT of ${base} is ["/new"] by now`);
    expect(stderr).toContain('["/be"] in the lock');
    expect(stderr).not.toContain("CMD of");
    const json = await run("--check", "--json");
    expect([json.status, codes(json.stdout)]).toEqual([1, ["BASE_RESOLVED", "BASE_DRIFT"]]);
    // Offline nobody can know; that is what a reproducible run wants.
    expect((await run("--check", "--offline")).status).toBe(0);
  });

  it("--update-lock takes the change over, and the Dockerfile follows", async () => {
    await ok("-w", "--lock");
    await push({ Entrypoint: ["/new"], Cmd: ["bc"] });
    await ok("-w", "--update-lock");
    expect((await lock()).bases[0].entrypoint).toEqual(["/new"]);
    expect(await readFile(join(folder, "Dockerfile"), "utf8")).toContain('ENTRYPOINT ["/initwrap", "--", "/new"]');
    expect((await run("--check")).status).toBe(0);
  });

  it("is not what the flags say", async () => {
    await ok("--lock");
    const { stdout } = await ok("--json", "--base-entrypoint", '["/flag"]');
    expect(JSON.parse(stdout.toString()).after.entrypoint).toEqual(["/initwrap", "--", "/flag"]);
  });

  it.each([
    ["{", "LOCK_INVALID"],
    ["[]", "LOCK_INVALID"],
    ['{"version": 2, "bases": []}', "its version is 2, not 1"],
    ['{"version": 1, "bases": [{"name": "a"}]}', "bases[0].platform is no string"],
    ['{"version": 1, "bases": [null]}', "bases[0].name is no string"],
  ])("and is not one is an error: %s", async (text, message) => {
    await writeFile(join(folder, "initwrap.lock"), text);
    const { status, stderr } = await run("--offline");
    expect(status).toBe(3);
    expect(stderr).toContain(message);
  });

  it("by another name must exist", async () => {
    expect((await run("--lock-file", "other.lock")).status).toBe(3);
    await ok("--lock", "--lock-file", "other.lock");
    expect((await ok("--offline", "--lock-file", "other.lock", "--json")).stdout.toString()).toContain('"lock"');
  });
});
