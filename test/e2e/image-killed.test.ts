/**
 * `initwrap image` in place, killed by SIGKILL at random moments: an archive is old or new, or what the next run recovers; a layout
 * names the old image or the new one, whole. The next run makes of each what an undisturbed one makes.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Digest, digestOf } from "../../packages/cli/src/model/digest.ts";
import { sidecarOf } from "../../packages/cli/src/store/splice.ts";
import { sampleImage, tarOf } from "../contract/sample-image.ts";
import { CLI, initwrapOk } from "../support/cli.ts";
import { noise } from "../support/sample-image.ts";

/** Every run starts two processes: the rest of 200 moments is the nightly run's. */
const ROUNDS = process.env["INITWRAP_NIGHTLY"] ? 200 : 12;
const image = sampleImage({ layers: ["small\n", noise("killed", 100_000)] });
const blobName = (digest: Digest): string => `blobs/sha256/${digest.slice("sha256:".length)}`;
const FILES: readonly (readonly [name: string, content: string | Uint8Array])[] = [
  ...image.blobs.map(({ descriptor, bytes }) => [blobName(descriptor.digest), bytes] as const),
  ["oci-layout", '{"imageLayoutVersion":"1.0.0"}'],
  ["index.json", JSON.stringify({ schemaVersion: 2, manifests: [image.root] })],
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-killed-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Starts a wrap of `place` and kills it within the time that one took; false when it had ended before. */
async function kill(place: string, longest: number): Promise<boolean> {
  const child = spawn(process.execPath, [CLI, "image", place], { stdio: "ignore" });
  const ended = once(child, "exit");
  const timer = setTimeout(() => child.kill("SIGKILL"), Math.random() * longest);
  const [, signal] = await ended;
  clearTimeout(timer);
  return signal === "SIGKILL";
}

/** Kills runs on copies that `copy` makes, and has `check` look at what is left of each before the next run, and after it. */
async function killed(
  name: string,
  copy: (place: string) => Promise<void>,
  check: (place: string, finished: boolean) => Promise<void>,
): Promise<void> {
  const calm = join(folder, `${name}-calm`);
  await copy(calm);
  const started = performance.now();
  await initwrapOk(["image", calm]);
  const longest = performance.now() - started;
  await check(calm, true);
  let number = 0;
  let hits = 0;
  const worker = async (): Promise<void> => {
    for (let at = number++; at < ROUNDS; at = number++) {
      const place = join(folder, `${name}-${at}`);
      await copy(place);
      if (await kill(place, longest)) hits++;
      await check(place, false);
      await initwrapOk(["image", place]);
      await check(place, true);
      await rm(place, { recursive: true });
    }
  };
  await Promise.all([worker(), worker()]);
  expect(hits).toBeGreaterThan(ROUNDS / 4);
}

it("an archive", { timeout: 300_000 }, async () => {
  const old = tarOf(FILES);
  let next: Buffer | undefined;
  await killed(
    "archive",
    (place) => writeFile(place, old),
    async (place, finished) => {
      // With a record of the old tail beside it the archive may be in any state: the next run takes that back first.
      if (!finished && (await stat(sidecarOf(place)).catch(() => undefined))) return;
      const now = await readFile(place);
      next ??= now;
      expect([old, next].slice(finished ? 1 : 0).some((one) => one.equals(now))).toBe(true);
      if (!finished) return;
      // Nothing is beside it any more.
      const beside = (await readdir(folder)).filter((one) => place.endsWith(one.split(".")[0]!));
      expect(beside).toHaveLength(1);
    },
  );
  expect(next!.equals(old)).toBe(false);
});

it("a layout", { timeout: 300_000 }, async () => {
  const pattern = join(folder, "pattern");
  await mkdir(join(pattern, "blobs/sha256"), { recursive: true });
  for (const [name, content] of FILES) await writeFile(join(pattern, name), content);
  const index = join(pattern, "index.json");
  await chmod(index, 0o640);
  const old = await readFile(index);
  let next: Buffer | undefined;
  await killed(
    "layout",
    (place) => cp(pattern, place, { recursive: true }),
    async (place, finished) => {
      const now = await readFile(join(place, "index.json"));
      next ??= now;
      expect([old, next].slice(finished ? 1 : 0).some((one) => one.equals(now))).toBe(true);
      expect((await stat(join(place, "index.json"))).mode & 0o777).toBe(0o640);
      // All that is under it is there.
      const read = async ({ digest }: { readonly digest: Digest }): Promise<Buffer> => {
        const bytes = await readFile(join(place, blobName(digest)));
        expect(digestOf(bytes)).toBe(digest);
        return bytes;
      };
      const { config, layers } = JSON.parse((await read(JSON.parse(now.toString()).manifests[0])).toString());
      for (const one of [config, ...layers]) await read(one);
    },
  );
  expect(next!.equals(old)).toBe(false);
});
