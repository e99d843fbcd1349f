/**
 * Files that a stranger put beside an archive or into a layout, and names that can be guessed: none is followed to elsewhere, waited for,
 * or believed.
 */
import { execFile, execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../../packages/cli/src/model/digest.ts";
import { whileLocked } from "../../../packages/cli/src/store/lock-file.ts";
import { fileState, sidecarOf, spliceTail } from "../../../packages/cli/src/store/splice.ts";
import { wrapImage } from "../../../packages/cli/src/wrap/image.ts";
import { legacyArchive, type SampleImage, sampleImage, tarOf } from "../../contract/sample-image.ts";
import { requireCapability } from "../../support/capability.ts";
import { CLI } from "../../support/cli.ts";

const run = promisify(execFile);
const STRANGER = 65534;
const isRoot = process.getuid?.() === 0;
const image = sampleImage();
const tars = [tarOf([["file-0", "hello\n"]]), tarOf([["file-1", "world\n"]])];
const good = legacyArchive(image, ["sample:1"], tars);

let base: string;
let folder: string;
let count = 0;
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "initwrap-planted-"));
});
beforeEach(() => {
  folder = join(base, String(count++));
  mkdirSync(folder);
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

function archive(bytes: Uint8Array = good): string {
  const path = join(folder, "image.tar");
  writeFileSync(path, bytes);
  return path;
}

/** A layout of the image with these files besides, by their paths in it. */
function layout(files: Readonly<Record<string, string | Uint8Array>> = {}, of: SampleImage = image): string {
  const path = join(folder, "layout");
  mkdirSync(join(path, "blobs/sha256"), { recursive: true });
  for (const { descriptor, bytes } of of.blobs) writeFileSync(blobIn(path, descriptor.digest), bytes);
  writeFileSync(join(path, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [of.root] }));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(path, name), bytes);
  return path;
}

function blobIn(path: string, digest: string): string {
  return join(path, "blobs/sha256", digest.slice(7));
}

/** A sidecar that fits `bytes`, and would bring back another end of it. */
function sidecarFor(bytes: Buffer, tail: string): Buffer {
  const tailStart = bytes.length - 2048;
  const probe = Math.min(4096, tailStart);
  const header = {
    initwrapSidecar: 1,
    tailStart,
    size: tailStart + tail.length,
    tail: digestOf(Buffer.from(tail)),
    head: digestOf(bytes.subarray(0, probe)),
    joint: digestOf(bytes.subarray(tailStart - probe, tailStart)),
    pid: 2 ** 22 + 1,
  };
  return Buffer.from(`${JSON.stringify(header)}\n${tail}`);
}

const PLANTED: readonly (readonly [what: string, plant: (path: string) => void, told: string])[] = [
  ["a pipe", (path) => execFileSync("mkfifo", [path]), "it is no file"],
  ["a folder", (path) => mkdirSync(path), "it is no file"],
  ["a link to a device without end", (path) => symlinkSync("/dev/zero", path), "it is no file"],
  ["a link to nowhere", (path) => symlinkSync("gone", path), "it is no file"],
  [
    "a link to one that would fit",
    (path) => {
      writeFileSync(`${path}-elsewhere`, sidecarFor(good, "evil"));
      symlinkSync(`${path}-elsewhere`, path);
    },
    "it is no file",
  ],
  [
    "one of a terabyte",
    (path) => {
      writeFileSync(path, "");
      truncateSync(path, 2 ** 40);
    },
    "it is damaged",
  ],
  ["one of zeros", (path) => writeFileSync(path, Buffer.alloc(4096)), "it is damaged"],
  ["one that has more than it says", (path) => writeFileSync(path, `${sidecarFor(good, "evil")}!`), "it is damaged"],
  [
    "one of another archive of the same length",
    (path) => writeFileSync(path, sidecarFor(Buffer.concat([Buffer.alloc(512, 1), good.subarray(512)]), "evil")),
    "it belongs to another file",
  ],
];

describe("a sidecar beside an archive", () => {
  it.each(PLANTED)("that is %s is not applied, and the archive stays", async (_, plant, told) => {
    const path = archive();
    const other = join(folder, "other.tar");
    plant(sidecarOf(path));
    await expect(wrapImage({ source: path, env: {} })).rejects.toMatchObject({
      code: "OUTPUT_NOT_WRITTEN",
      exit: 7,
      message: expect.stringContaining(told),
      where: sidecarOf(path),
    });
    expect(readFileSync(path).equals(good)).toBe(true);
    // Who only reads the archive is not kept from it.
    await wrapImage({ source: path, output: `docker-archive:${other}`, env: {} });
    expect(existsSync(other)).toBe(true);
    // Nor is one held up who finds it damaged.
    writeFileSync(path, good.subarray(0, 2048));
    await expect(wrapImage({ source: path, apply: false, env: {} })).rejects.toMatchObject({ exit: 3 });
  });

  it("of another user, who may not write to the archive, is not applied", async () => {
    requireCapability({ skip: () => undefined }, "root", isRoot);
    const path = archive();
    const sidecar = sidecarOf(path);
    writeFileSync(sidecar, sidecarFor(good, "evil"));
    chownSync(sidecar, STRANGER, STRANGER);
    await expect(wrapImage({ source: path, env: {} })).rejects.toMatchObject({
      code: "OUTPUT_NOT_WRITTEN",
      message: expect.stringContaining("it belongs to another user"),
    });
    expect(readFileSync(path).equals(good)).toBe(true);
    // The owner of the archive may as well change it himself, and this user's own is what was left.
    for (const owned of [path, sidecar]) {
      writeFileSync(path, good);
      writeFileSync(sidecar, sidecarFor(good, "evil"));
      chownSync(sidecar, STRANGER, STRANGER);
      chownSync(path, 0, 0);
      chownSync(owned, owned === path ? STRANGER : 0, owned === path ? STRANGER : 0);
      await expect(wrapImage({ source: path, env: {} })).rejects.toMatchObject({ code: "ARCHIVE_TRUNCATED" });
      expect(readFileSync(path).subarray(-4).toString()).toBe("evil");
    }
  });
});

describe("a name that can be guessed", () => {
  it.each([
    ["a link", symlinkSync],
    ["a second name", linkSync],
  ] as const)("and is %s of another file is not written through", (_, plant) => {
    const path = archive();
    const victim = join(folder, "victim");
    writeFileSync(victim, "precious");
    plant(victim, `${sidecarOf(path)}.${process.pid}.new`);
    const fd = openSync(path, "r");
    spliceTail(path, fileState(fd), good.length - 1024, [Buffer.alloc(1024)]);
    closeSync(fd);
    expect(readFileSync(victim, "utf8")).toBe("precious");
    expect(readdirSync(folder).sort()).toEqual(["image.tar", "victim"]);
  });
});

describe("a lock in a layout", () => {
  it("that is a link to nowhere is taken away; one that is a folder, or cannot be, ends the run", async () => {
    requireCapability({ skip: () => undefined }, "root", isRoot);
    const [linked, made, theirs] = ["linked", "made", "theirs"].map((name) => join(folder, name));
    for (const one of [linked!, made!, theirs!]) mkdirSync(one);
    symlinkSync("gone", join(linked!, "lock"));
    mkdirSync(join(made!, "lock"));
    // As /tmp is: for everybody, and each may remove what is his own.
    const target = join(theirs!, "target");
    mkdirSync(target);
    chmodSync(target, 0o1777);
    writeFileSync(join(target, ".initwrap-lock"), "");
    for (const one of [target, join(target, ".initwrap-lock")]) chownSync(one, STRANGER, STRANGER);
    const bounded = ["--bounding-set=-dac_override,-dac_read_search,-fowner", "--", process.execPath, CLI, "image"];
    let isDone = false;
    const [, failed] = await Promise.all([
      whileLocked(join(linked!, "lock"), undefined, async () => {
        isDone = true;
      }),
      run("setpriv", [...bounded, archive(), "-o", `oci:${target}`]).catch((cause: unknown) => cause),
      expect(whileLocked(join(made!, "lock"), undefined, async () => {})).rejects.toMatchObject({
        code: "OUTPUT_NOT_WRITTEN",
        message: expect.stringContaining("it is a folder"),
      }),
    ]);
    expect(isDone).toBe(true);
    expect(failed).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(/is nobody's, and it cannot be removed\nhint: Remove it/),
    });
    expect(readdirSync(target)).toEqual([".initwrap-lock"]);
    expect(readdirSync(linked!)).toEqual([]);
    expect(readdirSync(made!)).toEqual(["lock"]);
  }, 30_000);
});

const STRANGE: readonly (readonly [what: string, plant: (path: string) => void])[] = [
  ["a pipe", (path) => execFileSync("mkfifo", [path])],
  ["a device without end", (path) => symlinkSync("/dev/zero", path)],
  ["a folder", (path) => mkdirSync(path)],
];
const [layer, , config, manifest] = image.blobs.map(({ descriptor }) => descriptor.digest);

describe("a layout", () => {
  it.each(
    STRANGE.flatMap(([what, plant]) =>
      [
        ["index.json", "index.json"],
        ["a manifest", `blobs/sha256/${manifest!.slice(7)}`],
        ["a config", `blobs/sha256/${config!.slice(7)}`],
        ["a layer", `blobs/sha256/${layer!.slice(7)}`],
      ].map(([name, path]) => [name!, what, path!, plant] as const),
    ),
  )("with %s that is %s is refused at once", async (_, __, name, plant) => {
    const path = layout();
    rmSync(join(path, name));
    plant(join(path, name));
    const output = join(folder, "new.tar");
    for (const request of [{}, { apply: false }, { output }, { output: `oci:${folder}/copy` }, { verifyPath: true }]) {
      await expect(wrapImage({ source: `oci:${path}`, env: {}, ...request })).rejects.toMatchObject({ exit: 3 });
    }
    expect(readdirSync(folder)).toEqual(["layout"]);
    expect(readdirSync(join(path, "blobs/sha256"))).toHaveLength(image.blobs.length);
  });

  it("as the output, with an index.json that is a pipe, is refused", async () => {
    const target = join(folder, "target");
    mkdirSync(target);
    execFileSync("mkfifo", [join(target, "index.json")]);
    await expect(wrapImage({ source: archive(), output: `oci:${target}`, env: {} })).rejects.toMatchObject({
      code: "IMAGE_INVALID",
      where: join(target, "index.json"),
    });
  });

  it("with an oci-layout that leads elsewhere has no file made there", async () => {
    const path = layout();
    const elsewhere = join(folder, "elsewhere");
    rmSync(join(path, "oci-layout"));
    symlinkSync(elsewhere, join(path, "oci-layout"));
    await wrapImage({ source: `oci:${path}`, env: {} });
    expect(existsSync(elsewhere)).toBe(false);
    expect(lstatSync(join(path, "oci-layout")).isFile()).toBe(true);
  });

  it("whose index.json leads elsewhere gets one of its own, and blobs that are links stay", async () => {
    const path = layout();
    const elsewhere = join(folder, "elsewhere.json");
    cpSync(join(path, "index.json"), elsewhere);
    rmSync(join(path, "index.json"));
    symlinkSync(elsewhere, join(path, "index.json"));
    const store = join(folder, "store");
    cpSync(blobIn(path, layer!), store);
    rmSync(blobIn(path, layer!));
    symlinkSync(store, blobIn(path, layer!));
    const before = readFileSync(elsewhere, "utf8");
    const { plan } = await wrapImage({ source: `oci:${path}`, env: {}, verifyPath: true });
    expect(plan.changed).toBe(true);
    expect(readFileSync(elsewhere, "utf8")).toBe(before);
    expect(readlinkSync(blobIn(path, layer!))).toBe(store);
    expect((await wrapImage({ source: `oci:${path}`, env: {} })).plan.changed).toBe(false);
  });
});

/** The digests of what a run makes of the image, by what they are; each with its size. */
async function foreseen(): Promise<readonly (readonly [digest: string, size: number])[]> {
  const source = layout();
  const known = new Set(readdirSync(join(source, "blobs/sha256")));
  await wrapImage({ source: `oci:${source}`, env: {} });
  const made = readdirSync(join(source, "blobs/sha256")).filter((name) => !known.has(name));
  const sizes = made.map((name) => [`sha256:${name}`, lstatSync(join(source, "blobs/sha256", name)).size] as const);
  rmSync(source, { recursive: true });
  return sizes;
}

describe("a blob that was foreseen, of the right name and size and with another content,", () => {
  it("is replaced in a layout", async () => {
    const made = await foreseen();
    expect(made).toHaveLength(3);
    const path = layout();
    for (const [digest, size] of made) writeFileSync(blobIn(path, digest), Buffer.alloc(size, 32));
    await wrapImage({ source: `oci:${path}`, env: {} });
    for (const [digest] of made) expect(digestOf(readFileSync(blobIn(path, digest)))).toBe(digest);
    // In another layout that the result goes to, and in one that it takes blobs from.
    const other = join(folder, "other");
    cpSync(path, other, { recursive: true });
    for (const [digest, size] of made) writeFileSync(blobIn(other, digest), Buffer.alloc(size, 32));
    rmSync(path, { recursive: true });
    const source = layout();
    await wrapImage({ source: `oci:${source}`, output: `oci:${other}`, env: {} });
    for (const [digest] of made) expect(digestOf(readFileSync(blobIn(other, digest)))).toBe(digest);
    for (const [digest, size] of made) writeFileSync(blobIn(source, digest), Buffer.alloc(size, 32));
    await wrapImage({ source: `oci:${source}`, output: `oci:${folder}/third`, env: {} });
    for (const [digest] of made) expect(digestOf(readFileSync(blobIn(join(folder, "third"), digest)))).toBe(digest);
  });

  it("has an archive refused, in place and where it is copied", async () => {
    const own = image.blobs.map(
      ({ descriptor, bytes }) => [`blobs/sha256/${descriptor.digest.slice(7)}`, bytes] as const,
    );
    const index = ["index.json", JSON.stringify({ schemaVersion: 2, manifests: [image.root] })] as const;
    for (const [digest, size] of await foreseen()) {
      for (const length of [size, size + 1]) {
        const planted = [`blobs/sha256/${digest.slice(7)}`, Buffer.alloc(length, 32)] as const;
        const bytes = tarOf([...own, planted, index]);
        const path = archive(bytes);
        for (const output of [undefined, `oci-archive:${folder}/new.tar`]) {
          await expect(
            wrapImage({ source: path, env: {}, ...(output === undefined ? {} : { output }) }),
          ).rejects.toMatchObject({
            code: "ARCHIVE_INVALID",
            message: expect.stringContaining("not what its name says"),
          });
        }
        expect(readFileSync(path).equals(bytes)).toBe(true);
        expect(readdirSync(folder)).toEqual(["image.tar"]);
      }
    }
  });
});
