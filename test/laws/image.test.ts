/** Laws of the image path, on images that fast-check makes up: any white space, any order, any unknown field. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ImagePlanRequest, planImage } from "../../packages/cli/src/image/plan.ts";
import { readSnapshot } from "../../packages/cli/src/image/snapshot.ts";
import type { Descriptor } from "../../packages/cli/src/model/descriptor.ts";
import { digestOf } from "../../packages/cli/src/model/digest.ts";
import {
  addItem,
  addMember,
  type JsonNode,
  type JsonPath,
  nodeAt,
  parseJson,
  removeLast,
  replaceAt,
} from "../../packages/cli/src/model/json-edit.ts";
import {
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER_GZIP,
  OCI_LAYER_TAR,
  OCI_MANIFEST,
} from "../../packages/cli/src/model/media-types.ts";
import { transferInto } from "./image-support.ts";

const layerOf = (version: string): ReturnType<ImagePlanRequest["initFor"]> => ({
  version,
  digest: digestOf(Buffer.from(`layer ${version}`)),
  diffId: digestOf(Buffer.from(`diff ${version}`)),
  size: 1234,
  tarSize: 5678,
});

const argv = fc.option(fc.array(fc.string({ unit: "binary", maxLength: 12 }), { maxLength: 4 }), { nil: null });
const style = fc.constantFrom(undefined, 1, 2, 4, "\t");
const strange = fc.dictionary(
  fc.string({ maxLength: 6 }).map((key) => `x-${key}`),
  fc.jsonValue({ maxDepth: 2 }),
  { maxKeys: 3 },
);

const configOf = (entrypoint: fc.Arbitrary<readonly string[] | null>) =>
  fc
    .record({
      layers: fc.integer({ min: 0, max: 3 }),
      section: fc.option(
        fc
          .record(
            {
              Entrypoint: entrypoint,
              Cmd: argv,
              Labels: fc.option(fc.dictionary(fc.string({ maxLength: 5 }), fc.string()), { nil: null }),
            },
            { requiredKeys: [] },
          )
          .chain((section) => strange.map((more) => ({ ...more, ...section }))),
        { nil: null },
      ),
      hasSection: fc.boolean(),
      history: fc.constantFrom("absent", "null", "empty", "full"),
      created: fc.option(fc.constant("2020-01-01T00:00:00Z"), { nil: undefined }),
      more: strange,
      isFirst: fc.boolean(),
      style,
    })
    .map((made) => {
      const diffIds = Array.from({ length: made.layers }, (_, place) => digestOf(Buffer.from(`diff-${place}`)));
      const history = {
        absent: {},
        null: { history: null },
        empty: { history: [] },
        full: { history: diffIds.map((id) => ({ created_by: id })) },
      };
      const known = {
        architecture: "amd64",
        os: "linux",
        ...(made.created === undefined ? {} : { created: made.created }),
        ...(made.hasSection ? { config: made.section } : {}),
        ...history[made.history as keyof typeof history],
        rootfs: { type: "layers", diff_ids: made.layers === 0 ? null : diffIds },
      };
      const value = made.isFirst ? { ...made.more, ...known } : { ...known, ...made.more };
      return { text: JSON.stringify(value, null, made.style), layers: made.layers };
    });

interface Made {
  readonly root: Descriptor;
  readonly blobs: Map<string, Uint8Array>;
}

const imageOf = (entrypoint: fc.Arbitrary<readonly string[] | null>) =>
  fc
    .tuple(
      configOf(entrypoint),
      style,
      fc.constantFrom(OCI_MANIFEST, DOCKER_MANIFEST),
      fc.constantFrom("absent", "null", "some"),
      fc.constantFrom([OCI_LAYER_GZIP], [OCI_LAYER_TAR], [OCI_LAYER_TAR, OCI_LAYER_GZIP]),
    )
    .map(([{ text, layers }, indent, mediaType, annotations, types]): Made => {
      const bytes = Buffer.from(text);
      const manifest = Buffer.from(
        JSON.stringify(
          {
            schemaVersion: 2,
            mediaType,
            config: { mediaType: OCI_CONFIG, digest: digestOf(bytes), size: bytes.length },
            layers: Array.from({ length: layers }, (_, place) => ({
              mediaType: types[place % types.length],
              size: 10 + place,
              // A plain layer is its own diff_id.
              digest: digestOf(
                Buffer.from(`${types[place % types.length] === OCI_LAYER_TAR ? "diff" : "layer"}-${place}`),
              ),
            })),
            ...(annotations === "absent"
              ? {}
              : { annotations: annotations === "null" ? null : { "org.opencontainers.image.base.name": "was:1" } }),
          },
          null,
          indent,
        ),
      );
      const root = { mediaType, digest: digestOf(manifest), size: manifest.length };
      return {
        root,
        blobs: new Map<string, Uint8Array>([
          [root.digest, manifest],
          [digestOf(bytes), bytes],
        ]),
      };
    });

const image = imageOf(argv);
const imageWithInit = imageOf(
  fc
    .tuple(
      fc.constantFrom(["tini", "-g", "--"], ["/sbin/tini", "-e143", "--"], ["dumb-init", "-r", "15:3", "--"]),
      argv,
    )
    .map(([init, rest]) => [...init, ...(rest ?? [])]),
);

const index = fc
  .tuple(image, image, style, fc.boolean(), fc.constantFrom("drop" as const, "keep" as const))
  .map(([a, b, indent, isAttested, attestations]) => {
    const statement = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        config: { mediaType: OCI_CONFIG, digest: digestOf(Buffer.from("c")), size: 1 },
        layers: [],
      }),
    );
    const attested = { mediaType: OCI_MANIFEST, digest: digestOf(statement), size: statement.length };
    const bytes = Buffer.from(
      JSON.stringify(
        {
          schemaVersion: 2,
          mediaType: OCI_INDEX,
          manifests: [
            { ...a.root, platform: { os: "linux", architecture: "amd64" } },
            ...(isAttested
              ? [
                  {
                    ...attested,
                    annotations: {
                      "vnd.docker.reference.type": "attestation-manifest",
                      "vnd.docker.reference.digest": a.root.digest,
                    },
                  },
                ]
              : []),
            { ...b.root, annotations: { own: "kept" } },
          ],
        },
        null,
        indent,
      ),
    );
    const root = { mediaType: OCI_INDEX, digest: digestOf(bytes), size: bytes.length };
    return {
      root,
      blobs: new Map([...a.blobs, ...b.blobs, [attested.digest, statement], [root.digest, bytes]]),
      attestations,
    };
  });

async function run(made: Made, version: string, request: Partial<ImagePlanRequest> = {}) {
  const snapshot = await readSnapshot(made.root, ["docker.io/library/a:1"], async ({ digest }) =>
    made.blobs.get(digest),
  );
  const plan = planImage(snapshot, { action: "wrap", initFor: () => layerOf(version), ...request });
  return { plan, made: transferInto(made.blobs, plan) };
}

/** Images whose command is an init already are another law's. */
const wrapped = async (made: Made, request: Partial<ImagePlanRequest> = {}) => {
  try {
    const result = await run(made, "1.0.0", request);
    return result.plan.changed ? result : undefined;
  } catch (cause) {
    if ((cause as { code?: string }).code === "MUST_BE_PID1") return undefined;
    throw cause;
  }
};

describe("an image", () => {
  it("wrapped and undone is the same image, byte for byte", async () => {
    await fc.assert(
      fc.asyncProperty(image, async (made) => {
        const first = await wrapped(made);
        if (!first) return;
        expect((await run(first.made, "1.0.0", { action: "undo" })).plan.after.digest).toBe(made.root.digest);
      }),
      { numRuns: 300 },
    );
  });

  it("wrapped twice is wrapped once, whatever the time", async () => {
    await fc.assert(
      fc.asyncProperty(image, async (made) => {
        const first = await wrapped(made);
        if (!first) return;
        const second = await run(first.made, "1.0.0", { created: "2030-01-01T00:00:00Z" });
        expect(second.plan.changed).toBe(false);
        expect(second.plan.after.digest).toBe(first.plan.after.digest);
      }),
    );
  });

  it("renewed is what its original wrapped by the newer version is, and undoes to the original", async () => {
    await fc.assert(
      fc.asyncProperty(image, async (made) => {
        const first = await wrapped(made);
        if (!first) return;
        const renewed = await run(first.made, "2.0.0", { initOptions: ["-v"] });
        const direct = await run(made, "2.0.0", { initOptions: ["-v"] });
        expect(renewed.plan.after.digest).toBe(direct.plan.after.digest);
        expect((await run(renewed.made, "2.0.0", { action: "undo" })).plan.after.digest).toBe(made.root.digest);
      }),
    );
  });

  it("keeps its command and puts its entrypoint behind the init", async () => {
    await fc.assert(
      fc.asyncProperty(image, async (made) => {
        const first = await wrapped(made);
        if (!first) return;
        const [platform] = first.plan.platforms;
        expect(platform!.after.cmd).toEqual(platform!.before.cmd);
        expect(platform!.after.entrypoint).toEqual(["/initwrap", "--", ...(platform!.before.entrypoint ?? [])]);
      }),
    );
  });
});

describe("an image whose init is replaced", () => {
  it("is renewed without being told so, is itself when done again, and undoes to the original digest", async () => {
    await fc.assert(
      fc.asyncProperty(imageWithInit, async (made) => {
        const first = await wrapped(made, { replaceInit: true });
        // Without a config section there is no entrypoint either.
        const entrypoint = first?.plan.platforms[0]?.before.entrypoint ?? [];
        if (!first || entrypoint.length === 0) return;
        expect(await wrapped(made)).toBe(undefined);
        const now = first.plan.platforms[0]?.after.entrypoint ?? [];
        expect(now.slice(now.indexOf("--"))).toEqual(entrypoint.slice(entrypoint.indexOf("--")));
        for (const replaceInit of [false, true]) {
          expect((await run(first.made, "1.0.0", { replaceInit })).plan.changed).toBe(false);
        }
        const renewed = await run(first.made, "2.0.0", { initOptions: ["-v"] });
        const direct = await run(made, "2.0.0", { initOptions: ["-v"], replaceInit: true });
        expect(renewed.plan.after.digest).toBe(direct.plan.after.digest);
        for (const one of [first, renewed]) {
          expect((await run(one.made, "2.0.0", { action: "undo" })).plan.after.digest).toBe(made.root.digest);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("an index", () => {
  it("wrapped and undone is the same index, attestations dropped or kept, renewed or not", async () => {
    await fc.assert(
      fc.asyncProperty(index, fc.boolean(), async (made, isRenewed) => {
        const request = { attestations: made.attestations };
        let first = await wrapped(made, request);
        if (!first) return;
        if (isRenewed) first = await run(first.made, "2.0.0", request);
        const undone = await run(first.made, "2.0.0", { action: "undo", ...request });
        expect(undone.plan.after.digest).toBe(made.root.digest);
      }),
      { numRuns: 200 },
    );
  });

  it("leaves no attestation that names an image which is not there", async () => {
    await fc.assert(
      fc.asyncProperty(index, async (made) => {
        const first = await wrapped(made, { attestations: made.attestations });
        if (!first) return;
        const { manifests } = JSON.parse(Buffer.from(first.made.blobs.get(first.made.root.digest)!).toString()) as {
          manifests: Descriptor[];
        };
        const digests = new Set<string>(manifests.map((one) => one.digest));
        for (const one of manifests) {
          const subject = one.annotations?.["vnd.docker.reference.digest"];
          if (subject !== undefined) expect(digests).toContain(subject);
        }
      }),
    );
  });
});

const ARCHITECTURES = ["amd64", "arm64", "riscv64", "s390x"];

/** An index of several platforms, some of them in an index within, some attested, in BuildKit's older form or its newer one. */
const tree = fc
  .record({
    architectures: fc.subarray(ARCHITECTURES, { minLength: 1 }),
    nested: fc.subarray(ARCHITECTURES),
    attested: fc.subarray(ARCHITECTURES),
    isArtifact: fc.boolean(),
    indent: style,
  })
  .map(({ architectures, nested, attested, isArtifact, indent }): Made & { readonly architectures: string[] } => {
    const blobs = new Map<string, Uint8Array>();
    const add = (mediaType: string, document: object): Descriptor => {
      const bytes = Buffer.from(JSON.stringify(document, null, indent));
      const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
      blobs.set(descriptor.digest, bytes);
      return descriptor;
    };
    const one = (architecture: string): Descriptor => {
      const config = add(OCI_CONFIG, { architecture, os: "linux", config: { Cmd: ["x"] }, rootfs: { type: "layers" } });
      return add(OCI_MANIFEST, { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [] });
    };
    const attestation = (subject: Descriptor): Descriptor => ({
      ...add(OCI_MANIFEST, {
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: add(OCI_CONFIG, { of: subject.digest }),
        layers: [],
        ...(isArtifact ? { subject } : {}),
      }),
      annotations: {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": subject.digest,
      },
    });
    const listed = (which: readonly string[]): Descriptor[] => {
      const images = which.map((architecture) => ({ ...one(architecture), platform: { os: "linux", architecture } }));
      const statements = images
        .filter(({ platform }) => attested.includes(platform.architecture))
        .map(({ mediaType, digest, size }) => attestation({ mediaType, digest, size }));
      return [...images, ...statements];
    };
    const isInner = (architecture: string): boolean => nested.includes(architecture);
    const inner = architectures.filter(isInner);
    const outer = listed(architectures.filter((architecture) => !isInner(architecture)));
    const index = (manifests: Descriptor[]): Descriptor =>
      add(OCI_INDEX, { schemaVersion: 2, mediaType: OCI_INDEX, manifests });
    const root = index(inner.length > 0 ? [index(listed(inner)), ...outer] : outer);
    return { root, blobs, architectures };
  });

const steps = fc.array(
  fc.record({
    action: fc.constantFrom("wrap" as const, "wrap" as const, "undo" as const),
    version: fc.constantFrom("1.0.0", "2.0.0"),
    which: fc.subarray(ARCHITECTURES),
  }),
  { maxLength: 4 },
);

describe("an index of any kind, after any runs on any of its platforms", () => {
  it("is, wrapped as a whole, what its original wrapped at once is, and undone its original", async () => {
    await fc.assert(
      fc.asyncProperty(
        tree,
        steps,
        fc.constantFrom("drop" as const, "keep" as const),
        async (made, all, attestations) => {
          let now: Made = made;
          for (const { action, version, which } of all) {
            const platforms = which
              .filter((architecture) => made.architectures.includes(architecture))
              .map((architecture) => ({ os: "linux", architecture }));
            now = (await run(now, version, { action, platforms, attestations })).made;
          }
          const whole = await run(now, "2.0.0", { attestations });
          expect(whole.plan.after.digest).toBe((await run(made, "2.0.0", { attestations })).plan.after.digest);
          expect((await run(whole.made, "2.0.0", { attestations })).plan.changed).toBe(false);
          for (const one of [now, whole.made]) {
            const undone = await run(one, "2.0.0", { action: "undo", attestations });
            expect(undone.plan.after.digest).toBe(made.root.digest);
            // Kept attestations go all the way with it.
            if (attestations === "keep")
              expect([...undone.made.blobs.keys()].toSorted()).toEqual([...made.blobs.keys()].toSorted());
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});

/** Names as strangers choose them: of objects' own members, with what is written as an escape, half a character. */
const anyKey = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("constructor", "\ud800", "\u0000", '"\\', "\ufeff"),
);

/** JSON with one of these pieces of white space after the other around its marks, and around the whole. */
function spaced(json: string, spaces: readonly string[]): string {
  let turn = 0;
  const space = (): string => spaces[turn++ % spaces.length]!;
  const loose = json.replace(/"(?:[^"\\]|\\.)*"|[[\]{},:]/g, (mark) =>
    mark[0] === '"' ? mark : space() + mark + space(),
  );
  return space() + loose + space();
}

describe("an edit of JSON", () => {
  it("is undone by its inverse, and changes nothing else", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }),
        style,
        fc.jsonValue(),
        (object, indent, value) => {
          const text = JSON.stringify(object, null, indent);
          fc.pre(!("new-key" in object));
          const added = addMember(text, [], "new-key", value);
          expect(JSON.parse(added)).toEqual(JSON.parse(JSON.stringify({ ...object, "new-key": value })));
          expect(removeLast(added, [])).toBe(text);
          const array = JSON.stringify(Object.values(object), null, indent);
          const longer = addItem(array, [], value);
          expect(JSON.parse(longer)).toEqual([...(JSON.parse(array) as unknown[]), JSON.parse(JSON.stringify(value))]);
          expect(removeLast(longer, [])).toBe(array);
          const key = Object.keys(object)[0]!;
          const before = JSON.stringify(object[key], null, indent);
          expect(JSON.parse(replaceAt(replaceAt(text, [key], '"x"'), [key], before))).toEqual(JSON.parse(text));
        },
      ),
    );
  });

  it("knows where everything is afterwards, as somebody who reads the text anew", () => {
    const containers = (node: JsonNode, path: JsonPath = []): JsonPath[] => {
      const below =
        node.kind === "object"
          ? node.members.flatMap(({ key, value }) => containers(value, [...path, key]))
          : node.kind === "array"
            ? node.items.flatMap((item, place) => containers(item, [...path, place]))
            : [];
      return [path, ...below];
    };
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 4 }).filter((value) => !JSON.stringify(value).includes('"__proto__"')),
        style,
        fc.array(fc.record({ at: fc.nat(), key: anyKey, value: fc.jsonValue({ maxDepth: 2 }), indent: style }), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.array(fc.constantFrom("", " ", "\t", "\r\n", "\n  "), { minLength: 1, maxLength: 7 }),
        (document, indent, edits, spaces) => {
          let text = spaced(JSON.stringify(document, null, indent), spaces);
          for (const { at, key, value, indent } of edits) {
            const paths = containers(parseJson(text));
            const path = paths[at % paths.length]!;
            const node = nodeAt(parseJson(text), path)!;
            if (node.kind === "object" && node.members.length > 0 && !node.members.some((one) => one.key === key)) {
              text = addMember(text, path, key, value);
            } else if (node.kind === "array" && node.items.length > 0) text = addItem(text, path, value);
            else text = replaceAt(text, path, spaced(JSON.stringify(value, null, indent), spaces));
            const known = parseJson(text);
            // What was read last is remembered.
            parseJson("null");
            expect(known).toEqual(parseJson(text));
          }
        },
      ),
    );
  });

  it("that would nest too deeply is refused as it would be by who reads the text anew", () => {
    const deep = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
    const path = Array.from({ length: 100 }, () => 0);
    const text = deep(101);
    expect(parseJson(replaceAt(text, path, deep(101)))).toBeDefined();
    for (const edit of [
      () => replaceAt(text, path, deep(102)),
      () => addItem(deep(102), path, JSON.parse(deep(101))),
      () => addMember(`${"[".repeat(100)}{"a":1}${"]".repeat(100)}`, path, "b", JSON.parse(deep(101))),
    ]) {
      expect(edit).toThrow("nesting deeper than 200");
    }
    // What failed is not remembered.
    expect(nodeAt(parseJson(text), path)).toMatchObject({ kind: "array", items: [] });
  });

  it("reads what JSON.parse reads, and nothing else", () => {
    const hasTwins = (text: string): boolean => {
      try {
        parseJson(text);
        return false;
      } catch (cause) {
        return /twice/.test((cause as Error).message);
      }
    };
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.string(),
          fc.json().chain((text) => fc.nat(text.length).map((at) => text.slice(0, at))),
        ),
        (text) => {
          let isJson = true;
          try {
            JSON.parse(text);
          } catch {
            isJson = false;
          }
          if (isJson) expect(hasTwins(text) || parseJson(text) !== undefined).toBe(true);
          else expect(() => parseJson(text)).toThrow();
        },
      ),
      { numRuns: 1000 },
    );
  });
});
