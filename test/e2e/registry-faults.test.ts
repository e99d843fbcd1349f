/**
 * Harm at every request of `initwrap image`, one at a time: of a single image as a process, of a list within this one. Each
 * run succeeds or ends with a coded error, and the tag names the old image or the wrapped one, whole.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RegistrySession } from "../../packages/cli/src/store/registry/session.ts";
import { fleetExit, wrapFleet } from "../../packages/cli/src/wrap/image-fleet.ts";
import { fleetDocument } from "../../packages/cli/src/wrap/image-fleet-document.ts";
import { readImageList } from "../../packages/cli/src/wrap/image-list.ts";
import { sampleImage } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { type CliResult, initwrap, initwrapOk } from "../support/cli.ts";
import { type Fault, type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { putImage, readWhole } from "../support/registry-image.ts";
import { noise } from "../support/sample-image.ts";

const image = sampleImage({ layers: ["small\n", noise("faults", 200_000)] });
let source: TestRegistry;
let target: TestRegistry;
const session = new RegistrySession({ env: { HOME: "/nonexistent" } });

beforeAll(async () => {
  if (!registryAvailable) return;
  [source, target] = await Promise.all([startRegistry(), startRegistry()]);
  await putImage(`${source.host}/app:1`, image, session);
});
afterAll(async () => {
  await session.close();
  await Promise.all([source?.stop(), target?.stop()]);
});
beforeEach((context) => requireCapability(context, "docker-registry", registryAvailable));

/** Each with whether it passes when it happens once: then the run has to get over it. */
const FAULTS: readonly (readonly [string, Fault, boolean])[] = [
  ["a connection cut before the answer", { kind: "cut", when: "before" }, true],
  ["a connection cut when the registry has done it", { kind: "cut", when: "request" }, true],
  ["a connection cut within the answer", { kind: "cut", when: "body" }, true],
  ["an answer that comes late", { kind: "delay", milliseconds: 700 }, true],
  ["an answer with another byte", { kind: "corrupt", what: "answer" }, false],
  ["a request with another byte", { kind: "corrupt", what: "request" }, false],
  ["429", { kind: "status", status: 429, headers: { "retry-after": "0" } }, true],
  ["500", { kind: "status", status: 500 }, true],
  ["503", { kind: "status", status: 503 }, true],
];
/** AUTH_REQUIRED, a damaged or missing image, a failing registry. */
const EXITS = [0, 3, 4, 6];

let number = 0;

/** One run from the source to a fresh repository whose tag names an older image, with harm at request `at` on one side. */
async function trial(proxies: { readonly pull?: FaultProxy; readonly push?: FaultProxy }): Promise<number> {
  const repository = `copy/run${number++}`;
  const old = sampleImage({ layers: [`old ${repository}\n`] });
  await putImage(`${target.host}/${repository}:1`, old, session);
  const from = proxies.pull?.host ?? source.host;
  const to = proxies.push?.host ?? target.host;
  const result = await initwrap(["image", `registry:${from}/app:1`, "-o", `registry:${to}/${repository}:1`], {
    env: { HOME: "/nonexistent", XDG_CONFIG_HOME: "", DOCKER_CONFIG: "" },
  });
  expect(EXITS, result.stderr).toContain(result.status);
  const found = await readWhole(`${target.host}/${repository}:1`, session);
  if (result.status === 0) {
    expect(found.layers).toBe(3);
    expect(result.stdout.toString()).toContain(found.digest);
  } else {
    expect(result.stderr).toMatch(/AUTH_REQUIRED|REGISTRY_FAILED|IMAGE_NOT_FOUND|BLOB_CORRUPT|IMAGE_INVALID/);
    expect(found.digest).toBe(old.root.digest);
  }
  return result.status;
}

describe.each(["pull", "push"] as const)("the side of the %s", (side) => {
  it.each(FAULTS)(
    "gets over %s, or says what is wrong and leaves the tag",
    async (_, fault, passes) => {
      const upstream = side === "pull" ? source.host : target.host;
      const count = await startFaultProxy(upstream);
      expect(await trial({ [side]: count })).toBe(0);
      const total = count.requests.length;
      await count.stop();
      expect(total).toBeGreaterThan(3);
      const waiting = Array.from({ length: total }, (_, at) => at);
      // Each run has a proxy of its own, so that a few of them can go at once.
      const worker = async (): Promise<void> => {
        for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) {
          const proxy = await startFaultProxy(upstream);
          proxy.arm(at, fault);
          try {
            const status = await trial({ [side]: proxy });
            if (passes) expect(status, `${fault.kind} at request ${at}`).toBe(0);
          } finally {
            await proxy.stop();
          }
        }
      };
      await Promise.all([worker(), worker(), worker()]);
    },
    180_000,
  );
});

describe("a list of images", () => {
  /** Two images in fresh repositories of one registry, whose tags `1-init` name an older image, wrapped under harm. */
  async function listTrial(proxy: FaultProxy): Promise<{ readonly status: number; readonly failed: number }> {
    const run = number++;
    const places = [`list/a${run}`, `list/b${run}`];
    const old = sampleImage({ layers: [`old list ${run}\n`] });
    for (const place of places) {
      await putImage(`${target.host}/${place}:1`, sampleImage({ layers: [`${place}\n`] }), session);
      await putImage(`${target.host}/${place}:1-init`, old, session);
    }
    const text = places.map((place) => `${proxy.host}/${place}:1\n`).join("");
    const { images, summary } = await documentOf(text);
    expect(EXITS).toContain(summary.exit);
    for (const [at, place] of places.entries()) {
      const found = await readWhole(`${target.host}/${place}:1-init`, session);
      const { status, result: done, error } = images[at];
      if (status === "wrapped") expect([found.layers, found.digest]).toEqual([2, done.digest]);
      else {
        expect(status).toBe("failed");
        expect(error.code).toMatch(/AUTH_REQUIRED|REGISTRY_FAILED|IMAGE_NOT_FOUND|BLOB_CORRUPT|IMAGE_INVALID/);
        expect(found.digest).toBe(old.root.digest);
      }
    }
    return { status: summary.exit, failed: summary.failed };
  }

  /** What --from with --json says of a list. In this process: there are hundreds of runs, and each start costs more than the run. */
  async function documentOf(text: string) {
    const names = ["{{repository}}:{{tag}}-init"];
    const images = await readImageList({ text, where: "standard input", names, push: false });
    const env = { HOME: "/nonexistent" };
    const outcomes = await wrapFleet({ images, jobs: 8, failFast: false, env });
    return JSON.parse(JSON.stringify(fleetDocument(outcomes, { where: "standard input", exit: fleetExit(outcomes) })));
  }

  it("is the same by the command", async () => {
    const proxy = await startFaultProxy(target.host);
    const text = `${proxy.host}/nowhere/a:1\n`;
    const { status, stdout } = await initwrap(["image", "--from", "-", "-t", "{{repository}}:{{tag}}-init", "--json"], {
      env: { HOME: "/nonexistent", XDG_CONFIG_HOME: "", DOCKER_CONFIG: "" },
      input: text,
    });
    const document = await documentOf(text);
    await proxy.stop();
    expect(JSON.parse(stdout.toString())).toEqual(document);
    expect(status).toBe(document.summary.exit);
  });

  it.each(FAULTS)(
    "gets over %s, or says which image failed and leaves its tag, and does the other",
    async (_, fault, passes) => {
      const count = await startFaultProxy(target.host);
      expect(await listTrial(count)).toEqual({ status: 0, failed: 0 });
      const total = count.requests.length;
      await count.stop();
      expect(total).toBeGreaterThan(12);
      const waiting = Array.from({ length: total }, (_, at) => at);
      const worker = async (): Promise<void> => {
        for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) {
          const proxy = await startFaultProxy(target.host);
          proxy.arm(at, fault);
          try {
            const { failed } = await listTrial(proxy);
            // One fault harms one image at most.
            expect(failed, `${fault.kind} at request ${at}`).toBeLessThanOrEqual(passes ? 0 : 1);
          } finally {
            await proxy.stop();
          }
        }
      };
      await Promise.all([worker(), worker(), worker()]);
    },
    240_000,
  );
});

describe("a large layer from a compressed archive", () => {
  it.each([
    ["before it is taken", { kind: "cut", when: "before" }],
    ["when it is taken", { kind: "cut", when: "request" }],
    ["with 503", { kind: "status", status: 503 }],
  ] as const)(
    "is sent anew when its upload breaks %s",
    async (_, fault) => {
      const folder = await mkdtemp(join(tmpdir(), "initwrap-large-"));
      const proxy = await startFaultProxy(target.host);
      try {
        const large = sampleImage({ layers: [noise("large", 12_000_000)] });
        const repository = `large/run${number++}`;
        await putImage(`${source.host}/${repository}:1`, large, session);
        const env = { HOME: "/nonexistent", XDG_CONFIG_HOME: "", DOCKER_CONFIG: "" };
        const archive = join(folder, "large.tar");
        const name = `${source.host}/${repository}:1`;
        await initwrapOk(["image", `registry:${name}`, "-o", `oci-archive:${archive}`], { env });
        await writeFile(`${archive}.gz`, gzipSync(await readFile(archive), { level: 1 }));
        const push = (): Promise<CliResult> =>
          initwrap(["image", `oci-archive:${archive}.gz`, "-o", `registry:${proxy.host}/${repository}:1`], { env });
        // One of the uploads carries the large layer: harm is done to each in turn.
        expect((await push()).status).toBe(0);
        const uploads = proxy.requests.flatMap((line, at) => (/^PUT .*\/uploads\//.test(line) ? [at] : []));
        expect(uploads.length).toBeGreaterThan(1);
        for (const [round, at] of uploads.entries()) {
          const fresh = `${repository}-${round}`;
          proxy.arm(at, fault);
          const result = await initwrap(
            ["image", `oci-archive:${archive}.gz`, "-o", `registry:${proxy.host}/${fresh}:1`],
            { env },
          );
          proxy.arm(-1, undefined);
          expect(result.status, result.stderr).toBe(0);
          expect((await readWhole(`${target.host}/${fresh}:1`, session)).layers).toBe(2);
        }
      } finally {
        await proxy.stop();
        await rm(folder, { recursive: true });
      }
    },
    120_000,
  );
});
