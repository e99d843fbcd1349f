/** Several processes that write to one OCI layout: none loses what another one needs, and a lock of a killed one is no obstacle for long. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Sink } from "../../packages/cli/src/store/contract.ts";
import { ociLayoutMedium } from "../../packages/cli/src/store/oci-layout.ts";
import { sampleImage } from "../contract/sample-image.ts";
import { initwrap, initwrapOk } from "../support/cli.ts";
import { again } from "../support/sample-image.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-together-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function layout(name: string): Promise<string> {
  const path = join(folder, name);
  const image = sampleImage({ layers: [`${name}\n`] });
  const sink = await ociLayoutMedium.sink(path, { env: {}, names: [`docker.io/library/${name}:1`] });
  for (const { descriptor, bytes } of image.blobs) await sink.put(descriptor, again(bytes));
  await sink.commit(image.root);
  await sink.close();
  return path;
}

async function namesIn(path: string): Promise<string[]> {
  const { manifests } = JSON.parse(await readFile(join(path, "index.json"), "utf8")) as {
    manifests: { annotations: Record<string, string> }[];
  };
  return manifests.map(({ annotations }) => annotations["io.containerd.image.name"]!).sort();
}

it("keeps the entry of every one of ten processes", async () => {
  const names = Array.from({ length: 10 }, (_, at) => `app${at}`);
  const sources = await Promise.all(names.map(layout));
  const target = join(folder, "target");
  const runs = await Promise.all(sources.map((source) => initwrap(["image", source, "-o", `oci:${target}`])));
  expect(runs.map(({ status, stderr }) => (status === 0 ? "" : stderr))).toEqual(names.map(() => ""));
  expect(await namesIn(target)).toEqual(names.map((name) => `docker.io/library/${name}:1`));
  expect((await readdir(target)).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
});

it("takes away the lock of a process that was killed", async () => {
  const source = await layout("killed");
  const target = join(folder, "with-lock");
  await mkdir(target);
  await writeFile(join(target, ".initwrap-lock"), "");
  await initwrapOk(["image", source, "-o", `oci:${target}`]);
  expect(await namesIn(target)).toEqual(["docker.io/library/killed:1"]);
  expect((await readdir(target)).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
}, 30_000);

it("a run that fails takes nothing away that another one counts on", async () => {
  const target = join(folder, "shared");
  const image = sampleImage({ layers: ["shared\n"] });
  const open = (name: string) => ociLayoutMedium.sink(target, { env: {}, names: [`docker.io/library/${name}:1`] });
  const fill = async (sink: Sink): Promise<void> => {
    for (const { descriptor, bytes } of image.blobs) {
      if (!(await sink.has(descriptor))) await sink.put(descriptor, again(bytes));
    }
  };
  const [failing, other, late] = [await open("failing"), await open("other"), await open("late")];
  await fill(failing);
  await fill(other);
  await failing.close();
  await other.commit(image.root);
  await other.close();
  expect(await namesIn(target)).toEqual(["docker.io/library/other:1"]);
  // What is there is skipped, and stays when the run that skipped it fails.
  await fill(late);
  await late.close();
  const blobs = image.blobs.map(({ descriptor }) => descriptor.digest.slice(7)).sort();
  expect((await readdir(join(target, "blobs/sha256"))).sort()).toEqual(blobs);
  await initwrapOk(["image", `oci:${target}`]);
});

it("a run that fails leaves no folder that it made, unless another one is at work in it", async () => {
  const target = join(folder, "parent", "new");
  const image = sampleImage({ layers: ["new\n"] });
  const open = (name: string) => ociLayoutMedium.sink(target, { env: {}, names: [`docker.io/library/${name}:1`] });
  const [{ descriptor, bytes }] = image.blobs as [(typeof image.blobs)[number]];
  const [failing, other] = [await open("failing"), await open("other")];
  await failing.put(descriptor, again(bytes));
  await other.put(descriptor, again(bytes));
  await failing.close();
  for (const one of image.blobs.slice(1)) await other.put(one.descriptor, again(one.bytes));
  await other.commit(image.root);
  await other.close();
  expect(await namesIn(target)).toEqual(["docker.io/library/other:1"]);

  await rm(target, { recursive: true });
  const alone = await open("alone");
  await alone.put(descriptor, again(bytes));
  await alone.close();
  expect(await readdir(join(folder, "parent"))).toEqual([]);
});
