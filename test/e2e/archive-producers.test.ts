/**
 * Archives of every producer, changed in place: the layers stay where they are, only the tail is written, the result is the same
 * image whoever wrote the archive, and every reader and loader takes it.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { wrapImage } from "../../packages/cli/src/wrap/image.ts";
import { requireCapability } from "../support/capability.ts";
import { type EngineName, findEngine } from "../support/engine.ts";
import { pullByCrane, readersAvailable, validateArchiveByCrane } from "../support/image-readers.ts";
import { buildContext, freshTag, removeContext, runContainer } from "../support/images.ts";
import { podmanAvailable, startPodman, type TestPodman } from "../support/podman.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";

const run = promisify(execFile);
const ENGINES: readonly EngineName[] = ["modern", "modern-graph", "classic"];
const isComplete = ENGINES.every(findEngine) && podmanAvailable && registryAvailable && readersAvailable;
const tag = freshTag("producers");
const env = { HOME: "/nonexistent" };

let folder: string;
let base: string;
let context: string;
let podman: TestPodman;
let registry: TestRegistry;
/** The config of one image, wrapped. */
let wrapped: string | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-producers-"));
  if (!isComplete) return;
  const busybox = (await run("sh", ["-c", "command -v busybox"])).stdout.trim();
  context = await buildContext(
    'FROM scratch\nCOPY busybox /bin/busybox\nCOPY Dockerfile /\nENTRYPOINT ["/bin/busybox"]\nCMD ["cat", "/proc/1/cmdline"]\n',
    [busybox],
  );
  base = join(folder, "base.tar");
  const engine = findEngine("modern")!;
  await engine.docker(["build", "--quiet", "--provenance=false", "--tag", tag, context], {
    env: { DOCKER_BUILDKIT: "1" },
  });
  await engine.docker(["save", "--output", base, tag]);
  for (const name of ["modern-graph", "classic"] as const) await findEngine(name)!.docker(["load", "--input", base]);
  [podman, registry] = [await startPodman(), await startRegistry()];
  await podman.podman(["load", "--quiet", "--input", base]);
  const name = `${registry.host}/${tag}`;
  await run("skopeo", ["copy", "--quiet", "--dest-tls-verify=false", `docker-archive:${base}`, `docker://${name}`]);
  // Before any result is loaded, for that takes the name.
  for (const [producer, produce] of PRODUCERS) await produce(archiveOf(producer));
});
afterAll(async () => {
  if (isComplete) {
    for (const name of ENGINES) await findEngine(name)!.docker(["rmi", "--force", tag], { check: false });
    await podman.stop();
    await registry.stop();
    await removeContext(context);
  }
  await rm(folder, { recursive: true, force: true });
});

const saved = (name: EngineName) => (path: string) => findEngine(name)!.docker(["save", "--output", path, tag]);
const byPodman = (format: string) => (path: string) =>
  podman.podman(["save", "--quiet", "--format", format, "--output", path, `docker.io/${tag}`]);
const bySkopeo = (scheme: string) => (path: string) =>
  run("skopeo", ["copy", "--quiet", `docker-archive:${base}`, `${scheme}:${path}:docker.io/${tag}`]);
const byBuildx = (type: string) => (path: string) =>
  findEngine("modern")!.docker(
    [
      "buildx",
      "build",
      "--quiet",
      "--provenance=false",
      "--tag",
      tag,
      "--output",
      `type=${type},dest=${path}`,
      context,
    ],
    { env: { DOCKER_BUILDKIT: "1" } },
  );

const PRODUCERS: readonly (readonly [
  name: string,
  produce: (path: string) => Promise<unknown>,
  kind: "docker-archive" | "oci-archive",
])[] = [
  ["docker save, containerd's store", saved("modern"), "docker-archive"],
  ["docker save, the graph driver", saved("modern-graph"), "docker-archive"],
  ["docker save, 20.10", saved("classic"), "docker-archive"],
  ["podman save, Docker's kind", byPodman("docker-archive"), "docker-archive"],
  ["podman save, OCI's kind", byPodman("oci-archive"), "oci-archive"],
  ["skopeo copy, Docker's kind", bySkopeo("docker-archive"), "docker-archive"],
  ["skopeo copy, OCI's kind", bySkopeo("oci-archive"), "oci-archive"],
  ["crane pull", (path) => pullByCrane(`${registry.host}/${tag}`, path), "docker-archive"],
  ["buildx, Docker's kind", byBuildx("docker"), "docker-archive"],
  ["buildx, OCI's kind", byBuildx("oci"), "oci-archive"],
];
const archiveOf = (producer: string): string => join(folder, `${producer.replace(/\W+/g, "-")}.tar`);

it.each(PRODUCERS)("%s", async (producer, _, kind) => {
  requireCapability({ skip: () => undefined }, "every engine, podman, skopeo, crane and docker-registry", isComplete);
  if (!isComplete) return;
  const path = archiveOf(producer);
  const before = await readFile(path);
  const { receipt, plan, names } = await wrapImage({ source: path, env });
  const after = await readFile(path);
  // The layers are most of it.
  let same = 0;
  while (same < before.length && before[same] === after[same]) same++;
  expect(same).toBeGreaterThan(before.length * 0.9);
  expect(receipt!.bytesMoved).toBeLessThan(128 << 10);
  const { config } = plan.platforms[0]!.after;
  wrapped ??= config!;
  // OCI's kind has a config that was written anew, and buildx builds another image.
  if (kind === "docker-archive" && !producer.startsWith("buildx")) expect(config).toBe(wrapped);

  const read = ["inspect", "--config", "--raw", `${kind}:${path}`];
  const entrypoint = JSON.parse((await run("skopeo", read)).stdout).config.Entrypoint;
  expect(entrypoint).toEqual(["/initwrap", "--", "/bin/busybox"]);
  if (kind === "docker-archive") await validateArchiveByCrane(path);
  // Docker 20.10 reads Docker's kind only.
  for (const name of kind === "docker-archive" ? (["modern", "classic"] as const) : (["modern"] as const)) {
    const engine = findEngine(name)!;
    const loaded = /Loaded image(?: ID)?: (\S+)/.exec((await engine.docker(["load", "--input", path])).stdout)![1]!;
    const { stdout } = await runContainer(engine, loaded);
    expect([name, stdout.replaceAll("\0", " ")]).toEqual([name, "/initwrap -- /bin/busybox cat /proc/1/cmdline "]);
  }

  expect((await wrapImage({ source: path, env })).plan.changed).toBe(false);
  const undone = await wrapImage({ source: path, env, action: "undo" });
  expect(undone.plan.platforms[0]!.after.config).toBe(plan.platforms[0]!.before.config);
  expect(undone.names).toEqual(names);
  expect((await wrapImage({ source: path, env, apply: false })).plan.after).toEqual(plan.after);
});
