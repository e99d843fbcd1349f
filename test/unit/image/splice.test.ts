/** In-place rewriting: killed at any moment, the file is old or new, or becomes old on the next run; of several runs at once too. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ArchiveSource } from "../../../packages/cli/src/store/archive.ts";
import {
  type FileState,
  fileState,
  recoverTail,
  sidecarOf,
  spliceTail,
} from "../../../packages/cli/src/store/splice.ts";
import { WrittenMeanwhile } from "../../../packages/cli/src/store/written-meanwhile.ts";
import { wrapImage } from "../../../packages/cli/src/wrap/image.ts";
import { legacyArchive, sampleImage, tarOf } from "../../contract/sample-image.ts";
import { ROOT } from "../../support/programs.ts";

let folder: string;
/** The module as JavaScript, for a process that removes the types at its start takes twice as long. */
let module: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "initwrap-splice-"));
  module = join(mkdtempSync(join(folder, "module-")), "splice.mjs");
  const entryPoints = [join(ROOT, "packages/cli/src/store/splice.ts")];
  await build({ entryPoints, outfile: module, bundle: true, platform: "node", format: "esm" });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const HEAD = Buffer.alloc(64 << 10, "h");
const OLD = Buffer.concat([HEAD, Buffer.alloc(200 << 10, "o")]);
const TAIL = Buffer.alloc(300 << 10, "n");
const NEW = Buffer.concat([HEAD, TAIL]);

function stateOf(path: string): FileState {
  const fd = openSync(path, "r");
  try {
    return fileState(fd);
  } finally {
    closeSync(fd);
  }
}

/** Runs a module that has `path`, and the module to be tested, as its arguments, to its end: its status, or the signal. */
async function run(script: string, path: string): Promise<number | string> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, path, module], { stdio: "inherit" });
  const [status, signal] = (await once(child, "exit")) as [number | null, string | null];
  return status ?? signal ?? "";
}

/** Splices, and is killed when everything is written and the file is not cut yet. */
const KILLED = `
  import fs from "node:fs";
  import { syncBuiltinESMExports } from "node:module";
  fs.ftruncateSync = () => process.kill(process.pid, "SIGKILL");
  syncBuiltinESMExports();
  const { fileState, spliceTail } = await import(process.argv[2]);
  const path = process.argv[1];
  spliceTail(path, fileState(fs.openSync(path)), ${HEAD.length}, [Buffer.alloc(${100 << 10}, "n")]);`;

describe("runs on one archive in place", () => {
  it("are each done, one after the other, when they read the same state", async () => {
    const path = join(folder, "runs.tar");
    const tars = [tarOf([["file-0", "hello\n"]]), tarOf([["file-1", "world\n"]])];
    writeFileSync(path, legacyArchive(sampleImage(), ["first:1"], tars));
    const names = ["second:1", "third:1", "fourth:1"];
    const done = await Promise.all(names.map((name) => wrapImage({ source: path, names: [name], env: {} })));
    // One has wrapped it, and the others have given the wrapped one another name.
    expect(done.filter(({ plan }) => plan.changed)).toHaveLength(1);
    expect(new Set(done.map(({ digest }) => digest)).size).toBe(1);
    const source = await ArchiveSource.open(path, undefined, { env: {}, layers: false });
    expect(names.map((name) => [`docker.io/library/${name}`])).toContainEqual((await source.root()).names);
    await source.close();
    expect(readdirSync(folder).filter((name) => name.startsWith("runs.tar"))).toEqual(["runs.tar"]);
  });
});

describe("spliceTail", () => {
  it("replaces the tail, longer or shorter, and leaves no sidecar", () => {
    const path = join(folder, "plain");
    writeFileSync(path, OLD);
    spliceTail(path, stateOf(path), HEAD.length, [TAIL]);
    expect(readFileSync(path).equals(NEW)).toBe(true);
    spliceTail(path, stateOf(path), HEAD.length, [Buffer.from("short")]);
    expect(readFileSync(path).length).toBe(HEAD.length + 5);
    expect(readdirSync(folder).filter((name) => name.startsWith("plain"))).toEqual(["plain"]);
  });

  it("is old or new, or recovers, after SIGKILL at 200 moments", { timeout: 300_000 }, async () => {
    // The child splices back and forth until it is killed, so that every moment of a splice is met.
    const script = `
      import { openSync } from "node:fs";
      const { fileState, spliceTail } = await import(process.argv[2]);
      const path = process.argv[1];
      const fd = openSync(path);
      const [old, next] = [Buffer.alloc(${200 << 10}, "o"), Buffer.alloc(${300 << 10}, "n")];
      process.stdout.write("ready");
      for (;;) for (const tail of [next, old]) spliceTail(path, fileState(fd), ${HEAD.length}, [tail]);`;
    let recovered = 0;
    const rounds = async (path: string, count: number) => {
      for (let round = 0; round < count; round++) {
        writeFileSync(path, OLD);
        const child = spawn(process.execPath, ["--input-type=module", "-e", script, path, module], {
          stdio: ["ignore", "pipe", "inherit"],
        });
        await new Promise((resolve) => child.stdout.once("data", resolve));
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 25));
        child.kill("SIGKILL");
        await new Promise((resolve) => child.once("exit", resolve));
        if (await recoverTail(path)) recovered++;
        const now = readFileSync(path);
        expect(now.equals(OLD) || now.equals(NEW)).toBe(true);
        expect(statSync(sidecarOf(path), { throwIfNoEntry: false })).toBeUndefined();
      }
    };
    // Two at once, for each waits for the disk.
    await Promise.all(["killed", "killed-too"].map((name) => rounds(join(folder, name), 100)));
    // Were it always whole by luck, nothing would have been tested.
    expect(recovered).toBeGreaterThan(5);
  });

  it("leaves a file alone that was written to after it was read", () => {
    const path = join(folder, "changed");
    writeFileSync(path, OLD);
    const seen = stateOf(path);
    writeFileSync(path, NEW);
    expect(() => spliceTail(path, seen, HEAD.length, [Buffer.from("stale")])).toThrow(
      expect.objectContaining({ code: "OUTPUT_NOT_WRITTEN", hint: expect.stringContaining("Try again") }),
    );
    expect(readFileSync(path).equals(NEW)).toBe(true);
    expect(readdirSync(folder).filter((name) => name.startsWith("changed"))).toEqual(["changed"]);
  });

  it("lets nobody else write while a process is at it", async () => {
    const path = join(folder, "together");
    writeFileSync(path, OLD);
    const script = `
      import fs from "node:fs";
      import { syncBuiltinESMExports } from "node:module";
      const { writeSync } = fs;
      fs.writeSync = (fd, bytes, from, length, at) => {
        if (at !== ${HEAD.length}) return writeSync(fd, bytes, from, length, at);
        const done = writeSync(fd, bytes, from, 1000, at);
        writeSync(1, "half");
        process.kill(process.pid, "SIGSTOP");
        return done;
      };
      syncBuiltinESMExports();
      const { fileState, spliceTail } = await import(process.argv[2]);
      const path = process.argv[1];
      spliceTail(path, fileState(fs.openSync(path)), ${HEAD.length}, [Buffer.alloc(${TAIL.length}, "n")]);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script, path, module], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    const busy = { code: "OUTPUT_NOT_WRITTEN", message: expect.stringContaining("is rewriting") };
    expect(() => spliceTail(path, stateOf(path), HEAD.length, [Buffer.from("late")])).toThrow(
      expect.objectContaining(busy),
    );
    await expect(recoverTail(path, undefined, 100)).rejects.toMatchObject(busy);
    // What is read meanwhile is half of it: one who changes it in place is told to wait, one who reads it to try again.
    const disturbed = { message: expect.stringContaining("was changed while it was read") };
    const options = { env: {}, layers: false };
    await expect(ArchiveSource.open(path, undefined, options)).rejects.toThrow(WrittenMeanwhile);
    await expect(ArchiveSource.open(path, undefined, options)).rejects.toMatchObject({ ...disturbed, exit: 3 });
    const waiting = recoverTail(path);
    child.kill("SIGCONT");
    expect(await once(child, "exit")).toEqual([0, null]);
    expect(await waiting).toBe(false);
    expect(readFileSync(path).equals(NEW)).toBe(true);
    expect(readdirSync(folder).filter((name) => name.startsWith("together"))).toEqual(["together"]);
  });

  it("removes what killed runs left beside the file, and nothing else", () => {
    const path = join(folder, "left");
    writeFileSync(path, OLD);
    const ended = spawnSync("true").pid;
    // A process that is at it may be stopped for a while.
    const stopped = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    const sidecar = sidecarOf(path);
    const left = [`${sidecar}.${ended}.new`, `${sidecar}-lock-${ended}-abc`];
    const kept = [
      `${sidecar}.${stopped.pid}.new`,
      `${sidecar}-lock-${ended}-def`,
      `${sidecar}.old`,
      join(folder, `left-too.initwrap-recovery.${ended}.new`),
    ];
    for (const file of [...left, ...kept]) writeFileSync(file, "");
    const past = new Date(Date.now() - 120_000);
    for (const file of [left[1]!, kept[0]!, kept[2]!]) utimesSync(file, past, past);
    spliceTail(path, stateOf(path), HEAD.length, [TAIL]);
    expect(left.filter((file) => existsSync(file))).toEqual([]);
    expect(kept.filter((file) => existsSync(file))).toEqual(kept);
    stopped.kill("SIGKILL");
    for (const file of kept) rmSync(file);
  });

  it("writes nothing, and asks to try again, when its sidecar is taken away before it has its name", async () => {
    const path = join(folder, "taken");
    writeFileSync(path, OLD);
    const script = `
      import fs from "node:fs";
      import { syncBuiltinESMExports } from "node:module";
      const { linkSync } = fs;
      fs.linkSync = (from, to) => {
        fs.rmSync(from);
        linkSync(from, to);
      };
      syncBuiltinESMExports();
      const { fileState, spliceTail } = await import(process.argv[2]);
      const path = process.argv[1];
      try {
        spliceTail(path, fileState(fs.openSync(path)), ${HEAD.length}, [Buffer.alloc(10)]);
      } catch ({ message }) {
        process.exit(/another initwrap is rewriting/.test(message) ? 42 : 1);
      }`;
    expect(await run(script, path)).toBe(42);
    expect(readFileSync(path).equals(OLD)).toBe(true);
    expect(readdirSync(folder).filter((name) => name.startsWith("taken"))).toEqual(["taken"]);
  });

  it("recovers the file by its own name when it was reached by a link", async () => {
    mkdirSync(join(folder, "links"));
    const path = join(folder, "linked");
    const link = join(folder, "links", "other-name");
    writeFileSync(path, OLD);
    symlinkSync(path, link);
    expect(await run(KILLED, link)).toBe("SIGKILL");
    expect(readFileSync(path).equals(OLD)).toBe(false);
    expect(await recoverTail(path)).toBe(true);
    expect(readFileSync(path).equals(OLD)).toBe(true);
    expect(readdirSync(join(folder, "links"))).toEqual(["other-name"]);
  });

  it("tells who only reads the file what has become of it", async () => {
    const path = join(folder, "reader");
    writeFileSync(path, OLD);
    expect(await run(KILLED, path)).toBe("SIGKILL");
    await expect(ArchiveSource.open(path, undefined, { env: {}, layers: false })).rejects.toMatchObject({
      code: "ARCHIVE_INVALID",
      hint: expect.stringContaining("was killed: initwrap image"),
    });
  });

  it("does not apply a sidecar to another file of that name", async () => {
    const path = join(folder, "other");
    writeFileSync(path, OLD);
    const old = OLD.subarray(HEAD.length);
    spliceTail(path, stateOf(path), HEAD.length, [TAIL]);
    const header = {
      initwrapSidecar: 1,
      tailStart: HEAD.length,
      size: OLD.length,
      pid: 1,
      tail: "",
      head: "",
      joint: "",
    };
    writeFileSync(sidecarOf(path), Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), old]));
    await expect(recoverTail(path)).rejects.toMatchObject({ code: "OUTPUT_NOT_WRITTEN" });
    expect(readFileSync(path).equals(NEW)).toBe(true);
    rmSync(sidecarOf(path));
  });
});
