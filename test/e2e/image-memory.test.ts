/** The memory of a run does not depend on the image: what the kernel says the process had at most, on every way a layer takes. */
import { execFile, spawn } from "node:child_process";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { digestOf } from "../../packages/cli/src/model/digest.ts";
import { OCI_CONFIG, OCI_LAYER_TAR, OCI_MANIFEST } from "../../packages/cli/src/model/media-types.ts";
import { parseReference } from "../../packages/cli/src/model/reference.ts";
import { ociArchiveMedium } from "../../packages/cli/src/store/oci-archive.ts";
import { RegistrySession } from "../../packages/cli/src/store/registry/session.ts";
import { openRegistrySink } from "../../packages/cli/src/store/registry/sink.ts";
import { tarOf } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { CLI } from "../support/cli.ts";
import { type Front, startFront } from "../support/front.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { noise, putImage, sampleImage } from "../support/sample-image.ts";

const run = promisify(execFile);
const MB = 1_000_000;
/** A run has 85 to 120 MB, 45 of which are Node's own. Chunks that are not collected add 60 MB. */
const LIMIT = 135 * MB;
/** What it says of itself when it ends. Source: proc_pid_status(5), VmHWM. */
const WITNESS = `import { readFileSync, writeFileSync } from "node:fs";
process.on("exit", () => writeFileSync(process.env.WITNESS, readFileSync("/proc/self/status")));`;

let folder: string;
let registry: TestRegistry | undefined;
let front: Front | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-memory-"));
  const sink = await ociArchiveMedium.sink(join(folder, "big.tar"), { env: {}, names: ["docker.io/library/big:1"] });
  await putImage(sink, sampleImage("big", [80 * MB, 80 * MB]));
  await sink.close();
  await run("sh", ["-c", "gzip -1 -k big.tar && zstd -q -1 -k big.tar"], { cwd: folder });
  if (!registryAvailable) return;
  registry = await startRegistry();
  front = await startFront(registry.host, {
    before: ({ method, headers }, outgoing) => {
      const isTooLarge = method === "PUT" && Number(headers["content-length"]) > MB;
      if (isTooLarge) outgoing.writeHead(413).end();
      return isTooLarge;
    },
    after: ({ method, path }, { headers }) => {
      if (method === "POST" && path.includes("big-pieces")) headers["oci-chunk-min-length"] = String(32 << 20);
    },
  });
}, 60_000);
afterAll(async () => {
  await front?.stop();
  await registry?.stop();
  await rm(folder, { recursive: true, force: true });
});
beforeEach((context) => requireCapability(context, "docker-registry", registryAvailable));

it.each([
  ["a gzip archive into a plain one", "big.tar.gz", "plain.tar"],
  ["a zstd archive into a layout", "big.tar.zst", "oci:layout"],
  ["a plain archive into a gzip one", "big.tar", "packed.tar.gz"],
  ["standard input to standard output", "-", "-"],
  ["an archive into a registry", "big.tar", "registry:REGISTRY/big:1"],
  ["an archive into a registry that takes pieces only", "big.tar", "registry:PIECES/big-cut:2"],
  ["an archive into a registry that takes large pieces only", "big.tar", "registry:PIECES/big-pieces:3"],
  ["a registry into an archive", "registry:REGISTRY/big:1", "pulled.tar"],
])("%s, of 160 MB", async (_, source, target) => {
  const place = (locator: string): string =>
    locator.replace("REGISTRY", registry!.host).replace("PIECES", front?.host ?? "");
  const from = source === "-" ? "big.tar" : undefined;
  const to = target === "-" ? "stdout.tar" : undefined;
  await staysSmall(["image", place(source), "-o", place(target), "-q"], 0, from, to);
});

it("a layer in a registry that verify looks into, of 120 MB", async () => {
  // Its entrypoint is an init that is in none of its layers.
  const tar = tarOf([["data", noise("looked into", 120 * MB)]]);
  const layer = { mediaType: OCI_LAYER_TAR, digest: digestOf(tar), size: tar.length };
  const image = sampleImage("looked into", [1], ["/initwrap", "--", "/app"]);
  const document = (change: (value: Record<string, unknown>) => object, mediaType: string) => {
    const { bytes } = [...image.blobs.values()].find(({ descriptor }) => descriptor.mediaType === mediaType)!;
    const changed = Buffer.from(JSON.stringify(change(JSON.parse(Buffer.from(bytes).toString()))));
    return { descriptor: { mediaType, digest: digestOf(changed), size: changed.length }, bytes: changed };
  };
  const config = document((value) => ({ ...value, rootfs: { type: "layers", diff_ids: [layer.digest] } }), OCI_CONFIG);
  const root = document((value) => ({ ...value, config: config.descriptor, layers: [layer] }), OCI_MANIFEST);
  const blobs = [{ descriptor: layer, bytes: tar }, config, root];
  const session = new RegistrySession({ env: { HOME: "/nonexistent" } });
  const sink = openRegistrySink(parseReference(`${registry!.host}/looked:1`)!, { session });
  await putImage(sink, {
    root: root.descriptor,
    blobs: new Map(blobs.map((blob) => [blob.descriptor.digest, blob])),
  });
  await session.close();
  await staysSmall(["verify", `registry:${registry!.host}/looked:1`, "--json"], 5);
});

/** Runs the program to an exit `status`; its standard input and output are files, or nothing. */
async function staysSmall(args: readonly string[], status: number, from?: string, to?: string): Promise<void> {
  const witness = join(folder, "status");
  const child = spawn(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(WITNESS)}`, CLI, ...args],
    { cwd: folder, env: { ...process.env, WITNESS: witness }, stdio: ["pipe", "pipe", "inherit"] },
  );
  if (from === undefined) child.stdin.end();
  else createReadStream(join(folder, from)).pipe(child.stdin);
  if (to === undefined) child.stdout.resume();
  else child.stdout.pipe(createWriteStream(join(folder, to)));
  expect(await new Promise((resolve) => child.on("close", resolve))).toBe(status);
  const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(await readFile(witness, "utf8"))?.[1]) * 1024;
  expect(peak).toBeGreaterThan(40 * MB);
  expect(peak).toBeLessThan(LIMIT);
}
