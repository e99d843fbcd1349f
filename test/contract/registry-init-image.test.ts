/** The init's own image: the same digest every time, and a registry that hands it out for each platform. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initFor } from "@initwrap/init-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parseReference } from "../../packages/cli/src/model/reference.ts";
import { mediumOf } from "../../packages/cli/src/store/media.ts";
import { fetchImageConfig } from "../../packages/cli/src/store/registry/image-config.ts";
import { openRegistrySource } from "../../packages/cli/src/store/registry/source.ts";
import { buildInitImage, runInitImage } from "../../packages/cli/src/wrap/init-image.ts";
import { requireCapability } from "../support/capability.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { collect } from "../support/sample-image.ts";

let registry: TestRegistry | undefined;
const context = { env: { HOME: "/nonexistent" } };

beforeAll(async () => {
  if (registryAvailable) registry = await startRegistry();
});
afterAll(() => registry?.stop());

describe("the init image", () => {
  it("has one digest, whoever builds it, and narrows to the platforms asked for", () => {
    expect(buildInitImage().root).toEqual(buildInitImage().root);
    const one = buildInitImage([{ os: "linux", architecture: "arm64" }]);
    expect(one.platforms).toMatchObject([{ platform: { os: "linux", architecture: "arm64" } }]);
    expect(buildInitImage().platforms).toContainEqual(one.platforms[0]);
    expect(() => buildInitImage([{ os: "linux", architecture: "pdp11" }])).toThrow(/no init for linux\/pdp11/);
  });

  describe("in a registry", () => {
    beforeEach((test) => requireCapability(test, "docker-registry", registryAvailable));

    it("is there under its tag and digest, with the layer that wrapped images carry, and is pushed once", async () => {
      const push = `${registry!.host}/tools/initwrap:1`;
      const request = { push, platforms: [], insecureRegistries: [], context };
      const result = await runInitImage(request);
      expect(result.places).toEqual([`${push}@${result.image.root.digest}`]);
      const found = await fetchImageConfig(
        parseReference(result.places[0]!)!,
        { os: "linux", architecture: "amd64" },
        context,
      );
      expect(found).toMatchObject({
        digest: result.image.root.digest,
        config: {
          config: { Entrypoint: ["/initwrap", "--"] },
          rootfs: { diff_ids: [initFor({ os: "linux", architecture: "amd64" }).diffId] },
        },
      });
      const source = openRegistrySource(parseReference(push)!, context);
      const init = initFor({ os: "linux", architecture: "arm64" });
      const layer = { mediaType: "", digest: init.digest as `sha256:${string}`, size: init.layerSize };
      expect(Buffer.compare(await collect(await source.open(layer)), init.layer())).toBe(0);
      await source.close();
      // The second run finds everything there: only the tag's manifest is sent.
      const second = await runInitImage(request);
      expect(second.bytesMoved).toBe(result.image.root.size);
    });
  });

  it("is written to a layout and to an archive, with the same digest", async () => {
    const folder = await mkdtemp(join(tmpdir(), "initwrap-init-image-"));
    try {
      for (const [scheme, output] of [
        ["oci", join(folder, "layout")],
        ["oci-archive", join(folder, "image.tar")],
      ] as const) {
        const result = await runInitImage({ output, platforms: [], insecureRegistries: [], context });
        expect(result.places).toEqual([`${scheme}:${output}@${buildInitImage().root.digest}`]);
        const source = await (await mediumOf(scheme)).source(output, { ...context, layers: true });
        expect((await source.root()).descriptor.digest).toBe(result.image.root.digest);
        for (const { descriptor, bytes } of result.image.blobs) {
          expect(Buffer.compare(await collect(await source.open(descriptor)), bytes)).toBe(0);
        }
        await source.close();
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("says what is wrong with a request before it asks anyone", async () => {
    const request = { push: "localhost:1/x", platforms: [], insecureRegistries: [], context };
    await expect(runInitImage({ platforms: [], insecureRegistries: [], context })).rejects.toMatchObject({
      code: "USAGE",
    });
    await expect(runInitImage({ ...request, push: "team/UPPER" })).rejects.toMatchObject({ code: "USAGE" });
    await expect(runInitImage({ ...request, platforms: ["a/b/c/d"] })).rejects.toMatchObject({ code: "USAGE" });
    await expect(runInitImage({ ...request, platforms: ["linux/pdp11"] })).rejects.toMatchObject({
      code: "NO_INIT_FOR_PLATFORM",
    });
  });
});
