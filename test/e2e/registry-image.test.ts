/** `initwrap image` with registries on one or both sides: what moves, what is left as it was, and that it comes out right. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parseReference } from "../../packages/cli/src/model/reference.ts";
import type { Source } from "../../packages/cli/src/store/contract.ts";
import { mediumOf } from "../../packages/cli/src/store/media.ts";
import { fetchImageConfig } from "../../packages/cli/src/store/registry/image-config.ts";
import { registryMedium } from "../../packages/cli/src/store/registry/medium.ts";
import { openRegistrySource } from "../../packages/cli/src/store/registry/source.ts";
import { wrapImage } from "../../packages/cli/src/wrap/image.ts";
import { descriptorOf, type SampleImage, sampleImage, sampleIndex } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { initwrap, initwrapOk } from "../support/cli.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { again, noise } from "../support/sample-image.ts";

let registry: TestRegistry;
let other: TestRegistry;
/** In front of the first registry, to count what is asked of it. */
let counter: FaultProxy;
let folder: string;
const env = { HOME: "/nonexistent" };
// 3 MB in one layer: what must not move.
const image = sampleImage({ layers: ["small\n", noise("heavy", 3_000_000)] });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-registry-e2e-"));
  if (!registryAvailable) return;
  [registry, other] = await Promise.all([startRegistry(), startRegistry()]);
  counter = await startFaultProxy(registry.host);
  await put(`${registry.host}/team/app:1`, image);
});
afterAll(async () => {
  await counter?.stop();
  await Promise.all([registry?.stop(), other?.stop()]);
  await rm(folder, { recursive: true });
});
beforeEach((context) => {
  requireCapability(context, "docker-registry", registryAvailable);
  counter.arm(-1, undefined);
});

async function put(place: string, content: SampleImage): Promise<void> {
  const sink = await registryMedium.sink(place, { env, names: [] });
  for (const { descriptor, bytes } of content.blobs) await sink.put(descriptor, again(bytes));
  await sink.commit(content.root);
  await sink.close();
}

interface Config {
  readonly config: { readonly Entrypoint: string[]; readonly Cmd: string[] | null };
  readonly rootfs: { readonly diff_ids: string[] };
}

async function configOf(place: string, architecture = "amd64"): Promise<Config> {
  const found = await fetchImageConfig(parseReference(place)!, { os: "linux", architecture }, { env });
  return found!.config as Config;
}

/** Reads everything that the root refers to, verified. */
async function readAll(source: Source): Promise<string[]> {
  const read: string[] = [];
  const visit = async (descriptor: Parameters<Source["read"]>[0]): Promise<void> => {
    const document = JSON.parse(new TextDecoder().decode(await source.read(descriptor)));
    for (const child of document.manifests ?? []) await visit(child);
    for (const child of [document.config, ...(document.layers ?? [])].filter(Boolean)) {
      for await (const _ of await source.open(child));
      read.push(child.digest);
    }
  };
  await visit((await source.root()).descriptor);
  return read;
}

describe("the undo of an image whose attestation was dropped", () => {
  /** An index without the platform that is not there, which no registry takes. */
  function attested(): SampleImage {
    const { blobs } = sampleIndex();
    const { descriptor, bytes } = blobs.at(-1)!;
    const document = JSON.parse(Buffer.from(bytes).toString()) as {
      manifests: { platform: { architecture: string } }[];
    };
    document.manifests = document.manifests.filter(({ platform }) => platform.architecture !== "s390x");
    const whole = Buffer.from(JSON.stringify(document));
    const root = descriptorOf(descriptor.mediaType, whole);
    return { root, blobs: [...blobs.slice(0, -1), { descriptor: root, bytes: whole }] };
  }

  it("takes it along where it still is, and says which one is missing where it is not", async () => {
    const original = attested();
    await put(`${registry.host}/attested/app:1`, original);
    const wrapped = `${registry.host}/attested/app:wrapped`;
    const { stderr } = await initwrapOk(["image", `registry:${registry.host}/attested/app:1`, "-t", wrapped], { env });
    expect(stderr).toContain("warning[ATTESTATION_DROPPED]");
    const undone = `${other.host}/attested/app:undone`;
    await initwrapOk(["image", `registry:${wrapped}`, "--undo", "-t", undone], { env });
    const source = await registryMedium.source(undone, { env, layers: true, inPlace: false });
    // A config and a layer of each platform, and those of the attestation.
    expect(await readAll(source)).toHaveLength(6);
    expect((await source.root()).descriptor.digest).toBe(original.root.digest);
    await source.close();

    const copy = `${other.host}/elsewhere/app:wrapped`;
    await initwrapOk(["image", `registry:${wrapped}`, "-t", copy], { env });
    const refused = await initwrap(["image", `registry:${copy}`, "--undo"], { env });
    expect([refused.status, refused.stdout.toString()]).toEqual([3, ""]);
    expect(refused.stderr).toContain(
      "the result lists what the registry does not hold: the attestation of linux/amd64\nhint: ",
    );
  });
});

describe("an image in a registry", () => {
  it("is wrapped under another tag of its repository with a handful of requests and a few kilobytes", async () => {
    const source = `registry:${counter.host}/team/app:1`;
    const result = await wrapImage({ source, names: [`${counter.host}/team/app:init`], env });
    // Whether something is attached to the old digest is asked beside all else.
    const isNotice = (line: string): boolean => /\/referrers\/|\/manifests\/sha256-/.test(line);
    expect(counter.requests.filter(isNotice)).toHaveLength(5);
    const asked = counter.requests
      .filter((line) => !isNotice(line))
      .map((line) => line.replace(/sha256:\w+/, "DIGEST").replace(/uploads\/.+/, "uploads/ID"));
    expect([asked[0], asked.at(-1)]).toEqual(["GET /v2/team/app/manifests/1", "PUT /v2/team/app/manifests/init"]);
    // Side by side the old config, and an upload for the new one, which nobody asks for; then the new layer, which is not there yet.
    expect(asked.slice(1, 3).sort()).toEqual(["GET /v2/team/app/blobs/DIGEST", "POST /v2/team/app/blobs/uploads/"]);
    expect(asked.slice(3, -1).sort()).toEqual([
      "HEAD /v2/team/app/blobs/DIGEST",
      "POST /v2/team/app/blobs/uploads/",
      "PUT /v2/team/app/blobs/uploads/ID",
      "PUT /v2/team/app/blobs/uploads/ID",
    ]);
    expect(result.receipt!.bytesMoved).toBeLessThan(30_000);
    expect(result.names).toEqual([`${counter.host}/team/app:init`]);
    const [before, after] = [
      await configOf(`${registry.host}/team/app:1`),
      await configOf(`${registry.host}/team/app:init`),
    ];
    expect(after.config.Entrypoint).toEqual(["/initwrap", "--", ...before.config.Entrypoint]);
    expect(after.config.Cmd).toEqual(before.config.Cmd);
    expect(after.rootfs.diff_ids.slice(0, -1)).toEqual(before.rootfs.diff_ids);
    const found = openRegistrySource(parseReference(`${registry.host}/team/app:init`)!, { env });
    expect((await found.root()).descriptor.digest).toBe(result.digest);
    expect(await readAll(found)).toHaveLength(4);
    await found.close();
  });

  it("is left alone the second time", async () => {
    const names = [`${registry.host}/team/again:1`];
    await put(names[0]!, image);
    const first = await wrapImage({ source: `registry:${names[0]}`, names, env });
    const second = await wrapImage({ source: `registry:${names[0]}`, names, env });
    expect(first.plan.changed).toBe(true);
    expect(second.plan.changed).toBe(false);
    expect(second.digest).toBe(first.digest);
    const undone = await wrapImage({ source: `registry:${names[0]}`, names, env, action: "undo" });
    expect(undone.digest).toBe(image.root.digest);
  });

  it("is asked for no upload when it has the init, and one that was opened for nothing is cancelled", async () => {
    const uploads = (): string[] => counter.requests.filter((line) => line.includes("/uploads/"));
    const place = `${counter.host}/team/idle:1`;
    await put(`${registry.host}/team/idle:1`, image);
    await wrapImage({ source: `registry:${place}`, names: [place], env });
    counter.arm(-1, undefined);
    await wrapImage({ source: `registry:${place}`, names: [place], env });
    expect(uploads()).toEqual([]);
    await put(`${registry.host}/team/idle:2`, sampleImage({ config: { Entrypoint: ["supervisord", "-n"] } }));
    await expect(wrapImage({ source: `registry:${counter.host}/team/idle:2`, names: [place], env })).rejects.toThrow(
      /supervisord/,
    );
    expect(uploads().map((line) => line.split(" ")[0])).toEqual(["POST", "DELETE"]);
  });

  it("is mounted into another repository, and streamed to another registry, with the same digest", async () => {
    const source = `registry:${counter.host}/team/app:1`;
    const mounted = await wrapImage({ source, output: `registry:${counter.host}/elsewhere/app:1`, env });
    expect(counter.requests.filter((line) => line.startsWith("PUT") && line.includes("uploads"))).toHaveLength(2);
    expect(mounted.receipt!.bytesMoved).toBeLessThan(30_000);
    const streamed = await wrapImage({ source, output: `registry:${other.host}/app:1`, env });
    expect(streamed.digest).toBe(mounted.digest);
    expect(streamed.receipt!.bytesMoved).toBeGreaterThan(3_000_000);
    for (const place of [`${registry.host}/elsewhere/app:1`, `${other.host}/app:1`]) {
      const found = openRegistrySource(parseReference(place)!, { env });
      expect(await readAll(found)).toHaveLength(4);
      await found.close();
    }
  });

  it("goes to archives and layouts and back, with the same digest", async () => {
    const source = `registry:${registry.host}/team/app:1`;
    const expected = (await wrapImage({ source, names: [`${registry.host}/team/x:1`], apply: false, env })).digest;
    for (const [scheme, path] of [
      ["oci", join(folder, "layout")],
      ["oci-archive", join(folder, "oci.tar")],
      ["docker-archive", join(folder, "docker.tar")],
    ] as const) {
      const out = await wrapImage({ source, output: `${scheme}:${path}`, names: ["docker.io/library/app:1"], env });
      expect(out.plan.after.digest, scheme).toBe(expected);
      const opened = await (await mediumOf(scheme)).source(path, { env, layers: true });
      expect(await readAll(opened)).toHaveLength(4);
      await opened.close();
      const back = `${registry.host}/from/${scheme}:1`;
      const pushed = await wrapImage({ source: `${scheme}:${path}`, output: `registry:${back}`, names: [back], env });
      expect(pushed.digest, scheme).toBe(expected);
      expect((await configOf(back)).config.Entrypoint).toEqual(["/initwrap", "--", "/app"]);
    }
  });

  it("for several platforms is wrapped platform by platform", async () => {
    // This registry wants every platform of an index to be there; the sample lists one that is not.
    const sample = sampleIndex();
    const index = JSON.parse(new TextDecoder().decode(sample.blobs.at(-1)!.bytes));
    const present = new Set(sample.blobs.map(({ descriptor }) => descriptor.digest as string));
    index.manifests = index.manifests.filter(({ digest }: { digest: string }) => present.has(digest));
    const bytes = Buffer.from(JSON.stringify(index));
    const { digestOf } = await import("../../packages/cli/src/model/digest.ts");
    const root = { ...sample.root, digest: digestOf(bytes), size: bytes.length };
    const place = `${registry.host}/team/multi:1`;
    await put(place, { root, blobs: [...sample.blobs.slice(0, -1), { descriptor: root, bytes }] });
    const result = await wrapImage({ source: `registry:${place}`, names: [`${registry.host}/team/multi:init`], env });
    const wrapped = `${registry.host}/team/multi:init`;
    expect((await configOf(wrapped)).config.Entrypoint).toEqual(["/initwrap", "--", "/amd"]);
    const arm = await configOf(wrapped, "arm64");
    expect([arm.config.Entrypoint, arm.config.Cmd]).toEqual([
      ["/initwrap", "--"],
      ["/arm", "x"],
    ]);
    expect(result.plan.platforms).toHaveLength(2);
    // The attestation that was dropped is still in the repository, and the registry wants it in the other one too.
    const back = `${registry.host}/team/multi-back:1`;
    const undone = await wrapImage({ source: `registry:${wrapped}`, names: [back], action: "undo", env });
    expect([undone.digest, undone.diagnostics]).toEqual([root.digest, []]);
  });
});

describe("a bare name that no engine has", () => {
  const bare = { HOME: "/nonexistent", DOCKER_HOST: "unix:///nonexistent/docker.sock", XDG_CONFIG_HOME: "" };
  const digestAt = async (place: string): Promise<string> => {
    const found = openRegistrySource(parseReference(place)!, { env });
    try {
      return (await found.root()).descriptor.digest;
    } finally {
      await found.close();
    }
  };

  it("is taken from its registry when the result has a name or a place, and else it is said how", async () => {
    const place = `${registry.host}/bare/app`;
    await put(`${place}:1`, image);
    const named = await initwrapOk(["image", `${place}:1`, "-t", `${place}:named`], { env: bare });
    expect(named.stdout.toString()).toBe(`${place}:named@${await digestAt(`${place}:named`)}\n`);
    const pushed = await initwrapOk(["image", `${place}:1`, "-t", `${place}:pushed`, "--push"], { env: bare });
    expect(pushed.stdout.toString()).toBe(`${place}:pushed@${await digestAt(`${place}:named`)}\n`);
    const file = join(folder, "bare.tar");
    await initwrapOk(["image", `${place}:1`, "-o", `oci-archive:${file}`], { env: bare });
    expect(await digestAt(`${place}:1`)).toBe(image.root.digest);
    const nowhere = await initwrap(["image", `${place}:1`], { env: bare });
    expect(nowhere.status).toBe(6);
    expect(nowhere.stderr).toMatch(/hint: .*-t NAME, -o LOCATOR or --push/);
  });

  it("is replaced in its registry by --push alone, and an archive needs a name for that", async () => {
    const place = `${registry.host}/bare/own:1`;
    await put(place, image);
    await initwrapOk(["image", place, "--push"], { env: bare });
    expect((await configOf(place)).config.Entrypoint[0]).toBe("/initwrap");
    const file = join(folder, "own.tar");
    await initwrapOk(["image", `registry:${place}`, "-o", `oci-archive:${file}`], { env: bare });
    const unnamed = await initwrap(["image", file, "--push", "--undo"], { env: bare });
    expect([unnamed.status, unnamed.stderr]).toEqual([5, expect.stringContaining("error[TAG_REQUIRED]")]);
    await initwrapOk(["image", file, "--push", "--undo", "-t", place], { env: bare });
    expect(await digestAt(place)).toBe(image.root.digest);
    const both = await initwrap(["image", file, "--push", "-o", "x.tar"], { env: bare });
    expect(both.status).toBe(2);
  });
});
