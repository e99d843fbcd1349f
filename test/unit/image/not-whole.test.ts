/** Images in files and folders that are not whole: a plan refuses them as a run does, and what is there stays as it was. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Descriptor } from "../../../packages/cli/src/model/descriptor.ts";
import { END_OF_ARCHIVE, padding, tarHeader } from "../../../packages/cli/src/store/tar.ts";
import { wrapImage } from "../../../packages/cli/src/wrap/image.ts";
import { descriptorOf, sampleImage } from "../../contract/sample-image.ts";

const image = sampleImage({ layers: ["one\n", "two\n"] });
const layer = image.blobs[0]!.descriptor;
const MARKER = '{"imageLayoutVersion":"1.0.0"}';
const env = {};

let folder: string;
let number = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-whole-"));
});
afterAll(() => rm(folder, { recursive: true }));

type Blobs = readonly { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[];

/** The blobs as a layout, or as the archive of one. */
const PLACES = {
  oci: async (blobs: Blobs, root: Descriptor): Promise<string> => {
    const path = join(folder, `layout${number++}`);
    await mkdir(join(path, "blobs/sha256"), { recursive: true });
    for (const { descriptor, bytes } of blobs) {
      await writeFile(join(path, "blobs/sha256", descriptor.digest.slice(7)), bytes);
    }
    await writeFile(join(path, "oci-layout"), MARKER);
    await writeFile(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [root] }));
    return path;
  },
  "oci-archive": async (blobs: Blobs, root: Descriptor): Promise<string> => {
    const path = join(folder, `archive${number++}.tar`);
    const files = blobs.map(({ descriptor, bytes }) => [`blobs/sha256/${descriptor.digest.slice(7)}`, bytes] as const);
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [root] }));
    const entries = [...files, ["oci-layout", Buffer.from(MARKER)] as const, ["index.json", index] as const];
    const parts = entries.flatMap(([name, bytes]) => [tarHeader(name, bytes.length), bytes, padding(bytes.length)]);
    await writeFile(path, Buffer.concat([...parts, END_OF_ARCHIVE]));
    return path;
  },
};

/** Every file of a place, with its bytes. */
async function everything(path: string): Promise<unknown> {
  if ((await stat(path)).isFile()) return readFile(path);
  const names = (await readdir(path, { recursive: true })).sort();
  return Promise.all(
    names.map(async (name) => {
      const file = join(path, name);
      return [name, (await stat(file)).isFile() ? (await readFile(file)).toString("hex") : ""];
    }),
  );
}

describe.each(["oci", "oci-archive"] as const)("an image in a place of kind %s", (scheme) => {
  const without = image.blobs.filter(({ descriptor }) => descriptor !== layer);
  it.each<[string, Blobs, string]>([
    ["without one of its layers", without, "IMAGE_NOT_FOUND"],
    [
      "with a layer that was cut short",
      [{ descriptor: layer, bytes: image.blobs[0]!.bytes.subarray(0, -1) }, ...without],
      "BLOB_CORRUPT",
    ],
    ["with an empty layer", [{ descriptor: layer, bytes: Buffer.alloc(0) }, ...without], "BLOB_CORRUPT"],
  ])("%s is refused, planned or done, in place or not", async (_, blobs, code) => {
    const path = await PLACES[scheme](blobs, image.root);
    const before = await everything(path);
    const output = `oci-archive:${join(folder, `out${number++}.tar`)}`;
    for (const request of [{ apply: false }, {}, { output }, { output: output.replace(".tar", ""), apply: false }]) {
      await expect(wrapImage({ source: `${scheme}:${path}`, env, ...request })).rejects.toMatchObject({
        code,
        exit: 3,
      });
    }
    expect(await everything(path)).toEqual(before);
    expect((await readdir(folder)).filter((name) => name.startsWith("out"))).toEqual([]);
  });

  it("may lack a layer that is fetched from elsewhere", async () => {
    const manifest = JSON.parse(Buffer.from(image.blobs.at(-1)!.bytes).toString());
    const mediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    const urls = ["https://example.com/layer"];
    const bytes = Buffer.from(
      JSON.stringify({ ...manifest, layers: [{ ...layer, mediaType, urls }, manifest.layers[1]] }),
    );
    const root = descriptorOf(image.root.mediaType, bytes);
    const blobs = [...without.slice(0, -1), { descriptor: root, bytes }];
    const path = await PLACES[scheme](blobs, root);
    for (const apply of [false, true]) {
      expect((await wrapImage({ source: `${scheme}:${path}`, env, apply })).plan.changed).toBe(true);
    }
  });
});

it("a blob of an archive may be a link to another file in it", async () => {
  const path = join(folder, "linked.tar");
  const name = `blobs/sha256/${layer.digest.slice(7)}`;
  const rest = await readFile(
    await PLACES["oci-archive"](
      image.blobs.filter(({ descriptor }) => descriptor !== layer),
      image.root,
    ),
  );
  const link = tarHeader(name, 0);
  link.write("2", 156, "latin1");
  link.write("../../first", 157, "latin1");
  link.write("        ", 148, "latin1");
  const sum = link.reduce((total, byte) => total + byte, 0);
  link.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  const { bytes } = image.blobs[0]!;
  await writeFile(path, Buffer.concat([tarHeader("first", bytes.length), bytes, padding(bytes.length), link, rest]));
  const output = join(folder, "unlinked");
  await wrapImage({ source: `oci-archive:${path}`, output: `oci:${output}`, env });
  expect((await readFile(join(output, name))).equals(Buffer.from(bytes))).toBe(true);
  await wrapImage({ source: `oci-archive:${path}`, env });
  expect((await wrapImage({ source: `oci-archive:${path}`, env })).plan.changed).toBe(false);
});
