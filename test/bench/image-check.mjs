/** Whether a result of `pnpm bench:image` is the image that was asked for, whoever made it. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { gunzipSync } from "node:zlib";
import { CMD, initFiles, WRAPPED } from "./image-source.mjs";

/** Fields of the config that have to stay. */
const KEPT = ["Env", "WorkingDir", "User", "StopSignal"];

/**
 * `read(digest)` gives a blob. The result has to have the init in front of the original's entrypoint, everything else of its
 * config, its layers, and one more with the init's file and nothing else that is a file.
 */
export async function checkImage({ before, after, read }) {
  const [old, now] = [before.config, after.config];
  same("the entrypoint", now.Entrypoint, WRAPPED);
  same("the command", now.Cmd, CMD);
  for (const key of KEPT) same(key, now[key] || undefined, old[key] || undefined);
  for (const [name, value] of Object.entries(old.Labels ?? {})) same(`label ${name}`, now.Labels?.[name], value);
  const ids = after.rootfs.diff_ids;
  same("the layers", ids.slice(0, -1), before.rootfs.diff_ids);
  if (read) checkLayer(await read(after.layers.at(-1)));
}

/** The result of a run of it: see APP in image-source.mjs. */
export function checkOutput(text) {
  const [first, second] = text.trim().split("\n");
  same("what it is given", first, `arguments: ${["--serve", ...CMD].join(" ")}`);
  same("PID 1", second?.trim(), `first: ${[...WRAPPED, ...CMD].join(" ")}`);
}

function checkLayer(bytes) {
  const tar = bytes[0] === 0x1f ? gunzipSync(bytes) : bytes;
  const files = execFileSync("tar", ["-tf", "-"], { input: tar, encoding: "utf8" })
    .split("\n")
    .filter((name) => name !== "" && !name.endsWith("/"));
  same(
    "the files of the new layer",
    files.map((name) => name.replace(/^(\.?\/)+/, "")),
    ["initwrap"],
  );
  const content = execFileSync("tar", ["-xOf", "-", files[0]], { input: tar });
  if (!content.equals(readFileSync(initFiles().file))) throw new Error("the init in the new layer is another file");
}

function same(what, found, wanted) {
  if (isDeepStrictEqual(found, wanted)) return;
  throw new Error(`${what} of the result: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
}

/** Config and layers of the one image in an archive, of either layout. */
export function archivedImage(path) {
  const entry = (name) =>
    execFileSync("tar", ["-xOf", path, name], { maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "ignore"] });
  const json = (name) => JSON.parse(entry(name).toString());
  const blob = (digest) => `blobs/sha256/${digest.slice(7)}`;
  let index;
  try {
    index = json("index.json");
  } catch {
    const [{ Config, Layers }] = json("manifest.json");
    return { ...json(Config), layers: Layers, read: async (name) => entry(name) };
  }
  let manifest = json(blob(index.manifests[0].digest));
  // An engine's archive has the index that it keeps, with the image of its own platform in it.
  if (manifest.manifests) manifest = json(blob(manifest.manifests[0].digest));
  const layers = manifest.layers.map(({ digest }) => digest);
  return { ...json(blob(manifest.config.digest)), layers, read: async (digest) => entry(blob(digest)) };
}

/** The same of an image in a registry without TLS. */
export async function registryImage(host, repository, tag) {
  const get = async (path) => {
    const accept = ["oci.image.index.v1", "oci.image.manifest.v1", "docker.distribution.manifest.v2"];
    const headers = { accept: accept.map((type) => `application/vnd.${type}+json`).join(", ") };
    const answer = await fetch(`http://${host}/v2/${repository}/${path}`, { headers });
    if (!answer.ok) throw new Error(`the registry answers ${answer.status} for ${path}`);
    return Buffer.from(await answer.arrayBuffer());
  };
  const json = async (path) => JSON.parse((await get(path)).toString());
  let manifest = await json(`manifests/${tag}`);
  if (manifest.manifests) manifest = await json(`manifests/${manifest.manifests[0].digest}`);
  const layers = manifest.layers.map(({ digest }) => digest);
  const config = await json(`blobs/${manifest.config.digest}`);
  return { ...config, layers, manifest, read: (digest) => get(`blobs/${digest}`) };
}
