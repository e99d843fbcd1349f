/**
 * What many images at many registries share in one run: connections, credentials, tokens, and what was learned of hosts.
 */

import type { Digest } from "../../model/digest.ts";
import { type CredentialSource, credentialChain } from "./credentials.ts";
import { ExchangeError } from "./failures.ts";
import { type Endpoint, type HostSettings, hostSettings } from "./hosts.ts";
import { HostPace } from "./pace.ts";
import { PieceMemory } from "./piece-memory.ts";
import type { Environment } from "./proxy.ts";
import { RefreshTokens } from "./refresh-tokens.ts";
import { DEFAULT_RETRY, type RetryPolicy } from "./retry.ts";
import { Authorizer } from "./token.ts";
import { type ExchangeResponse, type TimeLimits, Transport, type TransportOptions } from "./transport.ts";

/** Amazon's registry takes no pieces under 5 MiB. Bytes. */
const DEFAULT_PIECE = 8 * 1024 * 1024;

/** More blobs than this are not remembered. */
const MAX_NOTES = 10_000;

/** All optional: without any, the user's own environment and files are used. */
export interface SessionOptions {
  /** The environment that files, proxies and credentials are found by. */
  readonly env?: Environment;
  /** Hosts (`name[:port]`) that may be reached over plain HTTP, or with a certificate nobody vouches for. */
  readonly insecureRegistries?: readonly string[];
  readonly retry?: Partial<RetryPolicy>;
  readonly limits?: Partial<TimeLimits>;
  /** Instead of the files and helpers of docker and podman. */
  readonly credentials?: CredentialSource;
  /** See TransportOptions. */
  readonly onExchange?: TransportOptions["onExchange"];
  readonly certificateRoots?: readonly string[];
  /** The size of a piece of an upload, and up to where content is sent from memory. Bytes. */
  readonly pieceSize?: number;
  /** How many connections there may be to one host at a time. */
  readonly connections?: number;
  /** Aborts every exchange and every wait. */
  readonly signal?: AbortSignal;
}

/** Shared state of one run. `close` it at the end, or the process waits for idle connections. */
export class RegistrySession {
  readonly transport: Transport;
  readonly hosts: HostSettings;
  readonly retry: RetryPolicy;
  readonly signal: AbortSignal | undefined;
  /** Bytes. */
  readonly pieceSize: number;
  readonly pieceMemory: PieceMemory;
  readonly #credentials: CredentialSource;
  readonly #authorizers = new Map<string, Authorizer>();
  readonly #refreshTokens = new RefreshTokens();
  readonly #origins = new Map<string, Promise<string>>();
  readonly #paces = new Map<string, HostPace>();
  /** Hosts that have no referrers API. */
  readonly withoutReferrers = new Set<string>();
  /** `HOST/REPOSITORY` -> how many of its images were asked about, and its tags, once they were listed. */
  readonly tagLists = new Map<string, { asked: number; tags?: Promise<ReadonlySet<string> | undefined> }>();
  /** `HOST DIGEST` -> a repository where this run saw or stored the blob. */
  readonly #blobs = new Map<string, string>();

  constructor(options: SessionOptions = {}) {
    const env = options.env ?? process.env;
    this.hosts = hostSettings(env, options.insecureRegistries);
    this.signal = options.signal;
    this.pieceSize = options.pieceSize ?? DEFAULT_PIECE;
    this.pieceMemory = new PieceMemory(this.pieceSize);
    this.retry = { ...DEFAULT_RETRY, ...options.retry };
    this.#credentials = options.credentials ?? credentialChain(env, options.signal);
    this.transport = new Transport({
      env,
      insecure: (host) => this.hosts.insecure(host),
      ...(options.signal ? { signal: options.signal } : {}),
      ...(options.limits ? { limits: options.limits } : {}),
      ...(options.onExchange ? { onExchange: options.onExchange } : {}),
      ...(options.certificateRoots ? { certificateRoots: options.certificateRoots } : {}),
      ...(options.connections === undefined ? {} : { connections: options.connections }),
    });
  }

  /** The one authorizer of a repository: tokens are kept in it. */
  authorizer(endpoint: Endpoint): Authorizer {
    const key = `${endpoint.host}/${endpoint.repository}`;
    const known = this.#authorizers.get(key);
    if (known) return known;
    const authorizer = new Authorizer({
      registry: endpoint.registry,
      transport: this.transport,
      retry: this.retry,
      signal: this.signal,
      credentials: () => this.#credentials.find(endpoint.registry, endpoint.repository),
      refreshTokens: this.#refreshTokens,
    });
    this.#authorizers.set(key, authorizer);
    return authorizer;
  }

  /** The one pace of all requests to a host. */
  pace(host: string): HostPace {
    const known = this.#paces.get(host);
    if (known) return known;
    const pace = new HostPace();
    this.#paces.set(host, pace);
    return pace;
  }

  /**
   * `https://host`, or `http://host` where plain HTTP is allowed and is what the host speaks.
   *
   * Loopback is asked in plain first, for that is what a registry on loopback nearly always speaks and nobody listens
   * in; a host that the user named insecure is asked over TLS first, so that no password goes in plain without need.
   */
  async origin(host: string): Promise<string> {
    if (!this.transport.allowsPlain(host)) return `https://${host}`;
    const known = this.#origins.get(host);
    if (known) return known;
    const { origin, answer } = await this.#find(host, { path: "/v2/" });
    await answer?.discard();
    return origin;
  }

  /**
   * The answer to a GET that has to be made in any case, where it is the first to a host of which it is not known what it
   * speaks: finding that out by a request of its own would be a round trip more. It carries no credentials, so that what comes
   * may be a 401. Undefined when the origin is known or about to be, and when there was no answer that can be told as one.
   */
  async firstAnswer(host: string, request: FirstRequest): Promise<ExchangeResponse | undefined> {
    if (!this.transport.allowsPlain(host) || this.#origins.has(host)) return undefined;
    return (await this.#find(host, request)).answer;
  }

  #find(host: string, request: FirstRequest): Promise<Found> {
    const order = this.hosts.insecure(host) ? ["https", "http"] : ["http", "https"];
    const found = this.#firstThatSpeaks(host, order, request);
    const origin = found.then((one) => one.origin);
    // Whoever asked is told; for anyone else it is as if nobody had.
    origin.catch(() => this.#origins.delete(host));
    this.#origins.set(host, origin);
    return found;
  }

  /** Remembers that a repository holds a blob: the init's layer of one image is then mounted into the next one's. */
  noteBlob(endpoint: Endpoint, digest: Digest): void {
    const key = `${endpoint.host} ${digest}`;
    if (this.#blobs.size < MAX_NOTES || this.#blobs.has(key)) this.#blobs.set(key, endpoint.repository);
  }

  /** A repository of this host that is known to hold the blob. */
  repositoryOf(host: string, digest: Digest): string | undefined {
    return this.#blobs.get(`${host} ${digest}`);
  }

  close(): Promise<void> {
    return this.transport.close();
  }

  async #firstThatSpeaks(host: string, schemes: readonly string[], { path, headers }: FirstRequest): Promise<Found> {
    let likely = schemes[0];
    for (const scheme of schemes) {
      const origin = `${scheme}://${host}`;
      try {
        const url = new URL(`${origin}${path}`);
        const answer = await this.transport.exchange({ method: "GET", url, ...(headers ? { headers } : {}) });
        if (scheme !== "http" || answer.status !== 400) return { origin, answer };
        const body = await answer.bytes(64 * 1024).catch(() => new Uint8Array());
        // What Go's and nginx's TLS servers answer to plain HTTP.
        if (!/HTTPS/.test(new TextDecoder().decode(body))) return { origin };
        likely = "https";
      } catch (error) {
        if (!(error instanceof ExchangeError)) throw error;
      }
    }
    // Neither answered as it should: let the first real request fail, with its retries and its message.
    this.#origins.delete(host);
    return { origin: `${likely}://${host}` };
  }
}

/** A GET below a host: the path with its query, and what it carries. */
interface FirstRequest {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Found {
  readonly origin: string;
  /** Unread; undefined when nobody answered, or only to complain. */
  readonly answer?: ExchangeResponse;
}
