/** `initwrap verify` on images in files and registries: what passes the gate, and everything that must not. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { initFor } from "@initwrap/init-core";
import { pack } from "tar-stream";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../packages/cli/src/model/digest.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST } from "../../packages/cli/src/model/media-types.ts";
import { mediumOf } from "../../packages/cli/src/store/media.ts";
import { RegistrySession } from "../../packages/cli/src/store/registry/session.ts";
import { descriptorOf, type SampleImage, sampleImage, sampleIndex } from "../contract/sample-image.ts";
import { requireCapability } from "../support/capability.ts";
import { initwrap, initwrapOk } from "../support/cli.ts";
import { registryAvailable, startRegistry } from "../support/registry.ts";
import { putImage } from "../support/registry-image.ts";
import { again, collect } from "../support/sample-image.ts";
import { type VerifyDocument, verifyDocumentOf } from "../support/verify.ts";

const env = { HOME: "/nonexistent", XDG_CONFIG_HOME: "", DOCKER_CONFIG: "", DOCKER_HOST: "unix:///nonexistent.sock" };
const amd64 = initFor({ os: "linux", architecture: "amd64" });
const arm64 = initFor({ os: "linux", architecture: "arm64" });
const WRAPPED = { Entrypoint: ["/initwrap", "--", "/app"], Cmd: ["serve"] };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-verify-"));
});
afterAll(() => rm(folder, { recursive: true }));

let number = 0;
async function store(image: SampleImage, scheme = "oci"): Promise<string> {
  const path = join(folder, `image${number++}`);
  const sink = await (await mediumOf(scheme)).sink(path, { env, names: ["docker.io/library/app:1"] });
  for (const { descriptor, bytes } of image.blobs) await sink.put(descriptor, again(bytes));
  await sink.commit(image.root);
  await sink.close();
  return path;
}

interface Entry {
  readonly name: string;
  readonly content?: string | Buffer;
  readonly mode?: number;
  readonly type?: "file" | "symlink" | "directory";
  readonly linkname?: string;
}

const INIT: Entry = { name: "initwrap", content: amd64.bytes(), mode: 0o755 };
const APP: Entry = { name: "app", content: "app", mode: 0o755 };

async function layerOf(entries: readonly Entry[]): Promise<Buffer> {
  const stream = pack();
  for (const { content = "", ...header } of entries) stream.entry(header as never, content);
  stream.finalize();
  return Buffer.from(await collect(stream as AsyncIterable<Buffer>));
}

/** An image as a builder makes it: layers of these files, lowest first. */
async function built(
  layers: readonly (readonly Entry[])[],
  config: Record<string, unknown> = WRAPPED,
  architecture = "amd64",
): Promise<SampleImage> {
  const tars = await Promise.all(layers.map(layerOf));
  const blobs = tars.map((tar) => {
    const bytes = gzipSync(tar);
    return { descriptor: descriptorOf(OCI_LAYER_GZIP, bytes), bytes };
  });
  const configBytes = Buffer.from(
    JSON.stringify({ architecture, os: "linux", config, rootfs: { type: "layers", diff_ids: tars.map(digestOf) } }),
  );
  const configBlob = { descriptor: descriptorOf(OCI_CONFIG, configBytes), bytes: configBytes };
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: configBlob.descriptor,
      layers: blobs.map(({ descriptor }) => descriptor),
    }),
  );
  const root = descriptorOf(OCI_MANIFEST, bytes);
  return { root, blobs: [...blobs, configBlob, { descriptor: root, bytes }] };
}

const codes = ({ diagnostics }: VerifyDocument): readonly string[] =>
  diagnostics.map(({ code, severity }) => `${severity} ${code}`);

/** The findings about an image, and the exit code that goes with them. */
async function findings(image: SampleImage, ...args: string[]): Promise<readonly string[]> {
  const result = await initwrap(["verify", await store(image), "--json", ...args], { env });
  const document = JSON.parse(result.stdout.toString()) as VerifyDocument;
  expect(result.status).toBe(document.verified ? 0 : 5);
  expect(document.verified).toBe(!codes(document).some((code) => code.startsWith("error")));
  return codes(document);
}

/** The image of a layout with its config's `config` edited, and what refers to it made right again. */
async function edited(path: string, edit: (config: Record<string, unknown>) => void): Promise<string> {
  const blob = (digest: string): string => join(path, "blobs/sha256", digest.slice(7));
  const index = JSON.parse(await readFile(join(path, "index.json"), "utf8"));
  const manifest = JSON.parse(await readFile(blob(index.manifests[0].digest), "utf8"));
  const config = JSON.parse(await readFile(blob(manifest.config.digest), "utf8"));
  edit(config.config);
  for (const [owner, key, document] of [
    [manifest, "config", config],
    [index.manifests, 0, manifest],
  ] as const) {
    const bytes = Buffer.from(JSON.stringify(document));
    await writeFile(blob(digestOf(bytes)), bytes);
    owner[key] = { ...owner[key], digest: digestOf(bytes), size: bytes.length };
  }
  await writeFile(join(path, "index.json"), JSON.stringify(index));
  return path;
}

describe.each(["oci", "oci-archive", "docker-archive"])("a wrapped image in a place of kind %s", (scheme) => {
  it("is verified, and unwrapped again it is not", async () => {
    const place = `${scheme}:${await store(sampleImage({ layers: ["a", "b"] }), scheme)}`;
    expect(codes(await verifyDocumentOf([place], { env, status: 5 }))).toEqual(["error PID1_NO_INIT"]);
    await initwrapOk(["image", place], { env });
    const document = await verifyDocumentOf([place], { env });
    expect(document).toMatchObject({ verified: true, source: place, diagnostics: [] });
    expect(document.platforms).toMatchObject([
      {
        platform: "linux/amd64",
        entrypoint: ["/initwrap", "--", "/app"],
        cmd: ["--serve"],
        init: { name: "initwrap", version: amd64.version, sha256: amd64.sha256, intact: true },
        command: "as-recorded",
        run: null,
      },
    ]);
    expect([amd64.digest, amd64.diffId]).toContain(document.platforms[0]!.init!.layer);
    const { stdout, stderr } = await initwrapOk(["verify", place], { env });
    expect(stdout.toString()).toBe(`app:1@${document.digest}\n`);
    expect(stderr).toContain("linux/amd64: verified, initwrap");
  });
});

describe("a wrapped image in a registry", () => {
  const session = new RegistrySession({ env });
  afterAll(() => session.close());
  beforeEach((context) => requireCapability(context, "docker-registry", registryAvailable));

  it("is verified for each platform, and is not when one of them is not wrapped", async () => {
    const registry = await startRegistry();
    try {
      const name = `${registry.host}/team/app:1`;
      const both = sampleIndex();
      const index = JSON.parse(Buffer.from(both.blobs.at(-1)!.bytes).toString());
      index.manifests = index.manifests.slice(0, 2);
      const bytes = Buffer.from(JSON.stringify(index));
      const root = descriptorOf(OCI_INDEX, bytes);
      await putImage(name, { root, blobs: [...both.blobs.slice(0, -1), { descriptor: root, bytes }] }, session);
      await initwrapOk(["image", name, "--push", "-t", name, "--platform", "linux/arm64"], { env });
      // A name that no engine has is looked up in its registry.
      const partly = await verifyDocumentOf([name], { env, status: 5 });
      expect(partly).toMatchObject({ verified: false, source: `registry:${name}` });
      expect(partly.platforms.map(({ platform, verified }) => [platform, verified])).toEqual([
        ["linux/amd64", false],
        ["linux/arm64/v8", true],
      ]);
      const told = await initwrap(["verify", name], { env });
      expect([told.status, told.stdout.toString()]).toEqual([5, ""]);
      expect(told.stderr).toContain("PID 1 of linux/amd64 is /amd, which is no init");
      expect(told.stderr).toContain(`error[NOT_VERIFIED]: ${name}: the image is not verified: linux/amd64`);
      expect((await verifyDocumentOf([name, "--platform", "arm64"], { env })).platforms).toHaveLength(1);
      await initwrapOk(["image", name, "--push", "-t", name], { env });
      const document = await verifyDocumentOf([`registry:${name}`], { env });
      expect(document.platforms.map(({ init }) => init)).toMatchObject([
        { sha256: amd64.sha256, layer: amd64.digest },
        { sha256: arm64.sha256, layer: arm64.digest },
      ]);
      expect((await initwrapOk(["verify", name], { env })).stdout.toString()).toBe(`${name}@${document.digest}\n`);
    } finally {
      await registry.stop();
    }
  });
});

describe("what an image has at the init's path", () => {
  it.each<[string, readonly (readonly Entry[])[], readonly string[]]>([
    ["the init, from a builder's layer", [[APP], [INIT]], ["note COMMAND_UNRECORDED"]],
    ["the init, below other layers", [[INIT, APP], [{ name: "etc/x" }]], ["note COMMAND_UNRECORDED"]],
    ["nothing", [[APP]], ["error INIT_FILE", "note COMMAND_UNRECORDED"]],
    ["something removed above", [[INIT], [{ name: ".wh.initwrap" }]], ["error INIT_FILE", "note COMMAND_UNRECORDED"]],
    [
      "something replaced above",
      [[INIT], [{ ...INIT, content: "#!/bin/sh\n" }]],
      ["error INIT_UNKNOWN", "note COMMAND_UNRECORDED"],
    ],
    [
      "a link",
      [[INIT], [{ name: "initwrap", type: "symlink", linkname: "app" }]],
      ["error INIT_FILE", "note COMMAND_UNRECORDED"],
    ],
    ["a file that not all may execute", [[{ ...INIT, mode: 0o744 }]], ["error INIT_FILE", "note COMMAND_UNRECORDED"]],
    [
      "the init of another architecture",
      [[{ ...INIT, content: arm64.bytes() }]],
      ["error INIT_UNKNOWN", "note COMMAND_UNRECORDED"],
    ],
    [
      "one changed bit",
      [[{ ...INIT, content: changed(amd64.bytes()) }]],
      ["error INIT_UNKNOWN", "note COMMAND_UNRECORDED"],
    ],
  ])("decides: %s", async (_, layers, expected) => {
    expect(await findings(await built(layers))).toEqual(expected);
  });

  it("may be another file whose SHA-256 is accepted", async () => {
    const older = changed(amd64.bytes());
    const image = await built([[{ ...INIT, content: older }]]);
    const sha256 = digestOf(older).slice(7);
    expect(await findings(image, "--accept-init", sha256)).toEqual(["note COMMAND_UNRECORDED"]);
    expect(await findings(image, "--accept-init", "0".repeat(64))).toContain("error INIT_UNKNOWN");
    const none = await initwrap(["verify", "x.tar", "--accept-init", "abc"], { env });
    expect([none.status, none.stderr]).toEqual([2, expect.stringContaining("no SHA-256")]);
  });

  it("is read from the layer's bytes, whatever the layer's digest says", async () => {
    const path = await store(sampleImage());
    await initwrapOk(["image", path], { env });
    const layer = join(path, "blobs/sha256", amd64.digest.slice(7));
    const tar = gunzipSync(await readFile(layer));
    tar[2000]! ^= 1;
    await writeFile(layer, gzipSync(tar));
    expect(codes(await verifyDocumentOf([path], { env, status: 5 }))).toEqual(["error INIT_UNKNOWN"]);
    await writeFile(layer, "no layer");
    expect(codes(await verifyDocumentOf([path], { env, status: 5 }))).toEqual(["error INIT_FILE"]);
  });

  it("is accepted for an older variant of the CPU, which it runs on", async () => {
    const [v6, v7] = ["v6", "v7"].map((variant) => initFor({ os: "linux", architecture: "arm", variant }));
    const image = (content: Buffer) => built([[{ ...INIT, content }]], WRAPPED, "arm");
    expect(await findings(await image(v7!.bytes()))).toEqual(["note COMMAND_UNRECORDED"]);
    expect(await findings(await image(v6!.bytes()))).toEqual(["note COMMAND_UNRECORDED"]);
  });
});

function changed(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[copy.length >> 1]! ^= 1;
  return copy;
}

describe("what an image runs", () => {
  const tini = ["/usr/bin/tini", "--", "/app"];
  it.each<[string, Record<string, unknown>, readonly string[]]>([
    ["an init of others", { Entrypoint: tini }, ["note INIT_FOREIGN"]],
    ["a supervisor", { Entrypoint: ["/init"] }, ["note INIT_FOREIGN"]],
    ["a program", { Entrypoint: ["/app"] }, ["error PID1_NO_INIT"]],
    ["nothing", {}, ["error PID1_NO_INIT"]],
    ["the init alone", { Entrypoint: ["/initwrap", "--"] }, ["warning NO_COMMAND", "note COMMAND_UNRECORDED"]],
    ["the init without --", { Entrypoint: ["/initwrap", "/app"] }, ["error INIT_NOT_COMPOSED"]],
    ["the init in CMD", { Cmd: ["/initwrap", "--", "/app"] }, ["error INIT_NOT_COMPOSED"]],
    [
      "the init behind a shell",
      { Entrypoint: ["/bin/sh", "-c", "exec /initwrap -- /app"] },
      ["error INIT_NOT_COMPOSED"],
    ],
    [
      "a stop signal that nobody handles",
      { ...WRAPPED, StopSignal: "kill" },
      ["note COMMAND_UNRECORDED", "warning STOPSIGNAL_KILL"],
    ],
    [
      "a trigger for an entrypoint",
      { ...WRAPPED, OnBuild: ["RUN x", 'entrypoint ["/app"]'] },
      ["note COMMAND_UNRECORDED", "warning ONBUILD_ENTRYPOINT"],
    ],
    [
      "the init twice",
      { Entrypoint: ["/initwrap", "--", "/initwrap", "--", "/app"] },
      ["error INIT_NOT_COMPOSED", "note COMMAND_UNRECORDED"],
    ],
    [
      "the init before a supervisor",
      { Entrypoint: ["/initwrap", "--", "/init"] },
      ["error INIT_NOT_COMPOSED", "note COMMAND_UNRECORDED"],
    ],
    [
      "the init before tini",
      { Entrypoint: ["/initwrap", "--", ...tini] },
      ["error INIT_NOT_COMPOSED", "note COMMAND_UNRECORDED"],
    ],
  ])("decides: %s", async (_, config, expected) => {
    expect(await findings(await built([[INIT]], config))).toEqual(expected);
  });
});

describe("the record of a wrapped image", () => {
  it("holds with options of the init, a replaced init, and no entrypoint", async () => {
    for (const [config, args] of [
      [{ Entrypoint: ["/app"], Cmd: ["x"] }, ["--init-arg=-v", "--init-arg=--grace=5"]],
      [{ Entrypoint: ["tini", "-g", "--", "/app"] }, ["--replace-init", "--init-arg=-v"]],
      [{ Cmd: ["/app"] }, []],
    ] as const) {
      const path = await store(sampleImage({ config }));
      await initwrapOk(["image", path, ...args], { env });
      const document = await verifyDocumentOf([path], { env });
      expect([codes(document), document.platforms[0]!.command]).toEqual([[], "as-recorded"]);
    }
  });

  it("shows a command that was changed afterwards, and a config that was", async () => {
    const wrapped = async (): Promise<string> => {
      const path = await store(sampleImage());
      await initwrapOk(["image", path], { env });
      return path;
    };
    const entrypoint = await edited(await wrapped(), (config) => {
      config["Entrypoint"] = ["/initwrap", "--", "/evil"];
    });
    const document = await verifyDocumentOf([entrypoint], { env, status: 5 });
    expect(codes(document)).toEqual(["error COMMAND_CHANGED"]);
    expect(document.diagnostics[0]!.args).toMatchObject({ is: '["/evil","--serve"]', was: '["/app","--serve"]' });
    const variable = await edited(await wrapped(), (config) => {
      config["Env"] = ["PATH=/elsewhere"];
    });
    expect(codes(await verifyDocumentOf([variable], { env, status: 5 }))).toEqual(["error RECORD_BROKEN"]);
    const command = await edited(await wrapped(), (config) => {
      config["Cmd"] = ["other"];
    });
    expect(codes(await verifyDocumentOf([command], { env, status: 5 }))).toEqual(["error RECORD_BROKEN"]);
  });
});

describe("an image that cannot be looked at", () => {
  it("ends with the reason's own code, not with that of the gate", async () => {
    const path = await store(sampleImage({ config: WRAPPED }));
    const status = async (...args: string[]): Promise<[number, string]> => {
      const result = await initwrap(["verify", ...args], { env });
      return [result.status, /error\[(\w+)\]/.exec(result.stderr)?.[1] ?? ""];
    };
    expect(await status(join(folder, "none.tar"))).toEqual([3, "INPUT_NOT_FOUND"]);
    expect(await status(path, "--platform", "arm64")).toEqual([3, "IMAGE_NOT_FOUND"]);
    expect(await status("docker:app")).toEqual([6, "DAEMON_UNREACHABLE"]);
    expect(await status(path, "--run")).toEqual([6, "DAEMON_UNREACHABLE"]);
    expect(await status(path, "--timeout", "3")).toEqual([2, "USAGE"]);
    expect(await status(path, "--run", "--timeout", "0")).toEqual([2, "USAGE"]);
    expect(await status(await store(sampleImage({ os: "windows" })))).toEqual([5, "NOT_LINUX"]);
  });

  it("in an index is a warning when it is absent, and nothing when others were asked for", async () => {
    const path = await store(sampleIndex());
    await initwrapOk(["image", path], { env });
    expect(codes(await verifyDocumentOf([path], { env }))).toEqual(["warning PLATFORM_ABSENT"]);
    expect(codes(await verifyDocumentOf([path, "--platform", "amd64,arm64"], { env }))).toEqual([]);
    const { status } = await initwrap(["verify", path, "--platform", "s390x"], { env });
    expect(status).toBe(3);
  });
});

describe("reporters", () => {
  it("get the findings: annotations, and one document with nothing else on stdout", async () => {
    const path = await store(sampleImage());
    const github = await initwrap(["verify", path], { env: { ...env, GITHUB_ACTIONS: "true" } });
    expect(github.status).toBe(5);
    expect(github.stdout.toString() + github.stderr).toMatch(/^::error .*PID1_NO_INIT/m);
    const sarif = await initwrap(["verify", path, "--reporter", "sarif"], { env });
    expect(sarif.status).toBe(5);
    expect(JSON.parse(sarif.stdout.toString()).runs[0].results).toMatchObject([
      { ruleId: "PID1_NO_INIT", level: "error" },
    ]);
    await initwrapOk(["image", path], { env });
    const clean = await initwrapOk(["verify", path, "--reporter", "sarif"], { env });
    expect(JSON.parse(clean.stdout.toString()).runs[0].results).toEqual([]);
    const both = await initwrap(["verify", path, "--json", "--reporter", "sarif"], { env });
    expect([both.status, both.stdout.toString()]).toEqual([2, expect.stringContaining("USAGE")]);
  });
});
