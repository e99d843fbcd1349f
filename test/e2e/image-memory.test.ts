/** The memory of a run does not depend on the image: what the kernel says the process had at most, on every way a layer takes. */
import { execFile, spawn } from "node:child_process";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { ociArchiveMedium } from "../../packages/cli/src/store/oci-archive.ts";
import { requireCapability } from "../support/capability.ts";
import { CLI } from "../support/cli.ts";
import { type Front, startFront } from "../support/front.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { putImage, sampleImage } from "../support/sample-image.ts";

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
  ["an archive into a registry that takes pieces only", "big.tar", "registry:PIECES/big:2"],
  ["an archive into a registry that takes large pieces only", "big.tar", "registry:PIECES/big-pieces:3"],
  ["a registry into an archive", "registry:REGISTRY/big:1", "pulled.tar"],
])("%s, of 160 MB", async (_, source, target) => {
  const status = join(folder, "status");
  const place = (locator: string): string =>
    locator.replace("REGISTRY", registry!.host).replace("PIECES", front?.host ?? "");
  const child = spawn(
    process.execPath,
    [
      "--import",
      `data:text/javascript,${encodeURIComponent(WITNESS)}`,
      CLI,
      "image",
      place(source),
      "-o",
      place(target),
      "-q",
    ],
    { cwd: folder, env: { ...process.env, WITNESS: status }, stdio: ["pipe", "pipe", "inherit"] },
  );
  if (source === "-") createReadStream(join(folder, "big.tar")).pipe(child.stdin);
  else child.stdin.end();
  if (target === "-") child.stdout.pipe(createWriteStream(join(folder, "stdout.tar")));
  else child.stdout.resume();
  expect(await new Promise((resolve) => child.on("close", resolve))).toBe(0);
  const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(await readFile(status, "utf8"))?.[1]) * 1024;
  expect(peak).toBeGreaterThan(40 * MB);
  expect(peak).toBeLessThan(LIMIT);
});
