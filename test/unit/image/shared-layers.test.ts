/** From one layout into another, layers are shared: blocks where the file system can, else a second name for the file. */
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ociLayoutMedium } from "../../../packages/cli/src/store/oci-layout.ts";
import { wrapImage } from "../../../packages/cli/src/wrap/image.ts";
import { putImage, sampleImage } from "../../support/sample-image.ts";

it("a layout's layers are not written again into another layout, and live on without the first", async () => {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-shared-"));
  try {
    const [source, target] = [join(folder, "source"), join(folder, "target")];
    const image = sampleImage("shared", [1 << 20, 2 << 20]);
    const sink = await ociLayoutMedium.sink(source, { env: {}, names: ["docker.io/library/app:1"] });
    await putImage(sink, image);
    await sink.close();
    const { receipt } = await wrapImage({ source: `oci:${source}`, output: `oci:${target}`, env: {} });
    expect(receipt!.bytesMoved).toBeLessThan(256 << 10);
    const layers = [...image.blobs.values()].slice(0, 2);
    expect(receipt!.skipped).toEqual(expect.arrayContaining(layers.map(({ descriptor }) => descriptor)));
    const place = (root: string, at: number): string =>
      join(root, "blobs/sha256", layers[at]!.descriptor.digest.slice(7));
    const [one, other] = await Promise.all([stat(place(source, 0)), stat(place(target, 0))]);
    // A clone is a file of its own, a second name is not.
    expect(one.ino === other.ino ? other.nlink : other.blocks).toBe(one.ino === other.ino ? 2 : one.blocks);
    await rm(source, { recursive: true });
    for (const at of [0, 1]) {
      expect((await readFile(place(target, at))).equals(Buffer.from(layers[at]!.bytes))).toBe(true);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
