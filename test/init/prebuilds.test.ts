/** The addon's prebuilt files: what they are built from, and where they load; on musl, see musl.test.ts. */
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { nodeProgram } from "../../scripts/node-program.mjs";
import { requireCapability, type SkippableContext } from "../support/capability.ts";
import { scratch, which } from "./harness.ts";

const exec = promisify(execFile);
const CORE = join(import.meta.dirname, "../../packages/init-core");
const PREBUILDS = join(CORE, "prebuilds");
const file = (arch: string): string => join(PREBUILDS, `linux-${arch}`, "@initwrap+init-core.node");
const ARM64_ROOT = "/usr/aarch64-linux-gnu";
const ARCHITECTURES = ["arm64", "x64"];

it("every prebuild has the checksum that SHA256SUMS gives it, and no other file is there", async () => {
  const listed = (await readFile(join(PREBUILDS, "SHA256SUMS"), "utf8")).trim().split("\n");
  const found: string[] = [];
  for (const folder of await readdir(PREBUILDS, { withFileTypes: true })) {
    if (!folder.isDirectory()) continue;
    for (const name of await readdir(join(PREBUILDS, folder.name))) {
      const bytes = await readFile(join(PREBUILDS, folder.name, name));
      found.push(`${createHash("sha256").update(bytes).digest("hex")}  ${folder.name}/${name}`);
    }
  }
  expect(found.sort()).toEqual(listed.sort());
});

it("the prebuilds are, bit for bit, what the source builds", { timeout: 300_000 }, async (context) => {
  for (const compiler of ["x86_64-linux-gnu-g++", "aarch64-linux-gnu-g++"]) {
    const version = which(compiler) && execFileSync(compiler, ["-dumpfullversion"], { encoding: "utf8" }).trim();
    requireCapability(context, `${compiler} 12.2.0 (Debian 12)`, version === "12.2.0");
  }
  const { stdout } = await exec(process.execPath, [join(CORE, "addon/build.mjs"), "--check"]);
  expect(stdout).toContain("2 prebuilt addons are, bit for bit, what the source builds");
});

/**
 * Functions and variables that a prebuild takes from elsewhere; those that it can do without are left out. It names no library and no
 * version: whatever the runtime has loaded gives them.
 */
function needs(arch: string): readonly string[] {
  // An entry of the dynamic symbol table, as `readelf` prints it: "  7: 0000 0 FUNC GLOBAL DEFAULT UND open".
  const table = execFileSync("readelf", ["--wide", "--dyn-syms", file(arch)], { encoding: "utf8" });
  return [...table.matchAll(/GLOBAL\s+DEFAULT\s+UND\s+(\S+)/g)].map(([, name = ""]) => name);
}

/** What a C library has: each name with its versions. */
function exported(library: string): ReadonlyMap<string, readonly string[]> {
  const table = execFileSync("readelf", ["--wide", "--dyn-syms", library], { encoding: "utf8", maxBuffer: 1 << 24 });
  const names = new Map<string, string[]>();
  for (const [, name = "", version = ""] of table.matchAll(/DEFAULT\s+\d+\s+([^@\s]+)(?:@+(\S+))?/g)) {
    names.set(name, [...(names.get(name) ?? []), version]);
  }
  return names;
}

const GLIBC: Readonly<Record<string, string>> = {
  x64: "/usr/lib/x86_64-linux-gnu/libc.so.6",
  arm64: `${ARM64_ROOT}/lib/libc.so.6`,
};

describe.each(ARCHITECTURES)("the prebuild for %s", (arch) => {
  it("needs no glibc newer than 2.28, which Node 22 itself needs", (context) => {
    const library = GLIBC[arch]!;
    requireCapability(context, "readelf and glibc", which("readelf") !== undefined && existsSync(library));
    const has = exported(library);
    expect(has.size).toBeGreaterThan(1000);
    const own = needs(arch).filter((name) => !name.startsWith("napi_"));
    expect(own.length).toBeGreaterThan(10);
    // Of a name that has several versions, the loader gives the oldest to who asks for none.
    const old = (name: string) =>
      has.get(name)?.some((version) => {
        const [, major, minor] = /^GLIBC_(\d+)\.(\d+)/.exec(version) ?? [];
        return Number(major) === 2 && Number(minor) <= 28;
      });
    expect(own.filter((name) => !old(name))).toEqual([]);
  });

  it("names no library, and needs the C library and Node alone", (context) => {
    requireCapability(context, "readelf", which("readelf") !== undefined);
    const dynamic = execFileSync("readelf", ["--wide", "--dynamic", file(arch)], { encoding: "utf8" });
    expect([...dynamic.matchAll(/Shared library: \[(.+?)\]/g)]).toEqual([]);
    expect(needs(arch).filter((name) => /^_Z|^__cxa_(?!finalize)|^__gxx|^uv_|^_Unwind/.test(name))).toEqual([]);
  });

  it("needs no function that musl has not", (context) => {
    const musl = "/usr/lib/x86_64-linux-musl/libc.so";
    requireCapability(context, "musl and readelf", existsSync(musl) && which("readelf") !== undefined);
    const has = exported(musl);
    expect(has.size).toBeGreaterThan(1000);
    expect(needs(arch).filter((name) => !name.startsWith("napi_") && !has.has(name))).toEqual([]);
  });
});

function requireArm64(context: SkippableContext): void {
  requireCapability(context, "qemu-aarch64 and an arm64 C library", !!which("qemu-aarch64") && existsSync(ARM64_ROOT));
}

/** Reads options and runs a command through the file alone, without anything of the package around it. */
const TRIAL = `
  const { parseOptions, supervise, signalName } = require(process.argv[1]);
  const { grace } = parseOptions(["initwrap", "--grace", "1.5s", "--", "true"]);
  const run = (...words) => supervise(["initwrap", "--", ...words], ["PATH=/usr/bin:/bin"], false, false);
  const { exitCode, signal } = run("/bin/sh", "-c", "kill -TERM $$");
  console.log(process.arch, grace.seconds, run("/bin/sh", "-c", "exit 7").exitCode, exitCode, signalName(signal));
`;

describe("the prebuild works in", () => {
  it("this Node", async () => {
    const { stdout } = await exec(process.execPath, ["--eval", TRIAL, file(process.arch)]);
    expect(stdout).toBe(`${process.arch} 1 7 143 SIGTERM\n`);
  });

  it("Node 22, the oldest that is supported", async (context) => {
    requireCapability(context, "Linux on x64 or arm64", process.platform === "linux");
    const node = await nodeProgram(process.arch as "x64" | "arm64", "22.23.3");
    requireCapability(context, "Node 22 from the npm registry", node !== undefined);
    const { stdout } = await exec(node ?? "", ["--eval", TRIAL, file(process.arch)]);
    expect(stdout).toBe(`${process.arch} 1 7 143 SIGTERM\n`);
  }, 300_000);

  it("Node for arm64, under qemu-user", async (context) => {
    requireArm64(context);
    const node = await nodeProgram("arm64", "24.21.0");
    requireCapability(context, "Node for arm64 from the npm registry", node !== undefined);
    const { stdout } = await exec("qemu-aarch64", [
      ...["-L", ARM64_ROOT, node ?? "", "--eval"],
      `const { parseOptions } = require(process.argv[1]);
       console.log(process.arch, parseOptions(["initwrap", "--grace", "1.5s", "--", "true"]).grace.seconds);`,
      file("arm64"),
    ]);
    expect(stdout).toBe("arm64 1\n");
  }, 300_000);
});

it("the init's code as the addon compiles it for arm64 runs commands, under qemu-user", async (context) => {
  requireArm64(context);
  const compiler = "aarch64-linux-gnu-gcc";
  requireCapability(context, compiler, which(compiler) !== undefined);
  const binary = join(scratch(), "in-process");
  const { targets } = JSON.parse(await readFile(join(CORE, "binding.gyp"), "utf8")) as {
    targets: { sources: string[] }[];
  };
  const init = targets.flatMap(({ sources }) => sources).filter((name) => name.startsWith("src/"));
  await exec(
    compiler,
    [
      ...["-std=gnu11", "-Os", "-static", "-fno-strict-aliasing", "-fno-stack-protector"],
      ...["-Isrc/sys/arm64", "-o", binary, join(import.meta.dirname, "programs/in-process.c")],
      ...["addon/in-process.c", "addon/kernel.c", ...init],
    ],
    { cwd: CORE },
  );
  const answers = async (...words: readonly string[]) =>
    (await exec("qemu-aarch64", ["-0", "initwrap", binary, ...words])).stdout.trim();
  expect(await answers("--", "/bin/sh", "-c", "exit 7")).toBe("0 7 0 0 0");
  expect(await answers("--", "/bin/sh", "-c", "kill -TERM $$")).toBe("0 143 15 0 0");
  expect(await answers("--", "/bin/sh", "-c", "kill -HUP $PPID; exec sleep 5")).toBe("0 129 1 1 0");
  expect(await answers("--", "/bin/sh", "-c", "(sleep 0.1 &); sleep 1")).toBe("0 0 0 0 1");
});

describe("without a prebuild for the platform", () => {
  /** The built package, with everything but the prebuilds. */
  async function bare(): Promise<string> {
    const folder = join(scratch(), "init-core");
    await mkdir(join(folder, "node_modules"), { recursive: true });
    for (const name of ["dist", "inits", "package.json"]) {
      await cp(join(CORE, name), join(folder, name), { recursive: true });
    }
    const build = dirname(
      execFileSync("realpath", [join(CORE, "node_modules/node-gyp-build/package.json")], { encoding: "utf8" }),
    );
    await symlink(build, join(folder, "node_modules/node-gyp-build"));
    return folder;
  }

  it("the inits are there, and what needs the addon says that there is none", async () => {
    const index = pathToFileURL(join(await bare(), "dist/index.js")).href;
    const { stdout } = await exec(process.execPath, [
      "--input-type=module",
      "--eval",
      `import { initFor, parseOptions, supervise } from ${JSON.stringify(index)};
       const told = (work) => { try { work(); } catch ({ name, code, message }) { return [name, code, message]; } };
       const words = ["initwrap", "--", "true"];
       console.log(JSON.stringify([
         initFor({ os: "linux", architecture: "amd64" }).layer().length > 0,
         told(() => parseOptions(words)),
         told(() => supervise(words)),
       ]));`,
    ]);
    const missing = [
      "InitCoreError",
      "E_NO_ADDON",
      `@initwrap/init-core has no native addon for ${process.platform}-${process.arch}`,
    ];
    expect(JSON.parse(stdout)).toEqual([true, missing, missing]);
  });

  it("a program that asks for the registration is not started", async () => {
    const register = pathToFileURL(join(await bare(), "dist/register.js")).href;
    await expect(
      exec(process.execPath, ["--import", register, "--eval", "console.log('started')"]),
    ).rejects.toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("E_NO_ADDON"),
    });
  });
});
