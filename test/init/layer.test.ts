/** The shipped files themselves: sizes, formats, checksums. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { InitCoreError, initFor, initPlatforms, parseOptions } from "../../packages/init-core/lib/index.ts";
import { requireCapability } from "../support/capability.ts";
import { which } from "./harness.ts";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const platforms = initPlatforms();
const nameOf = (platform: (typeof platforms)[number]) => Object.values(platform).join("/");

test("there is an init for eleven platforms", () => {
  expect(platforms.map(nameOf)).toEqual(
    "386 amd64 arm/v5 arm/v6 arm/v7 arm64 loong64 mips64le ppc64le riscv64 s390x"
      .split(" ")
      .map((name) => `linux/${name}`),
  );
});

test.each(platforms.map((platform) => [nameOf(platform), platform] as const))(
  "%s: the layer holds exactly the init, in the root",
  (_, platform) => {
    const init = initFor(platform);
    const bytes = init.bytes();
    const compressed = init.layer();
    const tar = gunzipSync(compressed);
    expect(init.sha256).toBe(sha256(bytes));
    expect(init.digest).toBe(`sha256:${sha256(compressed)}`);
    expect(init.layerSize).toBe(compressed.length);
    expect(init.diffId).toBe(`sha256:${sha256(tar)}`);
    expect(init.tarSize).toBe(tar.length);
    expect(statSync(init.path).mode & 0o777).toBe(0o755);

    const text = (from: number, to: number) => tar.toString("latin1", from, to).replace(/[\0 ]+$/, "");
    expect([
      text(0, 100),
      text(100, 108),
      text(108, 116),
      text(116, 124),
      text(136, 148),
      text(156, 157),
      text(257, 265),
    ]).toEqual(["initwrap", "0000755", "0000000", "0000000", "00000000000", "0", "ustar\x0000"]);
    expect(Number.parseInt(text(124, 136), 8)).toBe(bytes.length);
    expect(tar.subarray(512, 512 + bytes.length).equals(bytes)).toBe(true);
    const end = 512 + Math.ceil(bytes.length / 512) * 512;
    expect(tar.length).toBe(end + 1024);
    expect(tar.subarray(end).every((byte) => byte === 0)).toBe(true);

    expect(bytes.at(-1)).toBe(10);
    expect(
      Math.max(
        ...bytes
          .toString("latin1")
          .split("\n")
          .map((line) => line.length),
      ),
    ).toBeLessThan(65_536);
  },
);

test("SHA256SUMS covers every file", () => {
  const folder = join(import.meta.dirname, "../../packages/init-core/inits");
  const lines = readFileSync(join(folder, "SHA256SUMS"), "utf8").trimEnd().split("\n");
  expect(lines).toHaveLength(platforms.length * 3);
  for (const line of lines) expect(sha256(readFileSync(join(folder, line.slice(66))))).toBe(line.slice(0, 64));
});

test("what is committed is, bit for bit, what the source builds", (context) => {
  requireCapability(context, "clang-19", which("clang-19") !== undefined);
  requireCapability(context, "lld-19", which("ld.lld-19") !== undefined);
  const output = execFileSync(
    process.execPath,
    [join(import.meta.dirname, "../../packages/init-core/build.mjs"), "--check"],
    { encoding: "utf8" },
  );
  expect(output).toBe("11 inits are, bit for bit, what the source builds\n");
}, 300_000);

test("variants find their init, other systems do not", () => {
  const path = (architecture: string, variant?: string) => initFor({ os: "linux", architecture, variant }).path;
  expect(path("arm64", "v8")).toBe(path("arm64"));
  expect(path("amd64", "v3")).toBe(path("amd64"));
  expect(path("arm")).toBe(path("arm", "v7"));
  expect(path("arm", "7")).toBe(path("arm", "v7"));
  expect(path("arm", "v8")).toBe(path("arm", "v7"));
  expect(path("arm", "v6")).not.toBe(path("arm", "v7"));
  expect(path("arm", "6")).toBe(path("arm", "v6"));
  for (const platform of [
    { os: "windows", architecture: "amd64" },
    { os: "linux", architecture: "sparc64" },
    { os: "linux", architecture: "arm", variant: "v4" },
  ]) {
    expect(() => initFor(platform)).toThrow(expect.objectContaining({ code: "E_NO_INIT" }));
  }
});

test("the addon reads a command line as the init does", (context) => {
  requireCapability(
    context,
    "a prebuilt addon",
    process.platform === "linux" && ["x64", "arm64"].includes(process.arch),
  );
  expect(
    parseOptions([
      "/initwrap",
      "-g",
      "--stop-plan=TERM:1.5,KILL",
      "--rewrite",
      "HUP:0,USR1:USR2",
      "-e",
      "143",
      "--",
      "nginx",
      "-g",
      "",
    ]),
  ).toEqual({
    request: "run",
    personality: "initwrap",
    command: ["nginx", "-g", ""],
    group: "always",
    verbosity: 0,
    parentDeathSignal: 0,
    rewrite: { 1: 0, 10: 12 },
    exitMap: { 143: 0 },
    stopPlan: [
      { signal: 15, wait: { seconds: 1, nanoseconds: 500_000_000 } },
      { signal: 9, wait: { seconds: 0, nanoseconds: 0 } },
    ],
    grace: { seconds: 0, nanoseconds: 0 },
    stopDelay: { seconds: 0, nanoseconds: 0 },
    report: null,
  });
  expect(() => parseOptions(["/initwrap", "--grace", "soon", "--", "x"])).toThrow(InitCoreError);
  expect(() => parseOptions(["/initwrap", "--grace", "soon", "--", "x"])).toThrow("bad value for grace: 'soon'");
  expect(() => parseOptions(["/initwrap", "--"])).toThrow("no command given");
  for (const line of [[], ["/initwrap"], ["-"], ["/initwrap", "-r"], ["/initwrap", "--rewrite="]])
    expect(() => parseOptions(line)).toThrow(InitCoreError);
});
