/** What `initwrap image` tells machines: its documents against the published schema, and the files it writes for the next step. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ociLayoutMedium } from "../../packages/cli/src/store/oci-layout.ts";
import { RegistrySession } from "../../packages/cli/src/store/registry/session.ts";
import { type SampleImage, sampleImage, sampleIndex } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { initwrap, initwrapOk } from "../support/cli.ts";
import { ROOT } from "../support/programs.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { putImage, readWhole } from "../support/registry-image.ts";
import { again } from "../support/sample-image.ts";
import { twoPlatforms } from "../support/two-platforms.ts";

const env = { HOME: "/nonexistent", XDG_CONFIG_HOME: "", DOCKER_CONFIG: "" };
let folder: string;
let validate: ReturnType<Ajv2020["compile"]>;
let plan: ReturnType<Ajv2020["compile"]>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-json-"));
  const schema = JSON.parse(await readFile(join(ROOT, "schemas/image.schema.json"), "utf8"));
  const ajv = new Ajv2020({ allowUnionTypes: true, strictTypes: false, allErrors: true });
  validate = ajv.compile(schema);
  plan = ajv.compile({ $ref: `${schema.$id}#/$defs/plan` });
});
afterAll(() => rm(folder, { recursive: true }));

let number = 0;
/** A layout of its own that holds the image under the name app:1. */
async function layout(image: SampleImage): Promise<string> {
  const path = join(folder, `layout${number++}`);
  const sink = await ociLayoutMedium.sink(path, { env, names: ["docker.io/library/app:1"] });
  for (const { descriptor, bytes } of image.blobs) await sink.put(descriptor, again(bytes));
  await sink.commit(image.root);
  await sink.close();
  return path;
}

/** The document of a run, which the schema has to admit, and to refuse when a field is lost or made up. */
async function documentOf(args: readonly string[], status = 0): Promise<Record<string, unknown>> {
  const result = await initwrap(["image", ...args, "--json"], { env, cwd: folder });
  expect([result.status, result.stderr]).toEqual([status, ""]);
  const document = JSON.parse(result.stdout.toString());
  expect(validate(document), JSON.stringify(validate.errors?.slice(0, 5))).toBe(true);
  for (const key of Object.keys(document)) {
    const { [key]: _, ...rest } = document;
    expect(validate(rest), `without ${key}`).toBe(false);
  }
  expect(validate({ ...document, surprise: 1 })).toBe(false);
  return document;
}

describe.each([
  ["one platform", () => sampleImage(), 1],
  ["an index", sampleIndex, 3],
] as const)("the document of %s", (_, sample, platforms) => {
  it("is as the schema says for a plan, a wrap, nothing to do, a copy and an undo", async () => {
    const place = await layout(sample());
    const planned = await documentOf([place, "--dry-run"]);
    expect(planned).toMatchObject({ action: "wrap", changed: true, applied: false, version: 1 });
    expect(plan(planned)).toBe(true);
    expect(planned["platforms"]).toHaveLength(platforms);
    expect(await documentOf([place, "--check"], 1)).toEqual(planned);
    const wrapped = await documentOf([place]);
    expect(wrapped).toMatchObject({ changed: true, applied: true });
    const { receipt, applied: _applied, ...rest } = wrapped;
    const { applied: __, ...foreseen } = planned;
    // What was foreseen is what was done.
    expect(rest).toEqual(foreseen);
    const bytes = planned["bytesToMove"] as number;
    expect((receipt as { bytesMoved: number }).bytesMoved).toBeGreaterThanOrEqual(bytes);
    expect((receipt as { put: string[] }).put.length).toBe(
      (planned["blobs"] as { way: string }[]).filter(({ way }) => way === "write").length,
    );
    expect(await documentOf([place])).toMatchObject({ changed: false, applied: false, platforms: expect.anything() });
    expect(await documentOf([place, "-o", `oci-archive:copy${number}.tar`])).toMatchObject({ applied: true });
    expect(await documentOf([place, "--undo"])).toMatchObject({ action: "undo", applied: true });
  });
});

describe("the files for the next step", () => {
  it("hold the image ID, the digest and buildx's metadata of one platform", async () => {
    const place = await layout(sampleImage());
    await initwrapOk(
      ["image", place, "--iidfile", "iid", "--digest-file", "digest", "--metadata-file", "metadata.json", "-q"],
      { env, cwd: folder },
    );
    const document = await documentOf([place]);
    const text = (name: string): Promise<string> => readFile(join(folder, name), "utf8");
    const [platform] = document["platforms"] as { after: { config: string; manifest: string } }[];
    expect(await text("iid")).toBe(platform!.after.config);
    expect(await text("digest")).toBe(platform!.after.manifest);
    expect(JSON.parse(await text("metadata.json"))).toEqual({
      "containerimage.config.digest": platform!.after.config,
      "containerimage.descriptor": document["after"],
      "containerimage.digest": platform!.after.manifest,
      "image.name": "docker.io/library/app:1",
      "initwrap.changed": true,
    });
    await initwrapOk(["image", place, "--metadata-file", "again.json", "-q"], { env, cwd: folder });
    expect(JSON.parse(await text("again.json"))["initwrap.changed"]).toBe(false);
  });

  it("hold the index's digest of several platforms, and no config's", async () => {
    const place = await layout(sampleIndex());
    await initwrapOk(
      ["image", place, "--iidfile", "iid", "--digest-file", "digest", "--metadata-file", "metadata.json"],
      {
        env,
        cwd: folder,
      },
    );
    const index = JSON.parse(await readFile(join(place, "index.json"), "utf8")).manifests[0].digest;
    const metadata = JSON.parse(await readFile(join(folder, "metadata.json"), "utf8"));
    expect(await readFile(join(folder, "iid"), "utf8")).toBe(index);
    expect(await readFile(join(folder, "digest"), "utf8")).toBe(index);
    expect(metadata["containerimage.digest"]).toBe(index);
    expect(metadata).not.toHaveProperty(["containerimage.config.digest"]);
  });

  it("are not written by a plan", async () => {
    const place = await layout(sampleImage());
    await initwrap(["image", place, "--check", "--iidfile", "not", "--digest-file", "not", "--metadata-file", "not"], {
      cwd: folder,
    });
    await expect(readFile(join(folder, "not"))).rejects.toThrow();
  });
});

describe("in a registry", () => {
  const session = new RegistrySession({ env: { HOME: "/nonexistent" } });
  let registry: TestRegistry;
  beforeAll(async () => {
    if (!registryAvailable) return;
    registry = await startRegistry();
    await putImage(`${registry.host}/team/one:1`, sampleImage(), session);
    await putImage(`${registry.host}/team/two:1`, sampleImage({ architecture: "arm64" }), session);
  });
  afterAll(async () => {
    await session.close();
    await registry?.stop();
  });
  beforeEach((context) => requireCapability(context, "docker-registry", registryAvailable));

  it("an image under several names is one line, by its first name, and one digest in the files", async () => {
    const names = ["a", "b"].map((tag) => `${registry.host}/team/names:${tag}`);
    const files = ["--iidfile", "iid", "--digest-file", "digest", "--metadata-file", "metadata.json"];
    const args = [`registry:${registry.host}/team/one:1`, "--push", ...names.flatMap((name) => ["-t", name]), ...files];
    const { stdout } = await initwrapOk(["image", ...args], { env, cwd: folder });
    const [, digest] = /^(sha256:[0-9a-f]{64})\n$/.exec(stdout.toString().replace(`${names[0]}@`, "")) ?? [];
    const text = (name: string): Promise<string> => readFile(join(folder, name), "utf8");
    expect(await text("digest")).toBe(digest);
    expect(await text("iid")).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(JSON.parse(await text("metadata.json"))).toMatchObject({
      "containerimage.digest": digest,
      "image.name": names.join(","),
    });
    for (const name of names) expect((await readWhole(name, session)).digest).toBe(digest);
  });

  it("says beforehand how many bytes are sent, for more names, copies of what is wrapped and carried manifests", async () => {
    const { host } = registry;
    await putImage(`${host}/moves/both:1`, twoPlatforms(), session);
    await putImage(`${host}/moves/one:1`, sampleImage({ layers: ["moves\n"] }), session);
    const source = (name: string): string => `registry:${host}/moves/${name}`;
    const to = (...places: string[]): string[] => places.flatMap((place) => ["-t", `${host}/${place}`]);
    const runs = [
      [source("one:1"), "--push", ...to("moves/one:a", "moves/one:b", "moves/one:c")],
      // Wrapped already: a name in the same repository, and one elsewhere.
      [source("one:a"), "--push", ...to("moves/one:d")],
      [source("one:a"), "--push", ...to("elsewhere/one:1")],
      // The other platform's manifest stays as it is, and no registry mounts manifests.
      [source("both:1"), "--platform", "linux/amd64", "--push", ...to("elsewhere/both:1")],
    ];
    for (const args of runs) {
      const planned = await documentOf([...args, "--dry-run"]);
      const { receipt } = await documentOf(args);
      expect((receipt as { bytesMoved: number }).bytesMoved, args.join(" ")).toBe(planned["bytesToMove"]);
    }
  });

  it("a list has a document as the schema says, and one document and one line for each image in the files", async () => {
    const { host } = registry;
    await writeFile(join(folder, "refs.txt"), `${host}/team/one:1\n${host}/team/none:1\n${host}/team/two:1\n`);
    const args = ["--from", "refs.txt", "-t", `${host}/copy/{{path}}:{{tag}}`];
    const statuses = (document: Record<string, unknown>): unknown[] =>
      (document["images"] as { status: string }[]).map(({ status }) => status);
    expect(statuses(await documentOf([...args, "--dry-run"], 3))).toEqual(["planned", "failed", "planned"]);
    const document = await documentOf(
      [...args, "--shard", "1/1", "--digest-file", "digests", "--metadata-file", "metadata.json"],
      3,
    );
    expect(statuses(document)).toEqual(["wrapped", "failed", "wrapped"]);
    const images = document["images"] as { image: string; result?: { digest: string; blobs: { way: string }[] } }[];
    expect(new Set(images[0]!.result!.blobs.map(({ way }) => way))).toEqual(new Set(["mount", "write"]));
    expect(await readFile(join(folder, "digests"), "utf8")).toBe(
      `${host}/copy/team/one:1@${images[0]!.result!.digest}\n${host}/copy/team/two:1@${images[2]!.result!.digest}\n`,
    );
    const metadata = JSON.parse(await readFile(join(folder, "metadata.json"), "utf8"));
    expect(Object.keys(metadata)).toEqual([`${host}/team/one:1`, `${host}/team/two:1`]);
    expect(metadata[`${host}/team/two:1`]["containerimage.digest"]).toBe(images[2]!.result!.digest);
    expect(statuses(await documentOf(args, 3))).toEqual(["present", "failed", "present"]);
    await writeFile(join(folder, "copies.txt"), `${host}/copy/team/one:1\n${host}/copy/team/two:1\n`);
    const copies = ["--from", "copies.txt"];
    expect(statuses(await documentOf([...copies, "-o", "oci:wrapped", "-t", "{{name}}:1"]))).toEqual([
      "copied",
      "copied",
    ]);
    expect(statuses(await documentOf([...copies, "--push", "--undo"]))).toEqual(["undone", "undone"]);
    await writeFile(join(folder, "layout.txt"), "oci:wrapped:one:1\noci:wrapped:two:1\n");
    expect(statuses(await documentOf(["--from", "layout.txt", "--check"]))).toEqual(["unchanged", "unchanged"]);
    expect(statuses(await documentOf([...args, "--jobs", "1", "--fail-fast"], 3))).toEqual([
      "wrapped",
      "failed",
      "not-started",
    ]);
  });
});
