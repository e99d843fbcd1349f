/**
 * Archives and layers as compressors and image tools really write them: of several members, of several frames, with skippable
 * frames between them. Each gives the same image as the plain one, and every layer is looked into to its end.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { initwrap, initwrapOk } from "../support/cli.ts";
import { findEngine } from "../support/engine.ts";
import { buildContext, removeContext } from "../support/images.ts";

const run = promisify(execFile);
const engine = findEngine("modern");

let folder: string;
let context: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "initwrap-compressed-"));
  if (!engine) return;
  const busybox = (await run("sh", ["-c", "command -v busybox"])).stdout.trim();
  context = await buildContext(
    'FROM scratch\nCOPY busybox /bin/busybox\nCOPY Dockerfile /a\nCOPY Dockerfile /b\nENTRYPOINT ["/bin/busybox"]\n',
    [busybox],
  );
  await build("plain.tar", "uncompressed");
});
afterAll(async () => {
  if (engine) await removeContext(context);
  rmSync(folder, { recursive: true, force: true });
});

/** An OCI archive by BuildKit, its layers compressed as is said. */
async function build(name: string, compression: string): Promise<void> {
  const output = `type=oci,dest=${join(folder, name)},compression=${compression},force-compression=true`;
  await engine!.docker(["buildx", "build", "--quiet", "--provenance=false", "--output", output, context], {
    env: { DOCKER_BUILDKIT: "1", SOURCE_DATE_EPOCH: "0" },
  });
}

async function configOf(archive: string): Promise<string> {
  return (await run("skopeo", ["inspect", "--config", "--raw", archive], { cwd: folder })).stdout;
}

const FORMS: readonly (readonly [name: string, command: string])[] = [
  ["of zstd with several threads", "zstd -q -T4 -B200K --rsyncable plain.tar -o packed"],
  ["of pzstd", "pzstd -q -p 4 plain.tar -o packed"],
  ["of several frames", "head -c 300000 plain.tar | zstd -q >packed; tail -c +300001 plain.tar | zstd -q >>packed"],
  ["of pigz", "pigz -p 4 -b 128 <plain.tar >packed"],
  ["of several members", "head -c 300000 plain.tar | gzip >packed; tail -c +300001 plain.tar | pigz >>packed"],
  ["of gzip with a padded end", "gzip <plain.tar >packed; head -c 200000 /dev/zero >>packed"],
];

it.each(FORMS)("an archive %s is the same image as the plain one", async (_, command) => {
  requireCapability({ skip: () => undefined }, "docker", engine !== undefined);
  if (!engine) return;
  await run("sh", ["-ec", `rm -f packed unpacked.tar straight.tar piped.tar; ${command}`], { cwd: folder });
  await initwrapOk(["image", "plain.tar", "-o", "straight.tar"], { cwd: folder });
  await initwrapOk(["image", "packed", "-o", "unpacked.tar", "--verify-path"], { cwd: folder });
  expect(readFileSync(join(folder, "unpacked.tar")).equals(readFileSync(join(folder, "straight.tar")))).toBe(true);
  const input = readFileSync(join(folder, "packed"));
  await initwrapOk(["image", "-", "-o", "piped.tar"], { cwd: folder, input });
  expect(readFileSync(join(folder, "piped.tar")).equals(readFileSync(join(folder, "straight.tar")))).toBe(true);
});

it("layers of BuildKit's eStargz are looked into, wrapped and unwrapped", async () => {
  requireCapability({ skip: () => undefined }, "docker", engine !== undefined);
  if (!engine) return;
  await build("estargz.tar", "estargz");
  await looksIntoAll("estargz.tar", "oci-archive:estargz.tar");
});

it("layers of frames with skippable ones between, as zstd:chunked has, are looked into, wrapped and unwrapped", async () => {
  requireCapability({ skip: () => undefined }, "docker", engine !== undefined);
  if (!engine) return;
  rmSync(join(folder, "chunked"), { recursive: true, force: true });
  mkdirSync(join(folder, "chunked"));
  const copy = ["copy", "--quiet", "--dest-compress-format", "zstd:chunked", "--dest-compress"];
  await run("skopeo", [...copy, "oci-archive:plain.tar", "oci:chunked:1"], { cwd: folder });
  const blobs = join(folder, "chunked/blobs/sha256");
  const layers = readdirSync(blobs).filter((name) => readFileSync(join(blobs, name)).readUInt32LE(0) === 0xfd2fb528);
  expect(layers).toHaveLength(3);
  // Frames begin in the middle, and skippable ones are there: else this would be a layer like others.
  const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
  expect(layers.every((name) => readFileSync(join(blobs, name)).indexOf(frame, 4) > 0)).toBe(true);
  expect(layers.every((name) => readFileSync(join(blobs, name)).includes(Buffer.from("2a4d18", "hex")))).toBe(true);
  await looksIntoAll("chunked", "oci:chunked");
});

it("layers that another tool compresses after the wrap are no hindrance: the image is renewed, undone, and verified", async () => {
  requireCapability({ skip: () => undefined }, "docker", engine !== undefined);
  if (!engine) return;
  const before = await configOf("oci-archive:plain.tar");
  await initwrapOk(["image", "plain.tar", "-o", "wrapped.tar"], { cwd: folder });
  const copy = ["copy", "--quiet", "--dest-compress-format", "gzip", "--dest-compress"];
  await run("skopeo", [...copy, "oci-archive:wrapped.tar", "oci:anew:1"], { cwd: folder });
  const manifestOf = async (): Promise<string> =>
    (await run("skopeo", ["inspect", "--raw", "oci:anew"], { cwd: folder })).stdout;
  expect(await manifestOf()).toContain("tar+gzip");
  await initwrapOk(["image", "anew", "--check"], { cwd: folder });
  await initwrapOk(["image", "anew", "--init-arg", "-g"], { cwd: folder });
  expect(JSON.parse(await configOf("oci:anew")).config.Entrypoint).toEqual(["/initwrap", "-g", "--", "/bin/busybox"]);
  await initwrapOk(["verify", "anew"], { cwd: folder });
  await initwrapOk(["image", "anew", "--undo"], { cwd: folder });
  expect(await configOf("oci:anew")).toBe(before);
  expect(await manifestOf()).not.toContain("initwrap");
});

async function looksIntoAll(path: string, locator: string): Promise<void> {
  const before = await configOf(locator);
  const result = await initwrapOk(["image", path, "--verify-path", "--json"], { cwd: folder });
  expect(JSON.parse(result.stdout.toString()).pathVerified).toBe(true);
  expect(JSON.parse(await configOf(locator)).config.Entrypoint).toEqual(["/initwrap", "--", "/bin/busybox"]);
  await initwrapOk(["verify", path], { cwd: folder });
  await initwrapOk(["image", path, "--undo"], { cwd: folder });
  expect(await configOf(locator)).toBe(before);
}

it("a layer's file behind the first frame or member is found", async () => {
  // The path that the init takes is in the second part: who reads the first alone does not see it.
  for (const [name, coder] of [
    ["gzip", "gzip -n"],
    ["zstd", "zstd -q"],
  ] as const) {
    const place = join(folder, `behind-${name}`);
    mkdirSync(place);
    writeFileSync(join(place, "initwrap"), "another program\n");
    writeFileSync(join(place, "first"), "first\n");
    const pack = "tar --owner=0 --group=0 -cf layer.tar first initwrap";
    await run(
      "sh",
      ["-ec", `${pack}; head -c 1024 layer.tar | ${coder} >layer; tail -c +1025 layer.tar | ${coder} >>layer`],
      {
        cwd: place,
      },
    );
    await run("umoci", ["init", "--layout", "image"], { cwd: place });
    await run("umoci", ["new", "--image", "image:1"], { cwd: place });
    await run("umoci", ["raw", "add-layer", "--image", "image:1", "layer.tar"], { cwd: place });
    await run("umoci", ["config", "--image", "image:1", "--config.cmd", "/first"], { cwd: place });
    const blobs = join(place, "image/blobs/sha256");
    const bytes = readFileSync(join(place, "layer"));
    const digest = createHash("sha256").update(bytes).digest("hex");
    // The same layer, as this compressor has it.
    const index = JSON.parse(readFileSync(join(place, "image/index.json"), "utf8"));
    const manifest = JSON.parse(readFileSync(join(blobs, index.manifests[0].digest.slice(7)), "utf8"));
    manifest.layers[0] = { ...manifest.layers[0], digest: `sha256:${digest}`, size: bytes.length };
    const text = Buffer.from(JSON.stringify(manifest));
    const hex = createHash("sha256").update(text).digest("hex");
    writeFileSync(join(blobs, digest), bytes);
    writeFileSync(join(blobs, hex), text);
    index.manifests[0] = { ...index.manifests[0], digest: `sha256:${hex}`, size: text.length };
    writeFileSync(join(place, "image/index.json"), JSON.stringify(index));
    const { status, stderr } = await initwrap(["image", "image", "--verify-path", "--check"], { cwd: place });
    expect([name, status, stderr]).toEqual([name, 5, expect.stringContaining("error[PATH_TAKEN]")]);
  }
});
