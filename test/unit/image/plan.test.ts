/** What a plan makes of every kind of image and index, and which it refuses: one case for each promise of docs/image.md. */
import { initFor } from "@initwrap/init-core";
import { describe, expect, it } from "vitest";
import { type ImagePlan, type ImagePlanRequest, planImage } from "../../../packages/cli/src/image/plan.ts";
import { readSnapshot } from "../../../packages/cli/src/image/snapshot.ts";
import type { Descriptor } from "../../../packages/cli/src/model/descriptor.ts";
import {
  DOCKER_CONFIG,
  DOCKER_LAYER_GZIP,
  DOCKER_LAYER_TAR,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER_GZIP,
  OCI_LAYER_TAR,
  OCI_MANIFEST,
} from "../../../packages/cli/src/model/media-types.ts";
import { parsePlatform } from "../../../packages/cli/src/model/platform.ts";
import { shippedInit } from "../../../packages/cli/src/wrap/image.ts";
import { descriptorOf } from "../../contract/sample-image.ts";

type Json = Record<string, unknown>;

/** Documents by digest: all that planning reads. */
class Medium {
  readonly blobs = new Map<string, Uint8Array>();

  add(mediaType: string, document: Json | string): Descriptor {
    const bytes = Buffer.from(typeof document === "string" ? document : JSON.stringify(document));
    const descriptor = descriptorOf(mediaType, bytes);
    this.blobs.set(descriptor.digest, bytes);
    return descriptor;
  }

  /** One platform's image. `config` and `manifest` replace fields of the two documents. */
  image(
    options: {
      readonly architecture?: string;
      readonly os?: string;
      readonly entrypoint?: readonly string[];
      readonly layers?: readonly Json[];
      readonly config?: Json;
      readonly manifest?: Json;
      readonly docker?: boolean;
    } = {},
  ): Descriptor {
    const { architecture = "amd64", os = "linux", entrypoint = [`/${architecture}`], docker = false } = options;
    const layers = options.layers ?? [layer(docker ? DOCKER_LAYER_GZIP : OCI_LAYER_GZIP)];
    const config = this.add(docker ? DOCKER_CONFIG : OCI_CONFIG, {
      architecture,
      os,
      config: { Entrypoint: entrypoint, Cmd: ["serve"] },
      rootfs: {
        type: "layers",
        diff_ids: layers.map((layer, at) =>
          layer["mediaType"] === OCI_LAYER_TAR ? layer["digest"] : `sha256:${String(at).repeat(64)}`,
        ),
      },
      ...options.config,
    });
    const type = docker ? DOCKER_MANIFEST : OCI_MANIFEST;
    return this.add(type, { schemaVersion: 2, mediaType: type, config, layers, ...options.manifest });
  }

  index(manifests: readonly Json[], more: Json = {}, type = OCI_INDEX): Descriptor {
    return this.add(type, { schemaVersion: 2, mediaType: type, manifests, ...more });
  }

  /** BuildKit's statement about `subject`. `more` replaces fields of its manifest. */
  attestation(subject: Descriptor, more: Json = {}): Json {
    const config = this.add(OCI_CONFIG, { architecture: "unknown", os: "unknown", rootfs: { type: "layers" } });
    const statement = layer("application/vnd.in-toto+json");
    const root = this.add(OCI_MANIFEST, {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config,
      layers: [statement],
      "x-of": subject.digest,
      ...more,
    });
    return {
      ...root,
      platform: { architecture: "unknown", os: "unknown" },
      annotations: {
        "vnd.docker.reference.digest": subject.digest,
        "vnd.docker.reference.type": "attestation-manifest",
      },
    };
  }

  async plan(root: Descriptor, request: Partial<ImagePlanRequest> = {}): Promise<ImagePlan> {
    const read = async ({ digest }: Descriptor) => this.blobs.get(digest);
    const forUndo = request.action === "undo";
    const snapshot = await readSnapshot(root, ["docker.io/library/app:1"], read, { forUndo });
    const plan = planImage(snapshot, { action: "wrap", initFor: shippedInit, ...request });
    for (const blob of plan.blobs) if (blob.kind === "document") this.blobs.set(blob.descriptor.digest, blob.bytes);
    return plan;
  }

  read(digest: string): Json {
    return JSON.parse(Buffer.from(this.blobs.get(digest)!).toString());
  }
}

let number = 0;
/** A layer that no one reads. */
function layer(mediaType: string, more: Json = {}): Json {
  return { mediaType, digest: `sha256:${String(++number).padStart(64, "a")}`, size: 1000, ...more };
}

const platform = (architecture: string, more: Json = {}): Json => ({ os: "linux", architecture, ...more });
/** An index of two platforms, the first of them attested. */
const attestedPair = (medium: Medium): { readonly amd64: Descriptor; readonly root: Descriptor } => {
  const [amd64, arm64] = [medium.image(), medium.image({ architecture: "arm64" })];
  const root = medium.index([
    { ...amd64, platform: platform("amd64") },
    { ...arm64, platform: platform("arm64") },
    medium.attestation(amd64),
  ]);
  return { amd64, root };
};
const codes = (plan: ImagePlan): string[] => plan.diagnostics.map(({ code }) => code);
const manifestsOf = (medium: Medium, digest: string): (Descriptor & Json)[] =>
  medium.read(digest)["manifests"] as (Descriptor & Json)[];

describe("an index", () => {
  it("is wrapped per platform: each platform's own entrypoint, its own architecture's init, everything else kept", async () => {
    const medium = new Medium();
    const [amd64, arm64] = [medium.image(), medium.image({ architecture: "arm64", entrypoint: ["/other", "x"] })];
    const root = medium.index(
      [
        { ...amd64, platform: platform("amd64"), annotations: { own: "kept" } },
        { ...arm64, platform: platform("arm64", { variant: "v8" }), "x-field": [1] },
      ],
      { annotations: { all: "kept" }, subject: { ...amd64 }, "x-unknown": null },
    );
    const plan = await medium.plan(root);
    expect(plan.platforms.map(({ action, after }) => [action, after.entrypoint, after.cmd])).toEqual([
      ["wrap", ["/initwrap", "--", "/amd64"], ["serve"]],
      ["wrap", ["/initwrap", "--", "/other", "x"], ["serve"]],
    ]);
    const after = medium.read(plan.after.digest);
    const { manifests, ...others } = after;
    const { manifests: before, ...othersBefore } = medium.read(root.digest);
    expect(others).toEqual(othersBefore);
    for (const [at, child] of (manifests as (Descriptor & Json)[]).entries()) {
      const old = (before as Json[])[at]!;
      const { after: now } = plan.platforms[at]!;
      expect(child).toEqual({ ...old, digest: now.manifest, size: medium.blobs.get(now.manifest)!.length });
      const { architecture } = child.platform!;
      const layers = medium.read(child.digest)["layers"] as Descriptor[];
      const init = initFor({ os: "linux", architecture });
      expect(layers.at(-1)).toEqual({ mediaType: OCI_LAYER_GZIP, digest: init.digest, size: init.layerSize });
      const config = medium.read(now.config!) as { rootfs: { diff_ids: string[] } };
      expect(config.rootfs.diff_ids.at(-1)).toBe(init.diffId);
    }
  });

  it("is narrowed by --platform: the others keep their descriptors, and a platform that it has not is an error", async () => {
    const medium = new Medium();
    const images = ["amd64", "arm64", "s390x"].map((architecture) => ({
      ...medium.image({ architecture }),
      platform: platform(architecture),
    }));
    const root = medium.index(images);
    const plan = await medium.plan(root, { platforms: [parsePlatform("linux/arm64/v8")!] });
    expect(plan.platforms.map(({ action }) => action)).toEqual(["left-alone", "wrap", "left-alone"]);
    const list = manifestsOf(medium, plan.after.digest);
    expect([list[0], list[2]]).toEqual([images[0], images[2]]);
    expect(list[1]!.digest).not.toBe(images[1]!.digest);
    expect(codes(plan)).toEqual(["PLATFORM_LEFT_ALONE", "PLATFORM_LEFT_ALONE"]);
    await expect(medium.plan(root, { platforms: [parsePlatform("linux/riscv64")!] })).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
      hint: "It has linux/amd64, linux/arm64, linux/s390x.",
    });
  });

  it("may be sparse: what is there is wrapped, the rest is reported and stays", async () => {
    const medium = new Medium();
    const image = medium.image();
    const absent = { ...new Medium().image({ architecture: "arm64" }), platform: platform("arm64") };
    const damaged = medium.image({ architecture: "s390x" });
    medium.blobs.delete((medium.read(damaged.digest)["config"] as Descriptor).digest);
    const root = medium.index([{ ...image }, absent, { ...damaged, platform: platform("s390x") }]);
    const plan = await medium.plan(root);
    expect(plan.platforms.map(({ platform: name, action }) => [name, action])).toEqual([
      ["linux/amd64", "wrap"],
      ["linux/arm64", "absent"],
      ["linux/s390x", "absent"],
    ]);
    expect(codes(plan)).toEqual(["PLATFORM_ABSENT", "PLATFORM_ABSENT"]);
    expect(manifestsOf(medium, plan.after.digest).slice(1)).toEqual(manifestsOf(medium, root.digest).slice(1));
    const bare = medium.index([absent]);
    await expect(medium.plan(bare)).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
      hint: "Its index names linux/arm64, which is not here.",
    });
  });

  it("that lists nothing is an error that says so", async () => {
    const medium = new Medium();
    await expect(medium.plan(medium.index([]))).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
      message: "the index lists no image",
    });
  });

  it("that lists an image twice has its platform once, and both entries name the new one", async () => {
    const medium = new Medium();
    const image = { ...medium.image(), platform: platform("amd64") };
    const root = medium.index([image, { ...image, annotations: { own: "kept" } }]);
    const plan = await medium.plan(root);
    expect(plan.platforms.map(({ platform: name, action }) => [name, action])).toEqual([["linux/amd64", "wrap"]]);
    const { manifest } = plan.platforms[0]!.after;
    const list = manifestsOf(medium, plan.after.digest);
    expect(list.map(({ digest, annotations }) => [digest, annotations?.["own"]])).toEqual([
      [manifest, undefined],
      [manifest, "kept"],
    ]);
  });

  it("may hold indexes: the images in them are wrapped, and every index above names the new ones", async () => {
    const medium = new Medium();
    const inner = medium.index([{ ...medium.image({ architecture: "arm64" }), platform: platform("arm64") }]);
    const root = medium.index([{ ...medium.image(), platform: platform("amd64") }, { ...inner }]);
    const plan = await medium.plan(root);
    expect(plan.platforms.map(({ action }) => action)).toEqual(["wrap", "wrap"]);
    const [, nested] = manifestsOf(medium, plan.after.digest);
    expect(nested!.digest).not.toBe(inner.digest);
    expect(manifestsOf(medium, nested!.digest)[0]!.digest).toBe(plan.platforms[1]!.after.manifest);
    const undone = await medium.plan(plan.after, { action: "undo" });
    expect(undone.after.digest).toBe(root.digest);
    // Children before parents: each index is written when all that it names is there.
    const order = plan.blobs.map(({ descriptor }) => descriptor.digest);
    expect(order.indexOf(nested!.digest)).toBeLessThan(order.indexOf(plan.after.digest));
  });

  it("that is nested beyond reason is refused", async () => {
    const medium = new Medium();
    let root = medium.image();
    for (let depth = 0; depth < 6; depth++) root = medium.index([{ ...root }]);
    await expect(medium.plan(root)).rejects.toMatchObject({ code: "UNSUPPORTED_IMAGE" });
  });

  it("may list one image twice, and is still consistent", async () => {
    const medium = new Medium();
    const image = medium.image();
    const plan = await medium.plan(medium.index([{ ...image, platform: platform("amd64") }, { ...image }]));
    const [first, second] = manifestsOf(medium, plan.after.digest);
    expect(second!.digest).toBe(first!.digest);
    expect(plan.blobs.filter(({ descriptor }) => descriptor.digest === first!.digest)).toHaveLength(1);
  });

  it("keeps artifacts beside the images as they are", async () => {
    const medium = new Medium();
    const chart = medium.image({
      manifest: { config: medium.add("application/vnd.cncf.helm.config.v1+json", "{}"), layers: [] },
    });
    const unknown = medium.add("application/vnd.example+json", "{}");
    const root = medium.index([{ ...medium.image() }, { ...chart }, { ...unknown }]);
    const plan = await medium.plan(root);
    expect(manifestsOf(medium, plan.after.digest).slice(1)).toEqual([chart, unknown]);
  });

  it("of Docker's family stays one, and its layers are Docker's", async () => {
    const medium = new Medium();
    const root = medium.index([{ ...medium.image({ docker: true }), platform: platform("amd64") }], {}, DOCKER_LIST);
    const plan = await medium.plan(root);
    expect(plan.after.mediaType).toBe(DOCKER_LIST);
    const manifest = medium.read(plan.platforms[0]!.after.manifest);
    expect([manifest["mediaType"], (manifest["layers"] as Descriptor[]).at(-1)!.mediaType]).toEqual([
      DOCKER_MANIFEST,
      DOCKER_LAYER_GZIP,
    ]);
  });
});

describe("attestations", () => {
  async function attested(request: Partial<ImagePlanRequest>) {
    const medium = new Medium();
    const [amd64, arm64] = [medium.image(), medium.image({ architecture: "arm64" })];
    const statements = [medium.attestation(amd64), medium.attestation(arm64)];
    const root = medium.index([
      { ...amd64, platform: platform("amd64") },
      { ...arm64, platform: platform("arm64") },
      ...statements,
    ]);
    const plan = await medium.plan(root, request);
    return { medium, root, plan, statements, list: manifestsOf(medium, plan.after.digest) };
  }
  const subjectOf = (entry: Json): unknown => (entry["annotations"] as Json)["vnd.docker.reference.digest"];

  it("are dropped with a finding for each", async () => {
    const { plan, list } = await attested({});
    expect(list).toHaveLength(2);
    expect(plan.diagnostics).toEqual(
      ["linux/amd64", "linux/arm64"].map((name) => ({
        code: "ATTESTATION_DROPPED",
        severity: "warning",
        args: { platform: name },
      })),
    );
  });

  it("are kept on request, as they are, pointing at the new digests", async () => {
    const { plan, list, statements } = await attested({ attestations: "keep" });
    expect(list.slice(2).map(({ digest }) => digest)).toEqual(statements.map((one) => one["digest"]));
    expect(list.slice(2).map(subjectOf)).toEqual(plan.platforms.map(({ after }) => after.manifest));
    // Their blobs go along.
    const carried = plan.blobs.filter(({ kind }) => kind === "carried").map(({ descriptor }) => descriptor.digest);
    for (const one of statements) expect(carried).toContain(one["digest"]);
  });

  it("of an image that stays as it is stay too", async () => {
    const { list, statements } = await attested({ platforms: [parsePlatform("linux/amd64")!] });
    expect(list).toHaveLength(3);
    expect(list[2]).toEqual(statements[1]);
  });

  it("come back with --undo, whichever way they went", async () => {
    for (const attestations of ["drop", "keep"] as const) {
      const { medium, root, plan } = await attested({ attestations });
      expect((await medium.plan(plan.after, { action: "undo" })).after.digest).toBe(root.digest);
    }
  });

  it("that were dropped go along with --undo while they are there, and are told to be missing when not", async () => {
    const { medium, root, plan, statements } = await attested({});
    const undone = await medium.plan(plan.after, { action: "undo" });
    const planned = new Set<unknown>(undone.blobs.map(({ descriptor }) => descriptor.digest));
    for (const { digest } of statements) {
      const { config, layers } = medium.read(digest as string) as { config: Descriptor; layers: Descriptor[] };
      for (const one of [digest, config.digest, layers[0]!.digest]) expect(planned).toContain(one);
    }
    expect(codes(undone)).toEqual([]);
    const half = await medium.plan(plan.after, { action: "undo", platforms: [parsePlatform("linux/arm64")!] });
    expect(codes(half)).toEqual(["PLATFORM_LEFT_ALONE"]);
    medium.blobs.delete(statements[0]!["digest"] as string);
    const sparse = await medium.plan(plan.after, { action: "undo" });
    expect(sparse.after.digest).toBe(root.digest);
    expect(sparse.diagnostics).toEqual([
      { code: "PLATFORM_ABSENT", severity: "note", args: { platform: "the attestation of linux/amd64" } },
    ]);
  });
});

describe("attestations that are artifacts", () => {
  /** As BuildKit 0.32 writes them: the manifest itself names its subject too. */
  async function attested(request: Partial<ImagePlanRequest> = {}) {
    const medium = new Medium();
    const image = medium.image();
    const attestation = medium.attestation(image, {
      artifactType: "application/vnd.docker.attestation.manifest.v1+json",
      config: medium.add("application/vnd.oci.empty.v1+json", "{}"),
      subject: image,
    });
    const root = medium.index([{ ...image, platform: platform("amd64") }, attestation]);
    const plan = await medium.plan(root, { attestations: "keep", ...request });
    return { medium, root, plan, attestation, image };
  }

  it("name the new digest in both places when they are kept, and go along with all they refer to", async () => {
    const { medium, plan, attestation } = await attested();
    const [image, kept] = manifestsOf(medium, plan.after.digest);
    expect(kept!.annotations!["vnd.docker.reference.digest"]).toBe(image!.digest);
    expect(kept!.size).toBe(medium.blobs.get(kept!.digest)!.length);
    expect(medium.read(kept!.digest)).toEqual({
      ...medium.read(attestation["digest"] as string),
      subject: { mediaType: OCI_MANIFEST, digest: image!.digest, size: image!.size },
    });
    const { config, layers } = medium.read(kept!.digest) as { config: Descriptor; layers: Descriptor[] };
    const planned = plan.blobs.map(({ descriptor }) => descriptor.digest);
    for (const one of [config, ...layers, kept!]) expect(planned).toContain(one.digest);
    expect(planned).not.toContain(attestation["digest"]);
  });

  it("are what they were after --undo, which brings them along", async () => {
    const { medium, root, plan, attestation } = await attested();
    medium.blobs.delete(attestation["digest"] as string);
    const undone = await medium.plan(plan.after, { action: "undo" });
    expect(undone.after.digest).toBe(root.digest);
    expect(undone.blobs.find(({ descriptor }) => descriptor.digest === attestation["digest"])?.kind).toBe("document");
  });

  it("are done when done again, and renewed as the original would be", async () => {
    const { medium, root, plan } = await attested();
    expect((await medium.plan(plan.after, { attestations: "keep" })).changed).toBe(false);
    // Said once is enough, until the image changes.
    expect((await medium.plan(plan.after)).changed).toBe(false);
    const dropping = await medium.plan(plan.after, { initOptions: ["-v"] });
    expect([codes(dropping), manifestsOf(medium, dropping.after.digest).length]).toEqual([["ATTESTATION_DROPPED"], 1]);
    const other: Partial<ImagePlanRequest> = { attestations: "keep", initOptions: ["-g"] };
    const renewed = await medium.plan(plan.after, other);
    expect(renewed.after).toEqual((await medium.plan(root, other)).after);
  });
});

describe("an index that was wrapped", () => {
  const again = (medium: Medium, plan: ImagePlan) => medium.plan(plan.after);
  const other: Partial<ImagePlanRequest> = { initOptions: ["-g"] };

  it("and holds another index beside an attested image is done, renewed and undone like any", async () => {
    const medium = new Medium();
    const image = medium.image();
    const inner = medium.index([{ ...medium.image({ architecture: "arm64" }), platform: platform("arm64") }]);
    const root = medium.index([{ ...image, platform: platform("amd64") }, { ...inner }, medium.attestation(image)]);
    const plan = await medium.plan(root);
    expect((await again(medium, plan)).changed).toBe(false);
    const renewed = await medium.plan(plan.after, other);
    expect(renewed.after).toEqual((await medium.plan(root, other)).after);
    expect((await medium.plan(renewed.after, { action: "undo" })).after.digest).toBe(root.digest);
  });

  it("and of which a platform is not here has that one as it is: done, renewed, and undone", async () => {
    const medium = new Medium();
    const { amd64, root } = attestedPair(medium);
    const plan = await medium.plan(root);
    const absent = plan.platforms[1]!.after.manifest;
    medium.blobs.delete(absent);
    expect((await again(medium, plan)).changed).toBe(false);
    const renewed = await medium.plan(plan.after, other);
    expect(manifestsOf(medium, renewed.after.digest)[1]!.digest).toBe(absent);
    const narrowed = { action: "undo", platforms: [parsePlatform("linux/amd64")!] } as const;
    const half = await medium.plan(plan.after, narrowed);
    expect(
      manifestsOf(medium, half.after.digest)
        .map(({ digest }) => digest)
        .slice(0, 2),
    ).toEqual([amd64.digest, absent]);
    expect((await medium.plan(plan.after, { action: "undo" })).after.digest).toBe(root.digest);
  });

  it("and changed since keeps the change; only undo is refused", async () => {
    const medium = new Medium();
    const { root } = attestedPair(medium);
    const plan = await medium.plan(root);
    const { manifests, ...others } = medium.read(plan.after.digest) as { manifests: Descriptor[] };
    const narrowed = medium.index(manifests.slice(0, 1) as unknown as Json[], others);
    const attested = medium.index([...(manifests as unknown as Json[]), medium.attestation(manifests[0]!)], others);
    const written = medium.add(OCI_INDEX, JSON.stringify({ manifests, ...others }, null, 2));
    for (const changed of [narrowed, attested, written]) {
      expect((await medium.plan(changed)).changed).toBe(false);
      await expect(medium.plan(changed, { action: "undo" })).rejects.toMatchObject({ code: "PROOF_FAILED", exit: 5 });
    }
    const renewed = manifestsOf(medium, (await medium.plan(narrowed, other)).after.digest);
    expect(renewed.map(({ platform: of }) => of?.architecture)).toEqual(["amd64"]);
  });

  it("and whose entries are written in another way than ours is what it was, undone", async () => {
    const medium = new Medium();
    const image = medium.image();
    const size = `${image.size}`;
    const text = `{"schemaVersion":2,"manifests":[{"mediaType":"${OCI_MANIFEST}","size":${size[0]}.${size.slice(1)}e${size.length - 1},"digest":"${image.digest.replace("s", "\\u0073")}"}]}`;
    const root = medium.add(OCI_INDEX, text);
    const plan = await medium.plan(root);
    expect(plan.platforms[0]!.action).toBe("wrap");
    expect((await again(medium, plan)).changed).toBe(false);
    expect((await medium.plan(plan.after, { action: "undo" })).after.digest).toBe(root.digest);
  });
});

it("one image that an index lists for two platforms has each one's own init", async () => {
  const medium = new Medium();
  const image = medium.image({ architecture: "arm" });
  const variants = ["v6", "v7"];
  const root = medium.index(variants.map((variant) => ({ ...image, platform: platform("arm", { variant }) })));
  const plan = await medium.plan(root);
  for (const [at, { digest }] of manifestsOf(medium, plan.after.digest).entries()) {
    const layers = medium.read(digest)["layers"] as Descriptor[];
    const init = initFor({ os: "linux", architecture: "arm", variant: variants[at]! });
    expect(layers.at(-1)!.digest).toBe(init.digest);
  }
  expect((await medium.plan(plan.after, { action: "undo" })).after.digest).toBe(root.digest);
});

it("an attestation that does not say of what stays while nothing changes, and is dropped with the old image", async () => {
  const medium = new Medium();
  const image = medium.image();
  const { annotations: _annotations, ...statement } = medium.attestation(image);
  const annotations = { "vnd.docker.reference.type": "attestation-manifest" };
  const root = medium.index([
    { ...image, platform: platform("amd64") },
    { ...statement, annotations },
  ]);
  const unchanged = await medium.plan(root, { action: "undo" });
  expect(unchanged.changed).toBe(false);
  expect(unchanged.blobs.map(({ descriptor }) => descriptor.digest)).toContain(statement["digest"]);
  const plan = await medium.plan(root);
  expect([codes(plan), manifestsOf(medium, plan.after.digest).length]).toEqual([["ATTESTATION_DROPPED"], 1]);
  expect((await medium.plan(plan.after, { action: "undo" })).after.digest).toBe(root.digest);
});

it("a base name of the image's own is no name that it was given: renewed, it is what its original would be", async () => {
  const medium = new Medium();
  const own = { annotations: { "org.opencontainers.image.base.name": "docker.io/library/debian:13" } };
  const root = medium.image({ manifest: own });
  const nameless = async (from: Descriptor, request: Partial<ImagePlanRequest>) => {
    const snapshot = await readSnapshot(from, [], async ({ digest }) => medium.blobs.get(digest));
    const plan = planImage(snapshot, { action: "wrap", initFor: shippedInit, ...request });
    for (const blob of plan.blobs) if (blob.kind === "document") medium.blobs.set(blob.descriptor.digest, blob.bytes);
    return plan.after;
  };
  const first = await nameless(root, {});
  expect(await nameless(first, { initOptions: ["-g"] })).toEqual(await nameless(root, { initOptions: ["-g"] }));
});

describe("layers that are carried", () => {
  const urls = { urls: ["https://example.com/layer"] };
  it.each<[string, boolean, Json]>([
    ["zstd", false, layer("application/vnd.oci.image.layer.v1.tar+zstd")],
    [
      "estargz",
      false,
      layer(OCI_LAYER_GZIP, {
        annotations: {
          "containerd.io/snapshot/stargz/toc.digest": `sha256:${"b".repeat(64)}`,
          "io.containers.estargz.uncompressed-size": "123",
        },
      }),
    ],
    [
      "encrypted",
      false,
      layer("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", { annotations: { keys: "x" } }),
    ],
    ["non-distributable", false, layer("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", urls)],
    ["foreign", true, layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", urls)],
    ["embedded in the manifest", false, layer(OCI_LAYER_GZIP, { size: 2, data: "e30=" })],
  ])("stay as they are, every field: %s", async (_, docker, carried) => {
    const medium = new Medium();
    const plan = await medium.plan(medium.image({ layers: [carried], docker }));
    const layers = medium.read(plan.after.digest)["layers"] as Json[];
    expect(layers).toHaveLength(2);
    expect(layers[0]).toEqual(carried);
    // The new one is of the manifest's family, and compressed as ever.
    expect(layers[1]!["mediaType"]).toBe(docker ? DOCKER_LAYER_GZIP : OCI_LAYER_GZIP);
    expect(plan.blobs.find(({ descriptor }) => descriptor.digest === carried["digest"])).toMatchObject({
      kind: "carried",
      descriptor: carried,
    });
  });

  it("and a config that the manifest embeds is embedded anew", async () => {
    const medium = new Medium();
    const plain = medium.image();
    const manifest = medium.read(plain.digest);
    const config = manifest["config"] as Descriptor;
    const data = Buffer.from(medium.blobs.get(config.digest)!).toString("base64");
    const root = medium.add(OCI_MANIFEST, { ...manifest, config: { ...config, data } });
    const plan = await medium.plan(root);
    const after = medium.read(plan.after.digest)["config"] as Descriptor & { data: string };
    expect(Buffer.from(after.data, "base64")).toEqual(Buffer.from(medium.blobs.get(after.digest)!));
  });
});

describe("a config", () => {
  it("keeps its fields, their order and its white space: all but what the init needs", async () => {
    const medium = new Medium();
    const section = [
      '"Healthcheck": { "Test": ["CMD", "true"], "Interval": 5000000000, "Retries": 3 }',
      '"OnBuild": [ "RUN make" ]',
      '"ArgsEscaped": true',
      '"Cmd":   ["serve", "\\u00e9"]',
      '"Entrypoint": [ "/app" ]',
      '"Volumes": {"/data": {}}',
      '"x-number": 1.50',
      '"Labels": { "team" : "a" }',
    ];
    const text = `{\n\t"os": "linux", "x-first": [1, 2],\n\t"config": {${section.join(",\n\t\t")}},\n\t"architecture": "amd64", "created": "2024-01-01T00:00:00Z", "rootfs": {"type": "layers", "diff_ids": []}\n}`;
    const config = medium.add(OCI_CONFIG, text);
    const root = medium.add(OCI_MANIFEST, { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [] });
    const plan = await medium.plan(root);
    const after = Buffer.from(medium.blobs.get(plan.platforms[0]!.after.config!)!).toString();
    for (const kept of section.filter((line) => !/^"(Entrypoint|Labels)"/.test(line))) expect(after).toContain(kept);
    expect(after).toMatch(/^\{\n\t"os": "linux", "x-first": \[1, 2\],\n\t"config": \{"Healthcheck"/);
    expect(Object.keys(JSON.parse(after))).toEqual([...Object.keys(JSON.parse(text)), "history"]);
    expect(JSON.parse(after).created).toBe("2024-01-01T00:00:00Z");
    expect((await medium.plan(plan.after, { action: "undo" })).after.digest).toBe(root.digest);
  });
});

describe("the init's layer", () => {
  const init = initFor({ os: "linux", architecture: "amd64" });
  const plain = { digest: init.diffId, size: init.tarSize };
  const packed = { digest: init.digest, size: init.layerSize };
  const undistributed = "application/vnd.oci.image.layer.nondistributable.v1.tar";
  const lastOf = (medium: Medium, plan: ImagePlan): Json =>
    (medium.read(plan.after.digest)["layers"] as Json[]).at(-1)!;

  it.each<[string, readonly string[], Json, boolean]>([
    ["plain layers: plain", [OCI_LAYER_TAR, OCI_LAYER_TAR], { mediaType: OCI_LAYER_TAR, ...plain }, false],
    ["plain layers of Docker's kind: plain", [DOCKER_LAYER_TAR], { mediaType: DOCKER_LAYER_TAR, ...plain }, true],
    ["a plain layer to fetch elsewhere: plain", [undistributed], { mediaType: OCI_LAYER_TAR, ...plain }, false],
    ["layers of both kinds: gzip", [OCI_LAYER_TAR, OCI_LAYER_GZIP], { mediaType: OCI_LAYER_GZIP, ...packed }, false],
    ["no layer: gzip", [], { mediaType: OCI_LAYER_GZIP, ...packed }, false],
    ["no layer, Docker's kind: gzip", [], { mediaType: DOCKER_LAYER_GZIP, ...packed }, true],
  ])("is as the others are, and the plan names what is written: %s", async (_, types, expected, docker) => {
    const medium = new Medium();
    const plan = await medium.plan(medium.image({ layers: types.map((type) => layer(type)), docker }));
    expect(lastOf(medium, plan)).toEqual(expected);
    expect(plan.blobs.filter(({ kind }) => kind === "init").map(({ descriptor }) => descriptor)).toEqual([expected]);
    const config = medium.read(plan.platforms[0]!.after.config!) as { rootfs: { diff_ids: string[] } };
    expect(config.rootfs.diff_ids.at(-1)).toBe(init.diffId);
    expect((await medium.plan(plan.after)).changed).toBe(false);
  });

  it("makes no other config: the same image has one, compressed or not", async () => {
    const plans = [OCI_LAYER_TAR, OCI_LAYER_GZIP].map((type) => {
      const medium = new Medium();
      const diffId = `sha256:${"c".repeat(64)}`;
      const digest = type === OCI_LAYER_TAR ? diffId : `sha256:${"d".repeat(64)}`;
      const config = { rootfs: { type: "layers", diff_ids: [diffId] } };
      return medium.plan(medium.image({ layers: [layer(type, { digest })], config }));
    });
    const [plain, packed] = await Promise.all(plans);
    expect(plain!.platforms[0]!.after.config).toBe(packed!.platforms[0]!.after.config);
    expect(plain!.after.digest).not.toBe(packed!.after.digest);
  });

  it("that stands compressed among plain ones is right all the same: renewed to a plain one, or undone", async () => {
    const medium = new Medium();
    const root = medium.image({ layers: [layer(OCI_LAYER_TAR)] });
    // By a release that had compressed layers only.
    const older = (await medium.plan(root)).after;
    const manifest = medium.read(older.digest) as { layers: Json[] };
    manifest.layers[1] = { mediaType: OCI_LAYER_GZIP, ...packed };
    const mixed = medium.add(OCI_MANIFEST, manifest as unknown as Json);
    expect((await medium.plan(mixed)).changed).toBe(false);
    const renewed = await medium.plan(mixed, { initOptions: ["-g"] });
    expect(renewed.platforms[0]!.action).toBe("renew");
    expect(lastOf(medium, renewed)).toEqual({ mediaType: OCI_LAYER_TAR, ...plain });
    expect(renewed.after).toEqual((await medium.plan(root, { initOptions: ["-g"] })).after);
    for (const image of [mixed, renewed.after]) {
      expect((await medium.plan(image, { action: "undo" })).after.digest).toBe(root.digest);
    }
  });
});

it("an image that was built on one with an older init keeps it, and says so", async () => {
  const medium = new Medium();
  const root = (version: string): Descriptor =>
    medium.image({
      config: {
        config: { Entrypoint: ["/initwrap", "--", "/app"], Labels: { "io.initwrap.version": version } },
      },
    });
  const plan = await medium.plan(root("0.0.1"));
  expect(plan.changed).toBe(false);
  expect(plan.diagnostics).toEqual([
    { code: "INIT_INHERITED", severity: "warning", args: { platform: "linux/amd64", version: "0.0.1" } },
  ]);
  const { version } = initFor({ os: "linux", architecture: "amd64" });
  expect(codes(await medium.plan(root(version)))).toEqual([]);
});

describe("a manifest that another tool has written anew", () => {
  /** As podman and skopeo push it: layers compressed anew, annotations in the order of the alphabet. */
  async function pushed(annotations: Json | undefined) {
    const medium = new Medium();
    const root = medium.image({ manifest: annotations === undefined ? {} : { annotations } });
    const plan = await medium.plan(root);
    const anew = (digest: string, count: number): Json => {
      const manifest = medium.read(digest) as { layers: Json[]; annotations?: Json };
      const zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
      const layers = manifest.layers.slice(0, count).map((_, at) => ({
        mediaType: zstd,
        digest: `sha256:${String(at + 1).repeat(64)}`,
        size: 10,
      }));
      const own = Object.entries(manifest.annotations ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
      return { ...manifest, layers, ...(own.length > 0 ? { annotations: Object.fromEntries(own) } : {}) };
    };
    const copy = medium.add(OCI_MANIFEST, anew(plan.after.digest, 2));
    return { medium, root, copy, original: anew(root.digest, 1) };
  }

  it.each<[string, Json | undefined]>([
    ["none", undefined],
    ["other ones", { a: "kept", z: "kept" }],
    ["a base of its own", { "org.opencontainers.image.base.digest": "x", "org.opencontainers.image.base.name": "y" }],
  ])("is undone to the original image, with its annotations: %s", async (_, annotations) => {
    const { medium, root, copy, original } = await pushed(annotations);
    expect((await medium.plan(copy)).changed).toBe(false);
    const undone = await medium.plan(copy, { action: "undo" });
    expect(undone.platforms[0]!.after.config).toBe((medium.read(root.digest)["config"] as Descriptor).digest);
    expect(medium.read(undone.after.digest)).toEqual(original);
  });

  it("is renewed: our layer is replaced, and the entrypoint composed anew", async () => {
    const { medium, root, copy } = await pushed(undefined);
    const other: Partial<ImagePlanRequest> = { initOptions: ["-g"] };
    const renewed = await medium.plan(copy, other);
    expect(renewed.platforms[0]!.action).toBe("renew");
    expect(renewed.platforms[0]!.after.config).toBe((await medium.plan(root, other)).platforms[0]!.after.config);
    expect(medium.read(renewed.after.digest)["layers"]).toHaveLength(2);
  });

  it("is not undone where its config is not what we wrote", async () => {
    const { medium, copy } = await pushed(undefined);
    const manifest = medium.read(copy.digest);
    const config = medium.read((manifest["config"] as Descriptor).digest);
    const changed = medium.add(OCI_CONFIG, { ...config, author: "somebody" });
    const root = medium.add(OCI_MANIFEST, { ...manifest, config: changed });
    await expect(medium.plan(root, { action: "undo" })).rejects.toMatchObject({ code: "PROOF_FAILED" });
  });
});

describe("what is refused", () => {
  it.each<[string, (medium: Medium) => Descriptor, string]>([
    ["Windows", (medium) => medium.image({ os: "windows" }), "NOT_LINUX"],
    [
      "an index with Windows in it",
      (medium) => medium.index([{ ...medium.image() }, { ...medium.image({ os: "windows" }) }]),
      "NOT_LINUX",
    ],
    ["an architecture without an init", (medium) => medium.image({ architecture: "sparc64" }), "NO_INIT_FOR_PLATFORM"],
    [
      "schema 1",
      (medium) => medium.add("application/vnd.docker.distribution.manifest.v1+prettyjws", { schemaVersion: 1 }),
      "UNSUPPORTED_IMAGE",
    ],
    [
      "an artifact by its config",
      (medium) => medium.image({ manifest: { config: medium.add("application/vnd.cncf.helm.config.v1+json", "{}") } }),
      "UNSUPPORTED_IMAGE",
    ],
    [
      "an artifact by its type",
      (medium) => medium.image({ manifest: { artifactType: "application/vnd.example" } }),
      "UNSUPPORTED_IMAGE",
    ],
    [
      "an artifact without a config",
      (medium) => medium.image({ manifest: { config: medium.add("application/vnd.oci.empty.v1+json", "{}") } }),
      "UNSUPPORTED_IMAGE",
    ],
    [
      "another root file system",
      (medium) => medium.image({ config: { rootfs: { type: "other" } } }),
      "UNSUPPORTED_IMAGE",
    ],
    [
      "fewer diff_ids than layers",
      (medium) => medium.image({ config: { rootfs: { type: "layers", diff_ids: [] } } }),
      "IMAGE_INVALID",
    ],
    [
      "more diff_ids than layers",
      (medium) => medium.image({ layers: [], config: { rootfs: { type: "layers", diff_ids: ["sha256:1"] } } }),
      "IMAGE_INVALID",
    ],
    [
      "a diff_id that is no digest",
      (medium) => medium.image({ config: { rootfs: { type: "layers", diff_ids: ["sha256:1"] } } }),
      "IMAGE_INVALID",
    ],
    [
      "a plain layer that the config has another diff_id for",
      (medium) =>
        medium.image({
          layers: [layer(OCI_LAYER_TAR)],
          config: { rootfs: { type: "layers", diff_ids: [`sha256:${"9".repeat(64)}`] } },
        }),
      "IMAGE_INVALID",
    ],
    [
      "a key twice in a manifest",
      (medium) => {
        const { config } = medium.read(medium.image().digest);
        const text = JSON.stringify({ schemaVersion: 2, config, layers: [] });
        return medium.add(OCI_MANIFEST, text.replace("{", '{"layers":[],'));
      },
      "IMAGE_INVALID",
    ],
    [
      "a key twice in a config",
      (medium) => {
        const config = medium.add(OCI_CONFIG, '{"os":"linux","os":"linux","architecture":"amd64"}');
        return medium.add(OCI_MANIFEST, { schemaVersion: 2, config, layers: [] });
      },
      "IMAGE_INVALID",
    ],
    [
      "a field in two spellings",
      (medium) => medium.image({ config: { config: { Entrypoint: ["/a"], entrypoint: ["/b"] } } }),
      "IMAGE_INVALID",
    ],
    ["an index that is a manifest too", (medium) => medium.index([], { config: {}, layers: [] }), "IMAGE_INVALID"],
    [
      "a manifest that its descriptor calls an index",
      (medium) => ({ ...medium.image(), mediaType: OCI_INDEX }),
      "IMAGE_INVALID",
    ],
    [
      "a layer without a digest",
      (medium) => medium.image({ manifest: { layers: [{ mediaType: OCI_LAYER_GZIP, size: 1 }] } }),
      "IMAGE_INVALID",
    ],
    [
      "a missing config",
      (medium) => {
        const root = medium.image();
        medium.blobs.delete((medium.read(root.digest)["config"] as Descriptor).digest);
        return root;
      },
      "IMAGE_NOT_FOUND",
    ],
    ["a missing manifest", () => new Medium().image(), "IMAGE_NOT_FOUND"],
    ["an /initwrap of its own", (medium) => medium.image({ entrypoint: ["/initwrap", "serve"] }), "PATH_TAKEN"],
    ["an init that must be PID 1", (medium) => medium.image({ entrypoint: ["/init"] }), "MUST_BE_PID1"],
    ["supervisord", (medium) => medium.image({ entrypoint: ["supervisord", "-n"] }), "MUST_BE_PID1"],
  ])("%s", async (_, make, code) => {
    const medium = new Medium();
    const root = make(medium);
    await expect(medium.plan(root)).rejects.toMatchObject({ code });
  });
});
