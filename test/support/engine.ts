/**
 * The container engines that scripts/test.mjs started, each with its own client and socket.
 *
 * Elsewhere a test may use the machine's own Docker as `modern`. An engine that is missing fails the test where CI=true and
 * skips it, named, where not.
 */
import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { requireCapability, type SkippableContext } from "./capability.ts";

export type EngineName = "modern" | "modern-graph" | "classic" | "newest";

export interface Engine {
  readonly name: EngineName;
  /** `unix:///...`, for DOCKER_HOST. */
  readonly host: string;
  /** Variables for a process that should talk to this engine. */
  readonly env: NodeJS.ProcessEnv;
  /** Runs the engine's own client; rejects when it exits non-zero, unless `check` is false. */
  docker(args: readonly string[], options?: DockerOptions): Promise<DockerResult>;
}

export interface DockerOptions {
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly check?: boolean;
  readonly timeoutMs?: number;
}

export interface DockerResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const run = promisify(execFile);

/** The engine of that name, or undefined when it does not run. */
export function findEngine(name: EngineName): Engine | undefined {
  const value = process.env[`INITWRAP_TEST_DOCKER_${name.toUpperCase().replace("-", "_")}`];
  if (value) {
    const [host = "", client = "docker", config = ""] = value.split(",");
    return engineOf(name, host, client, { DOCKER_HOST: host, DOCKER_CONFIG: config });
  }
  if (name !== "modern" || spawnSync("docker", ["version"], { timeout: 10_000 }).status !== 0) return undefined;
  return engineOf(name, process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock", "docker", {});
}

/** The engine of that name; without it the test fails in CI and is skipped elsewhere. */
export function requireEngine(context: SkippableContext, name: EngineName = "modern"): Engine {
  const engine = findEngine(name);
  requireCapability(context, `the container engine "${name}"`, engine !== undefined);
  return engine as Engine;
}

function engineOf(name: EngineName, host: string, client: string, variables: NodeJS.ProcessEnv): Engine {
  const env = { ...process.env, ...variables };
  const docker = async (args: readonly string[], options: DockerOptions = {}): Promise<DockerResult> => {
    const child = run(client, [...args], {
      encoding: "utf8",
      maxBuffer: 256 * 1024 * 1024,
      timeout: options.timeoutMs ?? 120_000,
      env: { ...env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    // A client that refuses its arguments closes its end before it has read them.
    child.child.stdin?.on("error", () => {});
    child.child.stdin?.end(options.input);
    try {
      const { stdout, stderr } = await child;
      return { status: 0, stdout, stderr };
    } catch (error) {
      const { code, stdout = "", stderr = "" } = error as { code?: number | string; stdout?: string; stderr?: string };
      if (options.check !== false || typeof code !== "number") {
        throw new Error(`docker ${args.join(" ")} failed (${code}):\n${stdout}${stderr}`, { cause: error });
      }
      return { status: code, stdout, stderr };
    }
  };
  return { name, host, env, docker };
}
