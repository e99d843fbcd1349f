import { createHash, randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

/** Where the file system shares blocks, nothing is copied and a few of these cases fall together. */
async function copy(target: string, end: number, signal?: AbortSignal): Promise<void> {
  const fd = openSync(source, "r");
  const file = await NewFile.create(target, undefined, signal);
  try {
    const none = async function* () {};
    await file.cloneFrom({ file: source, codec: undefined, fd, prefix: none }, end);
    expect(file.position).toBe(end);
    await file.write(Buffer.from("tail"));
    await file.commit();
  } catch (cause) {
    await file.discard();
    throw cause;
  } finally {
    closeSync(fd);
  }
}

describe("the beginning of a large file copied into a new one", () => {
  const path = process.env["PATH"];
  afterEach(() => {
    process.env["PATH"] = path;
  });
  afterAll(() => rmSync(folder, { recursive: true }));

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

  it("leaves nothing behind when it is interrupted", async () => {
    const done = copy(join(folder, "target"), SIZE, AbortSignal.abort(new Error("interrupted")));
    await expect(done).rejects.toThrow("interrupted");
    expect(readdirSync(folder)).toEqual(["source"]);
  });
});
