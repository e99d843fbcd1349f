/** gzip and zstd as the formats say: members and frames one behind the other, however the bytes come in. */
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { codecOf, decompressed } from "../../../packages/cli/src/store/decompress.ts";
import { noise } from "../../support/sample-image.ts";

const A = Buffer.from(noise("a", 100_000));
const B = Buffer.alloc(500_000, "b");
const BOTH = Buffer.concat([A, B]);

function by(program: string, args: readonly string[], input: Uint8Array): Buffer {
  return execFileSync(program, args, { input, maxBuffer: 1 << 26 });
}

const zstd = (bytes: Uint8Array, ...args: string[]): Buffer => by("zstd", ["-q", "-c", ...args], bytes);
const gzip = (bytes: Uint8Array): Buffer => by("gzip", ["-c"], bytes);

function skippable(size: number, low = 0): Buffer {
  const frame = Buffer.alloc(8 + size, 0x28);
  frame.writeUInt32LE(0x184d2a50 + low, 0);
  frame.writeUInt32LE(size, 4);
  return frame;
}

async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function content(bytes: Uint8Array, size: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of decompressed(cut(bytes, size), codecOf(bytes)!)) parts.push(part);
  return Buffer.concat(parts);
}

const SIZES = [1 << 20, 65_536, 61];

describe.each(SIZES)("in pieces of %i bytes", (size) => {
  it.each([
    ["one frame of zstd", () => zstd(BOTH), BOTH],
    ["zstd without checksums", () => zstd(BOTH, "--no-check"), BOTH],
    ["zstd with its size", () => by("zstd", ["-q", "-c", "--stream-size=600000"], BOTH), BOTH],
    ["zstd of several threads", () => zstd(BOTH, "-T4", "--rsyncable", "-B100K"), BOTH],
    ["several frames of zstd", () => Buffer.concat([zstd(A), zstd(B)]), BOTH],
    ["an empty frame between two", () => Buffer.concat([zstd(A), zstd(Buffer.alloc(0)), zstd(B)]), BOTH],
    [
      "skippable frames before, between and behind",
      () => Buffer.concat([skippable(0), zstd(A), skippable(70_000, 15), skippable(3, 7), zstd(B), skippable(9)]),
      BOTH,
    ],
    ["what pzstd writes", () => by("pzstd", ["-q", "-p", "4", "-c"], BOTH), BOTH],
    ["several members of gzip", () => Buffer.concat([gzip(A), gzip(B)]), BOTH],
    ["an empty member behind", () => Buffer.concat([gzip(A), gzip(B), gzip(Buffer.alloc(0))]), BOTH],
    ["gzip with zeros behind", () => Buffer.concat([gzip(A), gzip(B), Buffer.alloc(100_000)]), BOTH],
    ["what pigz writes", () => by("pigz", ["-c", "-p", "4", "-b", "128"], BOTH), BOTH],
  ] as const)("%s is read to its end", async (_, make, expected) => {
    expect((await content(make(), size)).equals(expected)).toBe(true);
  });

  it.each([
    ["a cut frame", () => zstd(A).subarray(0, -9), "ARCHIVE_TRUNCATED", "zstd stream ends too early"],
    ["a cut second frame", () => Buffer.concat([zstd(A), zstd(B).subarray(0, -5)]), "ARCHIVE_TRUNCATED", "too early"],
    ["a frame cut in its magic", () => Buffer.concat([zstd(A), zstd(B).subarray(0, 2)]), "ARCHIVE_TRUNCATED", ""],
    ["a cut skippable frame", () => Buffer.concat([zstd(A), skippable(99).subarray(0, 50)]), "ARCHIVE_TRUNCATED", ""],
    ["something behind a frame", () => Buffer.concat([zstd(A), Buffer.from("more")]), "ARCHIVE_INVALID", "follows"],
    ["zeros behind a frame", () => Buffer.concat([zstd(A), Buffer.alloc(9)]), "ARCHIVE_INVALID", "follows"],
    ["a changed checksum", () => flip(zstd(BOTH), -1), "ARCHIVE_INVALID", "zstd stream is damaged"],
    ["a cut member", () => gzip(A).subarray(0, -9), "ARCHIVE_TRUNCATED", "gzip stream ends too early"],
    ["a cut second member", () => Buffer.concat([gzip(A), gzip(B).subarray(0, 9)]), "ARCHIVE_TRUNCATED", ""],
    ["something behind a member", () => Buffer.concat([gzip(A), Buffer.from("more")]), "ARCHIVE_INVALID", "follows"],
    [
      "something behind zeros",
      () => Buffer.concat([gzip(A), Buffer.alloc(100), gzip(B)]),
      "ARCHIVE_INVALID",
      "follows the end of the gzip stream",
    ],
    ["a changed checksum of a member", () => flip(gzip(A), -5), "ARCHIVE_INVALID", "gzip stream is damaged"],
  ] as const)("%s is refused", async (_, make, code, message) => {
    await expect(content(make(), size)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });
});

it("a window that the decoder does not have is named", async () => {
  const made = zstd(Buffer.from(noise("w", 200_000)), "--ultra", "--long=31");
  await expect(content(made, 65_536)).rejects.toMatchObject({
    code: "UNSUPPORTED_IMAGE",
    message: expect.stringContaining("128 MiB"),
  });
});

it("ten thousand tiny frames are one content", async () => {
  const one = zstd(Buffer.from("line\n"));
  const made = Buffer.concat(Array.from({ length: 10_000 }, () => one));
  expect((await content(made, 65_536)).toString()).toBe("line\n".repeat(10_000));
});

it("a source that fails says so itself", async () => {
  const failing = (async function* () {
    yield zstd(A).subarray(0, 100);
    throw new Error("the line broke");
  })();
  await expect(
    (async () => {
      for await (const _ of decompressed(failing, "zstd"));
    })(),
  ).rejects.toThrow("the line broke");
});

it("a source is let go when nobody reads on", async () => {
  let closed = false;
  const endless = (async function* () {
    const piece = zstd(A);
    try {
      for (;;) yield piece;
    } finally {
      closed = true;
    }
  })();
  for await (const _ of decompressed(endless, "zstd")) break;
  await expect.poll(() => closed).toBe(true);
});

function flip(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[changed.length + at]! ^= 0xff;
  return changed;
}
