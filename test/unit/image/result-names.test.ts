/** What a result is called: by -t, by what stands behind the colon, or as it was; and that a plan knows it. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mediumOf } from "../../../packages/cli/src/store/media.ts";
import { ociLayoutMedium } from "../../../packages/cli/src/store/oci-layout.ts";
import { type WrapImageRequest, wrapImage } from "../../../packages/cli/src/wrap/image.ts";
import { planMoves } from "../../../packages/cli/src/wrap/image-moves.ts";
import { sampleImage } from "../../contract/sample-image.ts";
import { again } from "../../support/sample-image.ts";

const env = {};
const NAME = "docker.io/library/app:1";
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-names-"));
});
afterAll(() => rm(folder, { recursive: true }));

let number = 0;
/** A layout that holds one image under that name. */
async function layout(names: readonly string[] = [NAME], text = "names\n"): Promise<string> {
  const path = join(folder, `layout${number++}`);
  await add(path, names, text);
  return path;
}

async function add(path: string, names: readonly string[], text: string): Promise<void> {
  const image = sampleImage({ layers: [text, "second\n"] });
  const sink = await ociLayoutMedium.sink(path, { env, names });
  for (const { descriptor, bytes } of image.blobs) await sink.put(descriptor, again(bytes));
  await sink.commit(image.root);
  await sink.close();
}

/** An archive of the images in a layout. */
async function archive(): Promise<string> {
  const path = join(folder, `archive${number++}.tar`);
  await wrapImage({ source: `oci:${await layout()}`, output: `oci-archive:${path}`, env });
  await wrapImage({ source: path, action: "undo", env });
  return path;
}

/** Plans and does it; what the plan said is what was done. */
async function names(request: WrapImageRequest): Promise<readonly string[]> {
  const { names: planned } = await wrapImage({ ...request, env, apply: false });
  const { names: done, receipt } = await wrapImage({ ...request, env });
  expect(receipt?.names).toEqual(done);
  expect(planned).toEqual(done);
  return done;
}

/** Every entry of the layout: the name or the tag, and the digest. */
async function entries(path: string): Promise<Record<string, string>> {
  const { manifests } = JSON.parse(await readFile(join(path, "index.json"), "utf8")) as {
    manifests: { digest: string; annotations: Record<string, string> }[];
  };
  return Object.fromEntries(
    manifests.map(({ digest, annotations }) => [
      annotations["io.containerd.image.name"] ?? annotations["org.opencontainers.image.ref.name"],
      digest,
    ]),
  );
}

describe("a layout", () => {
  it("keeps the original beside a result that is named behind the colon", async () => {
    const path = await layout();
    const before = await entries(path);
    expect(await names({ source: `oci:${path}`, output: `oci:${path}:new` })).toEqual([]);
    const after = await entries(path);
    expect(Object.keys(after)).toEqual([NAME, "new"]);
    expect(after[NAME]).toBe(before[NAME]);
    expect(after["new"]).not.toBe(before[NAME]);
    const again = await wrapImage({ source: `oci:${path}:1`, output: `oci:${path}:newer`, env, apply: false });
    expect(planMoves(again).map(({ way }) => way)).toEqual(["skip", "skip", "write", "write", "write"]);
  });

  it.each(["1", "app:1", NAME])("keeps its names when %s chose the image", async (wanted) => {
    const path = await layout();
    expect(await names({ source: `oci:${path}:${wanted}` })).toEqual([NAME]);
    expect(Object.keys(await entries(path))).toEqual([NAME]);
  });

  it("takes -t as an image name, in full", async () => {
    const path = await layout();
    expect(await names({ source: `oci:${path}`, names: ["other"] })).toEqual(["docker.io/library/other:latest"]);
    expect(Object.keys(await entries(path))).toEqual([NAME, "docker.io/library/other:latest"]);
  });

  it("takes over the source's names where nothing else is said, and a bare tag as it is", async () => {
    const [source, path] = [await layout(), join(folder, `new${number++}`)];
    expect(await names({ source: `oci:${source}`, output: `oci:${path}` })).toEqual([NAME]);
    expect(await names({ source: `oci:${source}`, output: `oci:${path}:1.0` })).toEqual([]);
    expect(Object.keys(await entries(path))).toEqual([NAME, "1.0"]);
  });

  it("whose index.json is the image can be copied when there is nothing to do", async () => {
    const path = await layout();
    const index = JSON.parse(await readFile(join(path, "index.json"), "utf8"));
    const other = sampleImage({ architecture: "arm64" });
    await add(path, ["docker.io/library/other:1"], "names\n");
    const sink = await ociLayoutMedium.sink(path, { env, names: ["docker.io/library/arm:1"] });
    for (const { descriptor, bytes } of other.blobs) {
      if (!(await sink.has(descriptor))) await sink.put(descriptor, again(bytes));
    }
    await sink.commit(other.root);
    await sink.close();
    const [first] = index.manifests;
    const bare = [
      {
        mediaType: first.mediaType,
        digest: first.digest,
        size: first.size,
        platform: { os: "linux", architecture: "amd64" },
      },
      { ...other.root, platform: { os: "linux", architecture: "arm64" } },
    ];
    await writeFile(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: bare }));
    await wrapImage({ source: `oci:${path}`, env });
    const copy = join(folder, `copy${number++}`);
    const { receipt, plan } = await wrapImage({ source: `oci:${path}`, output: `oci:${copy}:x`, env });
    expect(plan.changed).toBe(false);
    expect(Object.values(await entries(copy))).toEqual([receipt!.digest]);
  });
});

describe("an archive", () => {
  it.each([
    ["a tag", () => "1"],
    ["a name", () => "app:1"],
    ["a digest", (digest: string) => digest],
  ])("keeps its names when %s chose the image", async (_, wantedOf) => {
    const path = await archive();
    const source = await (await mediumOf("oci-archive")).source(path, { env, layers: false });
    const { digest } = (await source.root()).descriptor;
    await source.close();
    expect(await names({ source: `oci-archive:${path}:${wantedOf(digest)}` })).toEqual([NAME]);
  });

  it("has the name behind the colon when it is new, and that of -t before it", async () => {
    const path = await archive();
    const output = `docker-archive:${join(folder, "named.tar")}:team/app:2`;
    expect(await names({ source: path, output })).toEqual(["docker.io/team/app:2"]);
    await rm(join(folder, "named.tar"));
    expect(await names({ source: path, output, names: ["x"] })).toEqual(["docker.io/library/x:latest"]);
  });
});
