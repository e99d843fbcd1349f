/** In-place rewriting: killed at any moment, the file is old or new, or becomes old on the next run; of several runs at once too. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ArchiveSource } from "../../../packages/cli/src/store/archive.ts";
import {
  type FileState,
  fileState,
  recoverTail,
  sidecarOf,
  spliceTail,
} from "../../../packages/cli/src/store/splice.ts";
import { ROOT } from "../../support/programs.ts";

const MODULE = JSON.stringify(join(ROOT, "packages/cli/src/store/splice.ts"));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "initwrap-splice-"));
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

/** Runs a module that has `path` as its argument, to its end: its status, or the signal. */
async function run(script: string, path: string): Promise<number | string> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, path], { stdio: "inherit" });
  const [status, signal] = (await once(child, "exit")) as [number | null, string | null];
  return status ?? signal ?? "";
}

/** Splices, and is killed when everything is written and the file is not cut yet. */
const KILLED = `
  import fs from "node:fs";
  import { syncBuiltinESMExports } from "node:module";
  fs.ftruncateSync = () => process.kill(process.pid, "SIGKILL");
  syncBuiltinESMExports();
  const { fileState, spliceTail } = await import(${MODULE});
  const path = process.argv[1];
  spliceTail(path, fileState(fs.openSync(path)), ${HEAD.length}, [Buffer.alloc(${100 << 10}, "n")]);`;

describe("spliceTail", () => {
  it("replaces the tail, longer or shorter, and leaves no sidecar", () => {
    const path = join(folder, "plain");
    writeFileSync(path, OLD);
    spliceTail(path, stateOf(path), HEAD.length, [TAIL]);
    expect(readFileSync(path).equals(NEW)).toBe(true);
    spliceTail(path, stateOf(path), HEAD.length, [Buffer.from("short")]);
    expect(readFileSync(path).length).toBe(HEAD.length + 5);
    expect(readdirSync(folder)).toEqual(["plain"]);
  });

  it("is old or new, or recovers, after SIGKILL at 200 moments", { timeout: 300_000 }, async () => {
    const path = join(folder, "killed");
    // The child splices back and forth until it is killed, so that every moment of a splice is met.
    const script = `
      import { openSync } from "node:fs";
      import { fileState, spliceTail } from ${MODULE};
      const path = process.argv[1];
      const fd = openSync(path);
      const [old, next] = [Buffer.alloc(${200 << 10}, "o"), Buffer.alloc(${300 << 10}, "n")];
      process.stdout.write("ready");
      for (;;) for (const tail of [next, old]) spliceTail(path, fileState(fd), ${HEAD.length}, [tail]);`;
    let recovered = 0;
    for (let round = 0; round < 200; round++) {
      writeFileSync(path, OLD);
      const child = spawn(process.execPath, ["--input-type=module", "-e", script, path], {
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

  it("is whole after four processes have spliced at once", { timeout: 120_000 }, async () => {
    const path = join(folder, "together");
    writeFileSync(path, OLD);
    // Each one's tail has a length of its own: what one writes and another one cuts would be neither's.
    const script = (letter: string, size: number) => `
      import { closeSync, openSync } from "node:fs";
      import { fileState, recoverTail, spliceTail } from ${MODULE};
      const path = process.argv[1];
      let written = 0;
      for (let turn = 0; turn < 40; turn++) {
        try {
          await recoverTail(path);
          const fd = openSync(path);
          const seen = fileState(fd);
          closeSync(fd);
          spliceTail(path, seen, ${HEAD.length}, [Buffer.alloc(${size}, "${letter}")]);
          written++;
        } catch (cause) {
          if (cause.code !== "OUTPUT_NOT_WRITTEN" || /cannot write/.test(cause.message)) throw cause;
        }
      }
      if (written === 0) process.exit(9);`;
    const sizes = { a: 900 << 10, b: 700 << 10, c: 500 << 10, d: 300 << 10 };
    const runs = await Promise.all(Object.entries(sizes).map(([letter, size]) => run(script(letter, size), path)));
    expect(runs).toEqual([0, 0, 0, 0]);
    const now = readFileSync(path);
    const letter = String.fromCharCode(now.at(-1) ?? 0) as keyof typeof sizes;
    expect(now.equals(Buffer.concat([HEAD, Buffer.alloc(sizes[letter], letter)]))).toBe(true);
    expect(readdirSync(folder).filter((name) => name.startsWith("together"))).toEqual(["together"]);
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
