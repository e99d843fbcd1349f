/**
 * The registry rows of `pnpm bench:image`: one image wrapped under another tag of its repository, and 50 of them, beside
 * every installed peer that can set an entrypoint, and `skopeo copy` from tag to tag, which changes nothing, as a floor.
 *
 * Every run gets a tag of its own. Bytes are counted on the wire in both directions, by a relay that is only there for one
 * run that is not timed. A peer that has to fetch the layers to change the config pays for that here.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { Worker } from "node:worker_threads";

const REGISTRY = "docker-registry";
const MANY = 50;
const installed = (command) => spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

/** The relay: a thread, for the runs block this one. It adds up the bytes of both directions. */
const RELAY = `
const { createServer, connect } = require("node:net");
const { parentPort, workerData } = require("node:worker_threads");
const count = new BigInt64Array(workerData.shared);
const server = createServer((near) => {
  const far = connect(workerData.port, "127.0.0.1");
  for (const [from, to] of [[near, far], [far, near]]) {
    from.on("data", (chunk) => { count[0] += BigInt(chunk.length); });
    from.on("error", () => to.destroy());
    from.pipe(to);
  }
});
server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function run(script, env = {}) {
  const start = process.hrtime.bigint();
  const result = spawnSync("sh", ["-ec", script], { encoding: "utf8", env: { ...process.env, ...env } });
  if (result.status !== 0) throw new Error(result.stderr.trim().split("\n").at(-1));
  return { seconds: Number(process.hrtime.bigint() - start) / 1e9, stderr: result.stderr };
}

/** The peers: what each runs to wrap HOST/app:1 as HOST/app:TAG. `floor` ones change nothing. */
function contestants(cli, work) {
  const node = `${process.execPath} ${cli}`;
  const entrypoint = `'["/initwrap","--","/app"]'`;
  const plain = "--insecure-policy copy --src-tls-verify=false --dest-tls-verify=false";
  return [
    {
      name: "initwrap",
      needs: [],
      script: (host, tag) => `${node} image registry:${host}/app:1 -t ${host}/app:${tag} -q`,
    },
    {
      name: "crane mutate",
      needs: ["crane"],
      script: (host, tag) =>
        `crane mutate --insecure ${host}/app:1 --entrypoint /initwrap,--,/app -t ${host}/app:${tag}`,
    },
    {
      name: "regctl image mod",
      needs: ["regctl"],
      script: (host, tag) =>
        `regctl registry set --tls disabled ${host}; regctl image mod ${host}/app:1 --config-entrypoint ${entrypoint} --create ${host}/app:${tag}`,
    },
    {
      name: "umoci between skopeo",
      needs: ["umoci", "skopeo"],
      heavy: true,
      script: (host, tag) =>
        `rm -rf ${work}/layout; skopeo ${plain} docker://${host}/app:1 oci:${work}/layout:1; ` +
        `umoci config --image ${work}/layout:1 --config.entrypoint /initwrap --config.entrypoint -- --config.entrypoint /app; ` +
        `skopeo ${plain} oci:${work}/layout:1 docker://${host}/app:${tag}`,
    },
    {
      name: "buildah commit",
      needs: ["buildah"],
      heavy: true,
      script: (host, tag) =>
        `c=$(buildah from --tls-verify=false ${host}/app:1); buildah config --entrypoint ${entrypoint} $c; ` +
        `buildah commit --tls-verify=false --rm $c docker://${host}/app:${tag}`,
    },
    {
      name: "skopeo copy (no change)",
      needs: ["skopeo"],
      script: (host, tag) => `skopeo ${plain} docker://${host}/app:1 docker://${host}/app:${tag}`,
    },
  ];
}

/**
 * Rows of [name, seconds, note]. `archive` is the image to put into the registry first, `folder` a place for its store.
 * None when docker-registry is not installed.
 */
export async function registryRows({ cli, archive, folder, rounds }) {
  if (!installed(REGISTRY)) return [[`registry: no ${REGISTRY}`, Number.NaN, "not measured"]];
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
  const shared = new SharedArrayBuffer(8);
  const relay = new Worker(RELAY, { eval: true, workerData: { port, shared } });
  const relayPort = await new Promise((resolve) => relay.once("message", resolve));
  const host = `127.0.0.1:${port}`;
  const rows = [];
  try {
    run(
      `for i in $(seq 100); do ${process.execPath} -e 'fetch("http://${host}/v2/").catch(() => process.exit(1))' && break; done`,
    );
    // Undoing nothing copies the image as it is.
    run(`${process.execPath} ${cli} image --undo ${archive} -o registry:${host}/app:1 -q`);
    const present = contestants(cli, work).filter(({ needs }) => needs.every(installed));
    const absent = contestants(cli, work).filter(({ needs }) => !needs.every(installed));
    const times = new Map(present.map((one) => [one, []]));
    let tag = 0;
    for (const one of [...times.keys()]) {
      try {
        run(one.script(host, `warm${tag++}`));
      } catch (error) {
        rows.push([`registry: ${one.name}`, Number.NaN, `failed: ${String(error.message).slice(-80)}`]);
        times.delete(one);
      }
    }
    // In turns, so that all meet the same machine.
    for (let round = 0; round < rounds; round++) {
      for (const [one, taken] of times) {
        if (one.heavy && round > 0) continue;
        taken.push(run(one.script(host, `round${tag++}`)).seconds);
      }
    }
    const ours = median(times.get(present[0]));
    const hasTime = installed("/usr/bin/time");
    for (const [one, taken] of times) {
      new BigInt64Array(shared)[0] = 0n;
      const script = one.script(`127.0.0.1:${relayPort}`, `count${tag++}`);
      run(script);
      const bytes = Number(new BigInt64Array(shared)[0]);
      const memory = hasTime
        ? `, ${Math.round(Number(run(`/usr/bin/time -f 'PEAK %M' sh -ec ${quote(script)}`).stderr.match(/PEAK (\d+)/)?.[1]) / 1024)} MB peak`
        : "";
      const ratio = one === present[0] ? "" : `${(median(taken) / ours).toFixed(2)}x ours, `;
      rows.push([`registry: ${one.name}`, median(taken), `${ratio}${bytes} bytes on the wire${memory}`]);
    }
    let oursMany = 0;
    for (const [one] of times) {
      if (one.heavy) continue;
      const scripts = Array.from({ length: MANY }, () => one.script(host, `many${tag++}`));
      const { seconds } = run(scripts.join("\n"));
      oursMany ||= seconds;
      rows.push([
        `registry, ${MANY}: ${one.name}`,
        seconds,
        `${(seconds / oursMany).toFixed(2)}x ours, a process each`,
      ]);
    }
    const { seconds: listed, note } = await fleetRow({ cli, host, relayHost: `127.0.0.1:${relayPort}`, shared });
    rows.push([
      `registry, ${MANY}: initwrap --from`,
      listed,
      `${(listed / oursMany).toFixed(2)}x ours, one process${note}`,
    ]);
    for (const { name } of absent) rows.push([`registry: ${name}`, Number.NaN, "not installed"]);
  } finally {
    await relay.terminate();
    server.kill("SIGKILL");
    rmSync(work, { recursive: true, force: true });
  }
  return rows;
}

/** As many images as `MANY`, each under a tag of its own, wrapped by one process; then the same again, when all is there. */
async function fleetRow({ cli, host, relayHost, shared }) {
  const accept = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
  ].join(", ");
  const found = await fetch(`http://${host}/v2/app/manifests/1`, { headers: { accept } });
  const manifest = Buffer.from(await found.arrayBuffer());
  const headers = { "content-type": found.headers.get("content-type") };
  const list = [];
  for (let at = 0; at < MANY; at++) {
    const stored = await fetch(`http://${host}/v2/app/manifests/src${at}`, { method: "PUT", headers, body: manifest });
    if (!stored.ok) throw new Error(`the registry answered ${stored.status}`);
    list.push(`app:src${at}`);
  }
  const script = (place, suffix) =>
    `printf '%s\\n' ${list.map((one) => `${place}/${one}`).join(" ")} | ` +
    `${process.execPath} ${cli} image --from - -t '{{repository}}:{{tag}}-${suffix}' -q > /dev/null`;
  run(script(host, "warm"));
  const { seconds } = run(script(host, "timed"));
  const again = run(script(host, "timed")).seconds;
  new BigInt64Array(shared)[0] = 0n;
  run(script(relayHost, "count"));
  const bytes = Number(new BigInt64Array(shared)[0]);
  const peak = installed("/usr/bin/time")
    ? `, ${Math.round(Number(run(`/usr/bin/time -f 'PEAK %M' sh -ec ${quote(script(host, "peak"))}`).stderr.match(/PEAK (\d+)/)?.[1]) / 1024)} MB peak`
    : "";
  return { seconds, note: `, ${bytes} bytes on the wire${peak}; ${again.toFixed(3)} s when all is there` };
}

const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
