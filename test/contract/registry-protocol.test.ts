/** What registries may do within the protocol, or just beside it: a real one behind a front that answers as others do. */
import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Descriptor } from "../../packages/cli/src/model/descriptor.ts";
import { digestOf } from "../../packages/cli/src/model/digest.ts";
import { OCI_LAYER_TAR } from "../../packages/cli/src/model/media-types.ts";
import { parseReference, type Reference } from "../../packages/cli/src/model/reference.ts";
import { readLayer } from "../../packages/cli/src/store/layer-scan.ts";
import { attachmentsTo } from "../../packages/cli/src/store/registry/attachments.ts";
import { RegistryClient } from "../../packages/cli/src/store/registry/client.ts";
import { RegistrySession, type SessionOptions } from "../../packages/cli/src/store/registry/session.ts";
import { openRegistrySink } from "../../packages/cli/src/store/registry/sink.ts";
import { openRegistrySource } from "../../packages/cli/src/store/registry/source.ts";
import { requireCapability } from "../support/capability.ts";
import { type Front, type Head, type Manners, type Seen, startFront } from "../support/front.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { again, collect, noise, once, putImage, type SampleImage, sampleImage } from "../support/sample-image.ts";
import { tarOf } from "./sample-image.ts";

const PIECE = 64 * 1024;
const SECRET = "secret-of-the-user";
const BASIC = `Basic ${Buffer.from(`user:${SECRET}`).toString("base64")}`;
const OPTIONS: SessionOptions = {
  env: { HOME: "/nonexistent" },
  retry: { attempts: 4, baseDelay: 2, maxDelay: 10, maxRetryAfter: 3000 },
  pieceSize: PIECE,
  credentials: { find: async () => ({ kind: "password", username: "user", password: SECRET }) },
};

let registry: TestRegistry;
/** What the client is told to ask, and a second host that it may be sent to. Both have the same registry behind them. */
let front: Front;
let other: Front;
let session: RegistrySession;
let number = 0;

beforeAll(async () => {
  if (!registryAvailable) return;
  registry = await startRegistry();
  [front, other] = await Promise.all([startFront(registry.host), startFront(registry.host)]);
});
afterAll(async () => {
  await Promise.all([front?.stop(), other?.stop()]);
  await registry?.stop();
});
beforeEach((context) => {
  requireCapability(context, "docker-registry", registryAvailable);
  session = new RegistrySession(OPTIONS);
  front.behave({});
  other.behave({});
});
afterEach(() => session?.close());

function reference(host: string, repository = `protocol/run${number++}`, tag = "1"): Reference {
  return parseReference(`${host}/${repository}:${tag}`)!;
}

function layer(bytes: Uint8Array): Descriptor {
  return { mediaType: OCI_LAYER_TAR, digest: digestOf(bytes), size: bytes.length };
}

/** Puts an image behind the front's back; its place as seen through the front. */
async function stored(image: SampleImage): Promise<Reference> {
  const at = reference(registry.host);
  const sink = openRegistrySink(at, { session });
  await putImage(sink, image);
  await sink.close();
  return { ...at, registry: front.host };
}

async function pull(at: Reference): Promise<string> {
  const source = openRegistrySource(at, { session });
  const { descriptor } = await source.root();
  const manifest = JSON.parse(new TextDecoder().decode(await source.read(descriptor)));
  await source.read(manifest.config);
  for (const one of manifest.layers) {
    const bytes = await collect(await source.open(one));
    expect(`sha256:${createHash("sha256").update(bytes).digest("hex")}`).toBe(one.digest);
  }
  return descriptor.digest;
}

/** Puts a blob through the front; what is there then is asked behind its back. */
async function put(bytes: Uint8Array, content = again(bytes), repository = `protocol/run${number++}`): Promise<void> {
  const sink = openRegistrySink(reference(front.host, repository), { session });
  try {
    await sink.put(layer(bytes), content);
  } finally {
    await sink.close();
  }
  const got = await fetch(`http://${registry.host}/v2/${repository}/blobs/${digestOf(bytes)}`);
  expect(Buffer.compare(Buffer.from(await got.arrayBuffer()), Buffer.from(bytes))).toBe(0);
}

const answer = (outgoing: ServerResponse, status: number, headers: Record<string, string> = {}, body = ""): true => {
  outgoing.writeHead(status, headers).end(body);
  return true;
};
const isBlob = ({ method, path }: Seen): boolean => method === "GET" && path.includes("/blobs/sha256:");
const isManifest = ({ path }: Seen): boolean => path.includes("/manifests/");
const asked = (host: Front, method: string): readonly Seen[] => host.seen.filter((one) => one.method === method);

describe("a download that breaks", () => {
  const image = sampleImage("protocol pull", [400_000]);

  /** Breaks the layer after some of it, and then does as told. */
  function breaking(
    then: (seen: Seen, outgoing: ServerResponse) => boolean | undefined,
    after?: Manners["after"],
  ): Manners {
    let broken = false;
    return {
      before(seen, outgoing, incoming) {
        if (!isBlob(seen)) return false;
        const bytes = image.blobs.get(seen.path.split("/").at(-1)!)!.bytes;
        if (bytes.length < 1000) return false;
        if (broken) return then(seen, outgoing);
        broken = true;
        outgoing.writeHead(200, { "content-length": String(bytes.length) });
        outgoing.write(bytes.subarray(0, 150_000), () => setTimeout(() => incoming.socket.destroy(), 20));
        return true;
      },
      ...(after ? { after } : {}),
    };
  }

  it("is asked for from there on", async () => {
    const at = await stored(image);
    front.behave(breaking(() => false));
    expect(await pull(at)).toBe(image.root.digest);
    expect(front.seen.at(-1)!.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
  });

  it("is had from a server that ignores Range", async () => {
    const at = await stored(image);
    const manners = breaking((seen) => {
      delete (seen.headers as Record<string, unknown>)["range"];
      return false;
    });
    front.behave(manners);
    expect(await pull(at)).toBe(image.root.digest);
  });

  it("is begun anew at a server that answers Range with 416", async () => {
    const at = await stored(image);
    const manners = breaking((seen, outgoing) => seen.headers.range !== undefined && answer(outgoing, 416));
    front.behave(manners);
    expect(await pull(at)).toBe(image.root.digest);
  });

  it.each([
    ["another part", "bytes 7-399999/400000"],
    ["a part of something of another size", "bytes 150000-499999/500000"],
    ["no part that it names", undefined],
  ])("is corrupt when the rest is %s", async (_, range) => {
    const at = await stored(image);
    const manners = breaking(
      () => false,
      (seen, head) => {
        if (seen.headers.range !== undefined) head.headers["content-range"] = range;
      },
    );
    front.behave(manners);
    await expect(pull(at)).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
  });

  it("of which the server says 416 because it holds fewer bytes is corrupt", async () => {
    const at = await stored(image);
    front.behave(breaking((_, outgoing) => answer(outgoing, 416, { "content-range": "bytes */150000" })));
    await expect(pull(at)).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
  });

  it("is continued where the registry's redirect leads, without our password", async () => {
    const at = await stored(image);
    front.behave({
      before(seen, outgoing) {
        if (seen.headers.authorization !== BASIC) {
          return answer(outgoing, 401, { "www-authenticate": 'Basic realm="x"' });
        }
        return isBlob(seen) && answer(outgoing, 307, { location: `http://${other.host}${seen.path}?signature=a%2Fb` });
      },
    });
    other.behave(breaking(() => false));
    // The signature is not part of the digest.
    const manners = breaking(() => false);
    other.behave({
      before: (seen, outgoing, incoming) =>
        manners.before!({ ...seen, path: seen.path.split("?")[0]! }, outgoing, incoming),
    });
    expect(await pull(at)).toBe(image.root.digest);
    expect(other.seen.length).toBeGreaterThan(2);
    expect(other.seen.every(({ headers, path }) => !headers.authorization && path.endsWith("?signature=a%2Fb"))).toBe(
      true,
    );
    expect(other.seen.at(-1)!.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
  });
});

describe("a registry's answers", () => {
  const image = sampleImage("protocol answers", [3000]);
  const headed = (change: (seen: Seen, head: Head) => void): Manners => ({ after: change });

  it.each<readonly [string, (head: Head) => void]>([
    ["no Docker-Content-Digest", ({ headers }) => delete headers["docker-content-digest"]],
    [
      "a Docker-Content-Digest of another algorithm",
      ({ headers }) => {
        if (headers["docker-content-digest"]) headers["docker-content-digest"] = `sha512:${"0".repeat(128)}`;
      },
    ],
    ["another content type", ({ headers }) => Object.assign(headers, { "content-type": "text/plain; charset=utf-8" })],
    ["no content type", ({ headers }) => delete headers["content-type"]],
    [
      "a gzip label on bytes that are as they should be",
      ({ headers }) => Object.assign(headers, { "content-encoding": "gzip" }),
    ],
  ])("may have %s: an image is pulled and pushed", async (_, change) => {
    const at = await stored(image);
    front.behave(headed((_seen, head) => void change(head)));
    expect(await pull(at)).toBe(image.root.digest);
    const sink = openRegistrySink(reference(front.host), { session });
    await putImage(sink, image);
    await sink.close();
  });

  it("to HEAD may have no length, or none that counts: a blob is then found or sent again, never missed", async () => {
    const at = await stored(image);
    const [{ descriptor, bytes }] = [...image.blobs.values()] as [{ descriptor: Descriptor; bytes: Uint8Array }];
    for (const [length, found] of [
      [undefined, true],
      ["0", false],
    ] as const) {
      front.behave(
        headed((seen, head) => {
          if (seen.method === "HEAD") head.headers["content-length"] = length;
        }),
      );
      await session.close();
      session = new RegistrySession(OPTIONS);
      const sink = openRegistrySink(at, { session });
      expect(await sink.has(descriptor)).toBe(found);
      await sink.put(descriptor, once(bytes));
      await sink.close();
    }
  });

  it("that name another digest than was stored are no success", async () => {
    const wrong = `sha256:${"0".repeat(64)}`;
    front.behave(
      headed((seen, head) => {
        if (seen.method === "PUT" && isManifest(seen)) head.headers["docker-content-digest"] = wrong;
      }),
    );
    const sink = openRegistrySink(reference(front.host), { session });
    await expect(putImage(sink, image)).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
    await sink.close();
  });

  it("that say when to come back, as a date, are waited for", async () => {
    const at = await stored(image);
    let until = 0;
    let refused = 0;
    front.behave({
      before(seen, outgoing) {
        if (!isManifest(seen)) return false;
        until ||= Math.ceil(Date.now() / 1000) * 1000 + 1000;
        if (Date.now() >= until) return false;
        refused++;
        return answer(outgoing, 429, { "retry-after": new Date(until).toUTCString() });
      },
    });
    expect(await pull(at)).toBe(image.root.digest);
    expect(refused).toBe(1);
  });
});

describe("a layer that is looked into", () => {
  const tar = tarOf([["initwrap", "as it is"]]);
  const other = tarOf([["initwrap", "as it should be"]]);
  const behind = (bytes: Buffer, more: string): Buffer => Buffer.concat([bytes, Buffer.from(more)]);
  const look = async (real: Buffer, sent: Buffer) => {
    const at = reference(registry.host);
    const sink = openRegistrySink(at, { session });
    const image = sampleImage("protocol looked into", [10]);
    await putImage(sink, image);
    await sink.put(layer(real), again(real));
    await sink.close();
    const source = openRegistrySource({ ...at, registry: front.host }, { session });
    await source.root();
    front.behave({ before: (seen, outgoing) => isBlob(seen) && Boolean(outgoing.writeHead(200).end(sent)) });
    return readLayer(source, layer(real), "initwrap", { env: {} });
  };

  it("is looked into when it is what its digest names, whatever stands behind its tar", async () => {
    const found = { kind: "present", type: "file", content: Buffer.from("as it is") };
    for (const real of [tar, behind(tar, "more"), gzipSync(tar), gzipSync(behind(tar, "more"))]) {
      expect(await look(real, real)).toMatchObject(found);
    }
  });

  it.each<readonly [string, Buffer, Buffer]>([
    ["another tar", tar, other],
    ["another tar, compressed", gzipSync(tar), gzipSync(other)],
    ["more behind its tar", tar, behind(tar, "more")],
    ["less behind its tar", behind(tar, "more"), tar],
    ["other bytes behind its tar", behind(tar, "more"), behind(tar, "less")],
    ["other bytes behind a tar in gzip", behind(gzipSync(tar), "\0\0"), gzipSync(tar)],
    ["no tar", tar, Buffer.alloc(tar.length, 0x61)],
    ["damaged gzip", gzipSync(tar), Buffer.concat([gzipSync(tar).subarray(0, 30), Buffer.alloc(30)])],
  ])("is corrupt when the registry sends %s", async (_, real, sent) => {
    await expect(look(real, sent)).rejects.toMatchObject({
      code: expect.stringMatching(/^(BLOB_CORRUPT|REGISTRY_FAILED)$/),
    });
  });
});

describe("a redirect", () => {
  const image = sampleImage("protocol redirect", [3000]);

  it("that leads away and back does not bring our password back", async () => {
    const at = await stored(image);
    const trap = "/v2/protocol/trap/manifests/1";
    front.behave({
      before(seen, outgoing) {
        if (seen.path === trap) return answer(outgoing, 404);
        return seen.headers.authorization === BASIC
          ? answer(outgoing, 302, { location: `http://${other.host}/away` })
          : answer(outgoing, 401, { "www-authenticate": 'Basic realm="x"' });
      },
    });
    other.behave({ before: (_, outgoing) => answer(outgoing, 302, { location: `http://${front.host}${trap}` }) });
    await expect(pull(at)).rejects.toMatchObject({ code: "IMAGE_NOT_FOUND" });
    const last = front.seen.at(-1)!;
    expect([last.path, last.headers.authorization]).toEqual([trap, undefined]);
  });
});

describe("an upload", () => {
  const small = noise("protocol small", 5000);
  const large = noise("protocol large", 5 * PIECE + 1234);
  const locations = (change: (location: URL) => string): NonNullable<Manners["after"]> => {
    return (_, head) => {
      const { location } = head.headers;
      if (typeof location === "string") head.headers["location"] = change(new URL(location));
    };
  };
  /** Takes no request over a piece and a half, as some proxies do. */
  const piecewise: Manners["before"] = ({ method, headers }, outgoing) =>
    method === "PUT" && Number(headers["content-length"]) > 1.5 * PIECE && answer(outgoing, 413);
  const leastPiece = (bytes: number): NonNullable<Manners["after"]> => {
    return ({ method }, { headers }) => {
      if (method === "POST") headers["oci-chunk-min-length"] = String(bytes);
    };
  };
  const both = (...all: readonly Manners["before"][]): Manners["before"] => {
    return (seen, outgoing, incoming) => all.some((one) => one?.(seen, outgoing, incoming));
  };

  it.each<readonly [string, (location: URL) => string]>([
    ["absolute", (location) => location.href],
    ["relative to the host", (location) => location.pathname + location.search],
    ["without a host's scheme", (location) => `//${location.host}${location.pathname}${location.search}`],
    ["with a query of its own", (location) => `${location.href}&more=a%20b+c%2F&empty=`],
  ])("goes where the Location leads that is %s, in one request and in pieces", async (_, change) => {
    front.behave({ before: piecewise, after: locations(change) });
    await put(small);
    await put(large);
    await put(large, once(large));
  });

  it("has its Location's query as it was written", async () => {
    front.behave({ after: locations((location) => `${location.href}&sig=a%2Fb%3D+c~'(`) });
    await put(small);
    expect(asked(front, "PUT")[0]!.path).toMatch(/&sig=a%2Fb%3D\+c~(?:'|%27)\(&digest=sha256%3A[0-9a-f]{64}$/);
  });

  it("whose Location is at another host goes there without our password", async () => {
    const guarded: Manners["before"] = (seen, outgoing) =>
      seen.headers.authorization !== BASIC && answer(outgoing, 401, { "www-authenticate": 'Basic realm="x"' });
    const away = locations((location) => `http://${other.host}${location.pathname}${location.search}`);
    front.behave({ before: guarded, after: away });
    other.behave({ before: piecewise });
    const repository = `protocol/run${number++}`;
    const sink = openRegistrySink(reference(front.host, repository), { session });
    await sink.put(layer(small), again(small));
    await sink.put(layer(large), again(large));
    await sink.close();
    expect(asked(other, "PUT").length + asked(other, "PATCH").length).toBeGreaterThan(5);
    expect(other.seen.every(({ headers }) => headers.authorization === undefined)).toBe(true);
    const got = await fetch(`http://${registry.host}/v2/${repository}/blobs/${digestOf(large)}`);
    expect(Buffer.compare(Buffer.from(await got.arrayBuffer()), Buffer.from(large))).toBe(0);
  });

  it("that is redirected to another host takes its content there, and not our password", async () => {
    front.behave({
      before(seen, outgoing) {
        if (seen.headers.authorization !== BASIC) {
          return answer(outgoing, 401, { "www-authenticate": 'Basic realm="x"' });
        }
        return seen.method === "PUT" && answer(outgoing, 307, { location: `http://${other.host}${seen.path}` });
      },
    });
    const repository = `protocol/run${number++}`;
    const sink = openRegistrySink(reference(front.host, repository), { session });
    for (const bytes of [small, large]) await sink.put(layer(bytes), again(bytes));
    await sink.close();
    expect(asked(other, "PUT")).toHaveLength(2);
    expect(asked(other, "PUT").every(({ headers }) => headers.authorization === undefined)).toBe(true);
    const got = await fetch(`http://${registry.host}/v2/${repository}/blobs/${digestOf(large)}`);
    expect(Buffer.compare(Buffer.from(await got.arrayBuffer()), Buffer.from(large))).toBe(0);
  });

  it("is made in pieces of the least size that the registry takes", async () => {
    front.behave({
      before: piecewise,
      after: leastPiece(2 * PIECE),
    });
    await put(large);
    const sizes = asked(front, "PATCH").map(({ headers }) => Number(headers["content-length"]));
    expect(sizes).toEqual([2 * PIECE, 2 * PIECE, PIECE + 1234]);
    expect(asked(front, "PATCH").map(({ headers }) => headers["content-range"])).toEqual([
      `0-${2 * PIECE - 1}`,
      `${2 * PIECE}-${4 * PIECE - 1}`,
      `${4 * PIECE}-${5 * PIECE + 1233}`,
    ]);
  });

  it.each([
    ["says so", true],
    ["says nothing", false],
  ])("that is too large for a server that breaks the connection and %s is made in pieces", async (_, isSaid) => {
    const huge = noise("protocol huge", 6_000_000);
    front.behave({
      before: ({ method, headers }, outgoing, incoming) => {
        if (method !== "PUT" || Number(headers["content-length"]) < PIECE * 2) return false;
        // It reads none of it, so that its system answers what still comes with a reset.
        incoming.pause();
        if (isSaid) outgoing.writeHead(413, { connection: "close" }).end(() => incoming.socket.resetAndDestroy());
        else incoming.socket.resetAndDestroy();
        return true;
      },
    });
    await put(huge);
  });

  it("in one request does not mind the least size of a piece, and one in pieces that are too large is refused", async () => {
    const huge = leastPiece(2 ** 31);
    front.behave({ after: huge });
    await put(large);
    front.behave({ before: piecewise, after: huge });
    await expect(put(large)).rejects.toMatchObject({
      code: "REGISTRY_FAILED",
      message: expect.stringContaining("pieces"),
    });
  });

  /** Does it to one PATCH, or to the PUT that ends an upload in pieces; counted from 0. */
  function nth(method: "PATCH" | "PUT", at: number, deed: (outgoing: ServerResponse) => true): Manners["before"] {
    let count = 0;
    return (seen, outgoing) => {
      if (seen.method !== method || (method === "PUT" && seen.headers["content-length"] !== "0")) return false;
      return count++ === at && deed(outgoing);
    };
  }

  it("of which a piece is refused with 416 goes on from where the registry has got to", async () => {
    front.behave({
      before: both(
        piecewise,
        nth("PATCH", 2, (outgoing) => answer(outgoing, 416)),
      ),
    });
    await put(large, once(large));
    expect(asked(front, "PATCH")).toHaveLength(7);
    expect(asked(front, "POST")).toHaveLength(1);
  });

  it.each<readonly [string, "PATCH" | "PUT", number]>([
    ["a first piece", "PATCH", 0],
    ["a later piece", "PATCH", 2],
    ["its end", "PUT", 0],
  ])("that the registry has forgotten at %s is begun anew", async (_, method, at) => {
    const body = JSON.stringify({ errors: [{ code: "BLOB_UPLOAD_UNKNOWN", message: "blob upload unknown" }] });
    front.behave({
      before: both(
        piecewise,
        nth(method, at, (outgoing) => answer(outgoing, 404, {}, body)),
      ),
    });
    await put(large);
  });

  it("that can be read only once and is forgotten ends with a failure that may pass", async () => {
    front.behave({
      before: both(
        piecewise,
        nth("PATCH", 2, (outgoing) => answer(outgoing, 404)),
      ),
    });
    await expect(put(large, once(large))).rejects.toMatchObject({ code: "REGISTRY_FAILED", exit: 6 });
  });

  it.each([202, 400, 401, 403, 404, 405, 501])(
    "takes the place of a mount that is answered with %i",
    async (status) => {
      const image = sampleImage(`mount ${status}`, [2000]);
      const from = openRegistrySource(await stored(image), { session });
      await from.read((await from.root()).descriptor);
      const sink = openRegistrySink(reference(front.host), { session, from });
      front.behave({
        before(seen, outgoing) {
          if (!seen.path.includes("mount=")) return false;
          // The registry then opens an upload, as for a blob that it cannot mount.
          if (status !== 202) return answer(outgoing, status, { "www-authenticate": 'Basic realm="x"' });
          (seen as { path: string }).path = seen.path.replace(/from=[^&]+/, "from=no/where");
          return false;
        },
      });
      await putImage(sink, image);
      await sink.close();
    },
  );
});

describe("a copy within a registry that mounts nothing", () => {
  it("does not wait for its own connections, however few there are", async () => {
    await session.close();
    session = new RegistrySession({ ...OPTIONS, connections: 1, limits: { headers: 1000 } });
    const image = sampleImage("protocol copy", [400_000, 400_000, 400_000, 400_000]);
    const source = openRegistrySource(await stored(image), { session });
    await source.root();
    const sink = openRegistrySink(reference(front.host), { session });
    const layers = [...image.blobs.values()].filter(({ descriptor }) => descriptor.mediaType === OCI_LAYER_TAR);
    await Promise.all(layers.map(async ({ descriptor }) => sink.put(descriptor, await source.open(descriptor))));
    await sink.close();
    expect(asked(front, "PUT")).toHaveLength(4);
  });
});

describe("tokens", () => {
  const large = noise("protocol token", 5 * PIECE);
  /** A token server on the other front, with what it was asked; it gives `t1`, `t2`, ... */
  function tokens(document: (token: string) => unknown): { readonly given: () => number } {
    let given = 0;
    other.behave({
      before: (_, outgoing) => answer(outgoing, 200, {}, JSON.stringify(document(`t${++given}`))),
    });
    return { given: () => given };
  }
  /** A registry that takes `valid` only. */
  const guarded =
    (valid: (token: string | undefined, seen: Seen) => boolean, query = ""): Manners["before"] =>
    (seen, outgoing) => {
      const token = /^Bearer (.*)$/.exec(seen.headers.authorization ?? "")?.[1];
      if (valid(token, seen)) return false;
      const challenge = `Bearer realm="http://${other.host}/token${query}",service="s"`;
      return answer(outgoing, 401, { "www-authenticate": challenge });
    };

  it.each<readonly [string, (token: string) => unknown]>([
    ["as token", (token) => ({ token })],
    ["as access_token", (token) => ({ access_token: token, token_type: "Bearer" })],
    ["as both", (token) => ({ token, access_token: token, expires_in: 300 })],
    ["with a life that is no number", (token) => ({ token, expires_in: "soon" })],
    ["with no life left", (token) => ({ token, expires_in: 0 })],
    ["with a life beyond all bounds", (token) => ({ token, expires_in: 1e300 })],
    ["by a clock that is years behind", (token) => ({ token, expires_in: 300, issued_at: "1999-01-01T00:00:00Z" })],
    ["by a clock that is years ahead", (token) => ({ token, expires_in: 300, issued_at: "2099-01-01T00:00:00Z" })],
  ])("are taken %s, and one is enough", async (_, document) => {
    const server = tokens(document);
    front.behave({ before: guarded((token) => token === "t1") });
    await put(noise("protocol one token", 1000));
    expect(server.given()).toBe(1);
    // It has our password, by way of the challenge of the registry that the password is for.
    expect(other.seen[0]!.headers.authorization).toBe(BASIC);
    expect(other.seen[0]!.path).toMatch(
      /[?&]service=s&scope=repository%3Aprotocol%2Frun\d+%3Apull%2Cpush&account=user$/,
    );
  });

  it("of a life that is over at once are asked for as often as needed", async () => {
    const server = tokens((token) => ({ token, expires_in: 1 }));
    front.behave({ before: guarded((token) => token !== undefined) });
    await put(noise("protocol short token", 1000));
    expect(server.given()).toBeGreaterThan(0);
  });

  it("come from a realm that has a query already", async () => {
    tokens((token) => ({ token }));
    front.behave({ before: guarded((token) => token === "t1", "?tenant=a%2Fb") });
    await put(noise("protocol realm", 1000));
    expect(other.seen[0]!.path).toMatch(/^\/token\?tenant=a%2Fb&service=s&scope=/);
  });

  it.each([["PUT"], ["PATCH"]] as const)("that end in the middle of an upload are renewed at a %s", async (method) => {
    const server = tokens((token) => ({ token, expires_in: 300 }));
    let ended = false;
    const valid = (token: string | undefined, seen: Seen): boolean => {
      // The registry has ended the first token early: a clock that goes wrong, a key that was changed.
      if (seen.method === method) ended = true;
      return ended ? token === "t2" : token === "t1";
    };
    front.behave({ before: guarded(valid) });
    await put(large, method === "PUT" ? again(large) : once(large));
    expect(server.given()).toBe(2);
    expect(asked(front, "POST").length).toBeLessThanOrEqual(2);
  });

  it("of a server that limits us are waited for, and its refusals say who limits", async () => {
    let refused = 0;
    other.behave({
      before: (_, outgoing) =>
        ++refused === 1
          ? answer(outgoing, 429, { "retry-after": "0" })
          : answer(outgoing, 200, {}, JSON.stringify({ token: "t1" })),
    });
    front.behave({ before: guarded((token) => token === "t1") });
    await put(noise("protocol limited", 1000));
    expect(refused).toBe(2);
    await session.close();
    session = new RegistrySession(OPTIONS);
    other.behave({ before: (_, outgoing) => answer(outgoing, 429) });
    await expect(put(noise("protocol limited", 1000))).rejects.toMatchObject({
      code: "REGISTRY_FAILED",
      message: expect.stringContaining(`${other.host} answered 429`),
      hint: expect.stringContaining("limits how often"),
    });
  });

  it("for which a refresh token is exchanged replace that one where the server gives a new one", async () => {
    await session.close();
    session = new RegistrySession({
      ...OPTIONS,
      credentials: { find: async () => ({ kind: "identity", token: "r0" }) },
    });
    const forms: URLSearchParams[] = [];
    let round = 0;
    other.behave({
      before(_, outgoing, incoming) {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("end", () => {
          const form = new URLSearchParams(Buffer.concat(chunks).toString());
          forms.push(form);
          if (form.get("refresh_token") !== `r${round}`) {
            answer(outgoing, 400, {}, JSON.stringify({ error: "invalid_grant" }));
            return;
          }
          round++;
          answer(outgoing, 200, {}, JSON.stringify({ access_token: `t${round}`, refresh_token: `r${round}` }));
        });
        return true;
      },
    });
    front.behave({ before: guarded((token) => token === `t${round}`) });
    for (let at = 0; at < 3; at++) await put(noise(`protocol rotation ${at}`, 1000));
    expect(forms.map((form) => form.get("refresh_token"))).toEqual(["r0", "r1", "r2"]);
  });
});

describe("a list of referrers", () => {
  it("is read over all its pages, at the registry alone", async () => {
    const subject = digestOf(Buffer.from("subject"));
    const entry = (name: string) => ({ digest: digestOf(Buffer.from(name)), artifactType: `type/${name}` });
    const pages: Record<string, [unknown[], string?]> = {
      "": [[], "?page=2"],
      "?page=2": [[entry("a"), entry("b")], "?page=3"],
      "?page=3": [[entry("c")], `http://${other.host}/v2/x/referrers/y`],
    };
    front.behave({
      before(seen, outgoing) {
        if (!seen.path.includes("/referrers/")) return answer(outgoing, 404);
        const [path, query = ""] = seen.path.split(/(?=\?)/);
        const [manifests, next] = pages[query]!;
        const link: Record<string, string> = next
          ? { link: `<${next.startsWith("?") ? path + next : next}>; rel="next"` }
          : {};
        return answer(outgoing, 200, link, JSON.stringify({ schemaVersion: 2, manifests }));
      },
    });
    const client = new RegistryClient(session, await session.hosts.push(reference(front.host)));
    expect((await attachmentsTo(client, subject))?.map(({ kind }) => kind)).toEqual(["type/a", "type/b", "type/c"]);
    expect(other.seen).toEqual([]);
  });
});
