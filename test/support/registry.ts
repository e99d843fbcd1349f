/** Real registries for tests: Debian's docker-registry (distribution 2.8) on a free loopback port, its store in a temporary folder. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accepts } from "./accepts.ts";

const PROGRAM = "/usr/bin/docker-registry";

/** True when docker-registry is installed. */
export const registryAvailable = existsSync(PROGRAM);

export interface RegistryConfig {
  /** `auth:` of its configuration, as JSON: `{ htpasswd: {...} }` or `{ token: {...} }`. */
  readonly auth?: Readonly<Record<string, unknown>>;
  /** Where it listens; a free port of 127.0.0.1 unless told. */
  readonly listen?: { readonly host: string; readonly port: number };
  /** PEM files for TLS. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** PEM file of the CAs whose client certificates are demanded. */
  readonly clientCas?: readonly string[];
}

export interface TestRegistry {
  /** `ADDRESS:PORT`. */
  readonly host: string;
  readonly stop: () => Promise<void>;
}

/** Starts a registry and waits until it answers. Throws with its log when it does not within 20 s. */
export async function startRegistry(config: RegistryConfig = {}): Promise<TestRegistry> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-registry-"));
  const listen = config.listen ?? { host: "127.0.0.1", port: await freePort() };
  const host = `${listen.host}:${listen.port}`;
  const file = join(folder, "config.yml");
  // JSON is YAML.
  const document = {
    version: 0.1,
    log: { level: "error" },
    storage: { filesystem: { rootdirectory: join(folder, "data") }, delete: { enabled: true } },
    http: {
      addr: host,
      secret: "test",
      ...(config.tls
        ? {
            tls: {
              certificate: config.tls.certificate,
              key: config.tls.key,
              ...(config.clientCas ? { clientcas: config.clientCas } : {}),
            },
          }
        : {}),
    },
    ...(config.auth ? { auth: config.auth } : {}),
  };
  await writeFile(file, JSON.stringify(document));
  const child = spawn(PROGRAM, ["serve", file], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  const note = (chunk: Buffer): void => {
    log = (log + chunk.toString()).slice(-8192);
  };
  child.stdout.on("data", note);
  child.stderr.on("data", note);
  const stop = async (): Promise<void> => {
    await ended(child);
    await rm(folder, { recursive: true, force: true });
  };
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) break;
    if (await accepts({ ...listen, host: listen.host.replace(/^\[|\]$/g, "") })) return { host, stop };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await stop();
  throw new Error(`docker-registry did not start:\n${log}`);
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.on("exit", () => resolve());
    child.kill("SIGKILL");
  });
}
