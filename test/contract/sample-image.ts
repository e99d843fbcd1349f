/** Images for tests, made in memory: real tar layers, every document as bytes, one platform or an index of several. */
import { gzipSync } from "node:zlib";
import type { Descriptor } from "../../packages/cli/src/model/descriptor.ts";
import { type Digest, digestOf } from "../../packages/cli/src/model/digest.ts";
import {
  DOCKER_CONFIG,
  DOCKER_LAYER_GZIP,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER_GZIP,
  OCI_MANIFEST,
} from "../../packages/cli/src/model/media-types.ts";
import { END_OF_ARCHIVE, padding, tarHeader } from "../../packages/cli/src/store/tar.ts";

export interface SampleImage {
  readonly root: Descriptor;
  /** Every blob, children before parents. */
  readonly blobs: readonly { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[];
}

export interface SampleOptions {
  readonly family?: "docker" | "oci";
  readonly os?: string;
  readonly architecture?: string;
  readonly config?: Record<string, unknown>;
  /** Content of each layer's one file. */
  readonly layers?: readonly (string | Uint8Array)[];
}

/** A tar with these files. */
export function tarOf(files: readonly (readonly [name: string, content: string | Uint8Array])[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const [name, content] of files) {
    const bytes = Buffer.from(content);
    parts.push(tarHeader(name, bytes.length), bytes, padding(bytes.length));
  }
  return Buffer.concat([...parts, END_OF_ARCHIVE]);
}

/** One platform's image. */
export function sampleImage(options: SampleOptions = {}): SampleImage {
  const isDocker = options.family === "docker";
  const tars = (options.layers ?? ["hello\n", "world\n"]).map((content, place) => tarOf([[`file-${place}`, content]]));
  const layers = tars.map((tar) => {
    const bytes = gzipSync(tar);
    return { descriptor: descriptorOf(isDocker ? DOCKER_LAYER_GZIP : OCI_LAYER_GZIP, bytes), bytes };
  });
  const configBytes = Buffer.from(
    JSON.stringify({
      architecture: options.architecture ?? "amd64",
      os: options.os ?? "linux",
      created: "2024-02-03T04:05:06Z",
      config: options.config ?? { Entrypoint: ["/app"], Cmd: ["--serve"], Env: ["PATH=/bin"], Labels: { team: "a&b" } },
      rootfs: { type: "layers", diff_ids: tars.map(digestOf) },
      history: tars.map((_, place) => ({ created: "2024-02-03T04:05:06Z", created_by: `layer ${place}` })),
      "x-unknown": { kept: true },
    }),
  );
  const config = { descriptor: descriptorOf(isDocker ? DOCKER_CONFIG : OCI_CONFIG, configBytes), bytes: configBytes };
  const manifestBytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: isDocker ? DOCKER_MANIFEST : OCI_MANIFEST,
      config: config.descriptor,
      layers: layers.map((layer) => layer.descriptor),
    }),
  );
  const root = descriptorOf(isDocker ? DOCKER_MANIFEST : OCI_MANIFEST, manifestBytes);
  return { root, blobs: [...layers, config, { descriptor: root, bytes: manifestBytes }] };
}

/** An index of amd64 and arm64, with an attestation of the first and a platform that is listed but absent. */
export function sampleIndex(): SampleImage {
  const amd64 = sampleImage({ layers: ["amd64\n"], config: { Entrypoint: ["/amd"], Cmd: null } });
  const arm64 = sampleImage({ architecture: "arm64", layers: ["arm64\n"], config: { Cmd: ["/arm", "x"] } });
  const statement = sampleImage({ os: "unknown", architecture: "unknown", layers: ['{"predicate":{}}'] });
  const bytes = Buffer.from(
    JSON.stringify(
      {
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [
          { ...amd64.root, platform: { architecture: "amd64", os: "linux" }, annotations: { own: "kept" } },
          { ...arm64.root, platform: { architecture: "arm64", os: "linux", variant: "v8" } },
          {
            ...arm64.root,
            digest: `sha256:${"0".repeat(64)}`,
            platform: { architecture: "s390x", os: "linux" },
          },
          {
            ...statement.root,
            platform: { architecture: "unknown", os: "unknown" },
            annotations: {
              "vnd.docker.reference.digest": amd64.root.digest,
              "vnd.docker.reference.type": "attestation-manifest",
            },
          },
        ],
      },
      null,
      3,
    ),
  );
  const root = descriptorOf(OCI_INDEX, bytes);
  return { root, blobs: [...amd64.blobs, ...arm64.blobs, ...statement.blobs, { descriptor: root, bytes }] };
}

/** docker save of Docker 24 and before: layers as plain tars in folders, no manifests. */
export function legacyArchive(image: SampleImage, tags: readonly string[], tars: readonly Uint8Array[]): Buffer {
  const config = image.blobs.find((blob) => /config|container\.image/.test(blob.descriptor.mediaType))!;
  const name = `${config.descriptor.digest.slice(7)}.json`;
  const folders = tars.map((tar) => digestOf(tar).slice(7));
  return tarOf([
    ...tars.map((tar, place) => [`${folders[place]}/layer.tar`, tar] as const),
    [name, config.bytes],
    [
      "manifest.json",
      JSON.stringify([{ Config: name, RepoTags: tags, Layers: folders.map((folder) => `${folder}/layer.tar`) }]),
    ],
    ["repositories", "{}"],
  ]);
}

export function descriptorOf(mediaType: string, bytes: Uint8Array): Descriptor & { readonly digest: Digest } {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}
