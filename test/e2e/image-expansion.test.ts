/**
 * Compressed archives and layers that expand a thousandfold. What is made to fill a disk is refused before it has; gigabytes
 * of zeros, which images really hold, take no room. The unpacked archive lies in a small file system of its own: what does
 * not fit there would end with another code.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { padding, tarHeader } from "../../packages/cli/src/store/tar.ts";
import { legacyArchive, sampleImage, tarOf } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { type CliResult, initwrap } from "../support/cli.ts";
import { noise } from "../support/sample-image.ts";

const run = promisify(execFile);
const MiB = 2 ** 20;
const GiB = 2 ** 30;
const PIECE = 64 * MiB;
const CODERS = { gz: (bytes: Uint8Array) => gzipSync(bytes, { level: 9 }), zst: zstdCompressSync };
type Suffix = keyof typeof CODERS;
const SUFFIXES = Object.keys(CODERS) as Suffix[];

let folder: string;
let isMounted = false;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "initwrap-expansion-"));
  mkdirSync(join(folder, "small"));
  mkdirSync(join(folder, "tiny"));
  try {
    await run("mount", ["-t", "tmpfs", "-o", "size=160m", "tmpfs", join(folder, "small")]);
    await run("mount", ["-t", "tmpfs", "-o", "size=32m", "tmpfs", join(folder, "tiny")]);
    isMounted = true;
  } catch {
    // Only root may mount.
  }
});
afterAll(async () => {
  if (isMounted) await run("umount", [join(folder, "small"), join(folder, "tiny")]);
  rmSync(folder, { recursive: true, force: true });
});

/** Compressed pieces behind each other are one stream: gigabytes of one byte, made in a moment. */
function repeated(suffix: Suffix, byte: number, size: number): Buffer {
  const one = CODERS[suffix](Buffer.alloc(PIECE, byte));
  return Buffer.concat(Array.from({ length: size / PIECE }, () => one));
}

/** An archive of docker save with one layer of `size` equal bytes, which is no tar. */
function archive(name: string, suffix: Suffix, byte: number, size: number): string {
  const piece = Buffer.alloc(PIECE, byte);
  const hash = createHash("sha256");
  for (let at = 0; at < size; at += PIECE) hash.update(piece);
  const config = JSON.stringify({
    architecture: "amd64",
    os: "linux",
    config: { Cmd: ["/app"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${hash.digest("hex")}`] },
  });
  const coded = CODERS[suffix];
  const rest = tarOf([
    ["config.json", config],
    ["manifest.json", JSON.stringify([{ Config: "config.json", RepoTags: ["zeros:1"], Layers: ["layer.tar"] }])],
  ]);
  const path = `${name}.tar.${suffix}`;
  const head = coded(tarHeader("layer.tar", size));
  writeFileSync(
    join(folder, path),
    Buffer.concat([head, repeated(suffix, byte, size), coded(padding(size)), coded(rest)]),
  );
  return path;
}

/** An archive that says it has a terabyte, and has `size` equal bytes of it. */
function bomb(name: string, suffix: Suffix, byte: number, size: number): string {
  const path = `${name}.tar.${suffix}`;
  const head = CODERS[suffix](tarHeader("layer.tar", 2 ** 40));
  writeFileSync(join(folder, path), Buffer.concat([head, repeated(suffix, byte, size)]));
  return path;
}

interface Measured extends CliResult {
  /** The most memory it had, in bytes. Source: proc_pid_status(5), VmHWM. */
  readonly memory: number;
  /** What it left in its folder for temporary files. */
  readonly left: readonly string[];
}

const WITNESS = `import { readFileSync, writeFileSync } from "node:fs";
process.on("exit", () => writeFileSync(process.env.WITNESS, readFileSync("/proc/self/status")));`;

async function measured(args: readonly string[], env: NodeJS.ProcessEnv = {}, input?: Uint8Array): Promise<Measured> {
  const status = join(folder, "status");
  const result = await initwrap(args, {
    cwd: folder,
    env: {
      TMPDIR: join(folder, "small"),
      WITNESS: status,
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(WITNESS)}`,
      ...env,
    },
    ...(input ? { input } : {}),
  });
  const memory = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(status, "utf8"))?.[1]) * 1024;
  return { ...result, memory, left: readdirSync(join(folder, "small")) };
}

describe.each(SUFFIXES)("an archive of .tar.%s", (suffix) => {
  it("that is a bomb is refused before it fills the disk", async (context) => {
    requireCapability(context, "mount", isMounted);
    const path = bomb("letters", suffix, 0x61, GiB / 2);
    const { status, stderr, memory, left } = await measured(["image", path, "-o", "never.tar"]);
    expect(status, stderr).toBe(3);
    expect(stderr).toContain(`error[ARCHIVE_INVALID]: ${path}: it expands to more than 200 times its size`);
    expect(stderr).toContain("hint: If it is really an image, set INITWRAP_UNPACK_LIMIT");
    expect(left).toEqual([]);
    expect(readdirSync(folder)).not.toContain("never.tar");
    expect(memory).toBeLessThan(160 * 1e6);
  });

  it("that comes through a pipe is no other", async (context) => {
    requireCapability(context, "mount", isMounted);
    const path = bomb("piped", suffix, 0x61, GiB / 2);
    const { status, stderr, left } = await measured(["image", "-", "--check"], {}, readFileSync(join(folder, path)));
    expect([status, stderr]).toEqual([3, expect.stringContaining("standard input: it expands to more than")]);
    expect(left).toEqual([]);
  });

  it("with more zeros than there is room for is read, with no more memory", async (context) => {
    requireCapability(context, "mount", isMounted);
    const path = archive("zeros", suffix, 0, 1.5 * GiB);
    const { status, stderr, memory, left } = await measured(["image", path, "--dry-run"]);
    expect([status, stderr]).toEqual([0, expect.stringContaining('ENTRYPOINT ["/initwrap","--"] CMD ["/app"]')]);
    expect(left).toEqual([]);
    expect(memory).toBeLessThan(160 * 1e6);
  });
});

it("a zstd archive of nothing but zeros has an end too", async (context) => {
  requireCapability(context, "mount", isMounted);
  const { status, stderr, left } = await measured(["image", bomb("nothing", "zst", 0, 6 * GiB), "--check"]);
  expect([status, stderr]).toEqual([3, expect.stringContaining("it expands to more than 1100 times its size")]);
  expect(left).toEqual([]);
});

describe("INITWRAP_UNPACK_LIMIT", () => {
  it("lets an image through that only looks like a bomb, and none that is larger", async (context) => {
    requireCapability(context, "mount", isMounted);
    const path = archive("repetitive", "zst", 0x61, 2 * PIECE + PIECE);
    const env = { TMPDIR: folder };
    const refused = await initwrap(["image", path, "--dry-run"], { cwd: folder, env });
    expect([refused.status, refused.stderr]).toEqual([3, expect.stringContaining("expands")]);
    const raised = await initwrap(["image", path, "--dry-run"], {
      cwd: folder,
      env: { ...env, INITWRAP_UNPACK_LIMIT: "1GiB" },
    });
    expect(raised.status, raised.stderr).toBe(0);
    const lowered = await initwrap(["image", path, "--dry-run"], {
      cwd: folder,
      env: { ...env, INITWRAP_UNPACK_LIMIT: "100 MB" },
    });
    expect([lowered.status, lowered.stderr]).toEqual([
      3,
      expect.stringContaining("it expands to more than INITWRAP_UNPACK_LIMIT allows"),
    ]);
  });

  it("has to be a size", async () => {
    writeFileSync(join(folder, "good.tar.gz"), gzipSync(legacyArchive(sampleImage(), ["a:1"], [tarOf([]), tarOf([])])));
    const { status, stderr } = await initwrap(["image", "good.tar.gz", "--dry-run"], {
      cwd: folder,
      env: { INITWRAP_UNPACK_LIMIT: "much" },
    });
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining('error[USAGE]: INITWRAP_UNPACK_LIMIT: "much" is no size\nhint: It takes bytes'),
    ]);
  });
});

it("an archive with more content than the disk can spare is given up before it is full, and names TMPDIR", async (context) => {
  requireCapability(context, "mount", isMounted);
  const content = noise("full", 31 * MiB);
  const image = legacyArchive(sampleImage(), ["big:1"], [tarOf([["file", content]]), tarOf([])]);
  writeFileSync(join(folder, "big.tar.gz"), gzipSync(image, { level: 0 }));
  const { status, stderr } = await measured(["image", "big.tar.gz", "--dry-run"], { TMPDIR: join(folder, "tiny") });
  expect(status, stderr).toBe(7);
  expect(stderr).toMatch(/^error\[OUTPUT_NOT_WRITTEN\]: cannot write \S+: the disk is nearly full, where the archive/m);
  expect(stderr).toContain("hint: Set TMPDIR to a folder with room for the whole archive.");
  expect(readdirSync(join(folder, "tiny"))).toEqual([]);
});
