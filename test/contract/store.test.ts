/** The contract of store/contract.ts, held by every adapter: one suite, one row per medium. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Descriptor } from "../../packages/cli/src/model/descriptor.ts";
import { digestOf } from "../../packages/cli/src/model/digest.ts";
import { DOCKER_LIST } from "../../packages/cli/src/model/media-types.ts";
import { containersStorageMedium } from "../../packages/cli/src/store/containers-storage.ts";
import type { Medium, SinkOptions, Source } from "../../packages/cli/src/store/contract.ts";
import { dockerArchiveMedium } from "../../packages/cli/src/store/docker-archive.ts";
import { dockerDaemonMedium } from "../../packages/cli/src/store/docker-daemon.ts";
import { MemoryStore } from "../../packages/cli/src/store/memory.ts";
import { ociArchiveMedium } from "../../packages/cli/src/store/oci-archive.ts";
import { ociLayoutMedium } from "../../packages/cli/src/store/oci-layout.ts";
import { podmanMedium } from "../../packages/cli/src/store/podman.ts";
import { registryMedium } from "../../packages/cli/src/store/registry/medium.ts";
import { once } from "../../packages/cli/src/store/verify.ts";
import { requireCapability } from "../support/capability.ts";
import { type EngineName, findEngine, requireEngine } from "../support/engine.ts";
import { freshTag } from "../support/images.ts";
import { podmanAvailable, startPodman, type TestPodman } from "../support/podman.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { descriptorOf, type SampleImage, sampleImage, sampleIndex } from "./sample-image.ts";

interface Row {
  readonly name: string;
  readonly medium: () => Medium;
  readonly location: () => string;
  /** An engine refuses an index of platforms that are not its own, and tells nothing about blobs under way. */
  readonly engine?: EngineName | "podman";
  /** It keeps configs and unpacked layers: an image is known by its config, and a layer comes back as a plain tar. */
  readonly keepsConfigsOnly?: boolean;
  /** A registry is what its location names, and the one of these tests takes no index that names what it does not hold. */
  readonly isRegistry?: boolean;
}

let folder: string;
let counter = 0;
let registry: TestRegistry | undefined;
let podman: TestPodman | undefined;
const memory = new MemoryStore();
const fresh = (end: string): string => join(folder, `${counter++}${end}`);

const ROWS: readonly Row[] = [
  { name: "memory", medium: () => memory.medium(), location: () => `image-${counter++}` },
  { name: "oci", medium: () => ociLayoutMedium, location: () => fresh("") },
  { name: "oci-archive", medium: () => ociArchiveMedium, location: () => fresh(".tar") },
  { name: "docker-archive", medium: () => dockerArchiveMedium, location: () => fresh(".tar") },
  { name: "docker-archive, gzip", medium: () => dockerArchiveMedium, location: () => fresh(".tar.gz") },
  { name: "docker-archive, zstd", medium: () => dockerArchiveMedium, location: () => fresh(".tar.zst") },
  { name: "docker", medium: () => dockerDaemonMedium, location: () => freshTag("contract"), engine: "modern" },
  { name: "docker 28.5", medium: () => dockerDaemonMedium, location: () => freshTag("contract"), engine: "newest" },
  {
    name: "docker, graph driver",
    medium: () => dockerDaemonMedium,
    location: () => freshTag("contract"),
    engine: "modern-graph",
    keepsConfigsOnly: true,
  },
  {
    name: "docker 20.10",
    medium: () => dockerDaemonMedium,
    location: () => freshTag("contract"),
    engine: "classic",
    keepsConfigsOnly: true,
  },
  {
    name: "podman",
    medium: () => podmanMedium,
    location: () => freshTag("contract"),
    engine: "podman",
    keepsConfigsOnly: true,
  },
  {
    name: "containers-storage",
    medium: () => containersStorageMedium,
    location: () => `${podman?.store}${freshTag("contract")}`,
    engine: "podman",
    keepsConfigsOnly: true,
  },
  {
    name: "registry",
    medium: () => registryMedium,
    location: () => `${registry?.host}/contract/image-${counter++}:1`,
    isRegistry: true,
  },
];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-contract-"));
  if (registryAvailable) registry = await startRegistry();
  if (podmanAvailable) podman = await startPodman();
});
afterAll(async () => {
  for (const engine of (["modern", "newest", "modern-graph", "classic"] as const).map(findEngine)) {
    if (!engine) continue;
    const { stdout } = await engine.docker(["images", "--quiet", "--no-trunc", "initwrap-test/contract"]);
    const ids = stdout.split("\n").filter(Boolean);
    if (ids.length > 0) await engine.docker(["rmi", "--force", ...ids], { check: false });
  }
  await registry?.stop();
  await podman?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe.each(ROWS)("$name", ({ medium, location, engine, isRegistry, keepsConfigsOnly }) => {
  const isDaemon = engine !== undefined;
  const NAME = "docker.io/library/sample:1";
  let env: NodeJS.ProcessEnv = {};

  const store = async (place: string, image: SampleImage, options: Partial<SinkOptions> = {}): Promise<string> => {
    const sink = await medium().sink(place, { env, names: isDaemon || isRegistry ? [] : [NAME], ...options });
    try {
      for (const { descriptor, bytes } of image.blobs) {
        if (!(await sink.has(descriptor))) await sink.put(descriptor, once(bytes));
      }
      return (await sink.commit(image.root)).digest;
    } finally {
      await sink.close();
    }
  };
  const using = async <T>(place: string, use: (source: Source) => Promise<T>): Promise<T> => {
    const source = await medium().source(place, { env, layers: true });
    try {
      return await use(source);
    } finally {
      await source.close();
      await source.close();
    }
  };

  beforeEach((context) => {
    if (isRegistry) requireCapability(context, "docker-registry", registryAvailable);
    if (engine === "podman") {
      requireCapability(context, "podman", podmanAvailable);
      env = podman!.env;
    } else if (engine) env = requireEngine(context, engine).env;
  });

  /** What the medium knows an image by: its root, or its config. */
  const identityOf = (image: SampleImage): string =>
    keepsConfigsOnly ? image.blobs.at(-2)!.descriptor.digest : image.root.digest;
  const identityIn = async (source: Source): Promise<string> => {
    const { descriptor, synthesized } = await source.root();
    if (!keepsConfigsOnly) return descriptor.digest;
    expect(synthesized).toBe(true);
    return manifestOf(await source.read(descriptor)).config.digest;
  };

  it("gives back every blob of an image as it was put", async () => {
    const place = location();
    const image = sampleImage({ family: isDaemon ? "docker" : "oci" });
    expect(await store(place, image)).toBe(identityOf(image));
    await using(place, async (source) => {
      const { descriptor, names } = await source.root();
      expect(await identityIn(source)).toBe(identityOf(image));
      if (isRegistry) expect(names).toEqual([place]);
      else if (!isDaemon) expect(names).toEqual([NAME]);
      const whole = async (blob: Descriptor): Promise<Buffer> => {
        const parts: Uint8Array[] = [];
        for await (const part of await source.open(blob)) parts.push(part);
        return Buffer.concat(parts);
      };
      if (keepsConfigsOnly) {
        const { config, layers } = manifestOf(await source.read(descriptor));
        expect(await whole(config)).toEqual(image.blobs.at(-2)!.bytes);
        const tars = image.blobs.slice(0, -2).map((layer) => gunzipSync(layer.bytes));
        for (const [place, layer] of layers.entries()) {
          expect(layer).toMatchObject({ digest: digestOf(tars[place]!), size: tars[place]!.length });
          expect(await whole(layer)).toEqual(tars[place]);
        }
        return;
      }
      for (const blob of image.blobs) expect(digestOf(await whole(blob.descriptor))).toBe(blob.descriptor.digest);
      const manifest = image.blobs.at(-1)!;
      expect(Buffer.from(await source.read(manifest.descriptor))).toEqual(Buffer.from(manifest.bytes));
    });
  });

  // An engine keeps what it pulls, not what it is given in part; distribution 2 takes no index that names what it lacks.
  const keepsSparse = !isDaemon && !isRegistry;
  if (keepsSparse) {
    it("keeps an index whose platforms are not all there", async () => {
      const place = location();
      const image = sampleIndex();
      await store(place, image);
      await using(place, async (source) => {
        expect((await source.root()).descriptor.digest).toBe(image.root.digest);
        const absent = { ...image.root, digest: `sha256:${"0".repeat(64)}` as const };
        await expect(source.read(absent)).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
      });
    });
  }

  it("refuses a blob with other content, and does not have it afterwards", async () => {
    const sink = await medium().sink(location(), { env, names: [] });
    const wrong = descriptorOf("application/vnd.oci.image.layer.v1.tar+gzip", Buffer.from("what it should be"));
    await expect(sink.put(wrong, once(Buffer.from("what it is, no more")))).rejects.toMatchObject({
      code: "BLOB_CORRUPT",
    });
    await expect(sink.put(wrong, once(Buffer.from("short")))).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
    expect(await sink.has(wrong)).toBe(false);
    await sink.close();
  });

  it("shows nothing before commit, and leaves nothing without one", async () => {
    const place = location();
    const image = sampleImage();
    const before = await readdir(folder);
    const sink = await medium().sink(place, { env, names: isDaemon || isRegistry ? [] : [NAME] });
    for (const { descriptor, bytes } of image.blobs) await sink.put(descriptor, once(bytes));
    await expect(using(place, (source) => source.root())).rejects.toMatchObject({ exit: 3 });
    await sink.close();
    await sink.close();
    expect(await readdir(folder)).toEqual(before);
  });

  it("keeps the old image when a new one is given up", async () => {
    const place = location();
    const old = sampleImage({ layers: ["old\n"] });
    await store(place, old);
    const sink = await medium().sink(place, { env, names: isDaemon || isRegistry ? [] : [NAME] });
    const next = sampleImage({ layers: ["new\n"] });
    for (const { descriptor, bytes } of next.blobs) await sink.put(descriptor, once(bytes));
    await sink.close();
    await using(place, async (source) => {
      expect(await identityIn(source)).toBe(identityOf(old));
    });
  });

  if (keepsConfigsOnly) {
    it("keeps the image of its own platform of an index, wherever that stands", async () => {
      const place = location();
      const own = process.arch === "arm64" ? "arm64" : "amd64";
      const images = ["s390x", own].map((architecture) =>
        sampleImage({ family: "docker", architecture, layers: [`${place} ${architecture}\n`] }),
      );
      const manifests = images.map(({ root }, at) => ({
        ...root,
        platform: { os: "linux", architecture: ["s390x", own][at] },
      }));
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: DOCKER_LIST, manifests }));
      const root = descriptorOf(DOCKER_LIST, bytes);
      const blobs = [...images.flatMap((image) => image.blobs), { descriptor: root, bytes }];
      expect(await store(place, { root, blobs })).toBe(identityOf(images[1]!));
    });
  }

  if (isDaemon) {
    it("gives the exact documents without its layers, and takes a renamed image without them", async () => {
      const [place, other] = [location(), location()];
      const image = sampleImage({ family: "docker", layers: [`${place}\n`] });
      await store(place, image);
      const source = await medium().source(place, { env, layers: false });
      const { descriptor } = await source.root();
      const { config, layers } = manifestOf(await source.read(descriptor));
      expect(Buffer.from(await source.read(config))).toEqual(Buffer.from(image.blobs.at(-2)!.bytes));
      // No layer came with it.
      await expect(source.open(layers[0]!)).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
      const sink = await medium().sink(other, { env, names: [], from: source });
      expect(await sink.has(layers[0]!)).toBe(true);
      const { bytesMoved, digest } = await sink.commit(descriptor);
      expect(digest).toBe(identityOf(image));
      expect(bytesMoved).toBeLessThan(4096);
      await sink.close();
      await source.close();
      await using(other, async (renamed) => expect(await identityIn(renamed)).toBe(identityOf(image)));
    });
  }

  if (isDaemon) {
    it("refuses an image of which a layer is not there, and keeps the old one under the name", async () => {
      const place = location();
      const old = sampleImage({ layers: [`${place} old\n`] });
      await store(place, old);
      const next = sampleImage({ family: "docker", layers: [`${place} new\n`] });
      const sink = await medium().sink(place, { env, names: [] });
      // As if the engine had the layer: it may say that the image is loaded, and answers 200.
      for (const { descriptor, bytes } of next.blobs.slice(1)) await sink.put(descriptor, once(bytes));
      await expect(sink.commit(next.root)).rejects.toMatchObject({ code: "DAEMON_FAILED", exit: 6 });
      await sink.close();
      await using(place, async (source) => expect(await identityIn(source)).toBe(identityOf(old)));
    });
  }

  it("says when there is no such image", async () => {
    await expect(using(location(), (source) => source.root())).rejects.toMatchObject({ exit: 3 });
  });
});

function manifestOf(bytes: Uint8Array): { readonly config: Descriptor; readonly layers: readonly Descriptor[] } {
  return JSON.parse(Buffer.from(bytes).toString());
}

describe("an archive of ours", () => {
  it("is of both layouts, with the names that each loader looks for", async () => {
    const path = fresh(".tar");
    const image = sampleImage();
    const sink = await dockerArchiveMedium.sink(path, { env: {}, names: ["docker.io/library/sample:1"] });
    for (const { descriptor, bytes } of image.blobs) await sink.put(descriptor, once(bytes));
    await sink.commit(image.root);
    await sink.close();
    const text = (await readFile(path)).toString("latin1");
    expect(text).toContain('"io.containerd.image.name":"docker.io/library/sample:1"');
    expect(text).toContain('"org.opencontainers.image.ref.name":"1"');
    expect(text).toContain('"RepoTags":["sample:1"]');
  });

  it("is refused when it is no archive of images", async () => {
    const path = fresh(".tar");
    await writeFile(path, "#!/bin/sh\necho no\n".repeat(100));
    await expect(dockerArchiveMedium.source(path, { env: {}, layers: true })).rejects.toMatchObject({
      code: "ARCHIVE_INVALID",
    });
  });
});
