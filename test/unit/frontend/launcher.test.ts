/** The launcher: the first bytes of HTTP/2 at once, then the program; and the committed files are what the source gives. */
import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { requireCapability } from "../../support/capability.ts";
import { OPENING } from "../../support/fake-gateway.ts";
import { ROOT } from "../../support/programs.ts";

const LAUNCHER = join(ROOT, "packages/buildkit-frontend/launcher");

describe("the launcher", () => {
  it.for([
    ["amd64", []],
    ["arm64", ["qemu-aarch64"]],
  ] as const)(
    "for %s opens the connection first, and says when there is no program",
    ([architecture, emulator], context) => {
      requireCapability(context, "an x86-64 Linux", process.platform === "linux" && process.arch === "x64");
      requireCapability(context, "a machine without /node", !existsSync("/node"));
      const isThere = emulator.every((name) => spawnSync(name, ["--version"]).status === 0);
      requireCapability(context, "qemu-user", isThere);
      const [program, ...args] = [...emulator, join(LAUNCHER, `linux-${architecture}`)] as [string, ...string[]];
      const { status, stdout, stderr } = spawnSync(program, args);
      expect(stdout.equals(OPENING)).toBe(true);
      expect([status, stderr.toString()]).toEqual([126, "initwrap: cannot execute /node\n"]);
    },
  );

  it("is, bit for bit, what the source builds", async (context) => {
    const hasCompiler = ["clang-19", "ld.lld-19"].every((name) => spawnSync(name, ["--version"]).status === 0);
    requireCapability(context, "clang 19 and lld 19", hasCompiler);
    await promisify(execFile)(process.execPath, [join(LAUNCHER, "build.mjs"), "--check"]);
  });
});
