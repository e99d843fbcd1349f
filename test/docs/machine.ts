/**
 * The machine of somebody who reads the documentation, as far as a test can have it: the packages installed from a registry
 * of packages, a Docker Engine of its own, and a registry with TLS that answers to every name of one that the documents use,
 * Docker Hub's among them. Nothing of it is seen outside of the mount namespaces that the engine and the examples run in.
 */
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { accepts } from "../support/accepts.ts";
import type { Engine } from "../support/engine.ts";
import { ROOT } from "../support/programs.ts";
import { startRegistry } from "../support/registry.ts";

const exec = promisify(execFile);

/** Of every registry that the documents name, all of them one. */
const HOSTS = [
  "registry.example.com",
  "registry.example",
  "mirror.example",
  "ghcr.io",
  "registry-1.docker.io",
  "index.docker.io",
  "docker.io",
];
const ADDRESS = "127.0.9.1";
const BRIDGE = "iwt-docs";

export interface Machine {
  /** A folder of the machine, in which `home` is the user's. */
  readonly folder: string;
  /** Runs a script of bash; gives back what it printed. Rejects when it takes longer than `timeoutMs`. */
  bash(script: string, cwd: string, timeoutMs?: number): Promise<string>;
  stop(): Promise<void>;
}

/** Starts all of it. Needs root, docker-registry, and the engine `modern` of up.sh, whose root file system it shares. */
export async function startMachine(modern: Engine): Promise<Machine> {
  const place = dirname(modern.host.replace("unix://", ""));
  const folder = await mkdtemp(join(place, "docs-"));
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of stops.toReversed()) await end().catch(() => {});
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await certificates(folder);
    stops.push(await startImageRegistry(folder));
    const packages = await packageRegistry(folder);
    stops.push(packages.stop);
    stops.push(await startEngine(folder, join(place, "pid")));
    const env = await environment(folder, modern, packages.url);
    const bash: Machine["bash"] = (script, cwd, timeoutMs = 120_000) =>
      new Promise((resolve, reject) => {
        const child = spawn("unshare", ["--mount", "--propagation", "private", "bash", "-c", inside(folder, script)], {
          cwd,
          env,
          stdio: ["ignore", "pipe", "pipe"],
        });
        let text = "";
        for (const stream of [child.stdout, child.stderr])
          stream.setEncoding("utf8").on("data", (chunk: string) => {
            text += chunk;
          });
        const timer = setTimeout(() => {
          child.kill("SIGKILL");
          reject(new Error(`not done after ${timeoutMs} ms:\n${text}`));
        }, timeoutMs);
        child.on("close", (code) => {
          clearTimeout(timer);
          if (code === 0) resolve(text);
          else reject(new Error(`exit code ${code}:\n${text}`));
        });
      });
    // An engine that ends would ask each container to stop, and wait.
    stops.push(() => bash("docker ps -aq | xargs -r docker rm -f", folder));
    await bash("cd && npm install --silent --prefix .. initwrap && ../node_modules/.bin/initwrap --version", folder);
    return { folder, bash, stop };
  } catch (error) {
    const log = await readFile(join(folder, "engine.log"), "utf8").catch(() => "");
    await stop();
    throw new Error(`${(error as Error).message}\n${log.slice(-2000)}`, { cause: error });
  }
}

/** A script that first sees the machine's own names and authority. */
function inside(folder: string, script: string): string {
  return [
    `mount --bind ${folder}/hosts /etc/hosts`,
    `mount --bind ${folder}/ca-bundle.pem /etc/ssl/certs/ca-certificates.crt`,
    script,
  ].join("\n");
}

/** An authority with a certificate for all names, and a bundle of the authorities that the machine trusts. */
async function certificates(folder: string): Promise<void> {
  const openssl = (...args: string[]) => exec("openssl", args, { cwd: folder });
  const key = ["-newkey", "rsa:2048", "-nodes", "-days", "2"];
  await openssl("req", "-x509", ...key, "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=docs CA");
  await openssl("req", ...key.slice(0, 3), "-keyout", "key.pem", "-out", "name.csr", "-subj", "/CN=registry");
  await writeFile(join(folder, "name.ext"), `subjectAltName=${HOSTS.map((host) => `DNS:${host}`).join(",")}\n`);
  const ca = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2"];
  await openssl("x509", "-req", "-in", "name.csr", ...ca, "-out", "cert.pem", "-extfile", "name.ext");
  // The machine's own authorities too, for npm.
  const known = ["/etc/ssl/certs/ca-certificates.crt", process.env["NODE_EXTRA_CA_CERTS"], join(folder, "ca.pem")];
  const bundle = await Promise.all(known.filter((file) => file !== undefined).map((file) => readFile(file, "utf8")));
  await writeFile(join(folder, "ca-bundle.pem"), bundle.join("\n"));
  await writeFile(join(folder, "hosts"), `${ADDRESS} ${HOSTS.join(" ")}\n${await readFile("/etc/hosts", "utf8")}`);
}

async function startImageRegistry(folder: string): Promise<() => Promise<void>> {
  const tls = { certificate: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  return (await startRegistry({ listen: { host: ADDRESS, port: 443 }, tls })).stop;
}

/** What npm asks, for the packed packages; for every other package it is sent on to the registry in use. */
async function packageRegistry(folder: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const packed = join(folder, "packed");
  await mkdir(packed);
  const node = `${dirname(process.execPath)}:${process.env["PATH"]}`;
  const pack = (name: string) =>
    exec("npx", ["--yes", "pnpm@12.21.0", "pack", "--pack-destination", packed], {
      cwd: join(ROOT, "packages", name),
      env: { ...process.env, PATH: node },
    });
  await Promise.all(["init-core", "cli"].map(pack));
  const upstream = (await exec("npm", ["config", "get", "registry"])).stdout.trim().replace(/\/$/, "");
  const answers = new Map<string, string | Buffer>();
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "");
    const answer = answers.get(path);
    if (answer === undefined) response.writeHead(302, { location: upstream + request.url }).end();
    else response.end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  for (const file of await readdir(packed)) {
    const bytes = await readFile(join(packed, file));
    const { stdout } = await exec("tar", ["-xzOf", join(packed, file), "package/package.json"]);
    const manifest = JSON.parse(stdout);
    const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
    answers.set(`/packed/${file}`, bytes);
    answers.set(
      `/${manifest.name}`,
      JSON.stringify({
        name: manifest.name,
        "dist-tags": { latest: manifest.version },
        versions: { [manifest.version]: { ...manifest, dist: { tarball: `${url}/packed/${file}`, integrity } } },
      }),
    );
  }
  return {
    url,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** dockerd with the containerd store, in the root file system of the engine whose process the file names. */
async function startEngine(folder: string, pidFile: string): Promise<() => Promise<void>> {
  const pid = (await readFile(pidFile, "utf8")).trim();
  await writeFile(join(folder, "daemon.json"), JSON.stringify({ features: { "containerd-snapshotter": true } }));
  await exec("ip", ["link", "del", BRIDGE]).catch(() => {});
  await exec("ip", ["link", "add", BRIDGE, "type", "bridge"]);
  await exec("ip", ["addr", "replace", "10.89.0.1/24", "dev", BRIDGE]);
  await exec("ip", ["link", "set", BRIDGE, "up"]);
  const daemon = [
    `exec dockerd --config-file ${folder}/daemon.json --bridge=${BRIDGE} --iptables=false --ip6tables=false`,
    "--ip-forward=false --ip-masq=false --userland-proxy=false",
    `--data-root=${folder}/data --exec-root=${folder}/exec --pidfile=${folder}/pid -H unix://${folder}/docker.sock`,
    `>${folder}/engine.log 2>&1`,
  ].join(" ");
  const words = [`--mount=/proc/${pid}/ns/mnt`, "--", "unshare", "--mount", "--propagation", "private", "bash", "-c"];
  const child = spawn("nsenter", [...words, inside(folder, daemon)], {
    stdio: "ignore",
    // Without TMPDIR, whose folder is not there in the engine's root file system.
    env: { PATH: process.env["PATH"] },
  });
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  await until("the engine", () => accepts(`${folder}/docker.sock`), child);
  return async () => {
    child.kill("SIGTERM");
    await ended;
    await exec("ip", ["link", "del", BRIDGE]);
  };
}

async function environment(folder: string, modern: Engine, registry: string): Promise<NodeJS.ProcessEnv> {
  const home = join(folder, "home");
  await mkdir(join(home, ".docker"), { recursive: true });
  await symlink(join(modern.env["DOCKER_CONFIG"] ?? "", "cli-plugins"), join(home, ".docker/cli-plugins"));
  await writeFile(join(home, ".docker/config.json"), "{}\n");
  await writeFile(join(folder, "package.json"), '{ "private": true }\n');
  const client = join(dirname(modern.host.replace("unix://", "")), "bin");
  const programs = [join(folder, "node_modules/.bin"), client, dirname(process.execPath)];
  return {
    HOME: home,
    PATH: `${programs.join(":")}:${process.env["PATH"]}`,
    LANG: "C.UTF-8",
    DOCKER_HOST: `unix://${folder}/docker.sock`,
    NODE_EXTRA_CA_CERTS: join(folder, "ca-bundle.pem"),
    npm_config_fetch_retries: "0",
    npm_config_registry: registry,
    npm_config_cache: join(home, ".npm"),
    npm_config_audit: "false",
    npm_config_fund: "false",
    npm_config_update_notifier: "false",
    npm_config_yes: "true",
  };
}

async function until(
  what: string,
  ready: () => Promise<boolean>,
  child: { readonly exitCode: number | null },
): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (await ready()) return;
    if (child.exitCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what} did not start`);
}
