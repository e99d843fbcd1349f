/**
 * The image of `pnpm bench:image`: an archive as an engine with the containerd store saves it, of layers that are plain tars
 * of real files. The first layer is a small system that runs; the others are the files of /usr of this machine in the order
 * of their names, one share each. The same files give the same image.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

/** What the image runs: it says what it was given, and what runs as PID 1. */
const APP = `#!/bin/sh
echo "arguments: $*"
echo "first: $(tr '\\000' ' ' < /proc/1/cmdline)"
`;
export const ENTRYPOINT = ["/bin/app", "--serve"];
export const CMD = ["--port", "8080"];
export const WRAPPED = ["/initwrap", "--", ...ENTRYPOINT];
/** The image's name in its archive. */
export const NAME = "initwrap-bench/app:1";

const ARCHITECTURE = process.arch === "x64" ? "amd64" : process.arch;
const MEDIA = "application/vnd.oci.image";

/** The path of an archive of about `megabytes`; `cache` keeps it for the next run. */
export function sourceArchive({ megabytes, layers, cache }) {
  const path = join(cache, `image-${megabytes}-${layers}.tar`);
  if (existsSync(path)) return path;
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "image-"));
  try {
    writeArchive(join(folder, "archive.tar"), contents(folder, megabytes * 1e6, layers));
    renameSync(join(folder, "archive.tar"), path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return path;
}

/** One tar at a time, as a path. */
function* contents(folder, size, layers) {
  const root = join(folder, "root");
  for (const name of ["bin", "etc", "proc", "sys", "dev", "tmp"]) mkdirSync(join(root, name), { recursive: true });
  copyFileSync(busybox(), join(root, "bin/busybox"));
  for (const name of ["sh", "tr", "cat", "true"]) symlinkSync("busybox", join(root, "bin", name));
  writeFileSync(join(root, "bin/app"), APP);
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/:/bin/sh\n");
  for (const name of ["bin/busybox", "bin/app"]) chmodSync(join(root, name), 0o755);
  yield packed(folder, root, ["."]);
  const share = size / (layers - 1);
  const files = filesBelow("/usr");
  for (let made = 1; made < layers; made++) {
    const names = [];
    for (let total = 0; total < share; ) {
      const { value, done } = files.next();
      if (done) throw new Error(`/usr has less than ${size / 1e6} MB of files: ask for a smaller image with --size`);
      // A single file larger than a share would make the image larger than was asked for.
      if (value.size > share) continue;
      names.push(value.path.slice(1));
      total += value.size + 1024;
    }
    yield packed(folder, "/", names);
  }
}

function busybox() {
  const found = ["/bin/busybox", "/usr/bin/busybox"].find(existsSync);
  if (!found) throw new Error("bench:image needs busybox, linked statically (Debian: busybox-static)");
  return found;
}

/** The regular files below a folder, in the order of their names' bytes. */
function* filesBelow(folder) {
  const entries = readdirSync(folder, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield { path, size: lstatSync(path).size };
  }
}

/** A tar of these names, whose bytes depend on the files alone. */
function packed(folder, root, names) {
  const path = join(folder, "layer.tar");
  const list = join(folder, "names");
  writeFileSync(list, names.map((name) => `${name}\0`).join(""));
  const steady = [
    "--sort=name",
    "--mtime=@1700000000",
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "--mode=a+rX,u+w,go-w",
  ];
  const words = [...steady, "--hard-dereference", "--format=ustar", "-C", root, "--null", "-T", list, "-cf", path];
  const done = spawnSync("tar", words, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`tar: ${done.stderr.trim().split("\n").at(-1)}`);
  return path;
}

function writeArchive(path, tars) {
  const fd = openSync(path, "w");
  let at = 0;
  const write = (bytes) => {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, at + done);
    at += bytes.length;
  };
  const entry = (name, bytes) => {
    write(header(name, bytes.length));
    write(bytes);
    write(Buffer.alloc((512 - (bytes.length % 512)) % 512));
  };
  const blob = (bytes, mediaType) => {
    const digest = createHash("sha256").update(bytes).digest("hex");
    entry(`blobs/sha256/${digest}`, bytes);
    return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
  };
  const json = (value) => Buffer.from(JSON.stringify(value));
  const layers = [];
  for (const tar of tars) layers.push(blob(readFileSync(tar), `${MEDIA}.layer.v1.tar`));
  const config = blob(
    json({
      architecture: ARCHITECTURE,
      os: "linux",
      created: "2023-11-14T22:13:20Z",
      config: {
        Env: ["PATH=/bin", "GREETING=hello there"],
        Entrypoint: ENTRYPOINT,
        Cmd: CMD,
        WorkingDir: "/tmp",
        Labels: { "org.opencontainers.image.title": "app" },
        StopSignal: "SIGINT",
      },
      rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
      history: layers.map((_, place) => ({ created: "2023-11-14T22:13:20Z", created_by: `COPY share-${place} /` })),
    }),
    `${MEDIA}.config.v1+json`,
  );
  const mediaType = `${MEDIA}.manifest.v1+json`;
  const manifest = blob(json({ schemaVersion: 2, mediaType, config, layers }), mediaType);
  const annotations = {
    "io.containerd.image.name": `docker.io/${NAME}`,
    "org.opencontainers.image.ref.name": NAME.split(":")[1],
  };
  const file = ({ digest }) => `blobs/sha256/${digest.slice(7)}`;
  entry("index.json", json({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }));
  entry("manifest.json", json([{ Config: file(config), RepoTags: [NAME], Layers: layers.map(file) }]));
  entry("oci-layout", json({ imageLayoutVersion: "1.0.0" }));
  write(Buffer.alloc(1024));
  closeSync(fd);
}

/** A file's header in a tar: POSIX ustar. */
function header(name, size) {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write("0000644\x000000000\x000000000\0", 100);
  block.write(`${size.toString(8).padStart(11, "0")}\x0000000000000\0        0`, 124);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** What every program is to add: the shipped init, as the file and as the layer that it comes in. */
export function initFiles() {
  const folder = join(import.meta.dirname, `../../packages/init-core/inits/linux-${ARCHITECTURE}`);
  return { folder, file: join(folder, "initwrap"), layer: join(folder, "layer.tar.gz") };
}

/** A build context whose Dockerfile makes the wrapped image of `base`. `copy` are options of COPY. */
export function buildContext(folder, base, copy = "") {
  mkdirSync(folder, { recursive: true });
  copyFileSync(initFiles().file, join(folder, "initwrap"));
  const words = (list) => JSON.stringify(list);
  writeFileSync(
    join(folder, "Dockerfile"),
    `FROM ${base}\nCOPY ${copy}initwrap /initwrap\nENTRYPOINT ${words(WRAPPED)}\nCMD ${words(CMD)}\n`,
  );
  return folder;
}
