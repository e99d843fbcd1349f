/** Indexes, manifests and configs from strangers: what two readers would read in two ways, or none can, is refused with a code. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Descriptor } from "../../../packages/cli/src/model/descriptor.ts";
import { digestOf } from "../../../packages/cli/src/model/digest.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST } from "../../../packages/cli/src/model/media-types.ts";
import { wrapImage } from "../../../packages/cli/src/wrap/image.ts";
import { verifyImage } from "../../../packages/cli/src/wrap/verify.ts";
import { descriptorOf, tarOf } from "../../contract/sample-image.ts";

const NAME = "org.opencontainers.image.ref.name";
let folder: string;
let count = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "initwrap-hostile-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tar = tarOf([["file", "hello\n"]]);
const layerBytes = gzipSync(tar);
const layer = descriptorOf(OCI_LAYER_GZIP, layerBytes);
const config = {
  architecture: "amd64",
  os: "linux",
  config: { Entrypoint: ["/app"] } as unknown,
  rootfs: { type: "layers", diff_ids: [digestOf(tar)] as unknown },
  history: [{ created_by: "step" }] as unknown,
};
const goodConfig = JSON.stringify(config);
const goodManifest = (own: Descriptor) => ({ schemaVersion: 2, mediaType: OCI_MANIFEST, config: own, layers: [layer] });

type Text = string | Uint8Array | object;
const bytesOf = (text: Text): Buffer =>
  typeof text === "string" || text instanceof Uint8Array
    ? Buffer.from(text as string)
    : Buffer.from(JSON.stringify(text));

interface Parts {
  readonly config?: Text;
  readonly manifest?: (config: Descriptor) => Text;
  readonly index?: (manifest: Descriptor, add: (mediaType: string, text: Text) => Descriptor) => Text;
}

/** An archive of an image of which one document is another one than it should be. */
function archive(parts: Parts): Buffer {
  const blobs: [string, Uint8Array][] = [];
  const add = (mediaType: string, text: Text): Descriptor => {
    const bytes = bytesOf(text);
    const descriptor = descriptorOf(mediaType, bytes);
    blobs.push([`blobs/sha256/${descriptor.digest.slice(7)}`, bytes]);
    return descriptor;
  };
  add(OCI_LAYER_GZIP, layerBytes);
  const own = add(OCI_CONFIG, parts.config ?? goodConfig);
  const manifest = add(OCI_MANIFEST, parts.manifest?.(own) ?? goodManifest(own));
  const index = parts.index?.(manifest, add) ?? { schemaVersion: 2, manifests: [manifest] };
  return tarOf([...blobs, ["oci-layout", '{"imageLayoutVersion":"1.0.0"}'], ["index.json", bytesOf(index)]]);
}

const withConfig = (fields: object): Parts => ({ config: { ...config, ...fields } });
const withSection = (fields: object): Parts => withConfig({ config: { Entrypoint: ["/app"], ...fields } });
const withLayer = (fields: object): Parts => ({
  manifest: (own) => ({ ...goodManifest(own), layers: [{ ...layer, ...fields }] }),
});
const withDiffIds = (...ids: readonly unknown[]): Parts => withConfig({ rootfs: { type: "layers", diff_ids: ids } });
const listing = (fields: object): Parts => ({
  index: (manifest) => ({ schemaVersion: 2, manifests: [{ ...manifest, ...fields }] }),
});
const raw = (own: Descriptor, from: string, to: string): string => JSON.stringify(goodManifest(own)).replace(from, to);
const deep = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
const legacy = (list: string, file: string): Buffer =>
  tarOf([
    ["manifest.json", list],
    ["c.json", file],
    ["l", tar],
  ]);

const HOSTILE: readonly (readonly [what: string, code: string, make: Parts | (() => Buffer)])[] = [
  ["an index that is null", "IMAGE_INVALID", { index: () => "null" }],
  ["an index that is a list", "IMAGE_INVALID", { index: () => "[]" }],
  ["an index that lists nothing", "IMAGE_INVALID", { index: () => ({ schemaVersion: 2 }) }],
  ["an index that lists an object", "IMAGE_INVALID", { index: () => ({ manifests: {} }) }],
  ["an index that lists null", "IMAGE_INVALID", { index: () => ({ manifests: [null] }) }],
  ["an index of deep nesting", "IMAGE_INVALID", { index: () => deep(100_000) }],
  ["an index that is not UTF-8", "IMAGE_INVALID", { index: () => Buffer.from([0x7b, 0xff, 0xfe, 0x7d]) }],
  ["a name that is a number", "IMAGE_INVALID", listing({ annotations: { "org.opencontainers.image.ref.name": 5 } })],
  ["annotations that are a list", "IMAGE_INVALID", listing({ annotations: ["x"] })],
  ["a platform that is a text", "IMAGE_INVALID", listing({ platform: "linux/amd64" })],
  ["a platform of numbers", "IMAGE_INVALID", listing({ platform: { os: 5, architecture: null } })],
  ["a negative size in an index", "IMAGE_INVALID", listing({ size: -1 })],
  ["a digest in an index that climbs out", "IMAGE_INVALID", listing({ digest: "sha256:../../../../etc/passwd" })],
  ["a manifest that is null", "IMAGE_INVALID", { manifest: () => "null" }],
  ["a manifest that is a text", "IMAGE_INVALID", { manifest: () => '"x"' }],
  ["a manifest of deep nesting", "IMAGE_INVALID", { manifest: () => deep(100_000) }],
  [
    "annotations of a manifest that are a list",
    "IMAGE_INVALID",
    { manifest: (own) => ({ ...goodManifest(own), annotations: ["x"] }) },
  ],
  ["layers that are no list", "IMAGE_INVALID", { manifest: (own) => ({ ...goodManifest(own), layers: {} }) }],
  ["a layer that is null", "IMAGE_INVALID", { manifest: (own) => ({ ...goodManifest(own), layers: [null] }) }],
  ["a negative size", "IMAGE_INVALID", withLayer({ size: -1 })],
  ["half a byte", "IMAGE_INVALID", withLayer({ size: 1.5 })],
  [
    "a size beyond what numbers hold",
    "IMAGE_INVALID",
    { manifest: (own) => JSON.stringify(goodManifest(own)).replace(`"size":${layer.size}`, '"size":9007199254740993') },
  ],
  ["a size that is a text", "IMAGE_INVALID", withLayer({ size: "10" })],
  ["another digest algorithm", "IMAGE_INVALID", withLayer({ digest: `md5:${"a".repeat(32)}` })],
  ["a layer of another registered algorithm", "UNSUPPORTED_IMAGE", withLayer({ digest: `sha512:${"a".repeat(128)}` })],
  ["a manifest of another registered algorithm", "UNSUPPORTED_IMAGE", listing({ digest: `blake3:${"a".repeat(64)}` })],
  ["a digest of a registered algorithm that is too short", "IMAGE_INVALID", withLayer({ digest: "sha512:aa" })],
  ["a digest that climbs out", "IMAGE_INVALID", withLayer({ digest: "sha256:../../../../etc/passwd" })],
  ["a digest in capitals", "IMAGE_INVALID", withLayer({ digest: layer.digest.toUpperCase() })],
  ["a media type that is an object", "IMAGE_INVALID", withLayer({ mediaType: {} })],
  ["a config that is null", "IMAGE_INVALID", { config: "null" }],
  ["a config that is a list", "IMAGE_INVALID", { config: "[]" }],
  ["a config of deep nesting", "IMAGE_INVALID", { config: deep(100_000) }],
  ["a config with a key twice", "IMAGE_INVALID", { config: goodConfig.replace('"os"', '"os":"windows","os"') }],
  ["a config with a byte order mark", "IMAGE_INVALID", { config: `\ufeff${goodConfig}` }],
  ["a section that is a list", "IMAGE_INVALID", withConfig({ config: [] })],
  ["a section that is a text", "IMAGE_INVALID", withConfig({ config: "x" })],
  ["labels that are a text", "IMAGE_INVALID", withSection({ Labels: "x" })],
  ["a label that is a number", "IMAGE_INVALID", withSection({ Labels: { a: 1 } })],
  ["an entrypoint that is a text", "IMAGE_INVALID", withSection({ Entrypoint: "/app" })],
  ["variables that are numbers", "IMAGE_INVALID", withSection({ Env: [1, null] })],
  ["a variant that is a number", "IMAGE_INVALID", withConfig({ variant: 5 })],
  ["diff_ids that are numbers", "IMAGE_INVALID", withDiffIds(1)],
  ["a history of null", "IMAGE_INVALID", withConfig({ history: [null] })],
  ["a step of history that is a number", "IMAGE_INVALID", withConfig({ history: [{ created_by: 5 }] })],
  // Go's reader takes all of these for the field, and the last one counts.
  [
    "layers in two spellings",
    "IMAGE_INVALID",
    { manifest: (own) => ({ ...goodManifest(own), Layers: [layer, layer] }) },
  ],
  [
    "layers in one other spelling",
    "IMAGE_INVALID",
    { manifest: (own) => ({ ...goodManifest(own), layers: undefined, "layer\u017f": [layer] }) },
  ],
  ["a digest in two spellings", "IMAGE_INVALID", withLayer({ Digest: `sha256:${"a".repeat(64)}` })],
  ["an index's digest in two spellings", "IMAGE_INVALID", listing({ DIGEST: `sha256:${"a".repeat(64)}` })],
  [
    "diff_ids in two spellings",
    "IMAGE_INVALID",
    withConfig({ rootfs: { type: "layers", diff_ids: [digestOf(tar)], Diff_IDs: [] } }),
  ],
  ["labels in a spelling of Unicode", "IMAGE_INVALID", withSection({ "Label\u017f": {} })],
  [
    "a docker save that lists layers in two spellings",
    "IMAGE_INVALID",
    () => legacy('[{"Config":"c.json","Layers":["l"],"layers":[]}]', goodConfig),
  ],
  [
    "a config of docker save that is null",
    "IMAGE_INVALID",
    () => legacy('[{"Config":"c.json","Layers":["l"]}]', "null"),
  ],
  ["one that is no JSON", "IMAGE_INVALID", () => legacy('[{"Config":"c.json","Layers":["l"]}]', "{")],
  [
    "one whose diff_ids climb out",
    "IMAGE_INVALID",
    () =>
      legacy(
        '[{"Config":"c.json","Layers":["l"]}]',
        JSON.stringify({ ...config, rootfs: { type: "layers", diff_ids: ["sha256:../x"] } }),
      ),
  ],
  [
    "one whose diff_ids are of another registered algorithm",
    "UNSUPPORTED_IMAGE",
    () =>
      legacy(
        '[{"Config":"c.json","Layers":["l"]}]',
        JSON.stringify({ ...config, rootfs: { type: "layers", diff_ids: [`sha512:${"a".repeat(128)}`] } }),
      ),
  ],
  [
    "a config of docker save outside of the archive",
    "ARCHIVE_INVALID",
    () => legacy('[{"Config":"../../etc/passwd","Layers":[]}]', goodConfig),
  ],
  [
    "a manifest beside manifest.json that is no JSON",
    "IMAGE_INVALID",
    () => Buffer.concat([archive({ manifest: () => "{" }).subarray(0, -1024), tarOf([["manifest.json", "[]"]])]),
  ],
  // Engines match the names of fields without regard to case, and beyond ASCII.
  ["a second section in capitals", "IMAGE_INVALID", withConfig({ Config: { Entrypoint: ["/evil"] } })],
  ["an entrypoint in small letters", "IMAGE_INVALID", withSection({ entrypoint: ["/evil"] })],
  ["an entrypoint with a long s", "IMAGE_INVALID", withSection({ OnBuild: [], "U\u017fer": "x" })],
  ["a second environment", "IMAGE_INVALID", withSection({ ENV: ["INITWRAP=x"] })],
  ["a second stop signal", "IMAGE_INVALID", withSection({ Stopsignal: "SIGKILL" })],
  ["a second os", "IMAGE_INVALID", withConfig({ OS: "windows" })],
  ["a second rootfs", "IMAGE_INVALID", withConfig({ "rootf\u017f": { type: "layers", diff_ids: [] } })],
  ["a second list of layers", "IMAGE_INVALID", { manifest: (own) => ({ ...goodManifest(own), Layers: [] }) }],
  ["a second config", "IMAGE_INVALID", { manifest: (own) => ({ ...goodManifest(own), CONFIG: own }) }],
  [
    "layers that are manifests in small print",
    "IMAGE_INVALID",
    { manifest: (own) => ({ ...goodManifest(own), Manifests: [] }) },
  ],
  ["a second digest", "IMAGE_INVALID", withLayer({ Digest: `sha256:${"a".repeat(64)}` })],
  ["a second size", "IMAGE_INVALID", withLayer({ "\u017fize": 1 })],
  ["a second list of manifests", "IMAGE_INVALID", { index: (manifest) => ({ manifests: [manifest], Manifests: [] }) }],
  ["a second platform", "IMAGE_INVALID", listing({ Platform: { os: "windows" } })],
  [
    "a platform of two systems",
    "IMAGE_INVALID",
    listing({ platform: { os: "linux", architecture: "amd64", Os: "windows" } }),
  ],
  [
    "a second config in manifest.json",
    "IMAGE_INVALID",
    () => legacy('[{"Config":"c.json","config":"l","Layers":["l"]}]', goodConfig),
  ],
  [
    "a size beyond all numbers",
    "IMAGE_INVALID",
    { manifest: (own) => raw(own, `"size":${layer.size}`, '"size":1e400') },
  ],
  ["a size of nothing less", "IMAGE_INVALID", { manifest: (own) => raw(own, `"size":${layer.size}`, '"size":-1e400') }],
  ["a number that is none", "IMAGE_INVALID", { manifest: (own) => raw(own, `"size":${layer.size}`, '"size":NaN') }],
  ["a digest of two lines", "IMAGE_INVALID", withLayer({ digest: `${layer.digest}\n` })],
  [
    "a manifest's media type in capitals",
    "UNSUPPORTED_IMAGE",
    { manifest: (own) => ({ ...goodManifest(own), mediaType: OCI_MANIFEST.toUpperCase() }) },
  ],
  [
    "a manifest's media type with a parameter",
    "UNSUPPORTED_IMAGE",
    { manifest: (own) => ({ ...goodManifest(own), mediaType: `${OCI_MANIFEST}; charset=utf-8` }) },
  ],
  [
    "a manifest that says it is an index",
    "IMAGE_INVALID",
    { manifest: (own) => ({ ...goodManifest(own), mediaType: OCI_INDEX }) },
  ],
  [
    "a manifest that is an index too",
    "IMAGE_INVALID",
    { manifest: (own) => ({ ...goodManifest(own), manifests: [own] }) },
  ],
  ["a config that is compressed", "IMAGE_INVALID", { config: gzipSync(goodConfig) }],
  ["a config that is a bomb", "IMAGE_INVALID", { config: gzipSync(Buffer.alloc(128 << 20), { level: 9 }) }],
  [
    "a manifest that is compressed with zstd",
    "IMAGE_INVALID",
    { manifest: (own) => zstdCompressSync(JSON.stringify(goodManifest(own))) },
  ],
  ["a config that is UTF-16", "IMAGE_INVALID", { config: Buffer.from(`\ufeff${goodConfig}`, "utf16le") }],
  ["a zero byte behind a config", "IMAGE_INVALID", { config: `${goodConfig}\0` }],
  ["a second document behind a config", "IMAGE_INVALID", { config: `${goodConfig}${goodConfig}` }],
  ["a key twice, once in escapes", "IMAGE_INVALID", { config: goodConfig.replace('"os"', '"\\u006fs":"linux","os"') }],
  [
    "a string that never ends",
    "IMAGE_INVALID",
    { config: `${goodConfig.slice(0, -1)},"x":"${"\\\\".repeat(3 << 20)}` },
  ],
  [
    "indexes one in the other",
    "UNSUPPORTED_IMAGE",
    { index: (manifest, add) => ({ manifests: [nested(manifest, add, 50, 1)] }) },
  ],
  // 200 entries, each with 200, and so on: 1.6 thousand million manifests.
  [
    "indexes that list each other a thousand million times",
    "UNSUPPORTED_IMAGE",
    { index: (manifest, add) => ({ manifests: [nested(manifest, add, 4, 200)] }) },
  ],
];

/** The same content for as many platforms: none is another one listed again. */
function apart(child: Descriptor, count: number): readonly Descriptor[] {
  return Array.from({ length: count }, (_, place) => ({
    ...child,
    platform: { os: "linux", architecture: `a${place}` },
  }));
}

function nested(
  inner: Descriptor,
  add: (mediaType: string, text: Text) => Descriptor,
  depth: number,
  width: number,
): Descriptor {
  let child = inner;
  for (let level = 0; level < depth; level++) {
    child = add(OCI_INDEX, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: apart(child, width), level });
  }
  return child;
}

describe("an image from a stranger", () => {
  it.each(HOSTILE)("with %s is refused: %s", async (_, code, make) => {
    const path = join(folder, `${count++}.tar`);
    writeFileSync(path, typeof make === "function" ? make() : archive(make));
    // The place is the archive, or the document in it.
    const refusal = { code, where: expect.stringMatching(/^sha256:|\.tar$/) };
    await expect(wrapImage({ source: path, env: {}, apply: false })).rejects.toMatchObject(refusal);
    await expect(verifyImage({ source: path, env: {} })).rejects.toMatchObject(refusal);
  });

  it.each([
    ["a name of megabytes", "IMAGE_NOT_FOUND", ":b:1", [{ [NAME]: "a/".repeat(3 << 20) }]],
    ["thousands of names", "LOCATOR_INVALID", "", Array.from({ length: 40_000 }, (_, at) => ({ [NAME]: `a${at}` }))],
    ["a key of megabytes twice", "IMAGE_INVALID", "", [{ [NAME]: "a" }], "k".repeat(3 << 20)],
  ] as const)("with %s is refused in few words", async (_, code, name, annotations, key = "") => {
    const path = join(folder, `${count++}.tar`);
    const twins = key === "" ? "" : `"${key}":1,"${key}":1,`;
    const index = (manifest: Descriptor): string => {
      const manifests = annotations.map((annotations, place) => ({
        ...manifest,
        digest: place === 0 ? manifest.digest : digestOf(Buffer.from(String(place))),
        annotations,
      }));
      return `{${twins}"manifests":${JSON.stringify(manifests.slice(0, 25_000))}}`;
    };
    writeFileSync(path, archive({ index }));
    const failure = await wrapImage({ source: `${path}${name}`, env: {} }).catch((cause: unknown) => cause);
    expect(failure).toMatchObject({ code });
    const { message, hint = "" } = failure as { message: string; hint?: string };
    expect(message.length + hint.length).toBeLessThan(20_000);
  });

  it("that an index lists thousands of times is exchanged everywhere, in time", async () => {
    const path = join(folder, `${count++}.tar`);
    writeFileSync(path, archive({ index: (manifest) => ({ manifests: Array(20_000).fill(manifest) }) }));
    const { plan, digest } = await wrapImage({ source: path, env: {} });
    expect(plan.changed).toBe(true);
    const text = readFileSync(path, "latin1");
    expect(text.slice(text.lastIndexOf('{"manifests"')).split(digest)).toHaveLength(20_001);
  });

  it.each([
    ["numbers that no program holds", '"x":[1e400,-1e-400,0.10000000000000000000001,123456789012345678901234567890]'],
    ["half a character", '"x":"\\ud800","author":"\\udfff\\ud800"'],
    ["a text of 7 MB", `"x":"${"\u20ac".repeat(2_400_000)}"`],
    ["names of objects' own members", '"constructor":{"prototype":1},"toString":null,"hasOwnProperty":[]'],
    ["a byte order mark within", '"x":"\ufeff","\ufeff":1'],
  ])("may have %s, which stay as they are", async (_, more) => {
    const path = join(folder, `${count++}.tar`);
    const text = goodConfig.replace("{", `{${more},`);
    writeFileSync(path, archive({ config: text }));
    const { plan } = await wrapImage({ source: path, env: {} });
    expect(plan.platforms[0]?.after).toMatchObject({ entrypoint: ["/initwrap", "--", "/app"] });
    expect(readFileSync(path).includes(`{${more},`)).toBe(true);
    const undone = await wrapImage({ source: path, env: {}, action: "undo" });
    expect(undone.plan.platforms[0]?.after.config).toBe(digestOf(Buffer.from(text)));
  });

  it("with diff_ids of an algorithm that is registered and not read is refused where they are extended", async () => {
    const path = join(folder, `${count++}.tar`);
    writeFileSync(path, archive(withDiffIds(`sha512:${"a".repeat(128)}`)));
    await expect(wrapImage({ source: path, env: {}, apply: false })).rejects.toMatchObject({
      code: "UNSUPPORTED_IMAGE",
      message: "diff_ids[0] is a sha512 digest",
      hint: "Only sha256 digests are read and made: build or copy the image with those.",
    });
  });

  it.each([
    ["at the top", goodConfig.replace("{", '{"__proto__":{"os":"windows"},')],
    ["beside Entrypoint", goodConfig.replace('{"Entrypoint"', '{"__proto__":{"Cmd":["evil"]},"Entrypoint"')],
    [
      "among the labels",
      goodConfig.replace('{"Entrypoint"', '{"Labels":{"constructor":"x","__proto__":"y"},"Entrypoint"'),
    ],
  ])("may have a key __proto__ %s, which is a key like any other and stays", async (_, text) => {
    const path = join(folder, `${count++}.tar`);
    writeFileSync(path, archive({ config: text }));
    const { plan } = await wrapImage({ source: path, env: {} });
    expect(plan.platforms[0]?.after).toMatchObject({ entrypoint: ["/initwrap", "--", "/app"], cmd: null });
    expect(Object.keys(Object.prototype)).toEqual([]);
    const undone = await wrapImage({ source: path, env: {}, action: "undo" });
    expect(undone.plan.platforms[0]?.after.config).toBe(digestOf(Buffer.from(text)));
  });

  it("tells its words to a terminal without what the terminal would act on", async () => {
    const { shown } = await import("../../../packages/cli/src/terminal/streams.ts");
    expect(shown("linux\u001b]0;title\u0007/amd64\u202e \u001b[31mred\u001b[0m\tand\n\u009b2J")).toBe(
      "linux\ufffd]0;title\ufffd/amd64\ufffd \u001b[31mred\u001b[0m\tand\n\ufffd2J",
    );
    expect(shown("RUN a\r\nRUN b\r")).toBe("RUN a\r\nRUN b\r");
  });
});
