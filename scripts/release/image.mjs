/**
 * The CLI as a container image, for linux/amd64 and linux/arm64: the standalone program and the shared libraries of its Node.js,
 * nothing else; no engine builds it. Its init is put into it by the CLI itself.
 *
 * Equal inputs give equal bytes. The libraries are this machine's, Debian's cross packages for the other architecture.
 *
 * Source: OCI image-spec, config.md, manifest.md, image-index.md.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { LICENSES } from "../third-party.mjs";
import { environment, fail, ROOT } from "../workspace.mjs";
import { gzipped, tarOf } from "./archive.mjs";

const sha256 = (bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Where the program is in the image. */
const PROGRAM = "usr/local/bin/initwrap";

/** The folder with the licences, and Debian's packages with the libraries, whose licences are beside them in Debian. */
const DOCUMENTS = "usr/share/doc";
const LIBRARIES = ["gcc-12-base", "libc6"];

/**
 * Writes the image as an OCI archive to `output`, and gives its digest. `programs` has the path of each architecture's program,
 * `licenses` is the text of those of what is in a program, `repository` is the address of the sources, `date` when they are
 * from, in seconds since 1970. Ends this process when a library is missing.
 */
export async function buildImage({ version, programs, licenses, output, repository, date }) {
  const { RUNTIMES, runtimeLibraries } = await import("../../packages/cli/src/wrap/frontend-image.ts");
  const { blobList, checkPlaces, encodeJson, writeImage } = await import("../../packages/cli/src/wrap/built-image.ts");
  const { OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST } = await import(
    "../../packages/cli/src/model/media-types.ts"
  );
  const { blobs, add } = blobList();
  const labels = {
    "org.opencontainers.image.title": "initwrap",
    "org.opencontainers.image.description": "Puts an init in front of what a container image or a Dockerfile runs.",
    "org.opencontainers.image.licenses": "MIT",
    "org.opencontainers.image.source": repository,
    "org.opencontainers.image.version": version,
  };
  const created = new Date(date * 1000).toISOString().replace(".000Z", "Z");
  const notices = LIBRARIES.map((name) => {
    const path = `${DOCUMENTS}/${name}/copyright`;
    return { path, bytes: readFileSync(`/${path}`), mode: 0o644 };
  });
  const manifests = [];
  for (const runtime of RUNTIMES) {
    const program = programs[runtime.platform.architecture];
    if (program === undefined) continue;
    const libraries = await runtimeLibraries(runtime);
    // Compressed archives are unpacked to /tmp; /work is where the user's files are mounted.
    const folders = [
      { path: "tmp", mode: 0o1777 },
      { path: "work", mode: 0o755 },
    ];
    // The system is asked for the name of the process's user, and has none without this file.
    const users = { path: "etc/passwd", bytes: Buffer.from("root:x:0:0:root:/tmp:/sbin/nologin\n"), mode: 0o644 };
    const layers = [
      await tarOf([...folders, users, ...libraries, ...notices]),
      await tarOf([
        { path: PROGRAM, bytes: readFileSync(program), mode: 0o755 },
        { path: `${DOCUMENTS}/initwrap/LICENSE`, bytes: readFileSync(join(ROOT, "LICENSE")), mode: 0o644 },
        { path: `${DOCUMENTS}/initwrap/${LICENSES}`, bytes: Buffer.from(licenses), mode: 0o644 },
      ]),
    ];
    // Of no time: a layer that two releases have in common is the same one.
    const packed = await Promise.all(layers.map((layer) => gzipped(layer)));
    const descriptors = packed.map((layer) => add(OCI_LAYER_GZIP, layer));
    const config = add(
      OCI_CONFIG,
      encodeJson({
        created,
        architecture: runtime.platform.architecture,
        os: runtime.platform.os,
        config: {
          Env: ["PATH=/usr/local/bin", "HOME=/tmp"],
          Entrypoint: [`/${PROGRAM}`],
          WorkingDir: "/work",
          Labels: labels,
        },
        rootfs: { type: "layers", diff_ids: layers.map(sha256) },
        history: ["the libraries of Node.js", `initwrap ${version}`].map((created_by) => ({
          created,
          created_by,
        })),
      }),
    );
    const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: descriptors, annotations: labels };
    manifests.push({ ...add(OCI_MANIFEST, encodeJson(manifest)), platform: runtime.platform });
  }
  const root = add(OCI_INDEX, encodeJson({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, annotations: labels }));
  const bare = `${output}.bare.tar`;
  for (const file of [bare, output]) rmSync(file, { force: true });
  const places = checkPlaces({ output: bare, insecureRegistries: [], context: { env: process.env } });
  await writeImage({ root, blobs }, places);
  const cli = [
    join(ROOT, "packages/cli/bin/run.js"),
    "image",
    bare,
    "-o",
    output,
    "-t",
    `initwrap:${version}`,
    "--quiet",
  ];
  const { stdout } = await promisify(execFile)(process.execPath, cli, { env: environment() }).catch(({ stderr }) =>
    fail(`the image was not wrapped:\n${stderr}`),
  );
  rmSync(bare);
  return stdout.trim().split("@")[1];
}
