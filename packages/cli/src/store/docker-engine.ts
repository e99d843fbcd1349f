/**
 * A client for the Docker Engine API: HTTP over a unix socket, TCP or ssh, nothing more than initwrap needs.
 *
 * Every call ends: a daemon that does not answer within the time limit is DAEMON_UNREACHABLE. Each reason for a failed
 * connection has its own message, because each has another remedy: no socket (no engine), permission denied (no group
 * membership), refused (a socket that nobody listens on).
 *
 * Source: Docker Engine API reference, v1.24 to v1.48; the same calls are answered by podman's compatible API.
 */
import { existsSync } from "node:fs";
import { type Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { InitwrapError } from "../model/errors.ts";
import { familiarReference, parseReference, type Reference } from "../model/reference.ts";
import { engineEndpoint } from "./docker-endpoint.ts";
import { formatSshEndpoint, parseSshEndpoint, type SshEndpoint } from "./ssh-endpoint.ts";

/** Where an engine listens. */
export type Endpoint =
  | { readonly kind: "unix"; readonly path: string }
  | {
      readonly kind: "tcp";
      readonly host: string;
      readonly port: number;
      /** What every call's path begins with, for an engine behind a proxy: `/engines/a`. */
      readonly basePath?: string;
      readonly tls?: EndpointTls;
    }
  | SshEndpoint;

/** PEM texts of the authority, the client certificate and its key. */
export interface EndpointTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly skipVerify?: boolean;
}

export const DEFAULT_SOCKET = "/var/run/docker.sock";

/** How long an engine may take to make a container, in milliseconds: it may have to unpack the image first. */
export const CREATE_LIMIT = 120_000;

/**
 * Reads `unix:///path`, `tcp://host:port[/path]`, `http(s)://host:port[/path]` or `ssh://user@host`, where `program` answers. As for
 * the docker CLI, a host without a scheme is `tcp://`, one without a name is this machine, and the port is 2375 unless given; with
 * TLS it is 2376 here. Throws LOCATOR_INVALID for anything else.
 */
export function parseEndpoint(given: string, tls?: EndpointTls, program: SshEndpoint["program"] = "docker"): Endpoint {
  const text = given.trim();
  if (text.startsWith("ssh://")) return parseSshEndpoint(text, program);
  if (text.startsWith("unix://")) return { kind: "unix", path: text.slice("unix://".length) || DEFAULT_SOCKET };
  const match = /^(?:(tcp|https?):\/\/)?(\[[0-9a-fA-F:]+\]|[\w.-]*)(?::(\d{1,5}))?((?:\/[\w.~%-]+)*)\/?$/.exec(text);
  const [, scheme = "tcp", host = "", port, basePath = ""] = match ?? [];
  // For podman only a URL is one; a bare path is a forgotten unix://.
  const isHost = text.includes("://") || (program === "docker" && /^[^/]/.test(text));
  if (!match || !isHost || Number(port ?? 0) > 65_535) {
    throw new InitwrapError("LOCATOR_INVALID", `not an engine's endpoint: ${text}`, {
      hint: endpointHint(text, program),
    });
  }
  const secure = tls ?? (scheme === "https" ? {} : undefined);
  return {
    kind: "tcp",
    host: host.replace(/^\[|\]$/g, "") || "localhost",
    port: port === undefined ? (secure ? 2376 : 2375) : Number(port),
    ...(basePath === "" ? {} : { basePath }),
    ...(secure ? { tls: secure } : {}),
  };
}

function endpointHint(text: string, program: SshEndpoint["program"]): string {
  const forms = `unix:///path/to/${program}.sock, tcp://host:port or ssh://user@host`;
  if (text.startsWith("npipe:")) return `Named pipes of Windows are not spoken here: use ${forms}.`;
  if (text.startsWith("fd:")) return `A file descriptor is for an engine to listen on, not for a client: use ${forms}.`;
  return `Use ${forms}.`;
}

export interface EngineOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
  /** Milliseconds without a byte before a call is given up; 30 000 unless told. */
  readonly timeout?: number;
}

export interface EngineRequest {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE" | "HEAD";
  readonly query?: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: AsyncIterable<Uint8Array> | Uint8Array;
  readonly signal?: AbortSignal;
  /** Milliseconds without a byte; 0 waits for ever (loading a large image shows nothing for minutes). */
  readonly timeout?: number;
}

/** What `GET /images/{name}/json` says, as far as it is used. */
export interface ImageInspect {
  readonly Id: string;
  readonly Os: string;
  readonly Architecture: string;
  readonly Variant?: string;
  readonly Config?: unknown;
}

/** What `GET /info` says, as far as it is used. */
interface EngineInfo {
  readonly DriverStatus?: readonly (readonly [key: string, value?: string])[];
  readonly DockerRootDir?: string;
  readonly Driver?: string;
  readonly OSType?: string;
  /** As `uname -m` says it. */
  readonly Architecture?: string;
}

export interface EngineFacts {
  /** True when images keep their manifests and indexes (containerd's store); false when only their configs are kept. */
  readonly keepsManifests: boolean;
  /** `linux/amd64`: the images that it can run. */
  readonly platform: string;
  /** Where, on its machine, files named by their digest's hex hold configs and manifests; the first that exists is it. */
  readonly contentFolders: readonly string[];
}

/** What a caller needs to know about an image in the daemon; `config` is the config's `config` section. */
export interface DaemonImage {
  readonly id: string;
  readonly config: unknown;
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/**
 * The image that the local engine holds under `reference`, or undefined when it has none of that name.
 * Throws DAEMON_UNREACHABLE or DAEMON_FAILED; never waits for longer than the time limit.
 */
export async function inspectDaemonImage(reference: string, options: EngineOptions): Promise<DaemonImage | undefined> {
  const engine = new DockerEngine(engineEndpoint(options.env), options);
  const image = await engine.inspect(reference).finally(() => engine.close());
  if (!image) return undefined;
  return {
    id: image.Id,
    config: image.Config,
    os: image.Os,
    architecture: image.Architecture,
    ...(image.Variant ? { variant: image.Variant } : {}),
  };
}

export class DockerEngine {
  readonly endpoint: Endpoint;
  /** What people call it. */
  readonly title: string = "the Docker Engine";
  /** The environment variable that says where it listens. */
  readonly variable: string = "DOCKER_HOST";
  /** How it is brought to listen: the beginning of a hint. */
  readonly start: string = "Start the engine";
  /** The call that loads an archive of images. */
  readonly loadPath: string = "/images/load";
  /** How its `top` is asked for each process's number and command line. */
  readonly topArguments: string = "-eo pid,args";
  readonly #options: Partial<EngineOptions>;
  #agent: Agent | undefined;
  #facts: Promise<EngineFacts> | undefined;

  constructor(endpoint: Endpoint, options: Partial<EngineOptions> = {}) {
    this.endpoint = endpoint;
    this.#options = options;
  }

  /** The endpoint as people write it. */
  get address(): string {
    const { endpoint } = this;
    if (endpoint.kind === "ssh") return formatSshEndpoint(endpoint);
    if (endpoint.kind === "unix") return `unix://${endpoint.path}`;
    const { host, port, basePath = "" } = endpoint;
    return `tcp://${host.includes(":") ? `[${host}]` : host}:${port}${basePath}`;
  }

  /** True where the engine's loopback address is ours. */
  get isLocal(): boolean {
    const { endpoint } = this;
    if (endpoint.kind === "ssh") return false;
    return endpoint.kind === "unix" || endpoint.host === "localhost" || endpoint.host.startsWith("127.");
  }

  /** `GET /images/{name}/json`; undefined for 404. */
  async inspect(reference: string): Promise<ImageInspect | undefined> {
    return this.json<ImageInspect>(`/images/${encodeURIComponent(reference)}/json`);
  }

  /** Words for a hint, where an engine listens at another place than the one that was asked: a rootless one, of this user. */
  otherSocket(): string {
    const runtime = this.#options.env?.["XDG_RUNTIME_DIR"];
    const socket = runtime ? `${runtime}/docker.sock` : undefined;
    return socket && existsSync(socket) ? `: a rootless engine is at unix://${socket}` : "";
  }

  /** How it keeps images. Asked once. */
  facts(): Promise<EngineFacts> {
    this.#facts ??= this.askFacts();
    return this.#facts;
  }

  protected async askFacts(): Promise<EngineFacts> {
    const info = (await this.json<EngineInfo>("/info")) ?? {};
    const isContainerd = (info.DriverStatus ?? []).some(
      ([key, value]) => key === "driver-type" && value?.startsWith("io.containerd"),
    );
    const root = info.DockerRootDir ?? "/var/lib/docker";
    const containerd = "io.containerd.content.v1.content/blobs/sha256";
    return {
      keepsManifests: isContainerd,
      platform: `${info.OSType ?? "linux"}/${goArchitecture(info.Architecture ?? "")}`,
      // The engine's own containerd, or the machine's.
      contentFolders: isContainerd
        ? [`${root}/containerd/daemon/${containerd}`, `/var/lib/containerd/${containerd}`]
        : [`${root}/image/${info.Driver}/imagedb/content/sha256`],
    };
  }

  /** True when something answers there as an engine does. */
  async answers(): Promise<boolean> {
    try {
      await this.expect(200, "/_ping");
      return true;
    } catch (cause) {
      if (cause instanceof InitwrapError) return false;
      throw cause;
    }
  }

  /** Ends what is kept open between requests. It may be called twice. */
  async close(): Promise<void> {
    this.#agent?.destroy();
  }

  /** What an image's name means here when it is not written in full; undefined when it is none. */
  referenceOf(name: string): Reference | undefined {
    return parseReference(name);
  }

  /** Gives an image another name; `signal` stands for the caller's. Throws DAEMON_FAILED. */
  async tag(name: string, reference: Reference, signal?: AbortSignal): Promise<void> {
    const { registry, repository, tag } = reference;
    const short = familiarReference({ registry, repository }).replace(/:latest$/, "");
    await this.expect(201, `/images/${encodeURIComponent(name)}/tag`, {
      method: "POST",
      query: { repo: short, tag: tag ?? "latest" },
      ...(signal ? { signal } : {}),
    });
  }

  /** Takes a name away, and with the last one the image; never its parents. It also runs after an interruption, and never fails. */
  async untag(name: string): Promise<void> {
    await this.cleanUp(`/images/${encodeURIComponent(name)}`, { noprune: "1" });
  }

  /** A call that must end with `status`; gives back the answer's body. Throws DAEMON_FAILED. */
  async expect(status: number, path: string, request: EngineRequest = {}): Promise<Uint8Array> {
    const response = await this.request(path, request);
    const said = await collect(response, 16 << 20);
    if (response.statusCode !== status) throw this.failure(path, response.statusCode ?? 0, said);
    return said;
  }

  /**
   * `DELETE` of something of ours, asked for again where the engine did not hear it or is busy: nobody else takes it away. It also
   * runs after an interruption, and never fails.
   */
  async cleanUp(path: string, query: EngineRequest["query"] = {}): Promise<void> {
    // A busy engine takes its time, and takes back a call that is given up.
    const signal = AbortSignal.timeout(30_000);
    for (let tries = 0; tries < 3 && !signal.aborted; tries++) {
      if (tries > 0) await new Promise((resolve) => setTimeout(resolve, 100 * tries));
      const response = await this.request(path, { method: "DELETE", query, signal }).catch(() => undefined);
      if (!response) continue;
      await collect(response, 1 << 20).catch(() => undefined);
      const { statusCode = 0 } = response;
      if (statusCode < 500 && statusCode !== 429) return;
    }
  }

  /** A call that answers JSON; undefined for 404. Any other status than 2xx is DAEMON_FAILED with the engine's words. */
  async json<T>(path: string, request: EngineRequest = {}): Promise<T | undefined> {
    const response = await this.request(path, request);
    const body = await collect(response, 64 << 20);
    const status = response.statusCode ?? 0;
    if (status === 404) return undefined;
    if (status < 200 || status > 299) throw this.failure(path, status, body);
    if (body.length === 0) return undefined;
    try {
      return JSON.parse(new TextDecoder().decode(body)) as T;
    } catch (cause) {
      throw new InitwrapError("DAEMON_FAILED", `${this.address} did not answer with JSON to ${path}`, {
        hint: "Is it a Docker Engine that listens there?",
        cause,
      });
    }
  }

  /** One HTTP exchange; the caller reads the answer's body to its end. */
  async request(path: string, request: EngineRequest = {}): Promise<IncomingMessage> {
    const { endpoint } = this;
    const timeout = request.timeout ?? this.#options.timeout ?? 30_000;
    const signal = request.signal ?? this.#options.signal;
    const { body } = request;
    // A name only where there is none: Node checks the certificate against the Host header.
    const host = endpoint.kind === "tcp" ? {} : { Host: "docker" };
    const headers: Record<string, string | number> = { ...host, ...request.headers };
    if (body instanceof Uint8Array) headers["Content-Length"] = body.length;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const tls = endpoint.kind === "tcp" ? endpoint.tls : undefined;
    if (endpoint.kind === "ssh" && !this.#agent) {
      const { sshAgent } = await import("./ssh-connection.ts");
      this.#agent ??= sshAgent(endpoint, this.#options.env ?? {});
    }
    const outgoing = (tls ? httpsRequest : httpRequest)({
      ...(endpoint.kind === "unix" ? { socketPath: endpoint.path } : {}),
      ...(endpoint.kind === "tcp" ? { host: endpoint.host, port: endpoint.port } : {}),
      ...(tls
        ? {
            ca: tls.ca,
            cert: tls.cert,
            key: tls.key,
            rejectUnauthorized: !tls.skipVerify,
            servername: endpointName(endpoint),
          }
        : {}),
      agent: this.#agent ?? false,
      method: request.method ?? "GET",
      path: this.#prefix() + path + queryString(request.query),
      headers,
      ...(signal ? { signal } : {}),
    });
    if (timeout > 0) {
      outgoing.setTimeout(timeout, () => outgoing.destroy(new Error(`no answer within ${timeout / 1000} s`)));
    }
    outgoing.on("response", resolve);
    outgoing.on("error", (cause) => reject(signal?.aborted ? signal.reason : this.#unreachable(cause)));
    // Also for an answer that is none, as a change of the protocol: Node closes the connection and says nothing.
    outgoing.on("close", () => reject(this.#unreachable(new Error("the connection was closed without an answer"))));
    if (body === undefined || body instanceof Uint8Array) outgoing.end(body);
    // A daemon may answer, with an error, before it has read the whole body: then the answer counts, not the broken pipe.
    else pipeline(Readable.from(body, { objectMode: false }), outgoing).catch((cause) => reject(cause));
    return promise;
  }

  /** What stands before a call's own path: the endpoint's, and the version of the API that the environment asks for. */
  #prefix(): string {
    const { endpoint } = this;
    return (endpoint.kind === "tcp" ? (endpoint.basePath ?? "") : "") + this.versionPath(this.#options.env ?? {});
  }

  /** `/v1.41` where DOCKER_API_VERSION says so, as the docker CLI reads it; the engine's own newest otherwise. Throws LOCATOR_INVALID. */
  protected versionPath(env: EngineOptions["env"]): string {
    const version = env["DOCKER_API_VERSION"];
    if (!version) return "";
    const [, number] = /^v?(\d{1,3}\.\d{1,3})$/.exec(version) ?? [];
    if (number !== undefined) return `/v${number}`;
    throw new InitwrapError("LOCATOR_INVALID", `not a version of the engine's API: ${version}`, {
      where: "DOCKER_API_VERSION",
      hint: "It is written as 1.41; unset it for what the engine speaks.",
    });
  }

  /** The coded error for an answer that is none of 2xx. */
  failure(path: string, status: number, body: Uint8Array): InitwrapError {
    let message = new TextDecoder().decode(body.subarray(0, 2000)).trim();
    try {
      message = String((JSON.parse(message) as { message?: unknown }).message ?? message);
    } catch {
      // The body is not JSON: a proxy's page, or a plain line. It is shown as it is.
    }
    return new InitwrapError("DAEMON_FAILED", `the engine refused ${path} (${status}): ${message}`, {
      where: this.address,
    });
  }

  #unreachable(cause: Error & { code?: string }): InitwrapError {
    const [reason, hint] = explain(this, cause);
    return new InitwrapError("DAEMON_UNREACHABLE", `cannot reach ${this.title} at ${this.address}: ${reason}`, {
      hint,
      where: this.address,
      cause,
    });
  }
}

function explain(engine: DockerEngine, cause: Error & { code?: string }): [reason: string, hint: string] {
  const { endpoint, variable } = engine;
  switch (cause.code) {
    case "ESSH":
      return [cause.message, "Try the same with ssh itself; the user there needs the engine's client and its socket."];
    case "ENOENT":
      return ["there is no socket", `${engine.start}, or set ${variable} to where it listens${engine.otherSocket()}.`];
    case "EACCES":
    case "EPERM":
      return ["permission denied", "Join the socket's group (often `docker`), or run as a user who may use it."];
    case "ECONNREFUSED":
      return endpoint.kind === "unix"
        ? ["the socket is there, but nothing listens on it", "Start the engine again."]
        : ["connection refused", "Check the port, and that the engine runs."];
    case "ENOTSOCK":
    case "ENOTDIR":
      return ["the path is no socket", `Set ${variable} to the engine's socket.`];
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return ["the host's name cannot be resolved", `Check ${variable}.`];
    default:
      return [cause.message, "Is the engine running and healthy?"];
  }
}

function endpointName(endpoint: Endpoint): string | undefined {
  // TLS forbids IP addresses as a server name (RFC 6066, section 3).
  return endpoint.kind === "tcp" && /[a-zA-Z]/.test(endpoint.host) && !endpoint.host.includes(":")
    ? endpoint.host
    : undefined;
}

/** Go's name for an architecture that the kernel calls otherwise. */
function goArchitecture(machine: string): string {
  const names: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64", armv7l: "arm", i686: "386" };
  return names[machine] ?? machine;
}

function queryString(query: EngineRequest["query"] = {}): string {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const one of typeof value === "string" ? [value] : value) parts.append(name, one);
  }
  const text = parts.toString();
  return text === "" ? "" : `?${text}`;
}

/** An answer's body as it comes. Throws what `brokenAnswer` says. */
export async function* answerOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    throw brokenAnswer(cause);
  }
}

/** What reading an answer's body failed with: DAEMON_UNREACHABLE where the connection broke in the middle of it. */
export function brokenAnswer(cause: unknown): unknown {
  if ((cause as { code?: string }).code !== "ECONNRESET") return cause;
  return new InitwrapError("DAEMON_UNREACHABLE", "the connection to the engine broke in the middle of an answer", {
    hint: "Is the engine running and healthy?",
    cause,
  });
}

/** Reads a body whole. Throws DAEMON_FAILED when it is larger than `limit` bytes, and as `answerOf` does. */
export async function collect(body: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of answerOf(body)) {
    size += part.length;
    if (size > limit) throw new InitwrapError("DAEMON_FAILED", `an answer of more than ${limit} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
