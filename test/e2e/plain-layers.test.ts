/**
 * Images whose layers are plain tars, as an engine's graph driver saves them: the init's layer is one too. Readers that take all
 * layers to be what the first is read the result; its config is that of the compressed image.
 */
import { execFile } from "node:child_process";
import { copyFile, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import { initFor } from "@initwrap/init-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Descriptor } from "../../packages/cli/src/model/descriptor.ts";
import { digestOf } from "../../packages/cli/src/model/digest.ts";
import {
  DOCKER_CONFIG,
  DOCKER_LAYER_GZIP,
  DOCKER_LAYER_TAR,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_LAYER_GZIP,
  OCI_LAYER_TAR,
  OCI_MANIFEST,
} from "../../packages/cli/src/model/media-types.ts";
import { mediumOf } from "../../packages/cli/src/store/media.ts";
import { wrapImage } from "../../packages/cli/src/wrap/image.ts";
import { descriptorOf } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { initwrap, initwrapOk } from "../support/cli.ts";
import { type EngineName, findEngine } from "../support/engine.ts";
import {
  entrypointByBuildah,
  readersAvailable,
  readRegistryByCrane,
  unpackByUmoci,
  validateArchiveByCrane,
} from "../support/image-readers.ts";
import { buildContext, freshTag, removeContext, runContainer } from "../support/images.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { again } from "../support/sample-image.ts";
import { verifyDocumentOf } from "../support/verify.ts";

const run = promisify(execFile);
const ENGINES: readonly EngineName[] = ["modern", "modern-graph", "classic"];
const engines = ENGINES.map(findEngine);
const init = initFor({ os: "linux", architecture: process.arch === "x64" ? "amd64" : process.arch });
const env = { HOME: "/nonexistent", XDG_CONFIG_HOME: "", DOCKER_CONFIG: "", DOCKER_HOST: "unix:///nonexistent.sock" };
/** What the program shows of /proc/1/cmdline: its own, behind the init. */
const COMMAND_LINE = "/initwrap -- /bin/busybox cat /proc/1/cmdline ";
const tag = freshTag("plain");

let folder: string;
/** As Docker 20.10 saves it: layers in folders of their own, and no manifest. */
let saved: string;
let config: Buffer;
let tars: readonly Buffer[];
let registry: TestRegistry;

beforeEach((context) => {
  requireCapability(context, "every container engine", engines.every(Boolean));
  requireCapability(context, "docker-registry", registryAvailable);
  requireCapability(context, "crane, umoci and buildah", readersAvailable);
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-plain-"));
  const classic = findEngine("classic");
  if (!classic || !registryAvailable) return;
  const busybox = (await run("sh", ["-c", "command -v busybox"])).stdout.trim();
  const context = await buildContext(
    [
      "FROM scratch",
      "COPY busybox /bin/busybox",
      "COPY Dockerfile /Dockerfile",
      'ENTRYPOINT ["/bin/busybox"]',
      'CMD ["cat", "/proc/1/cmdline"]',
    ].join("\n"),
    [busybox],
  );
  await classic.docker(["build", "--quiet", "--tag", tag, context], { env: { DOCKER_BUILDKIT: "0" } });
  await removeContext(context);
  saved = join(folder, "saved.tar");
  await classic.docker(["save", "--output", saved, tag]);
  await classic.docker(["rmi", "--force", tag]);
  const [entry] = JSON.parse((await held(saved, "manifest.json")).toString());
  config = await held(saved, entry.Config);
  tars = await Promise.all((entry.Layers as readonly string[]).map((name) => held(saved, name)));
  registry = await startRegistry();
});
afterAll(async () => {
  await registry?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A file of an archive. */
async function held(archive: string, name: string): Promise<Buffer> {
  return (await run("tar", ["-xOf", archive, name], { encoding: "buffer", maxBuffer: 1 << 28 })).stdout;
}

/** The same image with layers of either kind, put into a place; its names are the tests' own. */
async function put(scheme: string, location: string, isPlain: boolean, isDocker: boolean): Promise<void> {
  const [plainType, packedType] = isDocker ? [DOCKER_LAYER_TAR, DOCKER_LAYER_GZIP] : [OCI_LAYER_TAR, OCI_LAYER_GZIP];
  const layers = tars.map((tar) => (isPlain ? tar : gzipSync(tar, { level: 1 })));
  const descriptors = layers.map((bytes) => descriptorOf(isPlain ? plainType : packedType, bytes));
  const described = descriptorOf(isDocker ? DOCKER_CONFIG : OCI_CONFIG, config);
  const mediaType = isDocker ? DOCKER_MANIFEST : OCI_MANIFEST;
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config: described, layers: descriptors }));
  const names = scheme === "registry" ? [] : [`docker.io/${tag}`];
  const sink = await (await mediumOf(scheme)).sink(location, { env, names });
  for (const [place, bytes] of layers.entries()) await sink.put(descriptors[place]!, again(bytes));
  await sink.put(described, again(config));
  await sink.put(descriptorOf(mediaType, manifest), again(manifest));
  await sink.commit(descriptorOf(mediaType, manifest));
  await sink.close();
}

/** The manifest at a place. */
async function manifestAt(scheme: string, location: string): Promise<{ config: Descriptor; layers: Descriptor[] }> {
  const source = await (await mediumOf(scheme)).source(location, { env, layers: false });
  try {
    return JSON.parse(Buffer.from(await source.read((await source.root()).descriptor)).toString());
  } finally {
    await source.close();
  }
}

/** Loads an archive into an engine, or pulls a name, and runs it. */
async function commandLineIn(name: EngineName, image: { archive?: string; name: string }): Promise<string> {
  const engine = findEngine(name)!;
  if (image.archive) await engine.docker(["load", "--input", image.archive]);
  else await engine.docker(["pull", "--quiet", image.name]);
  try {
    const { stdout } = await runContainer(engine, image.name);
    return stdout.replaceAll("\0", " ");
  } finally {
    await engine.docker(["rmi", "--force", image.name]);
  }
}

describe("an archive as Docker 20.10 saves it, in place", () => {
  it("is wrapped, done again, renewed and undone, and every step is read by crane and verified", async () => {
    const archive = join(folder, "in-place.tar");
    await copyFile(saved, archive);
    const [before] = JSON.parse((await held(saved, "manifest.json")).toString());
    await initwrapOk(["image", archive, "-q"], { env });
    await validateArchiveByCrane(archive);
    const [entry] = JSON.parse((await held(archive, "manifest.json")).toString());
    expect(entry.Layers.slice(0, -1)).toEqual(before.Layers);
    expect(entry.Layers.at(-1)).toBe(`${init.diffId.slice(7)}.tar`);
    expect(digestOf(await held(archive, entry.Layers.at(-1)))).toBe(init.diffId);
    expect(await entrypointByBuildah(`docker-archive:${archive}`)).toEqual(["/initwrap", "--", "/bin/busybox"]);
    const verified = await verifyDocumentOf([archive], { env });
    expect(verified.platforms[0]).toMatchObject({
      init: { sha256: init.sha256, layer: init.diffId },
      command: "as-recorded",
    });
    for (const name of ENGINES) {
      expect(await commandLineIn(name, { archive, name: tag })).toBe(COMMAND_LINE);
    }

    const once = await readFile(archive);
    expect((await initwrap(["image", "--check", archive], { env })).status).toBe(0);
    await initwrapOk(["image", archive, "-q"], { env });
    expect((await readFile(archive)).equals(once)).toBe(true);
    await initwrapOk(["image", archive, "-q", "--init-arg=-g"], { env });
    await validateArchiveByCrane(archive);
    expect((await verifyDocumentOf([archive], { env })).verified).toBe(true);
    const undone = await initwrapOk(["image", archive, "--undo", "-q"], { env });
    expect(undone.stdout.toString()).toBe(`${tag}@${digestOf(config)}\n`);
    await validateArchiveByCrane(archive);
    expect(JSON.parse((await held(archive, "manifest.json")).toString())).toEqual([before]);
  });
});

describe.each([
  ["OCI's", false],
  ["Docker's", true],
] as const)("an image of %s kind, with plain layers and with compressed ones", (_, isDocker) => {
  it.each(["oci", "oci-archive", "docker-archive", "registry"])(
    "from %s to every place has one config",
    async (from) => {
      const configs = new Set<string>();
      for (const isPlain of [true, false]) {
        const kind = isPlain ? "plain" : "packed";
        const place = (scheme: string, what: string): string =>
          scheme === "registry"
            ? `${registry.host}/${tag}-${from}-${kind}-${what}`
            : join(folder, `${from}-${what}-${kind}`);
        const source = place(from, isDocker ? "docker" : "plain");
        await put(from, source, isPlain, isDocker);
        const manifests = new Set<string>();
        for (const to of ["oci", "oci-archive", "docker-archive", "registry"]) {
          const output = place(to, `${to}-${isDocker ? "docker" : "oci"}`);
          const { plan } = await wrapImage({ source: `${from}:${source}`, output: `${to}:${output}`, env });
          manifests.add(plan.after.digest);
          const { config: described, layers } = await manifestAt(to, output);
          configs.add(described.digest);
          const type = isDocker ? [DOCKER_LAYER_TAR, DOCKER_LAYER_GZIP] : [OCI_LAYER_TAR, OCI_LAYER_GZIP];
          expect(layers.at(-1)).toEqual(
            isPlain
              ? { mediaType: type[0], digest: init.diffId, size: init.tarSize }
              : { mediaType: type[1], digest: init.digest, size: init.layerSize },
          );
          if (to.endsWith("archive")) await validateArchiveByCrane(output);
          if (to === "registry") {
            expect(digestOf((await readRegistryByCrane(output)).config)).toBe(described.digest);
          }
          if (to === "oci" && !isDocker && from === "oci") {
            const { init: bytes } = await unpackByUmoci(output, tag.split(":")[1]!);
            expect(bytes.equals(init.bytes())).toBe(true);
          }
          if (isPlain && from === "oci" && to === "registry") {
            for (const name of ENGINES)
              expect([name, await commandLineIn(name, { name: output })]).toEqual([name, COMMAND_LINE]);
          }
        }
        expect(manifests.size).toBe(1);
      }
      expect(configs.size).toBe(1);
    },
  );
});

describe("verify", () => {
  const tar = gunzipSync(init.layer());
  let wrapped: string;
  beforeAll(async () => {
    if (!tars) return;
    wrapped = join(folder, "to-verify");
    await put("oci", wrapped, true, false);
    await initwrapOk(["image", `oci:${wrapped}`, "-q"], { env });
  });

  /** A copy of the wrapped layout with other bytes for its last layer: the config stays, and what it says of the layer. */
  async function withLastLayer(name: string, bytes: Buffer, mediaType: string): Promise<string> {
    const copy = join(folder, name);
    await cp(wrapped, copy, { recursive: true });
    const add = async (type: string, content: Buffer): Promise<Descriptor> => {
      const descriptor = descriptorOf(type, content);
      await writeFile(join(copy, "blobs/sha256", descriptor.digest.slice(7)), content);
      return descriptor;
    };
    const manifest = await manifestAt("oci", copy);
    const layers = [...manifest.layers.slice(0, -1), await add(mediaType, bytes)];
    const root = await add(OCI_MANIFEST, Buffer.from(JSON.stringify({ ...manifest, layers })));
    const index = JSON.parse(await readFile(join(copy, "index.json"), "utf8"));
    const manifests = [{ ...index.manifests[0], ...root }];
    await writeFile(join(copy, "index.json"), JSON.stringify({ ...index, manifests }));
    return `oci:${copy}`;
  }

  it.each<[string, Buffer, string]>([
    ["a plain tar", tar, OCI_LAYER_TAR],
    ["the released gzip file", init.layer(), OCI_LAYER_GZIP],
    ["packed by another gzip", gzipSync(tar, { level: 1 }), OCI_LAYER_GZIP],
    ["packed by zstd", zstdCompressSync(tar), `${OCI_LAYER_TAR}+zstd`],
  ])("takes the init by its bytes, whatever its layer is: %s", async (name, bytes, mediaType) => {
    const document = await verifyDocumentOf([await withLastLayer(name, bytes, mediaType)], { env });
    expect(document.platforms[0]).toMatchObject({
      init: { sha256: init.sha256, layer: digestOf(bytes) },
      command: "as-recorded",
    });
  });

  it.each<[string, (bytes: Buffer) => Buffer, string]>([
    ["plain", (bytes) => bytes, OCI_LAYER_TAR],
    ["packed", (bytes) => gzipSync(bytes), OCI_LAYER_GZIP],
  ])("refuses an init of which one bit differs: %s", async (name, pack, mediaType) => {
    const changed = Buffer.from(tar);
    changed[1000]! ^= 1;
    const place = await withLastLayer(`changed ${name}`, pack(changed), mediaType);
    const document = await verifyDocumentOf([place], { env, status: 5 });
    expect(document.diagnostics.map(({ code }) => code)).toEqual(["INIT_UNKNOWN"]);
  });
});
