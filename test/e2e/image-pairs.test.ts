/** Every kind of source into every kind of sink, by the built program; each result is loaded and run, and compared. */
import { execFile, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Descriptor } from "../../packages/cli/src/model/descriptor.ts";
import { ArchiveSource } from "../../packages/cli/src/store/archive.ts";
import { requireCapability } from "../support/capability.ts";
import { CLI, initwrap, initwrapOk } from "../support/cli.ts";
import { type Engine, findEngine } from "../support/engine.ts";
import { buildContext, freshTag, removeContext } from "../support/images.ts";

const run = promisify(execFile);
const engine = findEngine("modern");
let folder: string;
let base: string;
let archive: string;

interface Config {
  readonly config: Record<string, unknown> & { readonly Labels: Record<string, string> };
  readonly history: readonly { readonly created_by: string }[];
  readonly rootfs: { readonly diff_ids: readonly string[] };
  readonly [field: string]: unknown;
}

/** The config of the one image in an archive that docker save wrote. */
async function configIn(path: string): Promise<Config> {
  const source = await ArchiveSource.open(path, undefined, { env: {}, layers: true });
  try {
    let { descriptor } = await source.root();
    for (;;) {
      const document = JSON.parse(Buffer.from(await source.read(descriptor)).toString()) as {
        config?: Descriptor;
        manifests?: Descriptor[];
      };
      if (document.config) return JSON.parse(Buffer.from(await source.read(document.config)).toString()) as Config;
      descriptor = document.manifests![0]!;
    }
  } finally {
    await source.close();
  }
}

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
});
afterAll(async () => {
  if (!engine) return;
  await engine.docker(["rmi", "--force", base], { check: false });
  await rm(folder, { recursive: true, force: true });
});

/** The CLI, talking to the tests' engine. */
const ok = (args: readonly string[]) => initwrapOk(args, engine ? { env: engine.env } : {});

const SOURCES = ["docker", "docker-archive", "gzip", "oci-archive", "oci"] as const;
const SINKS = ["docker", "docker-archive", "gzip", "zstd", "oci-archive", "oci", "stdout"] as const;

/** A locator of the unwrapped image in each kind of place, made by our own transfer of a platform that is left alone. */
async function sourceOf(kind: (typeof SOURCES)[number]): Promise<string> {
  if (kind === "docker") return base;
  if (kind === "docker-archive") return archive;
  const place = {
    gzip: join(folder, "base.tar.gz"),
    "oci-archive": join(folder, "base-oci.tar"),
    oci: join(folder, "base-oci"),
  }[kind];
  const locator = kind === "gzip" ? place : `${kind}:${place}`;
  if (!(await stat(place).catch(() => undefined))) await ok(["image", "--undo", archive, "-o", locator]);
  return locator;
}

async function loadAndRun(
  engine: Engine,
  kind: (typeof SINKS)[number],
  place: string,
  tag: string,
  stdout: Buffer,
): Promise<string> {
  if (kind === "stdout") await engine.docker(["load"], { input: stdout });
  else if (kind === "zstd")
    await engine.docker(["load"], {
      input: (await run("zstd", ["-dc", place], { encoding: "buffer", maxBuffer: 1 << 28 })).stdout,
    });
  else if (kind === "oci") {
    const { stdout: tar } = await run("tar", ["-C", place, "-c", "."], { encoding: "buffer", maxBuffer: 1 << 28 });
    await engine.docker(["load"], { input: tar });
  } else if (kind !== "docker") await engine.docker(["load", "--input", place]);
  return (await engine.docker(["run", "--rm", "--network=none", tag])).stdout;
}

describe.each(SOURCES)("from %s", (from) => {
  it.each(SINKS)("to %s: runs behind the init, and nothing else of its config differs", async (to) => {
    requireCapability({ skip: () => undefined } as never, 'the container engine "modern"', engine !== undefined);
    if (!engine) return;
    const tag = freshTag("pair");
    const place = join(
      folder,
      `${from}-${to}${to === "gzip" ? ".tar.gz" : to === "zstd" ? ".tar.zst" : to === "oci" ? "" : ".tar"}`,
    );
    const output =
      to === "docker"
        ? `docker:${tag}`
        : to === "stdout"
          ? "-"
          : to === "gzip" || to === "zstd"
            ? place
            : `${to}:${place}`;
    const source = await sourceOf(from);
    const plan = JSON.parse(
      (await ok(["image", source, "-o", output, "-t", tag, "--dry-run", "--json"])).stdout.toString(),
    ) as { digest: string };
    const { stdout, stderr } = await ok(["image", source, "-o", output, "-t", tag]);
    expect(to === "stdout" ? stderr : stdout.toString()).toContain(`${tag}@${plan.digest}`);

    const printed = await loadAndRun(engine, to, place, tag, stdout);
    expect(printed).toMatch(/^pid \d+ in \/work says hello\n\/initwrap -- \/bin\/busybox sh -c echo pid/);
    expect(printed).not.toMatch(/^pid 1 /);

    const saved = join(folder, "saved.tar");
    await engine.docker(["save", "--output", saved, tag]);
    const [before, after] = [await configIn(archive), await configIn(saved)];
    expect(after.config["Entrypoint"]).toEqual(["/initwrap", "--", ...(before.config["Entrypoint"] as string[])]);
    expect(after.history.slice(0, -1)).toEqual(before.history);
    expect(after.history.at(-1)!.created_by).toContain("initwrap");
    expect(after.rootfs.diff_ids.slice(0, -1)).toEqual(before.rootfs.diff_ids);
    const { "io.initwrap.version": _version, "io.initwrap.undo": _undo, ...labels } = after.config.Labels;
    const rest = (config: Config): unknown => ({
      ...config,
      history: 0,
      rootfs: 0,
      config: { ...config.config, Entrypoint: 0, Labels: 0 },
    });
    expect(labels).toEqual(before.config.Labels);
    expect(rest(after)).toEqual(rest(before));

    // Back again, in place: the original's digest.
    if (to !== "stdout") {
      const undone = JSON.parse(
        (await ok(["image", "--undo", "--json", to === "docker" ? tag : place])).stdout.toString(),
      ) as { platforms: { after: { config: string } }[] };
      const original = JSON.parse((await ok(["image", "--dry-run", "--json", source])).stdout.toString()) as {
        platforms: { before: { config: string } }[];
      };
      expect(undone.platforms[0]!.after.config).toBe(original.platforms[0]!.before.config);
    }
    await engine.docker(["rmi", "--force", tag], { check: false });
  });
});

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

  it("has one config digest in every sink", async () => {
    if (!engine) return;
    const digests = new Set<string>();
    for (const kind of SOURCES) {
      const document = JSON.parse(
        (await ok(["image", "--dry-run", "--json", await sourceOf(kind)])).stdout.toString(),
      ) as { platforms: { after: { config: string } }[] };
      digests.add(document.platforms[0]!.after.config);
    }
    expect(digests.size).toBe(1);
  });

  it("fails with a code for what is missing", async () => {
    const cases: readonly (readonly [args: string[], status: number, env?: NodeJS.ProcessEnv])[] = [
      [["nowhere.tar"], 3],
      [["docker:initwrap-test/none:1"], 6, { DOCKER_HOST: "unix:///nowhere/docker.sock" }],
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
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("by %s leaves neither half a file nor a temporary one", async (signal, status) => {
    if (!engine) return;
    const place = join(folder, `interrupted-${signal}`);
    await run("mkdir", [place]);
    const big = join(place, "big.tar.gz");
    // A slow way on purpose: compressing gives the signal time to arrive in the middle.
    await run("sh", ["-c", `head -c 150000000 /dev/urandom > ${place}/noise`]);
    const context = await buildContext('FROM scratch\nCOPY noise /noise\nCMD ["/noise"]\n', [join(place, "noise")]);
    const tag = freshTag("big");
    await engine.docker(["build", "--quiet", "--provenance=false", "--tag", tag, context], {
      env: { DOCKER_BUILDKIT: "1" },
    });
    await removeContext(context);
    await run("rm", [join(place, "noise")]);
    const source = join(folder, `big-${signal}.tar`);
    await engine.docker(["save", "--output", source, tag]);
    await engine.docker(["rmi", "--force", tag], { check: false });

    const child = spawn(process.execPath, [CLI, "image", source, "-o", big], { stdio: ["ignore", "pipe", "pipe"] });
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    for (let waited = 0; waited < 10_000 && (await readdir(place)).length === 0; waited += 10) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(await readdir(place)).not.toEqual([]);
    child.kill(signal);
    expect(await ended).toBe(status);
    expect(await readdir(place)).toEqual([]);
    await rm(source);
  });
});
