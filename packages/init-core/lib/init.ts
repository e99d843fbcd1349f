import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { InitCoreError } from "./errors.ts";
import { packageRoot } from "./package-root.ts";
import { type InitPlatform, initName, platformOf } from "./platform.ts";

/** One shipped init and the image layer that carries it. */
export interface Init {
  /** The platform it was built for. */
  readonly platform: InitPlatform;
  /** The absolute path of the executable. */
  readonly path: string;
  /** Its SHA-256, in hexadecimal. */
  readonly sha256: string;
  /** The version it prints. */
  readonly version: string;
  /** The compressed layer's digest, `sha256:...`: what a manifest names. */
  readonly digest: string;
  /** The uncompressed layer's digest, `sha256:...`: what a config's `rootfs.diff_ids` names. */
  readonly diffId: string;
  /** The compressed layer's size in bytes. */
  readonly layerSize: number;
  /** The uncompressed layer's size in bytes. */
  readonly tarSize: number;
  /** The executable. */
  bytes(): Buffer;
  /** The gzip-compressed layer, `application/vnd.oci.image.layer.v1.tar+gzip`: one file, `initwrap`, in the root. */
  layer(): Buffer;
}

interface LayerFacts {
  readonly digest: string;
  readonly diffId: string;
  readonly size: number;
  readonly tarSize: number;
  readonly initSha256: string;
  readonly version: string;
}

/** By folder: what was read once is not read again. */
const known = new Map<string, Init>();

/**
 * The init for a platform. Reads only a small JSON file; the executable and the layer are read when asked for.
 *
 * @throws {InitCoreError} `E_NO_INIT` when none is built for it.
 */
export function initFor(platform: InitPlatform): Init {
  const folder = join(packageRoot(), "inits", initName(platform));
  const before = known.get(folder);
  if (before) return before;
  const facts = join(folder, "layer.json");
  if (!existsSync(facts)) {
    const wanted = [platform.os, platform.architecture, platform.variant].filter(Boolean).join("/");
    const built = initPlatforms()
      .map(({ os, architecture, variant }) => [os, architecture, variant].filter(Boolean).join("/"))
      .join(", ");
    throw new InitCoreError("E_NO_INIT", `there is no init for ${wanted}; there is one for ${built}`);
  }
  const { digest, diffId, size, tarSize, initSha256, version } = JSON.parse(readFileSync(facts, "utf8")) as LayerFacts;
  const path = join(folder, "initwrap");
  const init: Init = {
    platform: platformOf(initName(platform)),
    path,
    sha256: initSha256,
    version,
    digest,
    diffId,
    layerSize: size,
    tarSize,
    bytes: () => readFileSync(path),
    layer: () => readFileSync(join(folder, "layer.tar.gz")),
  };
  known.set(folder, init);
  return init;
}

/** Every platform that has an init, in the order of their names. */
export function initPlatforms(): InitPlatform[] {
  return readdirSync(join(packageRoot(), "inits"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
    .map(platformOf);
}
