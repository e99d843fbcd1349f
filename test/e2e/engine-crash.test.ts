/** A Docker daemon of its own whose disk is full, and that is killed while it loads an image and started again. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { sampleImage, tarOf } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { initwrap, initwrapOk } from "../support/cli.ts";
import { findEngine } from "../support/engine.ts";
import { startEngineProxy } from "../support/engine-proxy.ts";
import { noise } from "../support/sample-image.ts";
import { hasDaemonFolder, type SecondDaemon, startSecondDaemon } from "../support/second-daemon.ts";

const MIB = 1 << 20;
let daemon: SecondDaemon | undefined;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-crash-"));
  const engine = findEngine("modern");
  if (!engine || !hasDaemonFolder(engine) || process.getuid?.() !== 0) return;
  daemon = await startSecondDaemon(engine, undefined, undefined, { disk: 24 });
}, 120_000);
afterAll(async () => {
  await daemon?.stop();
  await rm(folder, { recursive: true });
});
beforeEach((context) => requireCapability(context, "an engine that up.sh started", daemon !== undefined));

/** An archive of an image with one layer of so many bytes that cannot be compressed. */
async function archive(name: string, size: number): Promise<string> {
  const { root, blobs } = sampleImage({ layers: [noise(name, size)] });
  const path = join(folder, `${name}.tar`);
  await writeFile(
    path,
    tarOf([
      ...blobs.map(({ descriptor, bytes }) => [`blobs/sha256/${descriptor.digest.slice(7)}`, bytes] as const),
      ["index.json", JSON.stringify({ schemaVersion: 2, manifests: [root] })],
      ["oci-layout", '{"imageLayoutVersion":"1.0.0"}'],
    ]),
  );
  return path;
}

/** Each name, `NAME:TAG ID`. */
async function names(): Promise<readonly string[]> {
  const { stdout } = await daemon!.docker(["images", "--all", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]);
  return stdout.split("\n").filter(Boolean).sort();
}

it("that has no room keeps what it has, and says so", { timeout: 120_000 }, async () => {
  await initwrapOk(["image", await archive("small", 1000), "-o", "docker:small:1"], { env: daemon!.env });
  const before = await names();
  expect(before).toHaveLength(1);
  const large = await archive("large", 32 * MIB);
  const { status, stdout, stderr } = await initwrap(["image", large, "-o", "docker:small:1"], { env: daemon!.env });
  expect([status, stdout.toString(), stderr]).toEqual([
    6,
    "",
    expect.stringMatching(/error\[DAEMON_FAILED\]: .*no space left on device/),
  ]);
  expect(await names()).toEqual(before);
  // With room again the same call does it.
  await initwrapOk(["image", await archive("less", 2 * MIB), "-o", "docker:small:1"], { env: daemon!.env });
  expect(await names()).not.toEqual(before);
});

// Two starts of a daemon: seconds that every run need not pay.
if (process.env["INITWRAP_NIGHTLY"]) {
  it("that is killed while it loads has the old image when it is back, and takes the new one then", {
    timeout: 120_000,
  }, async () => {
    await initwrapOk(["image", await archive("first", 1000), "-o", "docker:kept:1"], { env: daemon!.env });
    const before = await names();
    const second = await archive("second", 4 * MIB);
    const engine = { ...findEngine("modern")!, host: daemon!.env["DOCKER_HOST"]! };
    let crashed: Promise<void> | undefined;
    const proxy = await startEngineProxy(engine, {
      onAsked: async (line) => {
        // The archive is on its way then.
        if (line.startsWith("POST /images/load")) setTimeout(() => (crashed = daemon!.crash()), 20);
      },
    });
    try {
      const env = { ...daemon!.env, DOCKER_HOST: proxy.host };
      const { status, stdout, stderr } = await initwrap(["image", second, "-o", "docker:kept:1"], { env });
      expect([status, stdout.toString()], stderr).toEqual([6, ""]);
      expect(stderr).toMatch(/error\[DAEMON_(?:UNREACHABLE|FAILED)\]/);
    } finally {
      await crashed;
      await proxy.stop();
    }
    await daemon!.again();
    // What it was given before it died may be there under the name of ours, which nobody could take away.
    expect((await names()).filter((name) => !name.startsWith("initwrap.invalid/"))).toEqual(before);
    await initwrapOk(["image", second, "-o", "docker:kept:1"], { env: daemon!.env });
    expect(await names()).not.toEqual(before);
  });
}
