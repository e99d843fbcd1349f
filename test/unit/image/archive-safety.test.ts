/** Archives from strangers: everything on which readers disagree is refused, with bounded memory and a coded error. */
import { execFileSync, spawn } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../../packages/cli/src/model/digest.ts";
import { OCI_INDEX } from "../../../packages/cli/src/model/media-types.ts";
import { ArchiveSink, ArchiveSource } from "../../../packages/cli/src/store/archive.ts";
import { END_OF_ARCHIVE, padding, tarHeader } from "../../../packages/cli/src/store/tar.ts";
import { WrittenMeanwhile } from "../../../packages/cli/src/store/written-meanwhile.ts";
import { wrapImage } from "../../../packages/cli/src/wrap/image.ts";
import { legacyArchive, sampleImage, tarOf } from "../../contract/sample-image.ts";

let folder: string;
let count = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "initwrap-safety-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tars = [tarOf([["file-0", "hello\n"]]), tarOf([["file-1", "world\n"]])];
const good = legacyArchive(sampleImage(), ["sample:1"], tars);

function file(bytes: Uint8Array): string {
  const path = join(folder, `${count++}.tar`);
  writeFileSync(path, bytes);
  return path;
}

/** A header with fields of one's own and a checksum that fits. */
function header(name: string, size: number, change: (bytes: Buffer) => void = () => {}): Buffer {
  const bytes = tarHeader(name, size);
  change(bytes);
  bytes.write("        ", 148, "latin1");
  let sum = 0;
  for (const byte of bytes) sum += byte;
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return bytes;
}

const type =
  (letter: string) =>
  (bytes: Buffer): void => {
    bytes.write(letter, 156, "latin1");
  };

function pax(records: string): Buffer {
  const body = Buffer.from(records);
  return Buffer.concat([header("pax", body.length, type("x")), body, padding(body.length)]);
}

function record(key: string, value: string): string {
  let length = key.length + value.length + 3;
  while (`${length} ${key}=${value}\n`.length !== length) length = `${length} ${key}=${value}\n`.length;
  return `${length} ${key}=${value}\n`;
}

function globally(records: string): Buffer {
  const body = Buffer.from(records);
  return Buffer.concat([header("g", body.length, type("g")), body, padding(body.length)]);
}

const folderAt = (name: string): Buffer => header(name, 0, type("5"));

/** An archive of the older layout without its end, and with its layers listed under these names. */
function legacy(layers: readonly string[]): Buffer {
  const config = sampleImage().blobs.find((blob) => blob.descriptor.mediaType.includes("config"))!;
  return tarOf([
    ["0/layer.tar", tars[0]!],
    ["1/layer.tar", tars[1]!],
    ["config.json", config.bytes],
    ["manifest.json", JSON.stringify([{ Config: "config.json", RepoTags: ["sample:1"], Layers: layers }])],
  ]);
}

/** An archive with an image under so many indexes; or under one that lists its own digest, of which none can know it. */
function nested(depth: number, inItself = false): Buffer {
  const image = sampleImage();
  const files = image.blobs.map(
    ({ descriptor, bytes }) => [`blobs/sha256/${descriptor.digest.slice(7)}`, bytes as string | Uint8Array] as const,
  );
  let { root } = image;
  for (let level = 0; level < depth; level++) {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [root] }));
    root = { mediaType: OCI_INDEX, digest: digestOf(bytes), size: bytes.length };
    const listed = inItself
      ? Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [root] }))
      : bytes;
    root = { ...root, size: listed.length };
    files.push([`blobs/sha256/${root.digest.slice(7)}`, listed]);
  }
  return tarOf([...files, ["index.json", JSON.stringify({ schemaVersion: 2, manifests: [root] })]]);
}

function linked(letter: string, name: string, target: string): Buffer {
  return header(name, 0, (bytes) => {
    type(letter)(bytes);
    bytes.write(target, 157);
  });
}

function longName(name: string): Buffer {
  const body = Buffer.from(`${name}\0`);
  return Buffer.concat([header("././@LongLink", body.length, type("L")), body, padding(body.length)]);
}

/** An empty file with this magic and version, prefix, and trailer at the end of the header. */
function prefixed(magic: string, prefix = "evil", trailer = ""): Buffer {
  return header("name", 0, (bytes) => {
    bytes.write(magic, 257, "latin1");
    bytes.write(prefix, 345, "latin1");
    bytes.write(trailer, 508, "latin1");
  });
}

const behind = (part: Uint8Array): Buffer => Buffer.concat([good.subarray(0, -1024), part, END_OF_ARCHIVE]);

const before = (...parts: Uint8Array[]): Buffer => Buffer.concat([...parts, good]);

const HOSTILE: readonly (readonly [what: string, bytes: () => Uint8Array, code: string])[] = [
  ["an empty file", () => Buffer.alloc(0), "ARCHIVE_INVALID"],
  ["text", () => Buffer.from("not a tar\n".repeat(200)), "ARCHIVE_INVALID"],
  ["random bytes", () => Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) % 251)), "ARCHIVE_INVALID"],
  ["a tar of other things", () => tarOf([["etc/passwd", "root"]]), "ARCHIVE_INVALID"],
  ["one cut in a blob", () => good.subarray(0, 700), "ARCHIVE_TRUNCATED"],
  ["one cut at a block", () => good.subarray(0, 2048), "ARCHIVE_TRUNCATED"],
  ["one without its end", () => good.subarray(0, good.length - 1024), "ARCHIVE_TRUNCATED"],
  [
    "a damaged header",
    () => Buffer.concat([good.subarray(0, 2570), Buffer.alloc(1, 65), good.subarray(2571)]),
    "ARCHIVE_INVALID",
  ],
  [
    "a second manifest.json",
    () =>
      tarOf([
        ["manifest.json", "[]"],
        ["manifest.json", "[]"],
      ]),
    "ARCHIVE_INVALID",
  ],
  [
    "a second one under ./",
    () =>
      tarOf([
        ["manifest.json", "[]"],
        ["./manifest.json", "[]"],
      ]),
    "ARCHIVE_INVALID",
  ],
  ["a second archive behind the end", () => Buffer.concat([good, good]), "ARCHIVE_INVALID"],
  ["a path that climbs out", () => before(header("../../etc/passwd", 0)), "ARCHIVE_INVALID"],
  ["an absolute path", () => before(header("/etc/passwd", 0)), "ARCHIVE_INVALID"],
  ["a negative size", () => before(header("x", 0, (b) => b.fill(0xff, 124, 136))), "ARCHIVE_INVALID"],
  [
    "a base-256 size beyond all files",
    () => before(header("x", 0, (b) => b.fill(0x7f, 125, 136).writeUInt8(0x80, 124))),
    "ARCHIVE_INVALID",
  ],
  [
    "a base-256 size beyond this file",
    () => before(header("x", 0, (b) => b.fill(0, 124, 136).fill(0x80, 124, 125).fill(0x40, 132, 133))),
    "ARCHIVE_TRUNCATED",
  ],
  ["a size of letters", () => before(header("x", 0, (b) => b.write("zzz", 124, "latin1"))), "ARCHIVE_INVALID"],
  [
    "a hard link to a file outside",
    () => Buffer.concat([linked("1", "manifest.json", "../../etc/passwd"), END_OF_ARCHIVE]),
    "ARCHIVE_INVALID",
  ],
  [
    "a hard link to an absolute path",
    () => Buffer.concat([linked("1", "manifest.json", "/etc/passwd"), END_OF_ARCHIVE]),
    "ARCHIVE_INVALID",
  ],
  [
    "a long name of GNU that climbs out",
    () => before(longName(`${"../".repeat(60)}etc/passwd`), header("s", 0)),
    "ARCHIVE_INVALID",
  ],
  ["a long name of gigabytes", () => before(header("././@LongLink", 2 ** 31, type("L"))), "ARCHIVE_INVALID"],
  ["a long name without an entry", () => Buffer.concat([longName("x".repeat(200)), END_OF_ARCHIVE]), "ARCHIVE_INVALID"],
  ["a pax path with a zero byte", () => before(pax(record("path", "a\0b")), header("s", 0)), "ARCHIVE_INVALID"],
  ["a negative pax size", () => before(pax(record("size", "-1")), header("s", 0)), "ARCHIVE_INVALID"],
  [
    "a pax size beyond what numbers hold",
    () => before(pax(record("size", "9".repeat(20))), header("s", 0)),
    "ARCHIVE_INVALID",
  ],
  [
    "a size of 0 in pax that hides content",
    () => before(pax(record("size", "0")), header("s", 512), Buffer.alloc(512, 1)),
    "ARCHIVE_INVALID",
  ],
  ["a link with content", () => before(header("l", 512, type("2")), Buffer.alloc(512, 1)), "ARCHIVE_INVALID"],
  ["an unknown type", () => before(header("v", 0, type("V"))), "ARCHIVE_INVALID"],
  ["a sparse file", () => before(header("s", 0, type("S"))), "ARCHIVE_INVALID"],
  ["a sparse file by pax", () => before(pax(record("GNU.sparse.major", "1")), header("s", 0)), "ARCHIVE_INVALID"],
  [
    "two extended headers",
    () => before(pax(record("path", "a")), pax(record("path", "b")), header("s", 0)),
    "ARCHIVE_INVALID",
  ],
  [
    "an extended header with two paths",
    () => before(pax(record("path", "a") + record("path", "b")), header("s", 0)),
    "ARCHIVE_INVALID",
  ],
  ["a pax path that climbs out", () => before(pax(record("path", "../x")), header("s", 0)), "ARCHIVE_INVALID"],
  ["a pax record with a wrong length", () => before(pax("99 path=x\n"), header("s", 0)), "ARCHIVE_INVALID"],
  ["a pax size of its own", () => before(pax(record("size", "99999999999")), header("s", 0)), "ARCHIVE_TRUNCATED"],
  [
    "a global header that renames",
    () =>
      before(
        header("g", record("path", "x").length, type("g")),
        Buffer.from(record("path", "x")),
        padding(record("path", "x").length),
      ),
    "ARCHIVE_INVALID",
  ],
  ["an extended header of gigabytes", () => before(header("p", 2 ** 31, type("x"))), "ARCHIVE_INVALID"],
  [
    "a manifest.json of 100 MB",
    () => Buffer.concat([header("manifest.json", 100 << 20), Buffer.alloc(100 << 20, 32), END_OF_ARCHIVE]),
    "ARCHIVE_INVALID",
  ],
  ["a manifest.json that is no JSON", () => tarOf([["manifest.json", "{]"]]), "IMAGE_INVALID"],
  [
    "a manifest.json with a key twice",
    () => tarOf([["manifest.json", '[{"Config":"a","Config":"b"}]']]),
    "IMAGE_INVALID",
  ],
  [
    "a manifest.json without config",
    () => tarOf([["manifest.json", '[{"Config":"gone","Layers":[]}]']]),
    "ARCHIVE_INVALID",
  ],
  [
    "two images",
    () => tarOf([["manifest.json", '[{"Config":"a","RepoTags":["a:1"]},{"Config":"b","RepoTags":["b:1"]}]']]),
    "LOCATOR_INVALID",
  ],
  ["a broken gzip stream", () => Buffer.concat([gzipSync(good).subarray(0, -8), Buffer.alloc(8)]), "ARCHIVE_INVALID"],
  ["a cut gzip stream", () => gzipSync(good).subarray(0, 300), "ARCHIVE_TRUNCATED"],
  [
    "links in a circle",
    () =>
      Buffer.concat([
        header("manifest.json", 0, (b) => {
          type("2")(b);
          b.write("index.json", 157);
        }),
        header("index.json", 0, (b) => {
          type("2")(b);
          b.write("manifest.json", 157);
        }),
        END_OF_ARCHIVE,
      ]),
    "ARCHIVE_INVALID",
  ],
  [
    "a link out of the archive",
    () =>
      Buffer.concat([
        header("manifest.json", 0, (b) => {
          type("2")(b);
          b.write("../../etc/passwd", 157);
        }),
        END_OF_ARCHIVE,
      ]),
    "ARCHIVE_INVALID",
  ],
  [
    "a global header that resizes",
    () => before(globally(record("size", "0")), header("s", 512), Buffer.alloc(512, 1)),
    "ARCHIVE_INVALID",
  ],
  ["a global header that links", () => before(globally(record("linkpath", "x"))), "ARCHIVE_INVALID"],
  [
    "a global header between an entry and its own",
    () => before(pax(record("path", "a")), globally(record("comment", "c")), header("s", 0)),
    "ARCHIVE_INVALID",
  ],
  ["a global header of gigabytes", () => before(header("g", 2 ** 31, type("g"))), "ARCHIVE_INVALID"],
  [
    "two long names of GNU",
    () => before(longName("a".repeat(120)), longName("b".repeat(120)), header("s", 0)),
    "ARCHIVE_INVALID",
  ],
  [
    "a long name of GNU and another one in pax",
    () => before(pax(record("path", "a")), longName("b"), header("s", 0)),
    "ARCHIVE_INVALID",
  ],
  [
    "a name of 100,000 bytes",
    () => before(pax(record("path", "n".repeat(100_000))), header("s", 0)),
    "ARCHIVE_INVALID",
  ],
  [
    "a link to a name of 100,000 bytes",
    () => before(pax(record("linkpath", "n".repeat(100_000))), header("s", 0, type("2"))),
    "ARCHIVE_INVALID",
  ],
  ["a tower of folders", () => before(pax(record("path", `${"d/".repeat(100)}f`)), header("s", 0)), "ARCHIVE_INVALID"],
  ["a folder manifest.json", () => Buffer.concat([folderAt("manifest.json/"), END_OF_ARCHIVE]), "ARCHIVE_INVALID"],
  ["a folder manifest.json beside the file", () => before(folderAt("manifest.json/")), "ARCHIVE_INVALID"],
  [
    "a file that stands where a folder is",
    () => before(tarOf([["a/b", ""]]).subarray(0, 512), header("a", 0)),
    "ARCHIVE_INVALID",
  ],
  [
    "files below a link, which one reader follows and another does not",
    () => before(linked("2", "blobs", "elsewhere"), header("blobs/sha256", 0)),
    "ARCHIVE_INVALID",
  ],
  [
    "a file with content whose name is a folder's",
    () => before(header("old/", 512), Buffer.alloc(512, 1)),
    "ARCHIVE_INVALID",
  ],
  [
    "names of no charset that are read alike",
    () =>
      before(
        header("a", 0, (b) => b.fill(0xe9, 0, 1)),
        header("b", 0, (b) => b.fill(0xe8, 0, 1)),
      ),
    "ARCHIVE_INVALID",
  ],
  [
    "links that end in one another's folder",
    () => Buffer.concat([linked("2", "manifest.json", "a/b"), linked("2", "a/b", "../manifest.json"), END_OF_ARCHIVE]),
    "ARCHIVE_INVALID",
  ],
  [
    "a hard link to itself",
    () => Buffer.concat([linked("1", "manifest.json", "manifest.json"), END_OF_ARCHIVE]),
    "ARCHIVE_INVALID",
  ],
  ["a layer at an absolute path", () => legacy(["/etc/passwd", "1/layer.tar"]), "ARCHIVE_INVALID"],
  ["a layer outside", () => legacy(["../../etc/passwd", "1/layer.tar"]), "ARCHIVE_INVALID"],
  ["a layer by the name of a folder's", () => legacy(["0", "1/layer.tar"]), "ARCHIVE_INVALID"],
  [
    "a layer that is a link out of the archive",
    () =>
      Buffer.concat([linked("2", "out/layer.tar", "../../../etc/passwd"), legacy(["out/layer.tar", "1/layer.tar"])]),
    "ARCHIVE_INVALID",
  ],
  ["a manifest.json nested without end", () => tarOf([["manifest.json", "[".repeat(4 << 20)]]), "IMAGE_INVALID"],
  [
    "a manifest.json of 10,000 images",
    () => {
      const config = Buffer.alloc(1 << 20, 32);
      return tarOf([
        ["c", config],
        ["manifest.json", JSON.stringify(Array(10_000).fill({ Config: "c", Layers: [] }))],
      ]);
    },
    "ARCHIVE_INVALID",
  ],
  [
    "names of more than all images have together",
    () =>
      before(
        ...Array.from({ length: 2200 }, (_, at) => [
          pax(record("path", `${at}-`.padEnd(4000, "n"))),
          header("s", 0),
        ]).flat(),
      ),
    "ARCHIVE_INVALID",
  ],
  ["an index that lists itself", () => nested(1, true), "BLOB_CORRUPT"],
  [
    "a repositories beyond reason",
    () => {
      const list = Buffer.alloc(9 << 20, 32);
      return Buffer.concat([header("extra", 0), tarOf([["repositories", list]]).subarray(0, -1024), legacy([])]);
    },
    "ARCHIVE_INVALID",
  ],
  ["a pax path of nothing", () => before(pax(record("path", "")), header("manifest.json", 0)), "ARCHIVE_INVALID"],
  ["a pax link of nothing", () => before(pax(record("linkpath", "")), linked("2", "l", "0")), "ARCHIVE_INVALID"],
  ["a pax size of nothing", () => before(pax(record("size", "")), header("s", 0)), "ARCHIVE_INVALID"],
  ["a long name of nothing", () => before(longName(""), header("manifest.json", 0)), "ARCHIVE_INVALID"],
  ["a file without a name", () => before(header("", 0)), "ARCHIVE_INVALID"],
  ["a file by the name of its own folder", () => before(header("./.", 0)), "ARCHIVE_INVALID"],
  ["a prefix without a magic", () => before(prefixed("\0\0\0\0\0\0\0\0")), "ARCHIVE_INVALID"],
  ["a prefix behind an unknown magic", () => before(prefixed("ustarX00")), "ARCHIVE_INVALID"],
  ["a prefix behind half of GNU's magic", () => before(prefixed("ustar 00")), "ARCHIVE_INVALID"],
  ["a prefix in place of GNU's times", () => before(prefixed("ustar  \0")), "ARCHIVE_INVALID"],
  [
    "a prefix that goes on where star has its times",
    () => before(prefixed("ustar\u000000", "p".repeat(140), "tar\0")),
    "ARCHIVE_INVALID",
  ],
  ["a pax record of length 0", () => before(pax("0 path=x\n"), header("s", 0)), "ARCHIVE_INVALID"],
  ["a pax record without an end", () => before(pax("9 path=xy"), header("s", 0)), "ARCHIVE_INVALID"],
  ["a pax record whose length is negative", () => before(pax("-9 path=x\n"), header("s", 0)), "ARCHIVE_INVALID"],
  ["a pax record that ends in the next", () => before(pax(`10 a=b\n${"5 c=\n"}`), header("s", 0)), "ARCHIVE_INVALID"],
  ["an extended header behind the last entry", () => behind(pax(record("path", "x"))), "ARCHIVE_INVALID"],
  ["an entry behind the end", () => Buffer.concat([good, header("late", 0), END_OF_ARCHIVE]), "ARCHIVE_INVALID"],
  ["one block of zeros and then an entry", () => Buffer.concat([Buffer.alloc(512), good]), "ARCHIVE_INVALID"],
  ["a few bytes behind the end", () => Buffer.concat([good, Buffer.from("garbage")]), "ARCHIVE_INVALID"],
  ["a device", () => before(header("d", 512, type("3")), Buffer.alloc(512, 1)), "ARCHIVE_INVALID"],
  [
    "a link of a blob out of the archive",
    () => before(linked("2", `${"0".repeat(60)}.json`, "/etc/passwd"), linked("2", "index.json", "/etc/passwd")),
    "ARCHIVE_INVALID",
  ],
  [
    "more entries than any image has",
    () => Buffer.concat([Buffer.alloc(512 * 200_001, header("g", 0, type("g"))), good]),
    "ARCHIVE_INVALID",
  ],
  ["indexes in indexes", () => nested(40), "UNSUPPORTED_IMAGE"],
];

describe("an archive from a stranger", () => {
  it.each(HOSTILE)("is refused for %s", async (_, bytes, code) => {
    const path = file(bytes());
    const original = readFileSync(path);
    await expect(wrapImage({ source: path, env: {} })).rejects.toMatchObject({ code });
    expect(readFileSync(path).equals(original)).toBe(true);
  });

  it("is refused when its two indexes show different images", async () => {
    const image = sampleImage();
    const other = sampleImage({ config: { Cmd: ["/evil"] } });
    const config = other.blobs.find((blob) => blob.descriptor.mediaType.includes("config"))!;
    const blobs = image.blobs.map(
      ({ descriptor, bytes }) => [`blobs/sha256/${descriptor.digest.slice(7)}`, bytes] as const,
    );
    const path = file(
      tarOf([
        ...blobs,
        ["evil.json", config.bytes],
        ["index.json", JSON.stringify({ schemaVersion: 2, manifests: [image.root] })],
        ["manifest.json", JSON.stringify([{ Config: "evil.json", Layers: [] }])],
      ]),
    );
    await expect(wrapImage({ source: path, env: {} })).rejects.toMatchObject({ code: "ARCHIVE_INVALID" });
  });

  it("is given up at its first block when it is none, for such a stream may never end", async () => {
    const path = join(folder, "endless");
    execFileSync("mkfifo", [path]);
    const yes = spawn("sh", ["-c", 'exec yes "no archive at all" > "$1"', "sh", path], { stdio: "ignore" });
    const ended = new Promise((resolve) => yes.on("close", resolve));
    const output = join(folder, "never.tar");
    await expect(wrapImage({ source: path, output, env: {} })).rejects.toMatchObject({
      code: "ARCHIVE_INVALID",
      where: path,
    });
    await ended;
    expect(existsSync(output)).toBe(false);
  });

  it.each([
    ["that is written to", (path: string) => appendFileSync(path, Buffer.alloc(512))],
    [
      "that another one takes the place of",
      (path: string) => {
        writeFileSync(`${path}.new`, good);
        renameSync(`${path}.new`, path);
      },
    ],
  ])("%s while it is copied is not given out as the image that was read", async (_, disturb) => {
    const path = file(good);
    const output = `${path}.out`;
    const options = { env: {}, layers: true };
    const source = await ArchiveSource.open(path, undefined, options);
    const { descriptor } = await source.root();
    const sink = new ArchiveSink(output, undefined, "docker-archive", { env: {}, names: [], from: source });
    disturb(path);
    await expect(sink.commit(descriptor)).rejects.toThrow(WrittenMeanwhile);
    await sink.close();
    await source.close();
    expect(existsSync(output)).toBe(false);
    // Whoever asks for an image gets the one that is there by then.
    let turn = 0;
    const onProgress = (): void => {
      if (turn++ === 0) disturb(path);
    };
    await wrapImage({ source: path, output: `docker-archive:${output}`, env: {}, onProgress });
    expect((await wrapImage({ source: output, env: {} })).plan.changed).toBe(false);
    expect(turn).toBeGreaterThan(1);
  });

  it("is not rewritten in place when it has several names", async () => {
    const path = file(good);
    linkSync(path, `${path}.link`);
    await expect(wrapImage({ source: path, env: {} })).rejects.toMatchObject({ code: "HARD_LINKED", exit: 5 });
    expect(readFileSync(path).equals(good)).toBe(true);
  });

  it("may be reached through a symbolic link, which stays one", async () => {
    const path = file(good);
    symlinkSync(path, `${path}.sym`);
    await wrapImage({ source: `${path}.sym`, env: {} });
    expect(readFileSync(path).equals(good)).toBe(false);
    expect(readFileSync(`${path}.sym`).equals(readFileSync(path))).toBe(true);
  });
});

/** Archives that are odd, and mean one thing to everybody. */
const ODD: readonly (readonly [what: string, bytes: () => Uint8Array])[] = [
  ["names that differ by case alone", () => before(header("Manifest.json", 0), header("MANIFEST.JSON", 0))],
  ["a name that is no UTF-8", () => before(header("a", 0, (b) => b.fill(0xe9, 0, 1)))],
  ["a layer that is listed twice", () => twice(["0/layer.tar", "0/layer.tar"], [0, 0])],
  [
    "a layer that is a link to another one, as docker save has written it",
    () => Buffer.concat([linked("2", "2/layer.tar", "../0/layer.tar"), twice(["0/layer.tar", "2/layer.tar"], [0, 0])]),
  ],
  [
    "a layer that is a hard link to another one",
    () => Buffer.concat([linked("1", "2/layer.tar", "0/layer.tar"), twice(["0/layer.tar", "2/layer.tar"], [0, 0])]),
  ],
  ["names with ./ in front, in manifest.json too", () => twice(["./0/layer.tar", "./1/layer.tar"], [0, 1], "./")],
  ["a global header with a comment", () => before(globally(record("comment", "made by a tool")))],
  [
    "a name in two parts",
    () => before(prefixed("ustar\u000000", "folder"), prefixed("ustar\u000000", "p".repeat(155))),
  ],
  [
    "the times of star and GNU",
    () => before(prefixed("ustar\u000000", "a", "tar\0"), prefixed("ustar  \0", "00000000000\0")),
  ],
  ["zeros behind its end", () => Buffer.concat([good, Buffer.alloc(70 << 20)])],
  [
    "a config without layers whose manifest.json has none",
    () => {
      const empty = {
        architecture: "amd64",
        os: "linux",
        config: { Cmd: ["/app"] },
        rootfs: { type: "layers", diff_ids: [] },
      };
      return tarOf([
        ["c.json", JSON.stringify(empty)],
        ["manifest.json", '[{"Config":"c.json"}]'],
      ]);
    },
  ],
  ["folders before what is in them", () => before(folderAt("0/"), header("1/", 0))],
  [
    "a manifest.json that is a link to another file",
    () => {
      const list = JSON.stringify([
        { Config: "config.json", RepoTags: ["sample:1"], Layers: ["0/layer.tar", "1/layer.tar"] },
      ]);
      const files = legacy([]).subarray(0, -1024 - 1024);
      return Buffer.concat([files, linked("2", "manifest.json", "list.json"), tarOf([["list.json", list]])]);
    },
  ],
];

/** An archive of the older layout of these layers, by their places in `tars`. */
function twice(names: readonly string[], places: readonly number[], prefix = ""): Buffer {
  const diffIds = places.map((place) => digestOf(tars[place]!));
  const config = {
    architecture: "amd64",
    os: "linux",
    config: { Cmd: ["/app"] },
    rootfs: { type: "layers", diff_ids: diffIds },
  };
  return tarOf([
    [`${prefix}0/layer.tar`, tars[0]!],
    [`${prefix}1/layer.tar`, tars[1]!],
    [`${prefix}config.json`, JSON.stringify(config)],
    ["manifest.json", JSON.stringify([{ Config: `${prefix}config.json`, RepoTags: ["sample:1"], Layers: names }])],
  ]);
}

describe("an odd archive", () => {
  it.each(ODD)("is wrapped in place, and undone, with %s", async (_, bytes) => {
    const path = file(bytes());
    const plan = await wrapImage({ source: path, env: {}, apply: false });
    const done = await wrapImage({ source: path, env: {}, verifyPath: true });
    expect(done.plan.changed).toBe(true);
    expect(done.digest).toBe(plan.digest);
    expect((await wrapImage({ source: path, env: {} })).plan.changed).toBe(false);
    const undone = await wrapImage({ source: path, env: {}, action: "undo" });
    expect(undone.digest).toBe(plan.plan.platforms[0]!.before.config);
  });
});

describe("an archive with its metadata in front of more than is held in memory", () => {
  const config = (cmd: string) =>
    JSON.stringify({
      architecture: "amd64",
      os: "linux",
      config: { Cmd: [cmd] },
      rootfs: { type: "layers", diff_ids: [digestOf(large)] },
    });
  const large = tarOf([["large", Buffer.alloc(17 << 20, 7)]]);

  it("of the older layout stays one, with its other images", async () => {
    const list = ["one", "two"].map((name) => ({ Config: `${name}.json`, RepoTags: [`${name}:1`], Layers: ["l.tar"] }));
    const path = file(
      tarOf([
        ["manifest.json", JSON.stringify(list)],
        ["l.tar", large],
        ["one.json", config("/one")],
        ["two.json", config("/two")],
      ]),
    );
    const plan = await wrapImage({ source: `${path}:one:1`, env: {}, apply: false });
    const done = await wrapImage({ source: `${path}:one:1`, env: {} });
    expect(done.digest).toBe(plan.digest);
    expect((await wrapImage({ source: `${path}:one:1`, env: {} })).plan.changed).toBe(false);
    const other = await wrapImage({ source: `${path}:two:1`, env: {} });
    expect(other.plan.platforms[0]?.before.config).toBe(digestOf(Buffer.from(config("/two"))));
  });

  it("of OCI's layout keeps its other images", async () => {
    const images = ["one", "two"].map((name) => sampleImage({ config: { Cmd: [name] }, layers: [large] }));
    const blobs = new Map(
      images.flatMap(({ blobs }) => blobs.map(({ descriptor, bytes }) => [descriptor.digest, bytes])),
    );
    const manifests = images.map(({ root }, at) => ({
      ...root,
      annotations: { "org.opencontainers.image.ref.name": ["one", "two"][at] },
    }));
    const path = file(
      tarOf([
        ["index.json", JSON.stringify({ schemaVersion: 2, manifests })],
        ["filler", Buffer.alloc(17 << 20, 7)],
        ...[...blobs].map(([digest, bytes]) => [`blobs/sha256/${digest.slice(7)}`, bytes] as const),
      ]),
    );
    await wrapImage({ source: `${path}:one`, env: {} });
    expect((await wrapImage({ source: `${path}:one`, env: {} })).plan.changed).toBe(false);
    expect((await wrapImage({ source: `${path}:two`, env: {} })).plan.changed).toBe(true);
  });
});

describe("an archive of the older layout", () => {
  it("in which two entries show the image that is chosen has it changed in both", async () => {
    const config = sampleImage().blobs.find((blob) => blob.descriptor.mediaType.includes("config"))!;
    const entry = { Config: "config.json", Layers: ["0/layer.tar", "1/layer.tar"] };
    const path = file(
      tarOf([
        ["0/layer.tar", tars[0]!],
        ["1/layer.tar", tars[1]!],
        ["config.json", config.bytes],
        ["manifest.json", JSON.stringify(["one:1", "two:1"].map((tag) => ({ ...entry, RepoTags: [tag] })))],
      ]),
    );
    const { digest } = await wrapImage({ source: `${path}:one:1`, env: {} });
    for (const name of ["one:1", "two:1"]) {
      const { plan, digest: now } = await wrapImage({ source: `${path}:${name}`, env: {}, apply: false });
      expect([plan.changed, now]).toEqual([false, digest]);
    }
  });

  it("is wrapped and undone in place; its image ID is what names it", async () => {
    const path = file(good);
    const plan = await wrapImage({ source: path, env: {}, apply: false });
    const done = await wrapImage({ source: path, env: {} });
    expect(done.digest).toBe(plan.digest);
    expect(done.digest).toBe(done.plan.platforms[0]!.after.config);
    expect((await wrapImage({ source: path, env: {} })).plan.changed).toBe(false);
    const undone = await wrapImage({ source: path, env: {}, action: "undo" });
    expect(undone.digest).toBe(plan.plan.platforms[0]!.before.config);
    const source = await ArchiveSource.open(path, "sample:1", { env: {}, layers: true });
    expect((await source.root()).names).toEqual(["docker.io/library/sample:1"]);
    await source.close();
  });

  it("gives the same config in a new archive of the newer layout", async () => {
    const path = file(good);
    const here = await wrapImage({ source: path, env: {} });
    const there = await wrapImage({ source: file(good), output: `oci-archive:${join(folder, "out.tar")}`, env: {} });
    expect(there.plan.platforms[0]!.after.config).toBe(here.plan.platforms[0]!.after.config);
  });
});
