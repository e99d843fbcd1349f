/** A large archive is copied to a new file while it is still being looked at: what becomes of the copy. */
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestHex } from "../../packages/cli/src/model/digest.ts";
import { type SampleImage, sampleImage, tarOf } from "../contract/sample-image.ts";
import { initwrap, initwrapOk } from "../support/cli.ts";

/** Enough for another process to copy it: see COPIED_BY_CHILD. */
const layers = [randomBytes(70 << 20)];
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-early-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function archive(name: string, image: SampleImage): Promise<void> {
  const manifests = [{ ...image.root, annotations: { "io.containerd.image.name": "docker.io/library/app:1" } }];
  await writeFile(
    join(folder, name),
    tarOf([
      ...image.blobs.map(({ descriptor, bytes }) => [`blobs/sha256/${digestHex(descriptor.digest)}`, bytes] as const),
      ["index.json", JSON.stringify({ schemaVersion: 2, manifests })],
      ["oci-layout", '{"imageLayoutVersion":"1.0.0"}'],
    ]),
  );
}

describe("a large archive, to a new file", () => {
  it("is wrapped, and unwrapped it is what it was", async () => {
    await archive("app.tar", sampleImage({ layers }));
    await initwrapOk(["image", "app.tar", "-o", "wrapped.tar"], { cwd: folder });
    await initwrapOk(["image", "--undo", "wrapped.tar", "-o", "again.tar"], { cwd: folder });
    const [before, after] = await Promise.all(["app.tar", "again.tar"].map((name) => readFile(join(folder, name))));
    const blobs = before!.length - 64 * 1024;
    expect(after!.subarray(0, blobs).equals(before!.subarray(0, blobs))).toBe(true);
    const digests = await Promise.all(
      ["app.tar", "again.tar"].map(async (name) => {
        const { stdout } = await initwrapOk(["image", name, "--dry-run", "--json"], { cwd: folder });
        return JSON.parse(stdout.toString()).before.digest;
      }),
    );
    expect(digests[0]).toBe(digests[1]);
    for (const name of ["app.tar", "wrapped.tar", "again.tar"]) await rm(join(folder, name));
    expect(await readdir(folder)).toEqual([]);
  });

  it("is refused, and nothing of the copy is left", async () => {
    await archive("windows.tar", sampleImage({ os: "windows", layers }));
    const { status, stderr } = await initwrap(["image", "windows.tar", "-o", "wrapped.tar"], { cwd: folder });
    expect([status, stderr]).toEqual([5, expect.stringContaining("error[")]);
    expect(await readdir(folder)).toEqual(["windows.tar"]);
  });

  it("goes to standard output only when it is not refused", async () => {
    const { status, stdout } = await initwrap(["image", "windows.tar", "-o", "-"], { cwd: folder });
    expect([status, stdout.length]).toEqual([5, 0]);
  });
});
