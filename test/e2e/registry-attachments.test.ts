/** What names an image's old digest in its registry is named when the digest changes; what the manifest says itself is kept. */
import { createServer, request, type Server } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../packages/cli/src/model/digest.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../packages/cli/src/model/media-types.ts";
import { RegistrySession } from "../../packages/cli/src/store/registry/session.ts";
import { descriptorOf, type SampleImage, sampleImage } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { initwrap } from "../support/cli.ts";
import { startFaultProxy } from "../support/fault-proxy.ts";
import { registryAvailable, startRegistry, type TestRegistry } from "../support/registry.ts";
import { putImage } from "../support/registry-image.ts";

const env = { HOME: "/nonexistent", XDG_CONFIG_HOME: "", DOCKER_CONFIG: "" };
const session = new RegistrySession({ env: { HOME: "/nonexistent" } });
const image = sampleImage();
const tag = image.root.digest.replace(":", "-");
let registry: TestRegistry;
let number = 0;

beforeAll(async () => {
  if (registryAvailable) registry = await startRegistry();
});
afterAll(async () => {
  await session.close();
  await registry?.stop();
});
beforeEach((context) => requireCapability(context, "docker-registry", registryAvailable));

/** A repository of its own that holds the image under tag 1. */
async function repository(content = image): Promise<string> {
  const place = `${registry.host}/attached/run${number++}`;
  await putImage(`${place}:1`, content, session);
  return place;
}

/** The signature that cosign would push: an image-shaped artifact under a tag. */
const signature = sampleImage({ layers: ["signature"] });

interface Told {
  readonly attachments: readonly { readonly digest: string; readonly kind: string }[] | null;
  readonly diagnostics: readonly {
    readonly code: string;
    readonly severity: string;
    readonly args: Record<string, unknown>;
  }[];
}

async function wrapped(place: string, ...more: string[]): Promise<Told> {
  const { status, stdout, stderr } = await initwrap(
    ["image", `registry:${place}:1`, "-t", `${place}:init`, "--json", ...more],
    { env },
  );
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout.toString());
}

describe("a registry without the referrers API", () => {
  it("has nothing attached: nothing is said", async () => {
    const told = await wrapped(await repository());
    expect([told.attachments, told.diagnostics]).toEqual([[], []]);
  });

  it("has cosign's tags: they are named, in a plan too, and left as they are", async () => {
    const place = await repository();
    for (const suffix of ["sig", "att", "sbom"]) await putImage(`${place}:${tag}.${suffix}`, signature, session);
    for (const more of [["--dry-run"], []]) {
      const told = await wrapped(place, ...more);
      expect(told.attachments).toEqual(
        ["cosign signature", "cosign attestation", "cosign SBOM"].map((kind) => ({
          digest: signature.root.digest,
          kind,
        })),
      );
      expect(told.diagnostics).toEqual([
        {
          code: "SIGNATURE_STALE",
          severity: "warning",
          args: { digest: image.root.digest, count: 3, kinds: "cosign signature, cosign attestation, cosign SBOM" },
        },
      ]);
    }
    const { stderr } = await initwrap(["image", `registry:${place}:1`, "-t", `${place}:other`], { env });
    expect(stderr).toContain(`warning[SIGNATURE_STALE]: 3 that refer to ${image.root.digest} do not apply`);
    expect(await wrapped(place, "--undo")).toMatchObject({ attachments: [], diagnostics: [] });
  });

  it("is not asked what is attached when nobody would be told, and is for the document of a quiet run", async () => {
    const place = await repository();
    await putImage(`${place}:${tag}.sig`, signature, session);
    const proxy = await startFaultProxy(registry.host);
    const asked = () => proxy.requests.filter((line) => /\/(?:referrers|manifests)\/sha256[:-]/.test(line)).length;
    try {
      proxy.arm(0, undefined);
      const here = place.replace(registry.host, proxy.host);
      const args = ["image", `registry:${here}:1`, "-t", `${here}:quiet`, "--quiet"];
      const { status, stdout, stderr } = await initwrap(args, { env });
      expect([status, stderr]).toEqual([0, ""]);
      expect(stdout.toString()).toContain(`${here}:quiet`);
      expect(asked()).toBe(0);
      const told = await wrapped(here, "--quiet");
      expect(told.attachments).toEqual([{ digest: signature.root.digest, kind: "cosign signature" }]);
      expect(told.diagnostics.map(({ code }) => code)).toEqual(["SIGNATURE_STALE"]);
      expect(asked()).toBe(5);
    } finally {
      await proxy.stop();
    }
  });

  it("has several images in one repository: its tags are listed once, and what is attached is named all the same", async () => {
    const place = await repository();
    const others = [1, 2, 3, 4, 5].map((at) => sampleImage({ layers: [`other ${at}\n`] }));
    for (const [at, other] of others.entries()) await putImage(`${place}:t${at}`, other, session);
    const signed = others.at(-1)!.root.digest;
    await putImage(`${place}:${signed.replace(":", "-")}.sig`, signature, session);
    const proxy = await startFaultProxy(registry.host);
    try {
      proxy.arm(0, undefined);
      const lines = others.map((_, at) => `${place.replace(registry.host, proxy.host)}:t${at}\n`).join("");
      const args = ["image", "--from", "-", "-t", "{{repository}}:{{tag}}-init", "--jobs", "1", "--json"];
      const { status, stdout, stderr } = await initwrap(args, { env, input: lines });
      expect(status, stderr).toBe(0);
      const { images } = JSON.parse(stdout.toString()) as { images: { result: Told }[] };
      const kinds = images.map(({ result }) => result.attachments?.map(({ kind }) => kind));
      expect(kinds).toEqual([[], [], [], [], ["cosign signature"]]);
      expect(proxy.requests.filter((line) => line.includes("/tags/list"))).toHaveLength(1);
      expect(proxy.requests.filter((line) => line.includes("/referrers/"))).toHaveLength(1);
      // Two images by asking for each tag; then only for the one that is there.
      expect(proxy.requests.filter((line) => line.includes("/manifests/sha256-"))).toHaveLength(2 * 4 + 1);
    } finally {
      await proxy.stop();
    }
  });

  it("has the tag that stands in for the API: what it lists is named", async () => {
    const place = await repository();
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [
          { ...signature.root, artifactType: "application/spdx+json" },
          { ...signature.root, artifactType: "application/vnd.example\u001b[31m" },
        ],
      }),
    );
    const root = descriptorOf(OCI_INDEX, index);
    await putImage(
      `${place}:${tag}`,
      { root, blobs: [...signature.blobs, { descriptor: root, bytes: index }] },
      session,
    );
    const { attachments } = await wrapped(place);
    expect(attachments?.map(({ kind }) => kind)).toEqual(["application/spdx+json", "application/vnd.example [31m"]);
  });
});

describe("a registry with the referrers API", () => {
  /** In front of the real one: it answers for the API, and passes on everything else. */
  async function front(status: number, body: string): Promise<{ host: string; server: Server }> {
    const [hostname, port] = registry.host.split(":");
    const server = createServer((incoming, outgoing) => {
      if (incoming.url?.includes("/referrers/")) {
        outgoing.writeHead(status, { "content-type": OCI_INDEX }).end(body);
        return;
      }
      const { method, url, headers } = incoming;
      const far = request({ hostname, port, method, path: url, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
      });
      incoming.pipe(far);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { host: `127.0.0.1:${(server.address() as { port: number }).port}`, server };
  }

  it.each<[string, number, string, Told["attachments"]]>([
    [
      "an SBOM",
      200,
      JSON.stringify({
        manifests: [{ ...signature.root, artifactType: "application/spdx+json" }, { digest: "sha256:short" }, null],
      }),
      [{ digest: signature.root.digest, kind: "application/spdx+json" }],
    ],
    ["nothing", 200, JSON.stringify({ schemaVersion: 2, manifests: [] }), []],
    ["a page", 200, "<html>", []],
    ["a failure: then nobody knows", 500, "{}", null],
    ["no right to ask: then nobody knows", 403, "{}", null],
  ])("answers with %s", async (_, status, body, expected) => {
    const place = await repository();
    const { host, server } = await front(status, body);
    try {
      const told = await wrapped(place.replace(registry.host, host));
      expect(told.attachments).toEqual(expected);
      const severities = told.diagnostics.map(({ code, severity }) => [code, severity]);
      if (expected === null) expect(severities).toEqual([["SIGNATURE_STALE", "note"]]);
      else expect(severities).toEqual(expected.length > 0 ? [["SIGNATURE_STALE", "warning"]] : []);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });

  it("is asked once each, whatever it answers, and the wrap goes on", async () => {
    const place = await repository();
    const proxy = await startFaultProxy(registry.host);
    try {
      proxy.arm(0, undefined);
      await wrapped(place.replace(registry.host, proxy.host));
      expect(proxy.requests.filter((line) => line.includes("/referrers/"))).toHaveLength(1);
      expect(proxy.requests.filter((line) => line.includes(`/manifests/${tag}`))).toHaveLength(4);
    } finally {
      await proxy.stop();
    }
  });
});

describe("what a manifest says itself", () => {
  it("is kept: subject, annotations and fields that nobody knows; the base is added", async () => {
    const plain = image.blobs.at(-1)!;
    const manifest = {
      ...JSON.parse(Buffer.from(plain.bytes).toString()),
      subject: signature.root,
      annotations: { "org.example.team": "a&b" },
      "x-unknown": [1, { a: null }],
    };
    const bytes = Buffer.from(JSON.stringify(manifest, undefined, 4));
    const root = descriptorOf(OCI_MANIFEST, bytes);
    const content: SampleImage = { root, blobs: [...image.blobs.slice(0, -1), { descriptor: root, bytes }] };
    const place = await repository(content);
    await wrapped(place);
    const got = await fetch(`http://${place.replace("/", "/v2/")}/manifests/init`, {
      headers: { accept: OCI_MANIFEST },
    });
    const text = await got.text();
    const after = JSON.parse(text);
    expect(got.headers.get("docker-content-digest")).toBe(digestOf(Buffer.from(text)));
    expect([after.subject, after["x-unknown"]]).toEqual([manifest.subject, manifest["x-unknown"]]);
    expect(after.annotations).toMatchObject({
      "org.example.team": "a&b",
      "org.opencontainers.image.base.digest": root.digest,
      "org.opencontainers.image.base.name": `${place}:1`,
    });
    expect(after.layers.slice(0, -1)).toEqual(manifest.layers);
  });
});
