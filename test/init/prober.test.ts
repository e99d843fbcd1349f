/** The prober of `initwrap probe`: built from its source, and right about processes on every architecture. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { initPlatforms, proberFor } from "../../packages/init-core/lib/index.ts";
import { requireCapability } from "../support/capability.ts";
import { ROOT } from "../support/programs.ts";
import { which } from "./harness.ts";

const exec = promisify(execFile);

const EMULATORS: Readonly<Record<string, string>> = {
  "386": "qemu-i386",
  amd64: "qemu-x86_64",
  arm: "qemu-arm",
  arm64: "qemu-aarch64",
  loong64: "qemu-loongarch64",
  mips64le: "qemu-mips64el",
  ppc64le: "qemu-ppc64le",
  riscv64: "qemu-riscv64",
  s390x: "qemu-s390x",
};

it("is, bit for bit, what the source builds", async (context) => {
  requireCapability(context, "clang-19", which("clang-19") !== undefined);
  await exec(process.execPath, [join(ROOT, "packages/init-core/prober/build.mjs"), "--check"]);
});

describe.each(initPlatforms().map((platform) => [Object.values(platform).join("/"), platform] as const))(
  "for %s",
  (_, platform) => {
    /** As PID 1 of a namespace, which gets its own orphans, and waits for none of them. */
    const run = async (...args: readonly string[]): Promise<readonly string[]> => {
      const emulator = EMULATORS[platform.architecture]!;
      const line = ["--pid", "--fork", "--mount-proc", emulator, proberFor(platform).path, ...args];
      return (await exec("unshare", line, { encoding: "latin1" })).stdout.split("\n");
    };

    it("counts the zombies that PID 1 leaves, and the orphans that still run", async (context) => {
      requireCapability(context, "unshare, as root", process.getuid?.() === 0 && which("unshare") !== undefined);
      requireCapability(context, "qemu-user", which(EMULATORS[platform.architecture] ?? "") !== undefined);
      const lines = await run("orphans", "4", "200", "100");
      expect(lines.slice(-2)).toEqual(["end", ""]);
      const curve = lines.slice(0, -2).map((line) => {
        const [, at, zombies, orphans] = /^at (\d+) zombies (\d+) orphans (\d+)$/.exec(line) ?? [];
        return { at: Number(at), zombies: Number(zombies), orphans: Number(orphans) };
      });
      expect(curve).toHaveLength(7);
      expect(curve.at(-1)).toMatchObject({ zombies: 4, orphans: 0 });
      expect(curve.map(({ zombies }) => zombies)).toEqual(
        curve.map(({ zombies }) => zombies).toSorted((a, b) => a - b),
      );
      for (const { zombies, orphans } of curve) expect(zombies + orphans).toBeGreaterThanOrEqual(4);
    });

    it("tells each process's status and command line", async (context) => {
      requireCapability(context, "unshare, as root", process.getuid?.() === 0 && which("unshare") !== undefined);
      requireCapability(context, "qemu-user", which(EMULATORS[platform.architecture] ?? "") !== undefined);
      const text = (await run("processes")).join("\n");
      expect(text).toMatch(/^process 1\nName:\t.+\n[\s\S]*\nPPid:\t0\n/);
      expect(text).toMatch(/\nSigCgt:\t[0-9a-f]+\n[\s\S]*?\ncmdline \d+\n\S*\0processes\0\n/);
      expect(text).toMatch(/\nend\n$/);
    });

    it("refuses other words", async () => {
      const error = await exec(EMULATORS[platform.architecture]!, [proberFor(platform).path, "orphans", "many"]).catch(
        (cause: { code: number; stdout: string }) => cause,
      );
      expect(error).toMatchObject({ code: 1, stdout: "failed arguments 22\n" });
    });
  },
);
