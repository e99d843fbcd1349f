/**
 * Harm at every call that is made to an engine, one at a time: each run succeeds or ends with a coded error, the tag names the old
 * image or the wrapped one, whole, and no name of ours is left in the engine.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InitwrapError } from "../../packages/cli/src/model/errors.ts";
import { DockerEngine, parseEndpoint } from "../../packages/cli/src/store/docker-engine.ts";
import { PodmanEngine } from "../../packages/cli/src/store/podman-engine.ts";
import { wrapImage } from "../../packages/cli/src/wrap/image.ts";
import { type SampleImage, sampleImage, tarOf } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { CLI } from "../support/cli.ts";
import { type Engine, type EngineName, requireEngine } from "../support/engine.ts";
import { startEngineProxy } from "../support/engine-proxy.ts";
import { type Fault, startFaultProxy } from "../support/fault-proxy.ts";
import { freshTag } from "../support/images.ts";
import { podmanAvailable, startPodman, type TestPodman } from "../support/podman.ts";
import { noise } from "../support/sample-image.ts";

/** Each with whether the run has to get over it. */
const FAULTS: readonly (readonly [string, Fault, boolean])[] = [
  ["a connection cut before the answer", { kind: "cut", when: "before" }, false],
  ["a connection cut when the engine has done it", { kind: "cut", when: "request" }, false],
  ["a connection cut within the answer", { kind: "cut", when: "body" }, false],
  ["an answer that comes late", { kind: "delay", milliseconds: 300 }, true],
  ["an answer with another byte", { kind: "corrupt", what: "answer" }, false],
  ["a request with another byte", { kind: "corrupt", what: "request" }, false],
  ["429", { kind: "status", status: 429 }, false],
  ["500", { kind: "status", status: 500 }, false],
  ["503", { kind: "status", status: 503 }, false],
];
const CODES = /^(?:DAEMON_\w+|IMAGE_NOT_FOUND|IMAGE_INVALID|BLOB_CORRUPT|ARCHIVE_\w+)$/;

/** An archive of both layouts, under a full name. */
function archiveOf({ root, blobs }: SampleImage, tag: string): Buffer {
  const name = (digest: string): string => `blobs/sha256/${digest.slice("sha256:".length)}`;
  const config = blobs.at(-2)!;
  const annotations = { "io.containerd.image.name": tag, "org.opencontainers.image.ref.name": tag.split(":")[1] };
  return tarOf([
    ...blobs.map(({ descriptor, bytes }) => [name(descriptor.digest), bytes] as const),
    ["index.json", JSON.stringify({ schemaVersion: 2, manifests: [{ ...root, annotations }] })],
    [
      "manifest.json",
      JSON.stringify([
        {
          Config: name(config.descriptor.digest),
          RepoTags: [tag],
          Layers: blobs.slice(0, -2).map(({ descriptor }) => name(descriptor.digest)),
        },
      ]),
    ],
    ["oci-layout", '{"imageLayoutVersion":"1.0.0"}'],
  ]);
}

interface Place {
  /** `unix:///...` */
  readonly host: string;
  readonly scheme: "docker" | "podman";
  /** Asked without the harm, and without the time that a client takes to start. */
  readonly client: DockerEngine;
}

function placeOf(engine: Engine): Place {
  return { host: engine.host, scheme: "docker", client: new DockerEngine(parseEndpoint(engine.host)) };
}

async function load(client: DockerEngine, image: SampleImage, tag: string): Promise<void> {
  await client.expect(200, client.loadPath, {
    method: "POST",
    headers: { "Content-Type": "application/x-tar" },
    body: archiveOf(image, tag),
  });
}

/** A container can be made of the image: then all of it is there. */
async function makesContainer(client: DockerEngine, image: string): Promise<void> {
  const said = await client.expect(201, "/containers/create", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: Buffer.from(JSON.stringify({ Image: image, HostConfig: { NetworkMode: "none" } })),
  });
  const { Id } = JSON.parse(Buffer.from(said).toString()) as { Id: string };
  await client.cleanUp(`/containers/${Id}`, { force: "1" });
}

/** One run that wraps a fresh image in its engine, with `fault` at call `at`; gives back the calls. */
async function trial(place: Place, at: number, fault: Fault | undefined, passes: boolean): Promise<readonly string[]> {
  const { client, host, scheme } = place;
  const tag = `docker.io/${freshTag("harmed")}`;
  const variable = scheme === "docker" ? "DOCKER_HOST" : "CONTAINER_HOST";
  await load(client, sampleImage({ layers: [`${tag}\n`] }), tag);
  const old = (await client.inspect(tag))!.Id;
  const { digest: wrapped } = await wrapImage({ source: `${scheme}:${tag}`, env: { [variable]: host }, apply: false });
  const proxy = await startFaultProxy(host);
  proxy.arm(at, fault);
  const harmed = (): string => `${fault?.kind} at ${proxy.requests[at]}`;
  try {
    let failure: InitwrapError | undefined;
    await wrapImage({ source: `${scheme}:${tag}`, env: { [variable]: `tcp://${proxy.host}` } }).catch((cause) => {
      if (!(cause instanceof InitwrapError)) throw cause;
      failure = cause;
    });
    const now = (await client.inspect(tag))!.Id;
    if (failure) {
      expect(failure.code, failure.message).toMatch(CODES);
      expect(passes, `${harmed()}: ${failure.message}`).toBe(false);
      // The engine may have moved the tag before its answer was lost.
      expect([old, wrapped], harmed()).toContain(now);
    } else expect(now, harmed()).toBe(wrapped);
    await makesContainer(client, tag);
    const names = proxy.requests.flatMap((line) => /\/images\/(initwrap\.invalid[^/ ]*)/.exec(line)?.[1] ?? []);
    for (const name of new Set(names)) expect(await client.inspect(decodeURIComponent(name)), harmed()).toBeUndefined();
    return proxy.requests;
  } finally {
    await proxy.stop();
    await client.cleanUp(`/images/${encodeURIComponent(tag)}`, { force: "1" });
  }
}

const isNightly = process.env["INITWRAP_NIGHTLY"] !== undefined;
/** podman, and the store that makes every load durable, take seconds for each on a busy disk: theirs are the nightly run's. */
const DOCKERS: readonly EngineName[] = isNightly ? ["modern-graph", "modern"] : ["modern-graph"];

async function atEach(count: number, work: (at: number) => Promise<unknown>): Promise<void> {
  const waiting = Array.from({ length: count }, (_, at) => at);
  const worker = async (): Promise<void> => {
    for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) await work(at);
  };
  await Promise.all([worker(), worker(), worker()]);
}

describe.each(DOCKERS)("wrapping an image in %s", (name) => {
  it.each(FAULTS)(
    "gets over %s, or says what is wrong",
    async (_, fault, passes) => {
      const engine = requireEngine({ skip: () => undefined }, name);
      if (!engine) return;
      const place = placeOf(engine);
      const { length } = await trial(place, -1, undefined, true);
      expect(length).toBeGreaterThan(5);
      await atEach(length, (at) => trial(place, at, fault, passes));
    },
    300_000,
  );
});

if (isNightly) {
  describe("wrapping an image in podman", () => {
    let podman: TestPodman | undefined;
    beforeAll(async () => {
      if (podmanAvailable) podman = await startPodman();
    });
    afterAll(() => podman?.stop());

    it.each(FAULTS)(
      "gets over %s, or says what is wrong",
      async (_, fault, passes) => {
        requireCapability({ skip: () => undefined }, "podman", podmanAvailable);
        const host = podman?.env["CONTAINER_HOST"];
        if (host === undefined) return;
        const place: Place = { host, scheme: "podman", client: new PodmanEngine(parseEndpoint(host)) };
        const { length } = await trial(place, -1, undefined, true);
        expect(length).toBeGreaterThan(5);
        await atEach(length, (at) => trial(place, at, fault, passes));
      },
      300_000,
    );
  });
}

/**
 * Wraps a fresh image where the engine's own folder cannot be read, so that it is asked for the documents, and ends the run at call
 * `at`; gives back the calls.
 */
async function interrupted(engine: Engine, at: number): Promise<readonly string[]> {
  const { client } = placeOf(engine);
  const tag = `docker.io/${freshTag("interrupted")}`;
  await load(client, sampleImage({ layers: [`${tag}\n`] }), tag);
  const old = (await client.inspect(tag))!.Id;
  const { digest: wrapped } = await wrapImage({ source: tag, env: { DOCKER_HOST: engine.host }, apply: false });
  const stop = new AbortController();
  const reason = new Error("Ctrl-C");
  let number = 0;
  const proxy = await startEngineProxy(engine, {
    hideFolder: true,
    onAsked: () => {
      if (number++ === at) stop.abort(reason);
    },
  });
  const where = (): string => `at ${proxy.asked[at]}`;
  try {
    const ended = await wrapImage({ source: tag, env: { DOCKER_HOST: proxy.host }, signal: stop.signal }).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    // The last calls only take away what is not needed any more.
    const isTooLate = /^DELETE|\/tag\?/.test(proxy.asked[at] ?? "DELETE");
    if (!isTooLate || ended !== undefined) expect(ended, where()).toBe(reason);
    expect(ended === undefined ? [wrapped] : [old, wrapped], where()).toContain((await client.inspect(tag))!.Id);
    await makesContainer(client, tag);
    const names = proxy.asked.flatMap((line) => /\/images\/([^/? ]*initwrap[^/? ]*)/.exec(line)?.[1] ?? []);
    const ours = names.map(decodeURIComponent).filter((name) => /^initwrap\.invalid|\/initwrap\//.test(name));
    for (const name of ours) expect(await client.inspect(name), `${name} ${where()}`).toBeUndefined();
    const containers = proxy.asked.flatMap((line) => /\/containers\/create\?name=([\w-]+)/.exec(line)?.[1] ?? []);
    for (const name of containers) expect(await client.json(`/containers/${name}/json`), where()).toBeUndefined();
    return proxy.asked;
  } finally {
    await proxy.stop();
    await client.cleanUp(`/images/${encodeURIComponent(tag)}`, { force: "1" });
  }
}

describe("wrapping an image in an engine that is asked for its documents", () => {
  it.each(DOCKERS)(
    "leaves nothing there when it is interrupted, at any call: %s",
    { timeout: 300_000 },
    async (name) => {
      const engine = requireEngine({ skip: () => undefined }, name);
      if (!engine) return;
      const calls = await interrupted(engine, -1);
      const kinds = name === "modern" ? [/\/push\?/] : [/\/containers\/create/];
      for (const kind of [...kinds, /\/images\/load/]) expect(calls.some((line) => kind.test(line))).toBe(true);
      await atEach(calls.length, (at) => interrupted(engine, at));
    },
  );
});

describe("Ctrl-C while a slow engine loads the image", () => {
  it("ends the run when the engine has been heard, and nothing is left there", { timeout: 60_000 }, async (context) => {
    const engine = requireEngine(context, "modern-graph");
    const { client } = placeOf(engine);
    const tag = `docker.io/${freshTag("ended")}`;
    await load(client, sampleImage({ layers: [`${tag}\n`] }), tag);
    const old = (await client.inspect(tag))!.Id;
    let child: ChildProcess | undefined;
    const proxy = await startEngineProxy(engine, {
      // Longer than other commands have for clearing up.
      onAsked: async (line) => {
        if (!line.startsWith("POST /images/load")) return;
        child?.kill("SIGINT");
        await sleep(6000);
      },
    });
    try {
      child = spawn(process.execPath, [CLI, "image", tag], {
        stdio: "ignore",
        env: { ...process.env, DOCKER_HOST: proxy.host },
      });
      const [status] = (await once(child, "exit")) as [number];
      expect(status).toBe(130);
      expect((await client.inspect(tag))!.Id).toBe(old);
      const names = proxy.asked.flatMap((line) => /\/images\/(initwrap\.invalid[^/ ?]*)/.exec(line)?.[1] ?? []);
      expect(names).not.toEqual([]);
      for (const name of names) expect(await client.inspect(decodeURIComponent(name))).toBeUndefined();
    } finally {
      await proxy.stop();
      await client.cleanUp(`/images/${encodeURIComponent(tag)}`, { force: "1" });
    }
  });
});

describe("an image that an engine saves", () => {
  it.each(FAULTS)(
    "is whole in its archive, or nowhere, after %s",
    async (_, fault, passes) => {
      const engine = requireEngine({ skip: () => undefined }, "modern-graph");
      if (!engine) return;
      const { client } = placeOf(engine);
      const [tag, place] = [`docker.io/${freshTag("saved")}`, await mkdtemp(join(tmpdir(), "initwrap-saved-"))];
      const image = sampleImage({ layers: [`${tag}\n`, noise(tag, 300_000)] });
      await load(client, image, tag);
      const saved = async (at: number, armed?: Fault): Promise<readonly string[]> => {
        const proxy = await startFaultProxy(engine.host);
        proxy.arm(at, armed);
        const file = join(place, `${at}.tar`);
        try {
          const env = { DOCKER_HOST: `tcp://${proxy.host}` };
          await wrapImage({ source: `docker:${tag}`, output: `docker-archive:${file}`, env });
          expect((await wrapImage({ source: file, apply: false, verifyPath: true })).plan.changed).toBe(false);
          await rm(file);
        } catch (cause) {
          if (!(cause instanceof InitwrapError)) throw cause;
          expect(cause.code, cause.message).toMatch(CODES);
          expect(passes, `${fault.kind} at ${proxy.requests[at]}: ${cause.message}`).toBe(false);
        } finally {
          await proxy.stop();
        }
        expect(await readdir(place)).toEqual([]);
        return proxy.requests;
      };
      try {
        const { length } = await saved(-1);
        for (let at = 0; at < length; at++) await saved(at, fault);
      } finally {
        await client.cleanUp(`/images/${encodeURIComponent(tag)}`, { force: "1" });
        await rm(place, { recursive: true });
      }
    },
    60_000,
  );
});
