/** Other programs that read images: what they make of a result. Each rejects when its program finds something wrong. */
import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const installed = (program: string): boolean => spawnSync("sh", ["-c", `command -v "${program}"`]).status === 0;
/** Debian's from sid (engines/crane.sh), or the machine's own. */
const CRANE = process.env["INITWRAP_TEST_CRANE"] ?? "crane";

/** True when crane, umoci and buildah are there. */
export const readersAvailable = [CRANE, "umoci", "buildah"].every(installed);

export const hasCrane = installed(CRANE);
export const hasBuildah = installed("buildah");

async function crane(...args: readonly string[]): Promise<Buffer> {
  return (await run(CRANE, ["--insecure", ...args], { encoding: "buffer", maxBuffer: 1 << 24 })).stdout;
}

/** The manifest's and the config's own bytes, once crane has fetched, inflated and hashed every layer. */
export async function readRegistryByCrane(name: string): Promise<{ manifest: Buffer; config: Buffer }> {
  const manifest = await crane("manifest", name);
  const { layers } = JSON.parse(manifest.toString()) as { layers: readonly { mediaType: string }[] };
  // It inflates whatever a layer's media type says, and so can only look whether the blobs are there where one is plain.
  const plain = layers.some(({ mediaType }) => mediaType.endsWith(".tar"));
  await crane("validate", "--remote", name, ...(plain ? ["--fast"] : []));
  return { manifest, config: await crane("config", name) };
}

type Document = Readonly<Record<string, unknown>>;

export async function manifestByCrane(name: string): Promise<Document> {
  return JSON.parse((await crane("manifest", name)).toString());
}

export async function configByCrane(name: string): Promise<Document> {
  return JSON.parse((await crane("config", name)).toString());
}

/** `crane mutate`, which sets what its flags say. */
export async function mutateByCrane(name: string, flags: readonly string[]): Promise<void> {
  await crane("mutate", name, ...flags);
}

/** Fetches an image into an archive of Docker's kind, as crane writes it. */
export async function pullByCrane(name: string, path: string): Promise<void> {
  await crane("pull", name, path);
}

/** A plain archive, by Docker's manifest.json: every layer is read and hashed. */
export async function validateArchiveByCrane(path: string): Promise<void> {
  await crane("validate", "--tarball", path);
}

/** Unpacks an OCI layout as a bundle for a runtime: the arguments of its process, and the init in its root. */
export async function unpackByUmoci(layout: string, tag: string): Promise<{ args: readonly string[]; init: Buffer }> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-umoci-"));
  try {
    const bundle = join(folder, "bundle");
    await run("umoci", ["unpack", "--image", `${layout}:${tag}`, bundle]);
    const { process } = JSON.parse(await readFile(join(bundle, "config.json"), "utf8"));
    return { args: process.args, init: await readFile(join(bundle, "rootfs/initwrap")) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Pulls an image (`docker-archive:FILE`, `docker://NAME`...) into a storage of its own, and says what it would start.
 * A path is below `directory`: buildah makes the image's name of the path of a layout, and takes no capitals in it.
 */
export function entrypointByBuildah(image: string, directory = "/"): Promise<readonly string[]> {
  return inStore(directory, async (buildah) => {
    const id = (await buildah("pull", "--quiet", "--tls-verify=false", image)).trim();
    return JSON.parse(await buildah("inspect", "--type", "image", id)).OCIv1.config.Entrypoint;
  });
}

/** Builds the folder's Dockerfile, which must not run anything; the entrypoint of what it gives. */
export function buildsByBuildah(folder: string): Promise<readonly string[]> {
  return inStore(folder, async (buildah) => {
    const id = (await buildah("build", "--quiet", "--isolation", "chroot", ".")).trim();
    return JSON.parse(await buildah("inspect", "--type", "image", id)).OCIv1.config.Entrypoint;
  });
}

type Buildah = (...args: readonly string[]) => Promise<string>;

/** With a storage of its own. */
async function inStore<T>(directory: string, work: (buildah: Buildah) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-buildah-"));
  const store = ["--root", join(folder, "root"), "--runroot", join(folder, "run"), "--storage-driver", "vfs"];
  try {
    return await work(async (...args) => (await run("buildah", [...store, ...args], { cwd: directory })).stdout);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
