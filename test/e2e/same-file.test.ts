/** The same file or folder, written in another way: it is changed in place, as under its own name. */
import { link, lstat, mkdtemp, readdir, readFile, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ociLayoutMedium } from "../../packages/cli/src/store/oci-layout.ts";
import { wrapImage } from "../../packages/cli/src/wrap/image.ts";
import { sampleImage } from "../contract/sample-image.ts";
import { initwrap, initwrapOk } from "../support/cli.ts";
import { again, noise } from "../support/sample-image.ts";

const LAYER = 3_000_000;
let place: string;
let cwd: string;
let number = 0;

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), "initwrap-same-"));
  const image = sampleImage({ layers: [noise("same", LAYER)] });
  const sink = await ociLayoutMedium.sink(join(place, "layout"), { env: {}, names: ["docker.io/library/app:1"] });
  for (const { descriptor, bytes } of image.blobs) await sink.put(descriptor, again(bytes));
  await sink.commit(image.root);
  await sink.close();
});
afterAll(() => rm(place, { recursive: true }));

beforeEach(async () => {
  cwd = join(place, `run${number++}`);
  await wrapImage({ source: join(place, "layout"), output: `oci:${cwd}/layout`, env: {} });
  await wrapImage({ source: `${cwd}/layout`, action: "undo", env: {} });
  await wrapImage({ source: `${cwd}/layout`, action: "undo", output: `docker-archive:${cwd}/app.tar`, env: {} });
  await symlink("app.tar", join(cwd, "link.tar"));
  await symlink("layout", join(cwd, "link"));
});

interface Document {
  readonly receipt: { readonly bytesMoved: number };
}

describe("an archive", () => {
  it.each([
    ["app.tar", "./app.tar"],
    ["./app.tar", "app.tar"],
    ["app.tar", "../CWD/app.tar"],
    ["app.tar", "/CWD/app.tar"],
    ["app.tar", "link.tar"],
    ["link.tar", "app.tar"],
    ["app.tar", "docker-archive:./app.tar"],
    ["docker-archive:app.tar:app:1", "./app.tar:app:2"],
  ])("%s -o %s keeps its bytes and gets a new tail", async (source, output) => {
    const before = await stat(join(cwd, "app.tar"));
    const target = output.replace("../CWD", `../${cwd.split("/").at(-1)}`).replace("/CWD", cwd);
    const { stdout } = await initwrapOk(["image", source, "-o", target, "--json"], { cwd });
    expect((JSON.parse(stdout.toString()) as Document).receipt.bytesMoved).toBeLessThan(100_000);
    expect((await stat(join(cwd, "app.tar"))).ino).toBe(before.ino);
    expect((await lstat(join(cwd, "link.tar"))).isSymbolicLink()).toBe(true);
    expect((await readdir(cwd)).sort()).toEqual(["app.tar", "layout", "link", "link.tar"]);
    expect((await initwrap(["image", "--check", "app.tar"], { cwd })).status).toBe(0);
  });

  it("with several names is refused under each of them, and a result of its own replaces the other name only", async () => {
    await link(join(cwd, "app.tar"), join(cwd, "second.tar"));
    const before = await readFile(join(cwd, "app.tar"));
    const refused = await initwrap(["image", "app.tar", "-o", "./app.tar"], { cwd });
    expect([refused.status, refused.stderr]).toEqual([
      5,
      expect.stringContaining("error[HARD_LINKED]: app.tar has 2 names"),
    ]);
    await initwrapOk(["image", "app.tar", "-o", "second.tar"], { cwd });
    expect((await readFile(join(cwd, "app.tar"))).equals(before)).toBe(true);
    expect((await initwrap(["image", "--check", "second.tar"], { cwd })).status).toBe(0);
  });

  it("a new one that is written through a link leaves the link a link", async () => {
    await initwrapOk(["image", "layout", "-o", "docker-archive:link.tar"], { cwd });
    expect((await lstat(join(cwd, "link.tar"))).isSymbolicLink()).toBe(true);
    expect((await initwrap(["image", "--check", "app.tar"], { cwd })).status).toBe(0);
  });
});

describe("a layout", () => {
  it.each([
    ["layout", "./layout/"],
    ["oci:layout", "oci:./layout"],
    ["oci:link", "oci:layout"],
    ["oci:layout", "/CWD/link"],
  ])("%s -o %s is changed in place", async (source, output) => {
    const { stdout } = await initwrapOk(["image", source, "-o", output.replace("/CWD", cwd), "--json"], { cwd });
    const { receipt } = JSON.parse(stdout.toString()) as Document;
    expect(receipt.bytesMoved).toBeLessThan(100_000);
    const { manifests } = JSON.parse(await readFile(join(cwd, "layout/index.json"), "utf8")) as {
      manifests: unknown[];
    };
    expect(manifests).toHaveLength(1);
  });

  it("has the result beside the original under another name, however the folder is written", async () => {
    await initwrapOk(["image", "oci:layout", "-o", "oci:./link/:new:1"], { cwd });
    const { manifests } = JSON.parse(await readFile(join(cwd, "layout/index.json"), "utf8")) as {
      manifests: unknown[];
    };
    expect(manifests).toHaveLength(2);
  });
});
