/** Builds through the frontend on builders elsewhere: BuildKits that buildx reaches over connections of their own, two to a farm. */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initFor } from "@initwrap/init-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { FARMS, type Farm } from "../support/buildkit-farms.ts";
import { type DockerOptions, type DockerResult, findEngine, requireEngine } from "../support/engine.ts";
import { useFrontend } from "../support/frontend-builds.ts";
import { compileProgram } from "../support/programs.ts";

vi.setConfig({ testTimeout: 400_000 });

const frontend = useFrontend(["modern", "newest"]);
const { tagOf, contextOf, through } = frontend;
const SAY = 'FROM scratch\nCOPY say /say\nENTRYPOINT ["/say"]\n';
const BOTH = ["--platform", "linux/amd64,linux/arm64"];

interface Descriptor {
  readonly digest: string;
  readonly platform: { readonly os: string; readonly architecture: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A document in the registry. */
async function fetchJson(repository: string, path: string) {
  const kinds = ["oci.image.index.v1", "oci.image.manifest.v1", "docker.distribution.manifest.v2"];
  const accept = kinds.map((kind) => `application/vnd.${kind}+json`).join();
  const response = await fetch(`http://${frontend.registry!.host}/v2/${repository}/${path}`, { headers: { accept } });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return JSON.parse(await response.text());
}
/** What an index in the registry has: images by architecture, and the attestations' statements. */
async function readIndex(repository: string) {
  const { manifests } = (await fetchJson(repository, "manifests/1")) as { manifests: Descriptor[] };
  const images = new Map();
  const statements: { subject: string; predicateType: string; predicate: { name?: string } }[] = [];
  for (const { digest, platform, annotations } of manifests) {
    const manifest = await fetchJson(repository, `manifests/${digest}`);
    if (annotations?.["vnd.docker.reference.type"] !== "attestation-manifest") {
      images.set(platform.architecture, await fetchJson(repository, `blobs/${manifest.config.digest}`));
      continue;
    }
    for (const layer of manifest.layers) {
      const { predicateType, predicate } = await fetchJson(repository, `blobs/${layer.digest}`);
      statements.push({ subject: annotations["vnd.docker.reference.digest"] ?? "", predicateType, predicate });
    }
  }
  return { manifests, images, statements };
}
const expectInit = (
  config: { config: { Entrypoint: string[] }; rootfs: { diff_ids: string[] } },
  architecture: string,
) => {
  expect(config.config.Entrypoint).toEqual(["/initwrap", "--", "/say"]);
  expect(config.rootfs.diff_ids.at(-1)).toBe(initFor({ os: "linux", architecture }).diffId);
};

describe.each(FARMS)("on $title, a build", ({ start }) => {
  /** buildx keeps its builders here. */
  let folder: string;
  let farm: Farm | undefined;
  const [first, second, all] = ["first", "second", "all"].map((name) => `farm-${name}-${randomUUID().slice(0, 8)}`) as [
    string,
    string,
    string,
  ];
  const buildx = (args: readonly string[], options: DockerOptions = {}): Promise<DockerResult> =>
    findEngine("modern")!.docker(["buildx", ...args], {
      timeoutMs: 300_000,
      ...options,
      env: { BUILDX_CONFIG: folder },
    });
  /** Builds and pushes; resolves with what the builder said. */
  const build = async (builder: string, repository: string, args: readonly string[]): Promise<string> => {
    const image = `${frontend.registry!.host}/${repository}:1`;
    const words = ["build", "--builder", builder, "--progress=plain", "--push", "-t", image, ...through()];
    return (await buildx([...words, ...args])).stderr;
  };

  beforeAll(async () => {
    const engines = [findEngine("modern"), findEngine("newest")] as const;
    if (engines[0] === undefined || engines[1] === undefined || frontend.registry === undefined) return;
    folder = await mkdtemp(join(tmpdir(), "initwrap-buildx-"));
    farm = await start([engines[0], engines[1]], frontend.registry.host);
    const [one, two] = farm.nodes;
    await buildx(["create", "--name", first, ...one]);
    await buildx(["create", "--name", second, ...two]);
    await buildx(["create", "--name", all, ...one]);
    await buildx(["create", "--name", all, "--append", ...two]);
  });
  afterAll(async () => {
    if (farm === undefined) return;
    for (const name of [first, second, all]) await buildx(["rm", name], { check: false });
    await farm.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("for two platforms is made by a builder each, with attestations, and pushed as one index", async (context) => {
    const engine = requireEngine(context, "modern");
    const scanner = `${frontend.registry!.host}/tools/scanner:1`;
    const scannerContext = await contextOf('FROM scratch\nCOPY sbom-scanner /scan\nENTRYPOINT ["/scan"]\n', [
      await compileProgram("sbom-scanner"),
    ]);
    await engine.docker(["build", "-q", "--provenance=false", "-t", scanner, scannerContext]);
    await engine.docker(["push", scanner]);
    const name = randomUUID();
    const attest = ["--provenance=mode=max", "--attest", `type=sbom,generator=${scanner}`];
    await build(all, name, [...BOTH, ...attest, await contextOf(SAY)]);
    const { manifests, images, statements } = await readIndex(name);
    expect([...images.keys()].sort()).toEqual(["amd64", "arm64"]);
    for (const [architecture, config] of images) expectInit(config, architecture);
    for (const { digest } of manifests.filter(({ platform }) => platform.architecture !== "unknown")) {
      const own = statements.filter(({ subject }) => subject === digest);
      expect(own.map(({ predicateType }) => predicateType.replace(/v[\d.]+$/, "")).sort()).toEqual([
        "https://slsa.dev/provenance/",
        ...Array(2).fill("https://spdx.dev/Document"),
      ]);
      expect(own.map(({ predicate }) => predicate.name).filter(Boolean)).toContain("scan say=1 initwrap=0");
    }
  });

  it.for([
    ["in a registry", "type=registry,ref=CACHE,mode=max", "type=registry,ref=CACHE"],
    ["inside the image", "type=inline", "type=registry,ref=IMAGE"],
    ["in a folder", "type=local,dest=FOLDER,mode=max", "type=local,src=FOLDER"],
  ] as const)("takes from a cache %s what another builder made", async ([, to, from]) => {
    const name = randomUUID();
    const places = { CACHE: `${frontend.registry!.host}/${name}-cache`, IMAGE: `${frontend.registry!.host}/${name}:1` };
    const named = (text: string) =>
      text.replace("CACHE", places.CACHE).replace("IMAGE", places.IMAGE).replace("FOLDER", join(folder, name));
    const context = await contextOf(`${SAY.replace("ENTRY", `LABEL n=${name}\nCOPY Dockerfile /x\nENTRY`)}`);
    const plain = ["--provenance=false", context];
    const made = await build(first, name, ["--cache-to", named(to), ...plain]);
    expect(made).toMatch(/COPY Dockerfile .*\n#\d+ DONE/);
    const taken = await build(second, `${name}-again`, ["--cache-from", named(from), ...plain]);
    // Taken as it is, or fetched because the export needs its layer; a step that is run fetches none.
    const [, step] = taken.match(/^#(\d+) \[.*COPY Dockerfile/m) ?? [];
    expect(taken).toMatch(new RegExp(`^#${step} (?:CACHED|sha256:|extracting)`, "m"));
    const config = async (repository: string) => {
      const { config } = await fetchJson(repository, "manifests/1");
      return fetchJson(repository, `blobs/${config.digest}`);
    };
    const [before, after] = [await config(name), await config(`${name}-again`)];
    expectInit(after, "amd64");
    expect(after.rootfs).toEqual(before.rootfs);
  });

  it("is one of several at once, by bake, for both platforms, and is fully cached when it is made again", async () => {
    const context = await contextOf("");
    const names = Array.from({ length: 3 }, () => randomUUID());
    const target = Object.fromEntries(
      names.map((name, index) => [
        `t${index}`,
        {
          "dockerfile-inline": `${SAY}LABEL n=${name}\n${index === 2 ? "COPY --from=other /say /again\n" : ""}`,
          args: { BUILDKIT_SYNTAX: frontend.reference },
          tags: [`${frontend.registry!.host}/${name}:1`],
          platforms: ["linux/amd64", "linux/arm64"],
          ...(index === 2 ? { contexts: { other: "target:t0" } } : {}),
        },
      ]),
    );
    await writeFile(join(context, "docker-bake.json"), JSON.stringify({ target }));
    const words = ["bake", "--builder", all, "--progress=plain", "--push", ...Object.keys(target)];
    await buildx(words, { cwd: context });
    for (const name of names) {
      const { images } = await readIndex(name);
      expect([...images.keys()].sort()).toEqual(["amd64", "arm64"]);
      for (const [architecture, config] of images) expectInit(config, architecture);
    }
    const { stderr } = await buildx(words, { cwd: context });
    const steps = [...stderr.matchAll(/^#(\d+) \[.*(?:COPY|\[?initwrap\] merge).*$/gm)];
    expect(steps.length).toBeGreaterThanOrEqual(8);
    for (const [, number] of steps) expect(stderr).toMatch(new RegExp(`^#${number} CACHED$`, "m"));
  });

  it("that is refused says why", async () => {
    const context = await contextOf('FROM scratch\nCOPY say /init\nENTRYPOINT ["/init"]\n');
    await expect(build(all, tagOf("refused").split(":")[0]!, [...BOTH, context])).rejects.toThrow(
      /initwrap: linux\/(?:amd64|arm64): s6-overlay has to be PID 1 itself \[MUST_BE_PID1\]/,
    );
  });
});
