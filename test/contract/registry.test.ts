/** The registry adapter against a real registry: what it writes can be read, mounted and resumed. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Descriptor } from "../../packages/cli/src/model/descriptor.ts";
import { digestOf } from "../../packages/cli/src/model/digest.ts";
import { OCI_LAYER_TAR } from "../../packages/cli/src/model/media-types.ts";
import { parseReference, type Reference } from "../../packages/cli/src/model/reference.ts";
import { fetchImageConfig } from "../../packages/cli/src/store/registry/image-config.ts";
import { RegistrySession } from "../../packages/cli/src/store/registry/session.ts";
import { openRegistrySink } from "../../packages/cli/src/store/registry/sink.ts";
import { openRegistrySource } from "../../packages/cli/src/store/registry/source.ts";
import { requireCapability } from "../support/capability.ts";
import { freePort, registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { again, collect, noise, once, putImage, sampleImage, sampleIndex } from "../support/sample-image.ts";

let registry: TestRegistry | undefined;
const exchanges: string[] = [];
let session: RegistrySession;

beforeAll(async () => {
  if (registryAvailable) registry = await startRegistry();
  session = new RegistrySession({
    env: { HOME: "/nonexistent" },
    onExchange: ({ method, url, status }) => exchanges.push(`${method} ${new URL(url).pathname} ${status}`),
  });
});
afterAll(async () => {
  await session.close();
  await registry?.stop();
});
beforeEach((context) => {
  requireCapability(context, "docker-registry", registryAvailable);
  exchanges.length = 0;
});

function reference(name: string): Reference {
  return parseReference(`${registry!.host}/${name}`)!;
}

function layer(bytes: Uint8Array): Descriptor {
  return { mediaType: OCI_LAYER_TAR, digest: digestOf(bytes), size: bytes.length };
}

describe("a registry", () => {
  it("gives back what was put, byte for byte, by tag and by digest", async () => {
    const image = sampleImage("roundtrip", [10, 70_000, 5_000_000]);
    const sink = openRegistrySink(reference("team/roundtrip:1"), { session });
    await putImage(sink, image);
    await sink.close();
    for (const name of ["team/roundtrip:1", `team/roundtrip@${image.root.digest}`]) {
      const source = openRegistrySource(reference(name), { session });
      const root = await source.root();
      expect(root.descriptor).toEqual(image.root);
      for (const { descriptor, bytes } of image.blobs.values()) {
        if (descriptor.mediaType.includes("layer")) {
          expect(Buffer.compare(await collect(await source.open(descriptor)), bytes)).toBe(0);
        } else {
          expect(Buffer.compare(await source.read(descriptor), bytes)).toBe(0);
        }
      }
      await source.close();
    }
  });

  it("shows nothing under the tag before commit", async () => {
    const image = sampleImage("unpublished", [100]);
    const sink = openRegistrySink(reference("team/unpublished:1"), { session });
    for (const { descriptor, bytes } of image.blobs.values()) await sink.put(descriptor, once(bytes));
    await sink.close();
    const source = openRegistrySource(reference("team/unpublished:1"), { session });
    await expect(source.root()).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND", exit: 3 });
  });

  it("refuses content that is not what its digest names, and stores nothing of it", async () => {
    for (const size of [1000, 6_000_000]) {
      const bytes = noise(`corrupt ${size}`, size);
      const descriptor = layer(bytes);
      const wrong = Buffer.from(bytes);
      wrong[size - 1]! ^= 1;
      const sink = openRegistrySink(reference("team/corrupt:1"), { session });
      for (const content of [once(wrong), again(wrong), once(bytes.subarray(1)), once(Buffer.concat([bytes, bytes]))]) {
        await expect(sink.put(descriptor, content)).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
      }
      expect(await sink.has(descriptor)).toBe(false);
      await sink.close();
    }
  });

  it("takes large content that can be read once in pieces, and content that can be read again in one request", async () => {
    const bytes = noise("pieces", 20_000_000);
    const sink = openRegistrySink(reference("team/pieces:1"), { session });
    await sink.put(layer(bytes), once(bytes));
    expect(exchanges.filter((line) => line.startsWith("PATCH"))).toHaveLength(3);
    exchanges.length = 0;
    const more = noise("whole", 20_000_000);
    await sink.put(layer(more), again(more));
    expect(exchanges.map((line) => line.split(" ")[0])).toEqual(["POST", "PUT"]);
    expect([await sink.has(layer(bytes)), await sink.has(layer(more))]).toEqual([true, true]);
    await sink.close();
  });

  it("asks nothing about blobs of the same repository, and mounts those of another one", async () => {
    const image = sampleImage("mounts", [1000, 2000]);
    const first = openRegistrySink(reference("team/origin:1"), { session });
    await putImage(first, image);
    const from = openRegistrySource(reference("team/origin:1"), { session });
    await from.read((await from.root()).descriptor);
    const layers = [...image.blobs.values()].filter(({ descriptor }) => descriptor.mediaType.includes("layer"));

    exchanges.length = 0;
    const same = openRegistrySink(reference("team/origin:2"), { session, from });
    for (const { descriptor } of layers) expect(await same.has(descriptor)).toBe(true);
    expect(exchanges).toEqual([]);

    const other = openRegistrySink(reference("other/place:1"), { session, from });
    for (const { descriptor } of layers) expect(await other.has(descriptor)).toBe(true);
    expect(exchanges).toEqual(layers.map(() => "POST /v2/other/place/blobs/uploads/ 201"));
    for (const { descriptor, bytes } of image.blobs.values()) {
      if (!(await other.has(descriptor))) await other.put(descriptor, once(bytes));
    }
    const receipt = await other.commit(image.root);
    expect(receipt.digest).toBe(image.root.digest);
    expect(receipt.names).toEqual([`${registry!.host}/other/place:1`]);
    expect(receipt.bytesMoved).toBeLessThan(2000);
  });

  it("writes a small image with one request for each new blob and one for the tag", async () => {
    const image = sampleImage("requests", [100]);
    const sink = openRegistrySink(reference("team/requests:1"), { session });
    await session.origin(registry!.host);
    exchanges.length = 0;
    for (const { descriptor, bytes } of image.blobs.values()) await sink.put(descriptor, once(bytes));
    await sink.commit(image.root);
    expect(exchanges.map((line) => line.split(" ")[0])).toEqual(["POST", "PUT", "POST", "PUT", "PUT"]);
  });

  it("reads the config of the right platform, and says which platforms there are", async () => {
    const index = sampleIndex({
      "linux/amd64": sampleImage("amd", [10], ["/amd"]),
      "linux/arm64": sampleImage("arm", [10], ["/arm"]),
    });
    const sink = openRegistrySink(reference("team/multi:1"), { session });
    await putImage(sink, index);
    const found = await fetchImageConfig(
      reference("team/multi:1"),
      { os: "linux", architecture: "arm64", variant: "v8" },
      { session },
    );
    expect(found).toMatchObject({
      digest: index.root.digest,
      config: { config: { Entrypoint: ["/arm"], Cmd: ["serve"] } },
    });
    await expect(
      fetchImageConfig(reference("team/multi:1"), { os: "linux", architecture: "s390x" }, { session }),
    ).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND", hint: "It is there for linux/amd64, linux/arm64." });
    const absent = await fetchImageConfig(
      reference("team/multi:none"),
      { os: "linux", architecture: "amd64" },
      { session },
    );
    expect(absent).toBeUndefined();
  });

  it("is reached at an IPv6 address, and its Locations lead there", async () => {
    const six = await startRegistry({ listen: { host: "[::1]", port: await freePort() } });
    try {
      const image = sampleImage("six", [1000]);
      const at = parseReference(`${six.host}/team/six:1`)!;
      const sink = openRegistrySink(at, { session });
      await putImage(sink, image);
      const source = openRegistrySource(at, { session });
      expect((await source.root()).descriptor.digest).toBe(image.root.digest);
    } finally {
      await six.stop();
    }
  });

  it("reads a blob again from its first byte each time it is iterated", async () => {
    const bytes = noise("again", 300_000);
    const sink = openRegistrySink(reference("team/again:1"), { session });
    await putImage(sink, sampleImage("again", [300_000]));
    const source = openRegistrySource(reference("team/again:1"), { session });
    const descriptor = layer(noise("again/0", 300_000));
    const content = await source.open(descriptor);
    for (let round = 0; round < 2; round++) expect((await collect(content)).length).toBe(bytes.length);
  });
});
