/**
 * The engines' rows of `pnpm bench:image`: an image that a Docker Engine holds, wrapped where it is, beside the ways that the
 * engine itself has. The tests' engines are used (test/support/engines/up.sh), one of each store.
 *
 * "Moved" is what went through the engine's API in both directions, counted by a relay in the first run of each. The memory is
 * that of the programs; what the engine needs is its own affair, and the same for all but the builder.
 */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { archivedImage, checkImage, checkOutput } from "./image-check.mjs";
import { startRelay } from "./image-registry.mjs";
import { contest, initwrapAt, progress, quote } from "./image-run.mjs";
import { buildContext, CMD, initFiles, NAME, WRAPPED } from "./image-source.mjs";

const UP = join(import.meta.dirname, "../support/engines/up.sh");
const OWN = `initwrap-bench-${process.pid}`;

/** One of the tests' engines, with a relay before its API; undefined where it cannot be started. */
export async function startEngine(name, folder) {
  const up = spawnSync("bash", [UP, name], { encoding: "utf8" });
  if (up.status !== 0) {
    progress(`the engine ${name} cannot be started: ${up.stderr.trim().split("\n").at(-1)}`);
    return undefined;
  }
  const [host, client, config] = up.stdout
    .trim()
    .replace(/^[^=]*=/, "")
    .split(",");
  const env = { DOCKER_HOST: host, DOCKER_CONFIG: config, DOCKER_BUILDKIT: "1" };
  const docker = (...args) => {
    const done = spawnSync(client, args, { encoding: "utf8", env: { ...process.env, ...env } });
    if (done.status !== 0) throw new Error(`docker ${args[0]}: ${done.stderr.trim().split("\n").at(-1)}`);
    return done.stdout.trim();
  };
  const socket = join(folder, `${name}.sock`);
  const relay = await startRelay({ path: host.replace("unix://", "") }, { path: socket });
  const exports = (variables) =>
    Object.entries(variables)
      .map(([key, value]) => `export ${key}=${quote(value)}; `)
      .join("");
  const made = new Set();
  return {
    name,
    client: quote(client),
    docker,
    total: relay.total,
    direct: exports(env),
    counted: exports({ ...env, DOCKER_HOST: `unix://${socket}` }),
    /** A name of an image to be made, which is removed in the end. */
    image: (tag) => {
      made.add(`${OWN}:${tag}`);
      return `${OWN}:${tag}`;
    },
    /** Removes what was made, and what the builder kept of it. */
    clear: () => {
      for (const each of made) spawnSync(client, ["rmi", "--force", each], { env: { ...process.env, ...env } });
      made.clear();
      spawnSync(client, ["buildx", "prune", "--force", "--filter", `description~=${OWN}`], {
        env: { ...process.env, ...env },
      });
    },
    stop: () => relay.close(),
    archivePeer: ({ archive, peer, made: rules }) => ({
      program: "docker load, build, save to a new file",
      ...rules,
      bytes: () => relay.total(),
      before: () => {
        rules.before();
        relay.total();
      },
      after: () => {
        rules.after();
        for (const each of [`${OWN}:archive`, NAME])
          spawnSync(client, ["rmi", "--force", each], { env: { ...process.env, ...env } });
      },
      counted: () =>
        `${exports({ ...env, DOCKER_HOST: `unix://${socket}` })}${archiveScript(client, archive, peer, folder)}`,
      script: () => `${exports(env)}${archiveScript(client, archive, peer, folder)}`,
    }),
    registryPeer: ({ folder: place }) => ({
      program: "docker build, COPY --link, push",
      wrap: (from, to) =>
        `${exports(env)}${quote(client)} build -q --no-cache --provenance=false --output type=image,name=${to},push=true ` +
        `${quote(buildContext(join(place, "context"), from, "--link "))} >/dev/null; ${quote(client)} rmi -f ${to} >/dev/null 2>&1 || true`,
    }),
  };
}

function archiveScript(client, archive, peer, folder) {
  const docker = quote(client);
  return (
    `${docker} load -q -i ${archive} >/dev/null; ` +
    `${docker} build -q --provenance=false -t ${OWN}:archive ${quote(buildContext(join(folder, "context"), NAME))} >/dev/null; ` +
    `${docker} save -o ${peer} ${OWN}:archive`
  );
}

const STORES = [
  { name: "modern-graph", store: "graph driver", aim: 1.5 },
  { name: "modern", store: "containerd store", aim: 1 },
];

/** Rows for the image in `archive`, of each engine in `engines`. */
export async function engineRows({ archive, folder, rounds, engines }) {
  const before = archivedImage(archive);
  const rows = [];
  for (const { name, store, aim } of STORES) {
    const situation = `an image in an engine, ${store}`;
    const engine = engines.get(name);
    if (engine) rows.push(...(await storeRows(engine, { situation, archive, folder, rounds, aim, before })));
    else rows.push({ situation, program: `the engine ${name}`, note: "cannot be started here" });
  }
  return rows;
}

async function storeRows(engine, { situation, archive, folder, rounds, aim, before }) {
  const { client, docker } = engine;
  progress(`${situation}: docker load`);
  const base = engine.image("base");
  docker("load", "--quiet", "--input", archive);
  docker("tag", NAME, base);
  docker("rmi", NAME);
  const change = [`ENTRYPOINT ${JSON.stringify(WRAPPED)}`, `CMD ${JSON.stringify(CMD)}`]
    .map((words) => `--change ${quote(words)}`)
    .join(" ");
  const build = (copy) => (tag) =>
    `${client} build -q --provenance=false --no-cache -t ${tag} ${quote(buildContext(join(folder, "context"), base, copy))} >/dev/null`;
  const ways = [
    ["initwrap", (tag, number) => `${initwrapAt(number)} image ${base} -t ${tag} -q`],
    [
      "docker create, cp, commit, rm",
      (tag) =>
        `c=$(${client} create ${base}); ${client} cp -q ${quote(initFiles().file)} "$c":/initwrap; ` +
        `${client} commit ${change} "$c" ${tag} >/dev/null; ${client} rm "$c" >/dev/null`,
    ],
    ["docker build", build("")],
    ["docker build, COPY --link", build("--link ")],
  ];
  try {
    return await contest(
      situation,
      ways.map(([program, script]) => ({
        program,
        script: (number) => engine.direct + script(engine.image(`r${number}`), number),
        counted: (number) => engine.counted + script(engine.image(`r${number}`), number),
        before: () => engine.total(),
        bytes: () => engine.total(),
        keen: true,
        verify: async (number) => {
          const tag = `${base.split(":")[0]}:r${number}`;
          const [{ Config, RootFS }] = JSON.parse(docker("image", "inspect", tag));
          await checkImage({ before, after: { config: Config, rootfs: { diff_ids: RootFS.Layers } } });
          checkOutput(docker("run", "--rm", "--network=none", tag));
        },
      })),
      { rounds, aim },
    );
  } finally {
    engine.clear();
    rmSync(join(folder, "context"), { recursive: true, force: true });
  }
}
