/**
 * Harm at every request of a transfer, one at a time: each run ends in success or in a coded error, soon, and the tag
 * never names an image that is not all there.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { InitwrapError } from "../../packages/cli/src/model/errors.ts";
import { parseReference, type Reference } from "../../packages/cli/src/model/reference.ts";
import { RegistrySession, type SessionOptions } from "../../packages/cli/src/store/registry/session.ts";
import { openRegistrySink } from "../../packages/cli/src/store/registry/sink.ts";
import { openRegistrySource } from "../../packages/cli/src/store/registry/source.ts";
import { requireCapability } from "../support/capability.ts";
import { type Fault, type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { again, collect, once, type SampleImage, sampleImage } from "../support/sample-image.ts";

let registry: TestRegistry | undefined;
let proxy: FaultProxy | undefined;

beforeAll(async () => {
  if (!registryAvailable) return;
  registry = await startRegistry();
  proxy = await startFaultProxy(registry.host);
});
afterAll(async () => {
  await proxy?.stop();
  await registry?.stop();
});
beforeEach((context) => requireCapability(context, "docker-registry", registryAvailable));

/** Real policies with a faster clock and small pieces, so that hundreds of runs fit into a test. */
const FAST: SessionOptions = {
  env: { HOME: "/nonexistent" },
  retry: { attempts: 4, baseDelay: 5, maxDelay: 20, maxRetryAfter: 1500 },
  pieceSize: 64 * 1024,
  limits: { connect: 1000, headers: 400, idle: 400, small: 400 },
  credentials: { find: async () => ({ kind: "password", username: "user", password: "secret-of-the-user" }) },
};

const FAULTS: readonly Fault[] = [
  { kind: "cut", when: "before" },
  { kind: "cut", when: "request" },
  { kind: "cut", when: "headers" },
  { kind: "cut", when: "body" },
  { kind: "delay", milliseconds: 100 },
  { kind: "hang" },
  { kind: "corrupt", what: "answer" },
  { kind: "corrupt", what: "request" },
  { kind: "status", status: 408 },
  { kind: "status", status: 429, headers: { "retry-after": "0" } },
  { kind: "status", status: 429, headers: { "retry-after": "3600" } },
  { kind: "status", status: 500 },
  { kind: "status", status: 503 },
  { kind: "status", status: 403 },
  { kind: "short" },
  { kind: "endless" },
  { kind: "garbage" },
  { kind: "redirect", location: "/v2/nowhere/" },
  { kind: "redirect", location: "file:///etc/passwd" },
  { kind: "redirect", location: "http://user:word@127.0.0.1:1/" },
  { kind: "challenge", header: 'Bearer realm="file:///etc/passwd",service="x"' },
  { kind: "challenge", header: 'Bearer realm="http://registry.invalid/token"' },
  { kind: "challenge", header: "Negotiate" },
];

let number = 0;
function reference(host: string, repository: string): Reference {
  return parseReference(`${host}/faults/${repository}:1`)!;
}

/** A push of layers in every way of uploading, over an image that stands under the tag already. */
async function push(host: string, repository: string, image: SampleImage): Promise<void> {
  const session = new RegistrySession(FAST);
  const sink = openRegistrySink(reference(host, repository), { session });
  try {
    let round = 0;
    for (const { descriptor, bytes } of image.blobs.values()) {
      if (!(await sink.has(descriptor))) await sink.put(descriptor, round++ % 2 === 0 ? again(bytes) : once(bytes));
    }
    await sink.commit(image.root);
  } finally {
    await sink.close();
    await session.close();
  }
}

async function pull(host: string, repository: string): Promise<string> {
  const session = new RegistrySession(FAST);
  const source = openRegistrySource(reference(host, repository), { session });
  try {
    const { descriptor } = await source.root();
    const manifest = JSON.parse(new TextDecoder().decode(await source.read(descriptor)));
    await source.read(manifest.config);
    for (const layer of manifest.layers) await collect(await source.open(layer));
    return descriptor.digest;
  } finally {
    await source.close();
    await session.close();
  }
}

/** Runs it; a failure must be ours, coded, and free of secrets and control characters. */
async function outcome(run: () => Promise<unknown>): Promise<"success" | InitwrapError> {
  try {
    await run();
    return "success";
  } catch (error) {
    expect(error).toBeInstanceOf(InitwrapError);
    const failure = error as InitwrapError;
    expect(["AUTH_REQUIRED", "REGISTRY_FAILED", "IMAGE_NOT_FOUND", "BLOB_CORRUPT"]).toContain(failure.code);
    const said = `${failure.message} ${failure.hint} ${failure.where} ${failure.stack}`;
    expect(said).not.toMatch(/secret-of-the-user|dXNlcjpzZWNyZXQ/);
    expect(failure.message).not.toMatch(/[\u0000-\u001f]/);
    return failure;
  }
}

/** Faults that a client can and must get over when they happen once. */
function mustPass(fault: Fault): boolean {
  if (fault.kind === "delay") return true;
  if (fault.kind === "cut" || fault.kind === "hang" || fault.kind === "garbage") return true;
  return fault.kind === "status" && fault.status !== 403 && fault.headers?.["retry-after"] !== "3600";
}

describe("a push", () => {
  const old = sampleImage("old", [500]);
  const next = sampleImage("next", [300, 160_000, 170_000]);

  it.each(FAULTS.map((fault) => [JSON.stringify(fault), fault] as const))(
    "survives %s at every request",
    async (_, fault) => {
      const { host } = registry!;
      const trial = async (at: number, armed: Fault | undefined) => {
        const repository = `push${number++}`;
        await push(host, repository, old);
        proxy!.arm(at, armed);
        const started = performance.now();
        const ended = await outcome(() => push(proxy!.host, repository, next));
        expect(performance.now() - started).toBeLessThan(15_000);
        const requests = [...proxy!.requests];
        proxy!.arm(-1, undefined);
        // Whatever happened: what the tag names now is all there, and is the old image or the new one.
        const found = await pull(host, repository);
        expect([old.root.digest, next.root.digest]).toContain(found);
        if (ended === "success") expect(found).toBe(next.root.digest);
        return { ended, requests };
      };
      proxy!.arm(-1, undefined);
      await push(proxy!.host, `count${number++}`, next);
      const total = proxy!.requests.length;
      for (let at = 0; at < total; at++) {
        // Blobs go at the same time, and so in another order each time: what was hit is asked, not what was counted.
        const { ended, requests } = await trial(at, fault);
        const hit = requests[at]!;
        // A registry of this generation forgets the pieces before a broken one: the one thing that cannot be continued.
        const isLaterPiece = hit.startsWith("PATCH") && requests.indexOf(hit) < at;
        if (mustPass(fault) && !isLaterPiece) expect(ended, hit).toBe("success");
      }
    },
    300_000,
  );
});

describe("a pull", () => {
  const image = sampleImage("pulled", [300, 3_000_000]);

  it.each(FAULTS.map((fault) => [JSON.stringify(fault), fault] as const))(
    "survives %s at every request",
    async (_, fault) => {
      const repository = "pulled";
      await push(registry!.host, repository, image);
      proxy!.arm(-1, undefined);
      await pull(proxy!.host, repository);
      const requests = [...proxy!.requests];
      for (let at = 0; at < requests.length; at++) {
        proxy!.arm(at, fault);
        const started = performance.now();
        const ended = await outcome(async () => expect(await pull(proxy!.host, repository)).toBe(image.root.digest));
        expect(performance.now() - started).toBeLessThan(15_000);
        if (mustPass(fault) || fault.kind === "short") expect(ended, requests[at]).toBe("success");
      }
    },
    120_000,
  );

  it("continues a broken blob by Range, without reading the first part again", async () => {
    await push(registry!.host, "pulled", image);
    proxy!.arm(-1, undefined);
    await pull(proxy!.host, "pulled");
    const at = proxy!.requests.length - 1;
    proxy!.arm(at, { kind: "cut", when: "body" });
    await pull(proxy!.host, "pulled");
    expect(proxy!.requests).toHaveLength(at + 2);
  });

  it("gives up on a registry that fails for good, with its own words and no control characters", async () => {
    proxy!.arm(0, { kind: "status", status: 503 }, 1000);
    await expect(pull(proxy!.host, "pulled")).rejects.toMatchObject({
      code: "REGISTRY_FAILED",
      exit: 6,
      message: expect.stringContaining("answered 503"),
    });
    await expect(pull(proxy!.host, "pulled")).rejects.toThrow(/UNAVAILABLE: out \[31m of order/);
  });

  it("holds little memory when a body does not end", async () => {
    await push(registry!.host, "pulled", image);
    const before = process.memoryUsage().rss;
    for (let at = 0; at < 4; at++) {
      proxy!.arm(at, { kind: "endless" }, 100);
      expect(await outcome(() => pull(proxy!.host, "pulled"))).toBeInstanceOf(InitwrapError);
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024);
  });
});
