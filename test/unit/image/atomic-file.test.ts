import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { NewFile } from "../../../packages/cli/src/store/atomic-file.ts";

const SIZE = 80 << 20;
const folder = mkdtempSync(join(tmpdir(), "initwrap-atomic-"));
const source = join(folder, "source");
const bytes = randomBytes(SIZE);
writeFileSync(source, bytes);
const digest = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");

function programFile(name: string): string {
  return execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
}

/** Where the file system shares blocks, nothing is copied and a few of these cases fall together. */
async function copy(
  target: string,
  end: number,
  { file: from = source, fd: given, signal }: { file?: string; fd?: number; signal?: AbortSignal } = {},
): Promise<void> {
  const fd = given ?? openSync(from, "r");
  const file = await NewFile.create(target, undefined, signal);
  try {
    const none = async function* () {};
    await file.cloneFrom({ file: from, codec: undefined, fd, prefix: none }, end);
    expect(file.position).toBe(end);
    await file.write(Buffer.from("tail"));
    await file.commit();
  } catch (cause) {
    await file.discard();
    throw cause;
  } finally {
    if (given === undefined) closeSync(fd);
  }
}

function sharesBlocks(): boolean {
  const clone = join(folder, "clone");
  try {
    copyFileSync(source, clone, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(clone, { force: true });
  }
}

describe("the beginning of a large file copied into a new one", () => {
  const path = process.env["PATH"];
  afterEach(() => {
    process.env["PATH"] = path;
  });

  it.each([
    ["with cat", undefined],
    ["without cat", folder],
  ])("is the same bytes, cut where it was asked, %s", async (_, without) => {
    if (without) process.env["PATH"] = without;
    const target = join(folder, "target");
    await copy(target, SIZE - 1000);
    const expected = Buffer.concat([bytes.subarray(0, SIZE - 1000), Buffer.from("tail")]);
    expect(digest(readFileSync(target))).toBe(digest(expected));
    rmSync(target);
    expect(readdirSync(folder)).toEqual(["source"]);
  });

  it.each([
    ["fails", "exit 1"],
    ["reserves more than it was asked for", 'exec "$REAL" --keep-size --length 128MiB /dev/stdin'],
  ])("is the same bytes where fallocate %s, which is asked for new names on ext4 only", async (_, script) => {
    const programs = mkdtempSync(join(tmpdir(), "initwrap-programs-"));
    const calls = join(programs, "calls");
    try {
      for (const name of ["cat", "sh"]) symlinkSync(programFile(name), join(programs, name));
      const real = programFile("fallocate");
      const text = `#!/bin/sh\necho "$*" >>"${calls}"\nREAL=${real}\n${script}\n`;
      writeFileSync(join(programs, "fallocate"), text, { mode: 0o755 });
      process.env["PATH"] = programs;
      const target = join(folder, "target");
      const expected = digest(Buffer.concat([bytes.subarray(0, SIZE - 1000), Buffer.from("tail")]));
      await copy(target, SIZE - 1000);
      expect(digest(readFileSync(target))).toBe(expected);
      // It is there now, and is replaced.
      await copy(target, SIZE - 1000);
      expect(digest(readFileSync(target))).toBe(expected);
      const isAsked = statfsSync(folder).type === 0xef53 && !sharesBlocks();
      const asked = `--keep-size --length ${SIZE - 1000} /dev/stdin\n`;
      expect(existsSync(calls) ? readFileSync(calls, "utf8") : "").toBe(isAsked ? asked : "");
      // What was reserved and not needed is given back.
      expect(statSync(target).blocks * 512).toBeLessThan(SIZE + (1 << 20));
      rmSync(target);
    } finally {
      rmSync(programs, { recursive: true });
    }
  });

  it("is all of the source, where a source that stands open has been read from before", async () => {
    const target = join(folder, "target");
    const fd = openSync(source, "r");
    readSync(fd, Buffer.alloc(1000), 0, 1000, null);
    await copy(target, SIZE, { fd });
    const next = Buffer.alloc(100);
    readSync(fd, next, 0, 100, null);
    closeSync(fd);
    expect(next.equals(bytes.subarray(1000, 1100))).toBe(true);
    expect(digest(readFileSync(target))).toBe(digest(Buffer.concat([bytes, Buffer.from("tail")])));
    rmSync(target);
  });

  it("is missed when the source has become shorter, and nothing is left behind", async () => {
    const short = join(folder, "short");
    writeFileSync(short, bytes.subarray(0, 70 << 20));
    await expect(copy(join(folder, "target"), SIZE, { file: short })).rejects.toThrow("became shorter");
    rmSync(short);
    expect(readdirSync(folder)).toEqual(["source"]);
  });

  it("leaves nothing behind on a full disk, and says so", async (context) => {
    if (process.getuid?.() !== 0) return context.skip("mounting a small file system needs root");
    const disk = join(folder, "disk");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=40m", "tmpfs", disk]);
    try {
      await expect(copy(join(disk, "target"), SIZE)).rejects.toThrow("ENOSPC");
      expect(readdirSync(disk)).toEqual([]);
    } finally {
      execFileSync("umount", [disk]);
      rmdirSync(disk);
    }
  });

  it.each([
    ["before it begins", (stop: () => void) => stop()],
    // Sharing blocks takes no time in which it could be interrupted.
    ...(sharesBlocks() ? [] : [["while it is made", (stop: () => void) => setTimeout(stop, 5)] as const]),
  ] as const)("leaves nothing behind when it is interrupted %s", async (_, when) => {
    const stop = new AbortController();
    when(() => stop.abort(new Error("interrupted")));
    await expect(copy(join(folder, "target"), SIZE, { signal: stop.signal })).rejects.toThrow("interrupted");
    expect(readdirSync(folder)).toEqual(["source"]);
  });
});

describe("what is written in small pieces and in large ones", () => {
  afterAll(() => rmSync(folder, { recursive: true }));

  it("stands in the file in its order, without what was taken back", async () => {
    const target = join(folder, "pieces");
    const file = await NewFile.create(target, undefined);
    const expected: Buffer[] = [];
    let at = 0;
    const add = async (length: number, isKept = true) => {
      const piece = bytes.subarray(at, at + length);
      await file.write(piece);
      if (isKept) expected.push(piece);
      at += length;
    };
    for (const length of [1, 512, 70_000, 65_535, 2, 65_536, 300_000, 0, 7]) await add(length);
    // Taken back: what has not reached the file yet, what has, and both.
    for (const lengths of [[100, 200], [70_000], [10, 70_000, 20], [60_000, 60_000]]) {
      const mark = file.position;
      for (const length of lengths) await add(length, false);
      await file.rewind(mark);
      expect(file.position).toBe(mark);
      await add(3);
    }
    const mark = file.position;
    await add(1 << 20, false);
    await file.rewind(mark);
    await file.commit();
    expect(readFileSync(target).equals(Buffer.concat(expected))).toBe(true);
  });
});
