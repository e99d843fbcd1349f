/**
 * The registry rows of `pnpm bench:image`: one image wrapped under another tag of its repository, and 50 different ones,
 * beside every installed program that can do it, and two floors: `skopeo copy` from tag to tag, which changes nothing, and a
 * program of Node that makes the requests of a wrap and does nothing else.
 *
 * Every run has a tag and a config of its own, so that nothing of the result is there already but the init's layer. Bytes are counted on the wire in both directions by a relay in front of the registry, in
 * the first run of each, which is not timed; a slow peer has that run only.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { buildahScript, storageOf, umociScript } from "./image-archive.mjs";
import { archivedImage, checkImage, registryImage } from "./image-check.mjs";
import { contest, INITWRAP, initwrapAt, installed, quote, run } from "./image-run.mjs";
import { buildContext, CMD, initFiles, WRAPPED } from "./image-source.mjs";

const REGISTRY = "docker-registry";
const FLOOR = join(import.meta.dirname, "registry-floor.cjs");
const MANY = 50;

/** The relay: a thread, for the runs block this one. It adds up the bytes of both directions. */
const RELAY = `
const { createServer, connect } = require("node:net");
const { parentPort, workerData } = require("node:worker_threads");
const count = new BigInt64Array(workerData.shared);
const server = createServer((near) => {
  const far = connect(workerData.target);
  for (const [from, to] of [[near, far], [far, near]]) {
    from.on("data", (chunk) => { count[0] += BigInt(chunk.length); });
    from.on("error", () => to.destroy());
    from.pipe(to);
  }
});
server.listen(workerData.listen, () => parentPort.postMessage(server.address()));
`;

/** A relay to `target` (as for `net.connect`) on `listen` (as for `server.listen`). `total()` empties its counter. */
export async function startRelay(target, listen) {
  const shared = new SharedArrayBuffer(8);
  const worker = new Worker(RELAY, { eval: true, workerData: { target, listen, shared } });
  const address = await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  return {
    address,
    total: () => Number(Atomics.exchange(new BigInt64Array(shared), 0, 0n)),
    close: () => worker.terminate(),
  };
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** A registry of our own with a relay; undefined where Debian's docker-registry is not installed. */
export async function startRegistry({ folder, crane }) {
  if (!installed(REGISTRY)) return undefined;
  const work = join(folder, "registry");
  mkdirSync(work, { recursive: true });
  const port = await freePort();
  const config = {
    version: 0.1,
    log: { level: "error" },
    storage: { filesystem: { rootdirectory: join(work, "data") } },
    http: { addr: `127.0.0.1:${port}` },
  };
  writeFileSync(join(work, "config.yml"), JSON.stringify(config));
  const server = spawn(REGISTRY, ["serve", join(work, "config.yml")], { stdio: "ignore" });
  const host = `127.0.0.1:${port}`;
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (answer?.ok) break;
    if (tries > 200) throw new Error("docker-registry does not start");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const relay = await startRelay({ host: "127.0.0.1", port }, { host: "127.0.0.1", port: 0 });
  return {
    host,
    counted: `127.0.0.1:${relay.address.port}`,
    total: relay.total,
    stop: async () => {
      await relay.close();
      server.kill("SIGKILL");
      rmSync(work, { recursive: true, force: true });
    },
    /** The way of crane, which changes images in registries only. */
    archivePeer: ({ archive, peer, made }) => ({
      program: "crane push, mutate, pull to a new file",
      needs: [crane],
      ...made,
      script: () =>
        `${crane} --insecure push -q ${archive} ${host}/crane:1 2>/dev/null || ${crane} --insecure push ${archive} ${host}/crane:1 >/dev/null 2>&1; ` +
        `${craneScript(crane, `${host}/crane:1`, `${host}/crane:2`, 0)} >/dev/null; ${crane} --insecure pull ${host}/crane:2 ${peer}`,
    }),
  };
}

function craneScript(crane, from, to, number) {
  const [entrypoint, cmd] = [WRAPPED, CMD].map((list) => list.join(","));
  return `${crane} --insecure mutate ${from} --append ${quote(initFiles().layer)} --entrypoint=${entrypoint} --cmd=${cmd} --label run=${number} -t ${to}`;
}

/** The programs, ours first: what each runs to wrap FROM as TO, both `HOST/REPOSITORY:TAG`, for the so many-th time. */
function programs({ crane, folder, engine }) {
  const work = join(folder, "storage");
  const clear = () => {
    for (const path of [work, `${folder}/layout`, `${folder}/layout.init.tar`])
      rmSync(path, { recursive: true, force: true });
  };
  const [buildah, podman] = ["buildah", "podman"].map((program) => storageOf(program, work));
  const skopeo = "skopeo copy -q --insecure-policy --src-tls-verify=false --dest-tls-verify=false";
  return [
    { program: "initwrap", wrap: (from, to, number) => `${initwrapAt(number)} image registry:${from} -t ${to} -q` },
    {
      program: "crane mutate",
      needs: [crane],
      limit: 1.5,
      keen: true,
      wrap: (from, to, number) => craneScript(crane, from, to, number),
    },
    {
      program: "Node, the same requests and nothing else",
      floor: true,
      wrap: (from, to, number) =>
        `${quote(process.execPath)} ${quote(FLOOR)} ${from} ${to.split(":").at(-1)} ${number}`,
    },
    {
      program: "skopeo copy, which changes nothing",
      needs: ["skopeo"],
      floor: true,
      wrap: (from, to) => `${skopeo} docker://${from} docker://${to}`,
    },
    {
      program: "skopeo to a layout, umoci, skopeo back",
      needs: ["skopeo", "umoci"],
      heavy: true,
      before: clear,
      after: clear,
      wrap: (from, to) =>
        `${skopeo} docker://${from} oci:${folder}/layout:1; ${umociScript(`${folder}/layout`)}; ${skopeo} oci:${folder}/layout:1 docker://${to}`,
    },
    {
      program: "buildah from, copy, commit",
      needs: ["buildah"],
      heavy: true,
      before: clear,
      after: clear,
      wrap: (from, to) => buildahScript(buildah, from, `docker://${to}`, "--tls-verify=false"),
    },
    {
      program: "podman build, push",
      needs: ["podman"],
      heavy: true,
      before: clear,
      after: clear,
      wrap: (from, to) =>
        `${podman} build -q --tls-verify=false -t ${to} ${quote(buildContext(join(folder, "context"), from))} >/dev/null; ` +
        `${podman} push -q --tls-verify=false ${to}`,
    },
    ...(engine ? [engine.registryPeer({ folder })] : []),
  ];
}

export async function registryRows({ archive, folder, rounds, registry, crane, engine }) {
  const one = "one image in a registry, another tag";
  if (!registry) return [{ situation: one, program: REGISTRY, note: "is not installed" }];
  const { host, counted } = registry;
  const before = archivedImage(archive);
  await putOriginal(registry, archive);
  const list = programs({ crane, folder, engine });
  const single = (place) => (each) => (number) => each.wrap(`${place}/app:1`, `${place}/app:one${number}`, number);
  const bytes = () => registry.total();
  const rows = await contest(
    one,
    list.map((each) => ({
      ...each,
      script: single(host)(each),
      counted: single(counted)(each),
      before: (number) => {
        each.before?.(number);
        registry.total();
      },
      bytes,
      verify: async (number) => {
        const after = await registryImage(host, "app", `one${number}`);
        if (!each.floor) await checkImage({ before, after, read: after.read });
      },
    })),
    { rounds, aim: 1 },
  );

  const names = await putSources(host);
  const verify = async (number) => {
    for (const name of names) {
      const [original, after] = [
        await registryImage(host, "app", name),
        await registryImage(host, "app", `${name}-${number}`),
      ];
      await checkImage({ before: original, after, read: after.read });
    }
  };
  const each = (place, wrap) => (number) =>
    names.map((name) => wrap(`${place}/app:${name}`, `${place}/app:${name}-${number}`, number)).join("\n");
  const fleet = (place) => (number) =>
    `printf '%s\\n' ${names.map((name) => `${place}/app:${name}`).join(" ")} | ` +
    `${initwrapAt(number)} image --from - -t '{{repository}}:{{tag}}-${number}' -q >/dev/null`;
  const byCrane = (from, to, number) => craneScript(crane, from, to, number);
  const shared = { bytes, verify, before: () => registry.total() };
  const side = (place) => (number) =>
    `printf '%s\\n' ${names.join(" ")} | xargs -P 4 -I NAME ${byCrane(`${place}/app:NAME`, `${place}/app:NAME-${number}`, number)} >/dev/null`;
  const fifty = await contest(
    `${MANY} images in a registry, another tag each`,
    [
      { program: "initwrap --from, one process", ...shared, script: fleet(host), counted: fleet(counted) },
      {
        program: "crane mutate, one after the other",
        needs: [crane],
        limit: 1,
        keen: true,
        ...shared,
        script: each(host, byCrane),
        counted: each(counted, byCrane),
      },
      {
        program: "crane mutate, four at a time",
        needs: [crane],
        limit: 1,
        keen: true,
        ...shared,
        script: side(host),
        counted: side(counted),
      },
    ],
    { rounds },
  );
  return [...rows, ...fifty];
}

/** The image as `app:1`, pushed as it is. */
async function putOriginal({ host }, archive) {
  const image = archivedImage(archive);
  // Undoing nothing copies the image as it is.
  run(`${INITWRAP} image --undo ${archive} -o registry:${host}/app:1 -q`);
  const there = await registryImage(host, "app", "1");
  if (there.layers.length !== image.layers.length) throw new Error("the image was not pushed as it is");
}

/** As many images that share the layers, each with a config of its own. Their tags. */
async function putSources(host) {
  const { manifest, layers: _, read, ...config } = await registryImage(host, "app", "1");
  const names = Array.from({ length: MANY }, (_, at) => `src${at}`);
  for (const name of names) {
    const own = { ...config, config: { ...config.config, Labels: { ...config.config.Labels, name } } };
    const body = Buffer.from(JSON.stringify(own));
    const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
    const opened = await fetch(`http://${host}/v2/app/blobs/uploads/`, { method: "POST" });
    const place = new URL(opened.headers.get("location"), `http://${host}`);
    place.searchParams.set("digest", digest);
    const stored = await fetch(place, { method: "PUT", body, headers: { "content-type": "application/octet-stream" } });
    const document = JSON.stringify({ ...manifest, config: { ...manifest.config, digest, size: body.length } });
    const headers = { "content-type": manifest.mediaType };
    const tagged = await fetch(`http://${host}/v2/app/manifests/${name}`, { method: "PUT", headers, body: document });
    if (!stored.ok || !tagged.ok) throw new Error(`the registry answers ${stored.status} and ${tagged.status}`);
  }
  return names;
}
