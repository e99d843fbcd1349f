/** Images that have something of their own where the init goes: found in layers of every kind, and what is the init's own is not. */
import { mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { initFor, initPlatforms } from "@initwrap/init-core";
import { type Header, pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../packages/cli/src/model/digest.ts";
import { OCI_CONFIG, OCI_MANIFEST } from "../../packages/cli/src/model/media-types.ts";
import { RegistrySession } from "../../packages/cli/src/store/registry/session.ts";
import { wrapImage } from "../../packages/cli/src/wrap/image.ts";
import { descriptorOf, legacyArchive, type SampleImage } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { initwrap } from "../support/cli.ts";
import { registryAvailable, startRegistry } from "../support/registry.ts";
import { putImage } from "../support/registry-image.ts";
import { collect } from "../support/sample-image.ts";

type Entry = Partial<Header> & { readonly name: string; readonly content?: string | Buffer };
type Packing = "plain" | "gzip" | "zstd";
interface Layer {
  readonly tar: Buffer;
  readonly packing?: Packing;
  readonly createdBy?: string;
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-path-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function tar(...entries: readonly Entry[]): Promise<Buffer> {
  const stream = pack();
  for (const { content = "", ...headers } of entries) stream.entry(headers as Header, content);
  stream.finalize();
  return Buffer.from(await collect(stream as AsyncIterable<Buffer>));
}

/** The archive with the sum of its first header made right again. */
function sealed(bytes: Buffer): Buffer {
  bytes.fill(" ", 148, 156);
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return bytes;
}

const PACK = { plain: (bytes: Buffer) => bytes, gzip: gzipSync, zstd: zstdCompressSync };
const SUFFIX = { plain: "", gzip: "+gzip", zstd: "+zstd" };

function imageOf(layers: readonly Layer[], diffIds = layers.map((layer) => digestOf(layer.tar))): SampleImage {
  const packed = layers.map(({ tar: bytes, packing = "plain" }) => {
    const blob = PACK[packing](bytes);
    return { descriptor: descriptorOf(`application/vnd.oci.image.layer.v1.tar${SUFFIX[packing]}`, blob), bytes: blob };
  });
  const config = Buffer.from(
    JSON.stringify({
      architecture: "amd64",
      os: "linux",
      config: { Entrypoint: ["/app"] },
      rootfs: { type: "layers", diff_ids: diffIds },
      history: layers.map(({ createdBy = "some step" }) => ({ created_by: createdBy })),
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: descriptorOf(OCI_CONFIG, config),
      layers: packed.map(({ descriptor }) => descriptor),
    }),
  );
  return {
    root: descriptorOf(OCI_MANIFEST, manifest),
    blobs: [
      ...packed,
      { descriptor: descriptorOf(OCI_CONFIG, config), bytes: config },
      { descriptor: descriptorOf(OCI_MANIFEST, manifest), bytes: manifest },
    ],
  };
}

let number = 0;
async function layout(image: SampleImage): Promise<string> {
  const path = join(folder, `layout${number++}`);
  await mkdir(join(path, "blobs/sha256"), { recursive: true });
  await writeFile(join(path, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  for (const { descriptor, bytes } of image.blobs) {
    await writeFile(join(path, "blobs/sha256", descriptor.digest.slice(7)), bytes);
  }
  await writeFile(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [image.root] }));
  return path;
}

/** What planning says: `sure` or `unsure` that the path is free, or the code of the refusal. */
async function verdict(layers: readonly Layer[], verifyPath = false): Promise<string> {
  const source = `oci:${await layout(imageOf(layers))}`;
  return wrapImage({ source, apply: false, verifyPath, env: {} }).then(
    ({ pathVerified }) => (pathVerified ? "sure" : "unsure"),
    (error: { code?: string }) => error.code ?? String(error),
  );
}

const other: Entry = { name: "usr/bin/app", content: "app" };
const file: Entry = { name: "initwrap", content: "#!/bin/sh\n" };
const init = initFor({ os: "linux", architecture: "amd64" });

describe("something at the init's path in a plain layer", () => {
  it.each<[string, Entry[]]>([
    ["a file", [file]],
    ["a file, written ./initwrap", [{ ...file, name: "./initwrap" }]],
    ["a file, written /initwrap", [{ ...file, name: "/initwrap" }]],
    ["a large file", [{ ...file, content: Buffer.alloc(2_000_000) }]],
    ["a folder", [{ name: "initwrap/", type: "directory" }]],
    ["a folder without an entry of its own", [{ name: "initwrap/data", content: "x" }]],
    ["a link", [{ name: "initwrap", type: "symlink", linkname: "usr/bin/app" }]],
    ["a hard link", [{ name: "initwrap", type: "link", linkname: "usr/bin/app" }]],
    ["a device", [{ name: "initwrap", type: "character-device" }]],
  ])("is found: %s", async (_, entries) => {
    const layer = { tar: await tar(other, ...entries, { name: "last", content: "x".repeat(700) }) };
    expect(await verdict([layer])).toBe("PATH_TAKEN");
    expect(await verdict([{ tar: await tar(other) }, layer, { tar: await tar(other) }])).toBe("PATH_TAKEN");
  });

  it("is found by the name that an extended header gives it", async () => {
    const bytes = await tar({ name: "PaxHeader", content: "17 path=initwrap\n" }, { ...file, name: "x" });
    bytes.write("x", 156);
    expect(await verdict([{ tar: sealed(bytes) }])).toBe("PATH_TAKEN");
  });

  it("is not what only looks like it", async () => {
    const entries = ["opt/initwrap", "initwrap.conf", "initwra", "bin/initwrap/x"].map((name) => ({
      name,
      content: "",
    }));
    expect(await verdict([{ tar: await tar(...entries) }])).toBe("sure");
  });

  it.each<[string, Entry[], string]>([
    ["a whiteout", [{ name: ".wh.initwrap" }], "sure"],
    ["an opaque root", [{ name: ".wh..wh..opq" }], "sure"],
    ["a whiteout of something else", [{ name: ".wh.initwrap2" }], "PATH_TAKEN"],
    ["a whiteout beside a new file", [{ name: ".wh.initwrap" }, file], "PATH_TAKEN"],
    ["a new file, then a whiteout, which is for what is below", [file, { name: ".wh.initwrap" }], "PATH_TAKEN"],
  ])("counts as removed, or not, by %s above", async (_, entries, expected) => {
    const [below, above] = [{ tar: await tar(other, file) }, { tar: await tar(...entries) }];
    expect(await verdict([below, above])).toBe(expected);
    expect(await verdict([above, below])).toBe("PATH_TAKEN");
  });

  it("is no other file when it is the init itself, of this version or another", async () => {
    const bytes = init.bytes();
    expect(await verdict([{ tar: await tar({ name: "initwrap", content: bytes }) }])).toBe("sure");
    for (const platform of initPlatforms()) {
      const other = Buffer.concat([initFor(platform).bytes(), Buffer.from("other")]);
      expect(await verdict([{ tar: await tar({ name: "initwrap", content: other }) }])).toBe("sure");
    }
    expect(await verdict([{ tar: await tar({ name: "initwrap", content: "INITWRAP_ docker-init" }) }])).toBe(
      "PATH_TAKEN",
    );
  });

  it("is looked for by seeking: a layer of 100 GB takes no longer", async () => {
    const image = imageOf([{ tar: await tar(other) }]);
    const size = 100e9;
    const hole = Math.ceil(size / 512) * 512;
    const header = await tar({ name: "huge", size: 0 });
    // The size in base-256, as GNU tar writes it, and the sum of the header anew.
    const first = Buffer.from(header.subarray(0, 512));
    first.fill(0, 124, 136).writeUInt8(0x80, 124);
    first.writeBigUInt64BE(BigInt(size), 128);
    first.fill(" ", 148, 156);
    first.write(
      `${[...first]
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, "0")}\0 `,
      148,
      "latin1",
    );
    const rest = await tar(file);
    const { descriptor, bytes } = image.blobs.at(-1)!;
    const { layers, ...others } = JSON.parse(Buffer.from(bytes).toString());
    const huge = { ...others, layers: [{ ...layers[0], size: 512 + hole + rest.length }] };
    const manifest = Buffer.from(JSON.stringify(huge));
    const root = descriptorOf(descriptor.mediaType, manifest);
    const path = await layout({ root, blobs: [...image.blobs.slice(0, -1), { descriptor: root, bytes: manifest }] });
    const blob = await open(join(path, "blobs/sha256", layers[0].digest.slice(7)), "w");
    await blob.write(first, 0, 512, 0);
    await blob.write(rest, 0, rest.length, 512 + hole);
    await blob.close();
    await expect(wrapImage({ source: `oci:${path}`, apply: false, env: {} })).rejects.toMatchObject({
      code: "PATH_TAKEN",
      where: "linux/amd64",
    });
  });
});

describe.each(["gzip", "zstd"] as const)("a layer compressed with %s", (packing) => {
  it("is looked into when that is asked for", async () => {
    const layer: Layer = { tar: await tar(other, file), packing };
    expect(await verdict([layer])).toBe("unsure");
    expect(await verdict([layer], true)).toBe("PATH_TAKEN");
    expect(await verdict([layer, { tar: await tar({ name: ".wh.initwrap" }), packing }], true)).toBe("sure");
    expect(await verdict([{ tar: await tar({ name: "initwrap", content: init.bytes() }), packing }], true)).toBe(
      "sure",
    );
  });

  it.each([
    ["COPY wrapper /initwrap # buildkit", "PATH_TAKEN"],
    ["/bin/sh -c cp /bin/tool /initwrap", "PATH_TAKEN"],
    ["|1 X=y /bin/sh -c curl -o=/initwrap https://example.com; true", "PATH_TAKEN"],
    ["COPY initwrap /opt/initwrap # buildkit", "unsure"],
    ["COPY . / # buildkit", "unsure"],
  ])("is looked into when its history names the path: %s", async (createdBy, expected) => {
    expect(await verdict([{ tar: await tar(other) }, { tar: await tar(file), packing, createdBy }])).toBe(expected);
  });

  it("is looked into when a plain layer below has the path: it may have removed it", async () => {
    const below: Layer = { tar: await tar(other, file) };
    expect(await verdict([below, { tar: await tar({ name: ".wh.initwrap" }), packing }])).toBe("sure");
    expect(await verdict([below, { tar: await tar(other), packing }])).toBe("PATH_TAKEN");
    expect(await verdict([below, { tar: await tar({ name: "initwrap", content: init.bytes() }), packing }])).toBe(
      "sure",
    );
  });

  it("that is damaged is one that nothing is known of, which is no answer where one is asked for", async () => {
    const image = imageOf([{ tar: await tar(file), packing }]);
    const path = await layout(image);
    const blob = join(path, "blobs/sha256", image.blobs[0]!.descriptor.digest.slice(7));
    const bytes = await readFile(blob);
    await writeFile(blob, bytes.fill(0, bytes.length >> 1));
    const planned = { source: `oci:${path}`, apply: false, env: {} };
    expect((await wrapImage(planned)).pathVerified).toBe(false);
    await expect(wrapImage({ ...planned, verifyPath: true })).rejects.toMatchObject({ code: "IMAGE_INVALID" });
  });
});

describe("a config that has another diff_id for a layer", () => {
  const [one, another] = ["one", "another"].map((text) => digestOf(Buffer.from(text)));
  it.each(["gzip", "zstd"] as const)(
    "is refused where that layer, compressed with %s, is looked into",
    async (packing) => {
      const layers = [{ tar: await tar(other), packing }];
      const refused = {
        source: `oci:${await layout(imageOf(layers, [one!]))}`,
        apply: false,
        verifyPath: true,
        env: {},
      };
      await expect(wrapImage(refused)).rejects.toMatchObject({
        code: "IMAGE_INVALID",
        message: expect.stringContaining(`whose tar is ${digestOf(layers[0]!.tar)}`),
      });
    },
  );

  it("is refused without looking where the layer is a plain tar", async () => {
    const path = await layout(imageOf([{ tar: await tar(other) }], [another!]));
    await expect(wrapImage({ source: `oci:${path}`, apply: false, env: {} })).rejects.toMatchObject({
      code: "IMAGE_INVALID",
    });
  });
});

describe("an image that was wrapped", () => {
  it("is renewed and undone, and one built on top of it is wrapped", async () => {
    const path = await layout(imageOf([{ tar: await tar(other) }]));
    await wrapImage({ source: `oci:${path}`, env: {} });
    const renewed = await wrapImage({ source: `oci:${path}`, env: {}, initOptions: ["--verbose"], verifyPath: true });
    expect([renewed.plan.platforms[0]!.action, renewed.pathVerified]).toEqual(["renew", true]);
    // As a build does it: another layer on top, and an entrypoint of its own.
    const tars = [
      await tar(other),
      Buffer.from(await gunzip(init.layer())),
      await tar({ name: "child", content: "x" }),
    ];
    const child = imageOf([{ tar: tars[0]! }, { tar: tars[1]!, packing: "gzip" }, { tar: tars[2]! }]);
    const result = await wrapImage({ source: `oci:${await layout(child)}`, env: {}, verifyPath: true });
    expect(result.pathVerified).toBe(true);
  });
});

async function gunzip(bytes: Buffer): Promise<Buffer> {
  const { gunzipSync } = await import("node:zlib");
  return gunzipSync(bytes);
}

describe("the command", () => {
  it("refuses an archive of docker save in place, leaves it, and says where the file comes from", async () => {
    const tars = [await tar(other), await tar(file)];
    const archive = join(folder, "legacy.tar");
    await writeFile(archive, legacyArchive(imageOf(tars.map((bytes) => ({ tar: bytes }))), ["app:1"], tars));
    const [bytes, before] = [await readFile(archive), await stat(archive)];
    const { status, stderr } = await initwrap(["image", archive]);
    expect(status).toBe(5);
    expect(stderr).toContain(
      `error[PATH_TAKEN]: linux/amd64: the image has a file /initwrap of its own, from the layer ${digestOf(tars[1]!)}`,
    );
    expect([await readFile(archive), (await stat(archive)).mtimeMs]).toEqual([bytes, before.mtimeMs]);
  });

  it("looks into the layers of a registry with --verify-path, or when history names the path", async (context) => {
    requireCapability(context, "docker-registry", registryAvailable);
    const registry = await startRegistry();
    const session = new RegistrySession({ env: { HOME: "/nonexistent" } });
    const env = { HOME: "/nonexistent", XDG_CONFIG_HOME: "", DOCKER_CONFIG: "" };
    try {
      const layer: Layer = { tar: await tar(file), packing: "gzip" };
      await putImage(`${registry.host}/app:1`, imageOf([layer]), session);
      await putImage(`${registry.host}/app:2`, imageOf([{ ...layer, createdBy: "COPY x /initwrap" }]), session);
      const run = (tag: number, ...more: string[]) =>
        initwrap(["image", `registry:${registry.host}/app:${tag}`, "--dry-run", "--json", ...more], { env });
      const plain = await run(1);
      expect([plain.status, JSON.parse(plain.stdout.toString()).pathVerified]).toEqual([0, false]);
      expect((await run(1, "--verify-path")).status).toBe(5);
      expect((await run(2)).status).toBe(5);
    } finally {
      await session.close();
      await registry.stop();
    }
  });
});
