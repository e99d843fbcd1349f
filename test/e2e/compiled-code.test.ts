/** The code that V8 compiled, which a run leaves for the next one of the same command. */
import { chown, copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { CLI, initwrap } from "../support/cli.ts";

let home: string;
const kept = () => join(home, ".cache/initwrap");
const files = () => readdir(kept()).catch(() => []);
const run = (words: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  initwrap(words, {
    cwd: home,
    env: {
      // Those of the tests themselves are no settings, and would be told.
      ...Object.fromEntries(
        Object.keys(process.env).flatMap((name) => (/^INITWRAP_/.test(name) ? [[name, undefined]] : [])),
      ),
      HOME: home,
      XDG_CACHE_HOME: undefined,
      NODE_COMPILE_CACHE: undefined,
      NODE_DISABLE_COMPILE_CACHE: undefined,
      ...env,
    },
  });

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "initwrap-code-"));
});
afterEach(() => rm(home, { recursive: true, force: true }));

describe("compiled code", () => {
  it("is kept for each command, for its user alone, and used by the next run", async () => {
    await run(["config"]);
    const [name = ""] = await files();
    expect(name).toMatch(new RegExp(`^[0-9a-f]{16}-${process.version}-${process.arch}-config$`));
    const before = await stat(join(kept(), name));
    expect(before.size).toBeGreaterThan(100_000);
    expect(before.mode & 0o077).toBe(0);
    const again = await run(["config"]);
    expect(again).toMatchObject({ status: 0, stderr: "" });
    // Code that was not taken would be written anew.
    expect((await stat(join(kept(), name))).ino).toBe(before.ino);
    await run(["ci", "tekton"]);
    expect((await files()).map((file) => file.replace(/^.*-/, "")).sort()).toEqual(["ci", "config"]);
  });

  it("is written anew when it is damaged, and the run is as it was", async () => {
    const { stdout } = await run(["config"]);
    const [name = ""] = await files();
    const file = join(kept(), name);
    const whole = await readFile(file);
    const flipped = Buffer.from(whole);
    flipped.writeUInt8(flipped.readUInt8(100_000) ^ 0xff, 100_000);
    const zeroed = Buffer.from(whole).fill(0, 50_000, 60_000);
    for (const bytes of [flipped, zeroed, whole.subarray(1), Buffer.alloc(0), Buffer.from("no code")]) {
      await writeFile(file, bytes);
      const { ino } = await stat(file);
      const damaged = await run(["config"]);
      expect(damaged).toMatchObject({ status: 0, stderr: "" });
      expect(damaged.stdout).toEqual(stdout);
      expect((await stat(file)).ino).not.toBe(ino);
    }
  });

  it("is not kept after a mistake, for a word that is no command, nor for help", async () => {
    await run(["config", "--nope"]);
    await run(["nope"]);
    await run(["--help"]);
    await run(["image", "--help"]);
    expect(await files()).toEqual([]);
  });

  it("is of a program without the other commands for image", async () => {
    const dist = join(CLI, "../../dist");
    const [all, own] = await Promise.all(["main.cjs", "image.cjs"].map((name) => readFile(join(dist, name), "latin1")));
    expect(own!.length).toBeLessThan(0.6 * all!.length);
    for (const [summary, isThere] of [
      ["Put an init in front of what an image runs.", true],
      ["Put an init in front of what a Dockerfile", false],
    ] as const) {
      expect(all).toContain(summary);
      expect(own!.includes(summary)).toBe(isThere);
    }
  });

  it("is kept for each medium of its own", async () => {
    for (const word of ["Dockerfile", "docker-archive:app.tar"]) {
      await writeFile(join(home, "Dockerfile"), 'FROM scratch\nENTRYPOINT ["/app"]\n');
      await copyFile(join(import.meta.dirname, "../fixtures/samples/app.tar"), join(home, "app.tar"));
      await run(["inspect", word.replace(/[^:]+$/, (name) => join(home, name))]);
    }
    const names = (await files()).map((name) => name.replace(/^.*?-(?=inspect)/, "")).sort();
    expect(names).toEqual(["inspect", "inspect-docker-archive"]);
  });

  it("is kept where Node's variables say, or not at all", async () => {
    await run(["config"], { NODE_DISABLE_COMPILE_CACHE: "1" });
    expect(await files()).toEqual([]);
    await run(["config"], { XDG_CACHE_HOME: join(home, "xdg") });
    expect(await readdir(join(home, "xdg/initwrap"))).toHaveLength(1);
    await run(["config"], { NODE_COMPILE_CACHE: join(home, "node") });
    // Beside Node's own.
    expect(await readdir(join(home, "node"))).toContainEqual(expect.stringMatching(/-config$/));
    expect(await files()).toEqual([]);
  });

  it("is not missed where nothing can be written", async () => {
    for (const XDG_CACHE_HOME of ["/dev/null", "/proc/nowhere"]) {
      expect(await run(["config"], { XDG_CACHE_HOME })).toMatchObject({ status: 0, stderr: "" });
    }
    expect(await run(["config"], { HOME: join(home, "absent") })).toMatchObject({ status: 0, stderr: "" });
  });

  it("is neither taken from nor left in another user's home", async (context) => {
    requireCapability(context, "root", process.getuid?.() === 0);
    await chown(home, 12345, 12345);
    expect(await run(["config"])).toMatchObject({ status: 0, stderr: "" });
    expect(await files()).toEqual([]);
  });
});
