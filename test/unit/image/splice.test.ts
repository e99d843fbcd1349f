/** In-place rewriting: killed at any moment, the file is old or new, or becomes old on the next run. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { recoverTail, sidecarOf, spliceTail } from "../../../packages/cli/src/store/splice.ts";
import { ROOT } from "../../support/programs.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "initwrap-splice-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const HEAD = Buffer.alloc(64 << 10, "h");
const OLD = Buffer.concat([HEAD, Buffer.alloc(200 << 10, "o")]);
const TAIL = Buffer.alloc(300 << 10, "n");
const NEW = Buffer.concat([HEAD, TAIL]);

describe("spliceTail", () => {
  it("replaces the tail, longer or shorter, and leaves no sidecar", () => {
    const path = join(folder, "plain");
    writeFileSync(path, OLD);
    spliceTail(path, HEAD.length, [TAIL]);
    expect(readFileSync(path).equals(NEW)).toBe(true);
    spliceTail(path, HEAD.length, [Buffer.from("short")]);
    expect(readFileSync(path).length).toBe(HEAD.length + 5);
    expect(readdirSync(folder)).toEqual(["plain"]);
  });

  it("is old or new, or recovers, after SIGKILL at 200 moments", { timeout: 300_000 }, async () => {
    const path = join(folder, "killed");
    const module = join(ROOT, "packages/cli/src/store/splice.ts");
    // The child splices back and forth until it is killed, so that every moment of a splice is met.
    const script = `
      import { spliceTail } from ${JSON.stringify(module)};
      const [old, next] = [Buffer.alloc(${200 << 10}, "o"), Buffer.alloc(${300 << 10}, "n")];
      process.stdout.write("ready");
      for (;;) { spliceTail(process.argv[1], ${HEAD.length}, [next]); spliceTail(process.argv[1], ${HEAD.length}, [old]); }`;
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
      if (recoverTail(path)) recovered++;
      const now = readFileSync(path);
      expect(now.equals(OLD) || now.equals(NEW)).toBe(true);
      expect(statSync(sidecarOf(path), { throwIfNoEntry: false })).toBeUndefined();
    }
    // Were it always whole by luck, nothing would have been tested.
    expect(recovered).toBeGreaterThan(5);
  });

  it("does not apply a sidecar to another file of that name", () => {
    const path = join(folder, "other");
    writeFileSync(path, OLD);
    const old = OLD.subarray(HEAD.length);
    spliceTail(path, HEAD.length, [TAIL]);
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
    expect(() => recoverTail(path)).toThrow(expect.objectContaining({ code: "OUTPUT_NOT_WRITTEN" }));
    expect(readFileSync(path).equals(NEW)).toBe(true);
    rmSync(sidecarOf(path));
  });
});
