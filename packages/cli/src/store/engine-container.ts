/**
 * A container of ours in an engine: to look at a file as the image's whole file system has it, or to see it run.
 *
 * It has no network unless one is asked for, an unmistakable name and a label, and is removed whatever happens; an image is
 * named by its ID, and no tag is touched.
 *
 * Source: Docker Engine API reference, v1.24 to v1.48, "Containers"; podman's compatible API answers the same calls.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { DockerEngine } from "./docker-engine.ts";
import { answerOf, CREATE_LIMIT, collect } from "./docker-engine.ts";
import { type PathFinding, readTar } from "./layer-scan.ts";
import { END_OF_ARCHIVE, padding, tarHeader } from "./tar.ts";

export interface ContainerRequest {
  /** The image's ID, or a name. */
  readonly image: string;
  /** `linux/arm64`, where the engine keeps several platforms under one ID. */
  readonly platform?: string;
  /** A command instead of the image's. */
  readonly cmd?: readonly string[];
  /** What it is for: a part of its name and of its label, `io.initwrap.verify` or `io.initwrap.probe`. */
  readonly purpose?: "verify" | "probe";
  /** `NAME=VALUE`, beside the image's. */
  readonly env?: readonly string[];
  /** An engine's network by its name; none when absent. */
  readonly network?: string;
}

export interface ContainerState {
  readonly running: boolean;
  readonly exitCode: number;
  /** When it was last started, as the engine's clock has it: RFC 3339 with nanoseconds. */
  readonly startedAt: string;
}

/** Something that the engine says of a container. */
export interface ContainerEvent {
  /** `start`, `kill`, `die`... */
  readonly action: string;
  /** Milliseconds since 1970 by the engine's clock, with fractions. */
  readonly at: number;
  readonly attributes: Readonly<Record<string, string>>;
}

/** PID 1 of a running container. */
export interface FirstProcess {
  readonly commandLine: string;
  /** `top`: as the process table has it; `inspect`: as the engine says that it started it, where it has no `ps`. */
  readonly seenBy: "top" | "inspect";
}

interface Inspected {
  readonly State?: {
    readonly Running?: boolean;
    readonly ExitCode?: number;
    readonly Pid?: number;
    readonly StartedAt?: string;
  };
  readonly Path?: string;
  readonly Args?: readonly string[] | null;
}

/** How long an event may be on its way after the call that it is about has ended, in milliseconds. */
const EVENT_LIMIT = 5000;

export class EngineContainer {
  readonly name: string;
  readonly #engine: DockerEngine;

  private constructor(engine: DockerEngine, purpose: string) {
    this.#engine = engine;
    this.name = `initwrap-${purpose}-${randomBytes(6).toString("hex")}`;
  }

  /** Makes a container and does not start it. Throws DAEMON_FAILED; then nothing is left of it. */
  static async create(engine: DockerEngine, request: ContainerRequest): Promise<EngineContainer> {
    const { purpose = "verify" } = request;
    const container = new EngineContainer(engine, purpose);
    try {
      await engine.expect(201, "/containers/create", {
        method: "POST",
        query: { name: container.name, platform: request.platform },
        headers: { "Content-Type": "application/json" },
        body: Buffer.from(
          JSON.stringify({
            Image: request.image,
            ...(request.cmd ? { Cmd: request.cmd } : {}),
            ...(request.env ? { Env: request.env } : {}),
            Labels: { [`io.initwrap.${purpose}`]: "1" },
            // An engine whose default is an init of its own would hide the image's.
            HostConfig: { NetworkMode: request.network ?? "none", Init: false },
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
      return await readTar(answerOf(response), name, signal);
    } finally {
      response.destroy();
    }
  }

  /** Throws DAEMON_FAILED with the engine's words when its program cannot be executed. */
  async start(): Promise<void> {
    await this.#engine.expect(204, `/containers/${this.name}/start`, { method: "POST" });
  }

  async state(): Promise<ContainerState> {
    const { Running = false, ExitCode = -1, StartedAt = "" } = (await this.#inspect()).State ?? {};
    return { running: Running, exitCode: ExitCode, startedAt: StartedAt };
  }

  /** Puts a program at `/name` into the root of its own file system; the image stays as it is. Throws DAEMON_FAILED. */
  async putProgram(name: string, bytes: Uint8Array): Promise<void> {
    await this.#engine.expect(200, `/containers/${this.name}/archive`, {
      method: "PUT",
      query: { path: "/" },
      headers: { "Content-Type": "application/x-tar" },
      body: Buffer.concat([tarHeader(name, bytes.length, 0o755), bytes, padding(bytes.length), END_OF_ARCHIVE]),
    });
  }

  /** Runs a program in it, as its user, and gives back all that it prints. `limit` is in milliseconds. Throws DAEMON_FAILED. */
  async execute(command: readonly string[], limit: number): Promise<string> {
    const headers = { "Content-Type": "application/json" };
    const created = await this.#engine.expect(201, `/containers/${this.name}/exec`, {
      method: "POST",
      headers,
      body: Buffer.from(JSON.stringify({ AttachStdout: true, AttachStderr: true, Cmd: command })),
    });
    const { Id } = JSON.parse(new TextDecoder().decode(created)) as { Id: string };
    const path = `/exec/${Id}/start`;
    const response = await this.#engine.request(path, {
      method: "POST",
      headers,
      body: Buffer.from(JSON.stringify({ Detach: false, Tty: false })),
      timeout: limit,
    });
    const said = await collect(response, 16 << 20);
    if (response.statusCode !== 200) throw this.#engine.failure(path, response.statusCode ?? 0, said);
    return outputOf(said);
  }

  /** What it has printed since it was made, on both streams. Throws DAEMON_FAILED where no log is kept. */
  async output(): Promise<string> {
    const query = { stdout: "1", stderr: "1" };
    return outputOf(await this.#engine.expect(200, `/containers/${this.name}/logs`, { query }));
  }

  /**
   * Asks the engine to stop it: the image's stop signal, and KILL after so many seconds. Gives back when it has ended what the
   * engine said of it meanwhile, in order.
   */
  async stop(seconds: number): Promise<readonly ContainerEvent[]> {
    const path = `/containers/${this.name}/stop`;
    const events = await this.#listen();
    try {
      await this.#engine
        .request(path, {
          method: "POST",
          query: { t: String(seconds) },
          timeout: (seconds + 60) * 1000,
        })
        .then(async (response) => {
          const said = await collect(response, 1 << 20);
          if (response.statusCode !== 204 && response.statusCode !== 304) {
            throw this.#engine.failure(path, response.statusCode ?? 0, said);
          }
        });
      return await events.untilDeath();
    } finally {
      events.close();
    }
  }

  /** The engine's events of this container, from its last start on. */
  async #listen() {
    const { startedAt } = await this.state();
    const response = await this.#engine.request("/events", {
      query: { since: timestampOf(startedAt), filters: JSON.stringify({ container: [this.name] }) },
      timeout: 0,
    });
    const heard: ContainerEvent[] = [];
    const died = Promise.withResolvers<void>();
    let rest = "";
    response.setEncoding("utf8");
    response.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.trim() !== "") heard.push(eventOf(line));
      const actions = new Set(heard.map(({ action }) => action));
      // One goroutine of the engine tells of the signal, another of the end: a quick end may come first.
      if (actions.has("die") && actions.has("kill")) died.resolve();
    });
    response.on("error", () => died.resolve());
    response.on("end", () => died.resolve());
    return {
      untilDeath: async (): Promise<readonly ContainerEvent[]> => {
        await Promise.race([died.promise, sleep(EVENT_LIMIT)]);
        return heard.toSorted((a, b) => a.at - b.at);
      },
      close: () => response.destroy(),
    };
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

/** Both streams of an attached container without a terminal: frames of a stream's number, 0, 0, 0, a length and bytes. */
function outputOf(frames: Uint8Array): string {
  const view = new DataView(frames.buffer, frames.byteOffset, frames.byteLength);
  const parts: Uint8Array[] = [];
  for (let at = 0; at + 8 <= frames.length; ) {
    const size = view.getUint32(at + 4);
    parts.push(frames.subarray(at + 8, at + 8 + size));
    at += 8 + size;
  }
  return new TextDecoder().decode(Buffer.concat(parts));
}

/** The engine's time as its queries take it: seconds since 1970, a point, and nanoseconds. */
function timestampOf(time: string): string {
  const fraction = /\.(\d+)/.exec(time)?.[1] ?? "0";
  const seconds = Math.floor(Date.parse(time.replace(/\.\d+/, "")) / 1000);
  return `${Number.isNaN(seconds) ? 0 : seconds}.${fraction.padEnd(9, "0").slice(0, 9)}`;
}

function eventOf(line: string): ContainerEvent {
  const event = JSON.parse(line) as {
    readonly Action?: string;
    readonly status?: string;
    readonly timeNano?: number;
    readonly Actor?: { readonly Attributes?: Readonly<Record<string, string>> };
  };
  return {
    action: event.Action ?? event.status ?? "",
    at: (event.timeNano ?? 0) / 1e6,
    attributes: event.Actor?.Attributes ?? {},
  };
}
