/**
 * A container of ours in an engine: to look at a file as the image's whole file system has it, or to see it run.
 *
 * It has no network, an unmistakable name, and is removed whatever happens; an image is named by its ID, and no tag is touched.
 *
 * Source: Docker Engine API reference, v1.24 to v1.48, "Containers"; podman's compatible API answers the same calls.
 */
import { randomBytes } from "node:crypto";
import type { DockerEngine } from "./docker-engine.ts";
import { collect } from "./docker-engine.ts";
import { type PathFinding, readTar } from "./layer-scan.ts";

export interface ContainerRequest {
  /** The image's ID, or a name. */
  readonly image: string;
  /** `linux/arm64`, where the engine keeps several platforms under one ID. */
  readonly platform?: string;
  /** A command instead of the image's, for a container that is never started. */
  readonly cmd?: readonly string[];
}

export interface ContainerState {
  readonly running: boolean;
  readonly exitCode: number;
}

/** PID 1 of a running container. */
export interface FirstProcess {
  readonly commandLine: string;
  /** `top`: as the process table has it; `inspect`: as the engine says that it started it, where it has no `ps`. */
  readonly seenBy: "top" | "inspect";
}

interface Inspected {
  readonly State?: { readonly Running?: boolean; readonly ExitCode?: number; readonly Pid?: number };
  readonly Path?: string;
  readonly Args?: readonly string[] | null;
}

/** How long an engine may take to make a container, in milliseconds: it may have to unpack the image first. */
const CREATE_LIMIT = 120_000;

export class EngineContainer {
  readonly name = `initwrap-verify-${randomBytes(6).toString("hex")}`;
  readonly #engine: DockerEngine;

  private constructor(engine: DockerEngine) {
    this.#engine = engine;
  }

  /** Makes a container and does not start it. Throws DAEMON_FAILED; then nothing is left of it. */
  static async create(engine: DockerEngine, request: ContainerRequest): Promise<EngineContainer> {
    const container = new EngineContainer(engine);
    try {
      await engine.expect(201, "/containers/create", {
        method: "POST",
        query: { name: container.name, platform: request.platform },
        headers: { "Content-Type": "application/json" },
        body: Buffer.from(
          JSON.stringify({
            Image: request.image,
            ...(request.cmd ? { Cmd: request.cmd } : {}),
            Labels: { "io.initwrap.verify": "1" },
            // An engine whose default is an init of its own would hide the image's.
            HostConfig: { NetworkMode: "none", Init: false },
          }),
        ),
        // Not the caller's signal: a call that is given up may still make the container.
        signal: AbortSignal.timeout(CREATE_LIMIT),
        timeout: CREATE_LIMIT,
      });
      return container;
    } catch (cause) {
      await container.remove();
      throw cause;
    }
  }

  /** What is at `/name` in the root; undefined when the engine's answer cannot be read. */
  async file(name: string, signal?: AbortSignal): Promise<PathFinding | undefined> {
    const path = `/containers/${this.name}/archive`;
    const response = await this.#engine.request(path, { query: { path: `/${name}` } });
    if (response.statusCode === 404) {
      response.resume();
      return { kind: "absent" };
    }
    if (response.statusCode !== 200) {
      throw this.#engine.failure(path, response.statusCode ?? 0, await collect(response, 1 << 20));
    }
    try {
      return await readTar(response, name, signal);
    } finally {
      response.destroy();
    }
  }

  /** Throws DAEMON_FAILED with the engine's words when its program cannot be executed. */
  async start(): Promise<void> {
    await this.#engine.expect(204, `/containers/${this.name}/start`, { method: "POST" });
  }

  async state(): Promise<ContainerState> {
    const { Running = false, ExitCode = -1 } = (await this.#inspect()).State ?? {};
    return { running: Running, exitCode: ExitCode };
  }

  async firstProcess(): Promise<FirstProcess> {
    const { State, Path = "", Args } = await this.#inspect();
    const processes = await this.#processes();
    // Its number on the engine's machine, or in the container itself.
    const found = processes.find(([pid]) => pid === String(State?.Pid) || pid === "1");
    if (found) return { commandLine: found.slice(1).join(" ").trim(), seenBy: "top" };
    return { commandLine: [Path, ...(Args ?? [])].join(" "), seenBy: "inspect" };
  }

  /** Sends PID 1 a signal, by name or number. */
  async kill(signal: string): Promise<void> {
    await this.#engine.expect(204, `/containers/${this.name}/kill`, { method: "POST", query: { signal } });
  }

  /** Each process's number and command line; none where the engine has no `ps`. */
  async #processes(): Promise<readonly (readonly string[])[]> {
    const query = { ps_args: this.#engine.topArguments };
    const response = await this.#engine.request(`/containers/${this.name}/top`, { query });
    const said = new TextDecoder().decode(await collect(response, 1 << 20));
    // podman answers 200 and nothing when it fails.
    if (response.statusCode !== 200 || said.trim() === "") return [];
    return (JSON.parse(said) as { Processes?: readonly string[][] | null }).Processes ?? [];
  }

  async #inspect(): Promise<Inspected> {
    return (await this.#engine.json<Inspected>(`/containers/${this.name}/json`)) ?? {};
  }

  /** Ends and removes it with its volumes; never fails. */
  async remove(): Promise<void> {
    await this.#engine.cleanUp(`/containers/${this.name}`, { force: "1", v: "1" });
  }
}
