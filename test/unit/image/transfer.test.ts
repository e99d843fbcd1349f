/** What a transfer does about layers that are not there: one that is elsewhere by its own word, and one that is missing. */
import { beforeEach, describe, expect, it } from "vitest";
import type { Descriptor } from "../../../packages/cli/src/model/descriptor.ts";
import { OCI_LAYER_GZIP } from "../../../packages/cli/src/model/media-types.ts";
import { MemoryStore } from "../../../packages/cli/src/store/memory.ts";
import { transfer } from "../../../packages/cli/src/store/transfer.ts";
import { sampleImage } from "../../contract/sample-image.ts";

const image = sampleImage();
const [first] = image.blobs;
let from: MemoryStore;
let to: MemoryStore;
beforeEach(() => {
  from = new MemoryStore();
  to = new MemoryStore();
  for (const { descriptor, bytes } of image.blobs) from.blobs.set(descriptor.digest, bytes);
  from.blobs.delete(first!.descriptor.digest);
});

async function move(layer: Descriptor) {
  const cargo = image.blobs.map(({ descriptor }) => ({
    descriptor: descriptor.digest === layer.digest ? layer : descriptor,
  }));
  const sink = await to.medium().sink("app", { env: {}, names: [] });
  try {
    return await transfer(cargo, image.root, from.source("app"), sink);
  } finally {
    await sink.close();
  }
}

describe("a layer that the source does not hold", () => {
  it.each([
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  ])("is passed over when it is elsewhere: %s", async (mediaType) => {
    const layer = { ...first!.descriptor, mediaType, urls: ["https://example.com/layer"] };
    const { put, skipped } = await move(layer);
    expect(skipped).toEqual([layer]);
    expect(put).toHaveLength(image.blobs.length - 1);
    expect(to.images.get("app")?.descriptor.digest).toBe(image.root.digest);
  });

  it.each<[string, Partial<Descriptor>]>([
    ["of the ordinary kind", { mediaType: OCI_LAYER_GZIP, urls: ["https://example.com/layer"] }],
    ["that names no place", { mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", urls: [] }],
  ])("ends the transfer, and nothing is published: one %s", async (_, fields) => {
    await expect(move({ ...first!.descriptor, ...fields })).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
    expect(to.images.size).toBe(0);
  });
});
