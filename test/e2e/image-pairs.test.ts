/**
 * Every kind of source into every kind of sink. Each result is read by skopeo and compared field by field, is read by crane,
 * umoci and buildah where they read its kind, and is loaded and run by every engine that can take it; what is byte for byte one that ran already is not run again.
 */
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Descriptor } from "../../packages/cli/src/model/descriptor.ts";
import { parseLocator } from "../../packages/cli/src/store/locator.ts";
import { mediumOf } from "../../packages/cli/src/store/media.ts";
import { wrapImage } from "../../packages/cli/src/wrap/image.ts";
import { requireCapability } from "../support/capability.ts";
import { CLI, initwrap, initwrapOk } from "../support/cli.ts";
import { type Engine, type EngineName, findEngine } from "../support/engine.ts";
import {
  entrypointByBuildah,
  readersAvailable,
  readRegistryByCrane,
  unpackByUmoci,
  validateArchiveByCrane,
} from "../support/image-readers.ts";
import { buildContext, freshTag, removeContext, runContainer } from "../support/images.ts";
import { podmanAvailable, startPodman, type TestPodman } from "../support/podman.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";

const run = promisify(execFile);
const engine = findEngine("modern");
const DOCKERS: Readonly<Record<string, EngineName>> = {
  docker: "modern",
  "docker, graph driver": "modern-graph",
  "docker 20.10": "classic",
};
const FILES = ["docker-archive", "gzip", "zstd", "-", "oci-archive", "oci"] as const;
const KINDS = [...Object.keys(DOCKERS), "podman", "containers-storage", "registry", ...FILES] as const;

let folder: string;
let base: string;
let archive: string;
let registry: TestRegistry;
let podman: TestPodman;
/** The config before, and the digest of the one config that every pair must give. */
let original: { readonly bytes: Buffer; readonly digest: string };
let wrapped: string | undefined;

interface Config {
  readonly config: Record<string, unknown> & { readonly Labels: Record<string, string> };
  readonly history: readonly { readonly created_by: string }[];
  readonly rootfs: { readonly diff_ids: readonly string[] };
  readonly [field: string]: unknown;
}

interface Manifest {
  readonly mediaType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The manifest and the config at a place, as our own reader sees them. */
async function imageAt(locator: string, env: NodeJS.ProcessEnv): Promise<{ manifest: Manifest; config: Buffer }> {
  const { scheme, location } = await parseLocator(locator, "source");
  const source = await (await mediumOf(scheme)).source(location, { env, layers: true });
  try {
    let { descriptor } = await source.root();
    for (;;) {
      const document = JSON.parse(Buffer.from(await source.read(descriptor)).toString());
      if (document.config) return { manifest: document, config: Buffer.from(await source.read(document.config)) };
      descriptor = document.manifests[0];
    }
  } finally {
    await source.close();
  }
}

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

beforeAll(async () => {
  if (!engine) return;
  folder = await mkdtemp(join(tmpdir(), "initwrap-pairs-"));
  base = freshTag("pairs");
  const busybox = (await run("sh", ["-c", "command -v busybox"])).stdout.trim();
  const context = await buildContext(
    [
      "FROM scratch",
      "COPY busybox /bin/busybox",
      "ENV PATH=/bin GREETING=hello",
      "LABEL team=a&b",
      "WORKDIR /work",
      "STOPSIGNAL SIGQUIT",
      'HEALTHCHECK --interval=5s CMD ["/bin/busybox", "true"]',
      'ENTRYPOINT ["/bin/busybox", "sh", "-c"]',
      "CMD [\"echo pid $$ in $PWD says $GREETING; /bin/busybox cat /proc/1/cmdline | /bin/busybox tr '\\\\000' ' '\"]",
    ].join("\n"),
    [busybox],
  );
  await engine.docker(["build", "--quiet", "--provenance=false", "--tag", base, context], {
    env: { DOCKER_BUILDKIT: "1" },
  });
  await removeContext(context);
  archive = join(folder, "base.tar");
  await engine.docker(["save", "--output", archive, base]);
  const { config } = await imageAt(archive, {});
  original = { bytes: config, digest: digestOf(config) };
  if (!podmanAvailable || !registryAvailable) return;
  [podman, registry] = [await startPodman(), await startRegistry()];
  // The same image in every place, brought there by the place's own tools.
  for (const name of ["modern-graph", "classic"] as const) {
    await findEngine(name)?.docker(["load", "--input", archive]);
  }
  await podman.podman(["load", "--input", archive]);
  await engine.docker(["tag", base, `${registry.host}/${base}`]);
  await engine.docker(["push", "--quiet", `${registry.host}/${base}`]);
  await run("sh", ["-c", "gzip -k base.tar && zstd -q -k base.tar && mkdir base && tar -xf base.tar -C base"], {
    cwd: folder,
  });
  // Without the file that only Docker reads.
  await run("sh", ["-c", "rm base/manifest.json && tar -cf base-oci.tar -C base blobs index.json oci-layout"], {
    cwd: folder,
  });
});
afterAll(async () => {
  if (!engine) return;
  for (const name of Object.values(DOCKERS)) {
    await findEngine(name)?.docker(["rmi", "--force", base, `${registry?.host}/${base}`, TAG], { check: false });
  }
  await podman?.stop();
  await registry?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** One name for every result, so that equal archives are equal. */
const TAG = freshTag("pair");

/** Variables for a run whose docker: is the engine of either end. */
function environment(...kinds: readonly string[]): NodeJS.ProcessEnv {
  const docker = kinds.map((kind) => DOCKERS[kind]).find(Boolean) ?? "modern";
  return { ...podman.env, ...findEngine(docker)!.env, CONTAINER_HOST: podman.env["CONTAINER_HOST"] };
}

function sourceLocator(kind: string): string {
  if (DOCKERS[kind]) return `docker:${base}`;
  if (kind === "podman") return `podman:docker.io/${base}`;
  if (kind === "containers-storage") return `containers-storage:${podman.store}docker.io/${base}`;
  if (kind === "registry") return `registry:${registry.host}/${base}`;
  if (kind === "-") return "-";
  const file = { gzip: "base.tar.gz", zstd: "base.tar.zst", "oci-archive": "base-oci.tar", oci: "base" }[kind];
  return `${kind.startsWith("oci") ? kind : "docker-archive"}:${join(folder, file ?? "base.tar")}`;
}

function sinkLocator(kind: string): string {
  if (DOCKERS[kind]) return `docker:${TAG}`;
  if (kind === "podman") return `podman:docker.io/${TAG}`;
  if (kind === "containers-storage") return `containers-storage:${podman.store}docker.io/${TAG}`;
  if (kind === "registry") return `registry:${registry.host}/${TAG}`;
  if (kind === "-") return "-";
  const end = { gzip: ".tar.gz", zstd: ".tar.zst", oci: "" }[kind] ?? ".tar";
  return `${kind.startsWith("oci") ? kind : "docker-archive"}:${join(folder, `result${end}`)}`;
}

/** Wraps from one place to another; gives back the digest it printed and the locator of the result. */
async function wrap(from: string, to: string): Promise<{ digest: string; place: string }> {
  const [source, output, env] = [sourceLocator(from), sinkLocator(to), environment(from, to)];
  const names = to === "registry" ? [] : to === "podman" || to === "containers-storage" ? [`docker.io/${TAG}`] : [TAG];
  const file = /^(?:oci|oci-archive|docker-archive):(.*)$/.exec(output)?.[1];
  if (file) await rm(file, { recursive: true, force: true });
  // By the built program where it reads or writes a stream, and for one pair of each kind.
  if (from !== to && from !== "-" && to !== "-") {
    return { digest: (await wrapImage({ source, output, names, env })).digest, place: output };
  }
  const { stdout } = await initwrapOk(
    ["image", source, "-o", output, ...names.flatMap((name) => ["-t", name]), ...(to === "-" ? [] : ["--json"])],
    { env, ...(from === "-" ? { input: await readFile(archive) } : {}) },
  );
  if (to !== "-") return { digest: JSON.parse(stdout.toString()).digest, place: output };
  const place = join(folder, "stdout.tar");
  await writeFile(place, stdout);
  return { digest: "", place };
}

/** The result in a Docker engine, as that engine saved it for the first that reads it. */
const savedArchive = (): string => join(folder, "saved.tar");

/** The config as skopeo reads it: directly where it can, else from what the engine saves. */
async function configBySkopeo(to: string, place: string): Promise<Buffer> {
  const inspect = async (name: string, ...options: string[]): Promise<Buffer> => {
    const args = ["inspect", "--config", "--raw", ...options, name];
    return (await run("skopeo", args, { encoding: "buffer", maxBuffer: 1 << 24 })).stdout;
  };
  if (to === "registry") return inspect(`docker://${registry.host}/${TAG}`, "--tls-verify=false");
  if (to === "podman" || to === "containers-storage") {
    return inspect(`containers-storage:${podman.store.replace("[", "[overlay@")}docker.io/${TAG}`);
  }
  if (to === "gzip") {
    // skopeo 1.9 reads no gzip(1) of what docker saves, either.
    const plain = join(folder, "gunzipped.tar");
    await run("sh", ["-c", `gzip -dc '${place.replace(/^[\w-]+:/, "")}' >'${plain}'`]);
    return inspect(`docker-archive:${plain}`);
  }
  if (!DOCKERS[to]) return inspect(to === "-" ? `docker-archive:${place}` : place);
  await findEngine(DOCKERS[to])!.docker(["save", "--output", savedArchive(), TAG]);
  return inspect(`docker-archive:${savedArchive()}`);
}

/**
 * The result as crane, umoci and buildah read it. A file that was read already, byte for byte, is not read again; `id` is the
 * manifest's digest at the registry.
 */
async function readByOthers(to: string, place: string, id: string): Promise<void> {
  const once = async (key: string, read: () => Promise<void>): Promise<void> => {
    if (ran.has(key)) return;
    await read();
    ran.add(key);
  };
  const entrypoint = expect.arrayContaining(["/initwrap", "--", "/bin/busybox"]);
  if (to === "registry") {
    const name = `${registry.host}/${TAG}`;
    const { manifest, config } = await readRegistryByCrane(name);
    expect([digestOf(manifest), digestOf(config)]).toEqual([id, wrapped]);
    return once(`buildah ${id}`, async () => {
      expect(await entrypointByBuildah(`docker://${name}`)).toEqual(entrypoint);
    });
  }
  if (to === "oci") {
    const layout = place.slice("oci:".length);
    const index = await readFile(join(layout, "index.json"), "utf8");
    return once(`readers ${index}`, async () => {
      expect(await entrypointByBuildah(`oci:${basename(layout)}`, dirname(layout))).toEqual(entrypoint);
      const { mediaType } = JSON.parse(index).manifests[0] as { mediaType: string };
      // Umoci reads no manifest of Docker's own kind, and a result keeps the kind that it had.
      if (mediaType.startsWith("application/vnd.docker.")) return;
      const { args, init } = await unpackByUmoci(layout, TAG.split(":")[1]!);
      expect(args.slice(0, 5)).toEqual(["/initwrap", "--", "/bin/busybox", "sh", "-c"]);
      expect(init.subarray(0, 4).toString()).toBe("\u007fELF");
    });
  }
  const file = place.replace(/^[\w-]+:/, "");
  const read = join(folder, "read.tar");
  await rm(read, { force: true });
  if (DOCKERS[to]) await copyFile(savedArchive(), read);
  else if (to === "podman" || to === "containers-storage") {
    await podman.podman(["save", "--quiet", "--output", read, `docker.io/${TAG}`]);
  } else if (to === "gzip" || to === "zstd") await run("sh", ["-c", `${to} -dc '${file}' >'${read}'`]);
  else await copyFile(file, read);
  await once(`readers ${digestOf(await readFile(read))}`, async () => {
    await validateArchiveByCrane(read);
    const kind = to === "oci-archive" ? to : "docker-archive";
    expect(await entrypointByBuildah(`${kind}:${read}`)).toEqual(entrypoint);
  });
}

/** What has been run: an engine and the digest of the file that it loaded, or a manifest's digest in the registry. */
const ran = new Set<string>();

/** Loads the result by the engines' own tools and runs it: in all of them, or in the one that it was put into. */
async function runResult(to: string, place: string, digest: string): Promise<void> {
  const check = (printed: string): void => {
    expect(printed).toMatch(/^pid \d+ in \/work says hello\n\/initwrap -- \/bin\/busybox sh -c echo pid/);
    expect(printed).not.toMatch(/^pid 1 /);
  };
  const byPodman = async (name: string): Promise<void> => {
    check(
      await podman.podman(["run", "--rm", "--network=none", `docker.io/${name}`.replace(/^docker.io\/127/, "127")]),
    );
  };
  const byDocker = async (one: Engine, name: string): Promise<void> => {
    check((await runContainer(one, name)).stdout);
  };
  if (DOCKERS[to]) return byDocker(findEngine(DOCKERS[to])!, TAG);
  if (to === "podman" || to === "containers-storage") return byPodman(TAG);
  const engines = Object.values(DOCKERS).map((name) => findEngine(name)!);
  if (to === "registry") {
    if (ran.has(digest)) return;
    ran.add(digest);
    const name = `${registry.host}/${TAG}`;
    for (const one of engines) {
      await one.docker(["pull", "--quiet", name]);
      await byDocker(one, name);
      await one.docker(["rmi", "--force", name]);
    }
    await podman.podman(["pull", "--quiet", "--tls-verify=false", name]);
    await byPodman(name);
    await podman.podman(["rmi", "--force", name]);
    return;
  }
  const file = place.replace(/^[\w-]+:/, "");
  const plain = join(folder, "plain.tar");
  if (to === "oci") await run("tar", ["-C", file, "-cf", plain, "."]);
  else if (to === "gzip" || to === "zstd") await run("sh", ["-c", `${to} -dc '${file}' >'${plain}'`]);
  else await copyFile(file, plain);
  const key = to === "oci" ? `oci ${await readFile(join(file, "index.json"))}` : digestOf(await readFile(plain));
  for (const one of engines) {
    if (ran.has(`${one.name} ${key}`)) continue;
    let input = plain;
    if (to === "oci" && one.name !== "modern") {
      // The graph driver reads Docker's layout only.
      input = join(folder, "converted.tar");
      await rm(input, { force: true });
      await run("skopeo", ["copy", "--quiet", `oci:${file}`, `docker-archive:${input}:${TAG}`]);
    }
    await one.docker(["rmi", "--force", TAG], { check: false });
    await one.docker(["load", "--input", input]);
    await byDocker(one, TAG);
    ran.add(`${one.name} ${key}`);
  }
  if (ran.has(`podman ${key}`)) return;
  await podman.podman(["rmi", "--force", "--ignore", `docker.io/${TAG}`]).catch(() => undefined);
  await podman.podman(["load", "--quiet", "--input", plain]);
  await byPodman(TAG);
  ran.add(`podman ${key}`);
}

/** Only Entrypoint, one history entry, one diff_id and our labels differ. */
function compareConfigs(before: Config, after: Config): void {
  expect(after.config["Entrypoint"]).toEqual(["/initwrap", "--", ...(before.config["Entrypoint"] as string[])]);
  expect(after.history.slice(0, -1)).toEqual(before.history);
  expect(after.history.at(-1)!.created_by).toContain("initwrap");
  expect(after.rootfs.diff_ids.slice(0, -1)).toEqual(before.rootfs.diff_ids);
  const { "io.initwrap.version": _version, "io.initwrap.undo": _undo, ...labels } = after.config.Labels;
  expect(labels).toEqual(before.config.Labels);
  const rest = (config: Config): unknown => ({
    ...config,
    history: 0,
    rootfs: 0,
    config: { ...config.config, Entrypoint: 0, Labels: 0 },
  });
  expect(rest(after)).toEqual(rest(before));
}

const KEEPS_NO_MANIFEST = new Set(["docker, graph driver", "docker 20.10", "podman", "containers-storage"]);

describe.each(KINDS)("from %s", (from) => {
  // One run has one engine behind docker:.
  const sinks = KINDS.filter((to) => !DOCKERS[from] || !DOCKERS[to] || from === to);
  it.each(sinks)("to %s: runs behind the init, and nothing else differs", { timeout: 180_000 }, async (to) => {
    const context = { skip: (): void => undefined };
    const engines = Object.values(DOCKERS).every((name) => findEngine(name));
    requireCapability(context, "every container engine", engines);
    requireCapability(context, "podman and docker-registry", podmanAvailable && registryAvailable);
    requireCapability(context, "crane, umoci and buildah", readersAvailable);
    if (!engines || !podmanAvailable || !registryAvailable || !readersAvailable) return;
    const { digest, place } = await wrap(from, to);

    const bytes = await configBySkopeo(to, place);
    wrapped ??= digestOf(bytes);
    expect(digestOf(bytes)).toBe(wrapped);
    compareConfigs(JSON.parse(original.bytes.toString()), JSON.parse(bytes.toString()));
    if (KEEPS_NO_MANIFEST.has(to)) expect(digest).toBe(wrapped);
    await runResult(to, place, digest);
    await readByOthers(to, place, digest);
    if (to === "-") return;

    const env = environment(from, to);
    if (!KEEPS_NO_MANIFEST.has(to)) {
      const input = from === "-" ? archive : sourceLocator(from);
      const [before, after] = [(await imageAt(input, env)).manifest, (await imageAt(place, env)).manifest];
      expect(after.layers.slice(0, -1)).toEqual(before.layers);
      const own = /^(io\.initwrap\.undo|org\.opencontainers\.image\.base\.(name|digest))$/;
      const others = Object.entries(after.annotations ?? {}).filter(([name]) => !own.test(name));
      expect(Object.fromEntries(others)).toEqual(before.annotations ?? {});
      const rest = (manifest: Manifest): unknown => ({ ...manifest, config: 0, layers: 0, annotations: 0 });
      expect(rest(after)).toEqual(rest(before));
    }
    // Back again, in place: the original's config.
    const undone = await wrapImage({ source: place, action: "undo", env });
    expect(undone.plan.platforms[0]!.after.config).toBe(original.digest);
    expect(digestOf((await imageAt(place, env)).config)).toBe(original.digest);
  });
});

describe.each(KINDS.filter((kind) => kind !== "-"))("--dry-run from %s", (from) => {
  it.each(["docker-archive", "registry", "podman", DOCKERS[from] ? from : "docker"])(
    "says the digest and the names that a run to %s gives",
    async (to) => {
      if (!engine || !podmanAvailable || !registryAvailable) return;
      const env = environment(from, to);
      // A short name, which podman takes for another one than Docker; and the place's own where there is none.
      const names = to === "registry" ? [] : [TAG];
      const request = { source: sourceLocator(from), output: sinkLocator(to), names, env };
      await rm(join(folder, "result.tar"), { force: true });
      const foreseen = await wrapImage({ ...request, apply: false });
      const done = await wrapImage(request);
      expect([done.digest, done.names]).toEqual([foreseen.digest, foreseen.names]);
    },
  );
});

/** The CLI, talking to the tests' engine. */
const ok = (args: readonly string[]) => initwrapOk(args, engine ? { env: engine.env } : {});

describe("initwrap image", () => {
  it("has nothing to do the second time, and says so by --check", async () => {
    if (!engine) return;
    const copy = join(folder, "twice.tar");
    await run("cp", [archive, copy]);
    expect((await initwrap(["image", "--check", copy])).status).toBe(1);
    const first = await ok(["image", copy]);
    const bytes = await readFile(copy);
    expect((await initwrap(["image", "--check", copy])).status).toBe(0);
    expect((await ok(["image", copy])).stdout.toString()).toBe(first.stdout.toString());
    expect((await readFile(copy)).equals(bytes)).toBe(true);
  });

  it("fails with a code for what is missing", async () => {
    const cases: readonly (readonly [args: string[], status: number, env?: NodeJS.ProcessEnv])[] = [
      [["nowhere.tar"], 3],
      [["docker:initwrap-test/none:1"], 6, { DOCKER_HOST: "unix:///nowhere/docker.sock" }],
      [["podman:initwrap-test/none:1"], 6, { CONTAINER_HOST: "unix:///nowhere/podman.sock" }],
      [["containers-storage:[options]initwrap-test/none:1"], 3],
      [["oci:/nowhere"], 3],
      [["UPPER CASE"], 3],
      [["--platform", "???", "x.tar"], 2],
      [[], 2],
    ];
    for (const [args, status, env] of cases) {
      const result = await initwrap(["image", ...args], env ? { env } : {});
      expect({ args, status: result.status }).toEqual({ args, status });
      expect(result.stdout.toString()).toBe("");
    }
  });

  it("leaves the old file when the disk is full, in place and with -o", async (context) => {
    if (!engine || process.getuid?.() !== 0) return context.skip("mounting a small file system needs root");
    const mount = join(folder, "small");
    await run("mkdir", [mount]);
    const size = Math.ceil((await stat(archive)).size / 4096) * 4096 + 8192;
    await run("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", mount]);
    try {
      const path = join(mount, "a.tar");
      await run("cp", [archive, path]);
      const before = await readFile(path);
      for (const args of [[path], [archive, "-o", path]]) {
        const result = await initwrap(["image", ...args]);
        expect({ args, status: result.status, stderr: result.stderr }).toMatchObject({ status: 7 });
        expect(result.stderr).toContain("full");
        expect((await readFile(path)).equals(before)).toBe(true);
        expect((await run("ls", ["-A", mount])).stdout.trim()).toBe("a.tar");
      }
    } finally {
      await run("umount", [mount]);
    }
  });
});

describe("an interrupted run", () => {
  let archiveMade: Promise<string> | undefined;
  /** An image of 150 MB that cannot be compressed, made once. */
  const bigArchive = (from: Engine): Promise<string> => (archiveMade ??= makeBigArchive(from));
  async function makeBigArchive(from: Engine): Promise<string> {
    const place = await mkdtemp(join(folder, "big-"));
    const [noise, made] = [join(place, "noise"), join(place, "big.tar")];
    await run("sh", ["-c", `head -c 150000000 /dev/urandom > ${noise}`]);
    const context = await buildContext('FROM scratch\nCOPY noise /noise\nCMD ["/noise"]\n', [noise]);
    const tag = freshTag("big");
    await from.docker(["build", "--quiet", "--provenance=false", "--tag", tag, context], {
      env: { DOCKER_BUILDKIT: "1" },
    });
    await removeContext(context);
    await from.docker(["save", "--output", made, tag]);
    await from.docker(["rmi", "--force", tag], { check: false });
    return made;
  }

  it.each(["SIGINT", "SIGTERM"] as const)(
    "by %s ends the service that it started for containers-storage",
    async (signal) => {
      requireCapability({ skip: () => undefined }, "podman", podmanAvailable);
      if (!podman) return;
      const temporary = await mkdtemp(join(folder, "tmp-"));
      const name = freshTag("interrupted");
      const locator = `containers-storage:${podman.store}docker.io/${base}`;
      const child = spawn(process.execPath, [CLI, "image", locator, "-t", name], {
        stdio: "ignore",
        env: { ...podman.env, TMPDIR: temporary },
      });
      const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
      for (let waited = 0; waited < 20_000 && (await readdir(temporary)).length === 0; waited += 5) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(await readdir(temporary)).not.toEqual([]);
      child.kill(signal);
      expect(await ended).toBe(signal === "SIGINT" ? 130 : 143);
      // The folder of the service's socket goes when the service has gone.
      expect(await readdir(temporary)).toEqual([]);
      expect(await podman.podman(["images", "--format", "{{.Repository}}"])).not.toMatch(
        /initwrap\.invalid|interrupted/,
      );
    },
  );

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("by %s leaves neither half a file nor a temporary one", { timeout: 180_000 }, async (signal, status) => {
    if (!engine) return;
    // A slow way on purpose: compressing gives the signal time to arrive in the middle.
    const source = await bigArchive(engine);
    const place = await mkdtemp(join(folder, "interrupted-"));
    const big = join(place, "big.tar.gz");
    const child = spawn(process.execPath, [CLI, "image", source, "-o", big], { stdio: ["ignore", "pipe", "pipe"] });
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    for (let waited = 0; waited < 10_000 && (await readdir(place)).length === 0; waited += 10) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(await readdir(place)).not.toEqual([]);
    child.kill(signal);
    expect(await ended).toBe(status);
    expect(await readdir(place)).toEqual([]);
  });
});
