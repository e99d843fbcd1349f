/**
 * Farms of two BuildKits for buildx, each reached over a connection of its own and each the builder of one platform.
 *
 * Always: the BuildKits inside two Docker engines, which the engines lend on their own sockets after a change of protocol; a forwarder
 * makes a plain BuildKit socket of each, one TCP and one Unix, as a tunnel would of a remote daemon's.
 * Where INITWRAP_TEST_BUILDKIT names a folder with buildkitd and buildctl (engines/buildkit.sh): two daemons of their own; and two in
 * containers, to which buildx speaks by `buildctl dial-stdio` inside the container, as its Kubernetes driver does inside a pod.
 */
import { execFile, spawn } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { accepts } from "./accepts.ts";
import type { Engine } from "./engine.ts";
import { freePort } from "./registry.ts";

export interface Farm {
  /** The arguments of `docker buildx create` for each of the two builders. */
  readonly nodes: readonly [readonly string[], readonly string[]];
  stop(): Promise<void>;
}

export interface FarmKind {
  readonly title: string;
  /** `registry` is where an image may be put that builders are started from. */
  start(engines: readonly [Engine, Engine], registry: string): Promise<Farm>;
}

const PROGRAMS = process.env["INITWRAP_TEST_BUILDKIT"];

export const FARMS: readonly FarmKind[] = [
  { title: "two engines' BuildKits behind forwarded sockets", start: forwarded },
  ...(PROGRAMS === undefined
    ? []
    : [
        { title: "two buildkitds", start: daemons(PROGRAMS) },
        { title: "two buildkitds in containers, reached by dial-stdio", start: containers(PROGRAMS) },
      ]),
];

const PLATFORMS = ["linux/amd64", "linux/arm64"] as const;

const remote = (addresses: readonly string[]) =>
  addresses.map((address, index) => [
    "--driver",
    "remote",
    "--platform",
    PLATFORMS[index]!,
    address,
  ]) as unknown as Farm["nodes"];

async function forwarded(engines: readonly [Engine, Engine]): Promise<Farm> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-farm-"));
  const places = [await freePort(), join(folder, "buildkit.sock")] as const;
  const servers = await Promise.all(engines.map((engine, index) => forward(engine, places[index]!)));
  return {
    nodes: remote([`tcp://127.0.0.1:${places[0]}`, `unix://${places[1]}`]),
    stop: async () => {
      for (const server of servers) server.close();
    },
  };
}

/** A socket of the BuildKit inside an engine. */
function forward(engine: Engine, place: number | string): Promise<Server> {
  const server = createServer((client) => {
    const upstream = connect(engine.host.replace("unix://", ""));
    upstream.write("POST /grpc HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    let head = Buffer.alloc(0);
    const read = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      upstream.off("data", read);
      client.write(head.subarray(end + 4));
      upstream.pipe(client).pipe(upstream);
    };
    upstream.on("data", read);
    upstream.on("error", () => client.destroy());
    client.on("error", () => upstream.destroy());
  });
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    const ready = () => resolve(server);
    if (typeof place === "number") server.listen(place, "127.0.0.1", ready);
    else server.listen(place, ready);
  });
}

function daemons(programs: string): FarmKind["start"] {
  return async () => {
    const folder = await mkdtemp(join(tmpdir(), "initwrap-farm-"));
    const places = [await freePort(), join(folder, "buildkit.sock")] as const;
    const addresses = [`tcp://127.0.0.1:${places[0]}`, `unix://${places[1]}`];
    const running = addresses.map((address, index) =>
      spawn(
        join(programs, "buildkitd"),
        ["--root", join(folder, String(index)), "--addr", address, "--oci-worker-net=host"],
        { stdio: "ignore" },
      ),
    );
    for (const place of places) {
      for (let tries = 0; !(await accepts(place)); tries++) {
        if (tries > 300) throw new Error(`buildkitd does not listen on ${place}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    return {
      nodes: remote(addresses),
      stop: async () => {
        await Promise.all(
          running.map((one) => {
            const ended = new Promise((resolve) => one.on("close", resolve));
            one.kill("SIGTERM");
            return ended;
          }),
        );
      },
    };
  };
}

function containers(programs: string): FarmKind["start"] {
  return async (engines, registry) => {
    const image = `${registry}/tools/buildkitd:1`;
    const context = await mkdtemp(join(tmpdir(), "initwrap-buildkitd-"));
    const runc = "/usr/sbin/runc";
    const { stdout } = await promisify(execFile)("ldd", [runc]);
    const libraries = Array.from(stdout.matchAll(/(?<=\s)\/\S+/g), ([path]) => path);
    for (const [from, to] of [
      [join(programs, "buildkitd"), "/usr/bin/buildkitd"],
      [join(programs, "buildctl"), "/usr/bin/buildctl"],
      [runc, "/usr/bin/runc"],
      ...libraries.map((path) => [path, path] as const),
    ] as const) {
      const target = join(context, "root", to);
      await mkdir(dirname(target), { recursive: true });
      await copyFile(from, target);
      await chmod(target, 0o755);
    }
    const dockerfile =
      'FROM scratch\nCOPY root /\nWORKDIR /tmp\nVOLUME /var/lib/buildkit\nENTRYPOINT ["/usr/bin/buildkitd"]\n';
    await writeFile(join(context, "Dockerfile"), `${dockerfile}ENV PATH=/usr/bin\n`);
    await engines[0].docker(["build", "-q", "--provenance=false", "-t", image, context]);
    await engines[0].docker(["push", "-q", image]);
    const options = ["--driver", "docker-container", "--driver-opt", `image=${image},network=host`];
    return {
      nodes: engines.map(({ host }, index) => [
        ...options,
        "--platform",
        PLATFORMS[index]!,
        host,
      ]) as unknown as Farm["nodes"],
      stop: async () => {
        for (const engine of engines) await engine.docker(["rmi", "-f", image], { check: false });
      },
    };
  };
}
