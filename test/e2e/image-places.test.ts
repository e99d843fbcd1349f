/**
 * Places that cannot be read or written: full, read-only, another user's, named too long, a folder, a link to nowhere, or at work
 * in another process. Each ends with its code, its place and what to do; nothing is left behind, and what was there is whole.
 */
import { execFile, execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { legacyArchive, sampleImage, tarOf } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { CLI, type CliResult, initwrap, initwrapOk } from "../support/cli.ts";
import { noise } from "../support/sample-image.ts";

const run = promisify(execFile);
const env = { HOME: "/nonexistent", DOCKER_CONFIG: "", NO_COLOR: "1", CI: "", GITHUB_ACTIONS: "" };
const layers = [tarOf([["file-0", noise("places", 300_000)]]), tarOf([["file-1", "world\n"]])];
const good = legacyArchive(
  sampleImage({ layers: [noise("places", 300_000), Buffer.from("world\n")] }),
  ["a:1"],
  layers,
);

let folder: string;
let isMounted = false;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "initwrap-places-"));
  const mount = (name: string, options: string): Promise<unknown> => {
    mkdirSync(join(folder, name));
    return run("mount", ["-t", "tmpfs", "-o", options, "tmpfs", join(folder, name)]);
  };
  try {
    await mount("full", "size=128k");
    await mount("fixed", "size=1m");
    writeFileSync(join(folder, "fixed/good.tar"), good);
    await run("mount", ["-o", "remount,ro", join(folder, "fixed")]);
    isMounted = true;
  } catch {
    // Only root may mount.
  }
});
afterAll(async () => {
  for (const name of ["full", "fixed"]) await run("umount", [join(folder, name)]).catch(() => undefined);
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => writeFileSync(join(folder, "good.tar"), good));
afterEach(() => {
  for (const name of readdirSync(folder)) {
    if (name !== "full" && name !== "fixed") rmSync(join(folder, name), { recursive: true, force: true });
  }
});

const call = (...args: string[]): Promise<CliResult> => initwrap(["image", ...args], { cwd: folder, env });

/** Everything below the folder, with what it is and its size. */
function tree(): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => `${name} ${lstatSync(join(folder, name)).mode} ${lstatSync(join(folder, name)).size}`)
    .sort();
}

/** The call fails so, tells it once and with a hint, and everything is as it was. */
async function fails(args: readonly string[], exit: number, told: string): Promise<void> {
  const before = tree();
  const { status, stdout, stderr } = await call(...args);
  expect([status, stdout.toString()], stderr).toEqual([exit, ""]);
  expect(stderr).toContain(told);
  expect(stderr.match(/error\[/g)).toHaveLength(1);
  expect(stderr).toContain("\nhint: ");
  expect(tree()).toEqual(before);
  expect(readFileSync(join(folder, "good.tar")).equals(good)).toBe(true);
}

describe("a full disk", () => {
  const full = "the disk is full\nhint: Make room";
  it.each([
    ["a new archive", ["good.tar", "-o", "full/new.tar"], "cannot write full/new.tar: "],
    ["a compressed one", ["good.tar", "-o", "full/new.tar.gz"], "cannot write full/new.tar.gz: "],
    ["a new layout", ["good.tar", "-o", "oci:full/layout"], "cannot write full/layout"],
  ] as const)("under %s", async (_, args, told) => {
    requireCapability({ skip: () => undefined }, "mount", isMounted);
    await fails(args, 7, told);
  });

  it.each(["--metadata-file", "--iidfile", "--digest-file"])("under the file of %s", async (flag) => {
    requireCapability({ skip: () => undefined }, "mount", isMounted);
    const filler = join(folder, "full/filler");
    execFileSync("sh", ["-c", `cat /dev/zero >"$0" 2>/dev/null || :`, filler]);
    try {
      const { status, stdout, stderr } = await call("good.tar", "-o", "new.tar", flag, "full/result");
      expect([status, stdout.toString()], stderr).toEqual([7, ""]);
      expect(stderr).toContain(`cannot write full/result: ${full}`);
      expect(readdirSync(join(folder, "full"))).toEqual(["filler"]);
    } finally {
      rmSync(filler);
    }
  });

  it("under the unpacked archive", async () => {
    requireCapability({ skip: () => undefined }, "mount", isMounted);
    writeFileSync(join(folder, "good.tar.gz"), gzipSync(good));
    const { status, stderr } = await initwrap(["image", "good.tar.gz", "-o", "new.tar"], {
      cwd: folder,
      env: { ...env, TMPDIR: join(folder, "full") },
    });
    expect([status, stderr]).toEqual([
      7,
      expect.stringMatching(/the disk is full, where the archive is unpacked\nhint: Set TMPDIR/),
    ]);
    expect([readdirSync(join(folder, "full")), readdirSync(folder).includes("new.tar")]).toEqual([[], false]);
  });
});

describe("a read-only file system", () => {
  it.each([
    [["fixed/good.tar"], "cannot write fixed/good.tar: the file system is read-only"],
    [["good.tar", "-o", "fixed/new.tar"], "cannot write fixed/new.tar: the file system is read-only"],
    [["good.tar", "-o", "oci:fixed/layout"], "the file system is read-only"],
    [["good.tar", "-o", "new.tar", "--iidfile", "fixed/id"], "cannot write fixed/id: the file system is read-only"],
  ] as const)("%j", async (args, told) => {
    requireCapability({ skip: () => undefined }, "mount", isMounted);
    await fails(args, 7, told);
  });

  it("is read from", async () => {
    requireCapability({ skip: () => undefined }, "mount", isMounted);
    await initwrapOk(["image", "fixed/good.tar", "-o", "new.tar"], { cwd: folder, env });
  });
});

/** Root that may not pass over other users' permissions: what any user is, who can still read this program. */
const bounded = ["--bounding-set=-dac_override,-dac_read_search,-fowner", "--", process.execPath, CLI, "image"];

describe("what belongs to another user", () => {
  const isRoot = process.getuid?.() === 0;
  beforeEach(() => {
    if (!isRoot) return;
    writeFileSync(join(folder, "theirs.tar"), good, { mode: 0o600 });
    mkdirSync(join(folder, "theirs"));
    writeFileSync(join(folder, "theirs/good.tar"), good, { mode: 0o644 });
    for (const name of ["theirs.tar", "theirs", "theirs/good.tar"]) chownSync(join(folder, name), 65534, 65534);
    chmodSync(join(folder, "theirs"), 0o755);
  });

  it.each([
    [["theirs.tar"], 3, "error[INPUT_UNREADABLE]: cannot read theirs.tar: permission denied\nhint: Give this user"],
    [["theirs/good.tar"], 7, "cannot write theirs/good.tar: permission denied\nhint: "],
    [["good.tar", "-o", "theirs/new.tar"], 7, "cannot write theirs/new.tar: permission denied\nhint: "],
    [["good.tar", "-o", "theirs/good.tar"], 7, "cannot write theirs/good.tar: permission denied\nhint: "],
    [["good.tar", "-o", "oci:theirs/layout"], 7, "permission denied\nhint: "],
    [
      ["good.tar", "-o", "new.tar", "--metadata-file", "theirs/m"],
      7,
      "cannot write theirs/m: permission denied\nhint: ",
    ],
  ] as const)("%j ends with %i", async (args, exit, told) => {
    requireCapability({ skip: () => undefined }, "root", isRoot);
    const before = tree();
    const failure = await run("setpriv", [...bounded, ...args], { cwd: folder, env: { ...process.env, ...env } }).catch(
      (cause: unknown) => cause,
    );
    expect(failure).toMatchObject({ code: exit, stdout: "", stderr: expect.stringContaining(told) });
    expect(tree()).toEqual(before);
  });
});

describe("a name", () => {
  it("that is too long is told as such", async () => {
    await fails(["good.tar", "-o", `${"x".repeat(252)}.tar`], 7, ": the name is too long\nhint: Choose a shorter one");
    const { status, stderr } = await call(`./${"x".repeat(256)}`);
    expect([status, stderr]).toEqual([3, expect.stringMatching(/^error\[/)]);
  });

  it("that is just short enough is written, and rewritten in place", async () => {
    for (const name of [`${"x".repeat(251)}.tar`, `${"ü".repeat(125)}.tar`]) {
      await initwrapOk(["image", "good.tar", "-o", name], { cwd: folder, env });
      expect((await call(name, "--undo")).status).toBe(0);
      expect((await call(name)).status).toBe(0);
    }
    expect(readdirSync(folder).filter((name) => name.includes("initwrap"))).toEqual([]);
  });

  it("of a folder is no file", async () => {
    mkdirSync(join(folder, "there.tar"));
    await fails(["there.tar"], 3, "there.tar is a folder");
    await fails(["good.tar", "-o", "docker-archive:there.tar"], 7, "cannot write there.tar: it is a folder\nhint: ");
  });

  it("of a link to nowhere makes what it leads to, where that can be; a circle is told", async () => {
    symlinkSync("later.tar", join(folder, "link.tar"));
    await initwrapOk(["image", "good.tar", "-o", "link.tar"], { cwd: folder, env });
    expect(lstatSync(join(folder, "link.tar")).isSymbolicLink()).toBe(true);
    expect(statSync(join(folder, "later.tar")).size).toBeGreaterThan(good.length - 4096);
    symlinkSync("nosuch/later.tar", join(folder, "lost.tar"));
    await fails(["good.tar", "-o", "lost.tar"], 7, "cannot write lost.tar: the folder does not exist\nhint: ");
    symlinkSync("circle.tar", join(folder, "circle.tar"));
    await fails(["good.tar", "-o", "circle.tar"], 7, "cannot write circle.tar: its links lead in a circle\nhint: ");
  });

  it("of the input, written otherwise, is the input", async () => {
    mkdirSync(join(folder, "sub"));
    symlinkSync("..", join(folder, "sub/up"));
    const path = join(folder, "good.tar");
    for (const output of ["./good.tar", "sub/../good.tar", "sub/up/good.tar", path]) {
      writeFileSync(path, good);
      const { ino } = statSync(path);
      await initwrapOk(["image", "good.tar", "-o", output], { cwd: folder, env });
      // Rewritten in place: the same file, with another end.
      expect([output, statSync(path).ino]).toEqual([output, ino]);
      expect(readFileSync(path).equals(good)).toBe(false);
    }
  });

  it("of a hard link to the input gets a file of its own; the input stays", async () => {
    linkSync(join(folder, "good.tar"), join(folder, "second.tar"));
    const { status } = await call("good.tar", "-o", "second.tar");
    expect([0, 5]).toContain(status);
    expect(readFileSync(join(folder, "good.tar")).equals(good)).toBe(true);
  });
});

describe("runs at the same time", () => {
  it("on one archive in place: each is done, one after the other, and the file is the last one's result", async () => {
    const names = Array.from({ length: 6 }, (_, index) => `${"long-".repeat(index * 5)}name-${index}:1`);
    const readers = [
      ["inspect", "good.tar"],
      ["image", "good.tar", "-o", "copy.tar"],
    ];
    const results = await Promise.all([
      ...names.map((name) => call("good.tar", "-t", name)),
      ...readers.map((args) => initwrap(args, { cwd: folder, env })),
    ]);
    expect(results.map(({ status, stderr }) => (status === 0 ? 0 : stderr))).toEqual(results.map(() => 0));
    await initwrapOk(["verify", "copy.tar"], { cwd: folder, env });
    await initwrapOk(["verify", "good.tar"], { cwd: folder, env });
    const { stdout } = await run("skopeo", ["inspect", "--raw", "docker-archive:good.tar"], { cwd: folder });
    expect(stdout).toContain("config");
    expect(readdirSync(folder).filter((name) => name.includes("initwrap-"))).toEqual([]);
  });

  it("into one new archive: it is one of the results, whole", async () => {
    const results = await Promise.all([1, 2, 3, 4].map((tag) => call("good.tar", "-o", "same.tar", "-t", `n:${tag}`)));
    expect(results.map(({ status }) => status)).toEqual([0, 0, 0, 0]);
    await initwrapOk(["verify", "same.tar"], { cwd: folder, env });
    expect(readdirSync(folder).filter((name) => name.includes("initwrap-"))).toEqual([]);
  });
});
