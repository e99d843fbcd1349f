/**
 * One HTTP exchange with a registry, or with where it sends us: connection pools, TLS, proxies, time limits, redirects.
 *
 * Rules that hold for every exchange:
 * - plain HTTP only where the host's policy allows it, and never after HTTPS has begun;
 * - Authorization goes to the origin it was made for and is dropped when a redirect leaves it (RFC 9110, section 15.4);
 * - every wait has an end: connecting, sending when nobody reads, waiting for headers, waiting for the next bytes.
 *
 * undici is imported on the first exchange: nothing else in the program needs it, and loading it takes time.
 */
import type { Dispatcher } from "undici";
import { ExchangeError, redactUrl } from "./failures.ts";
import { type Environment, isLoopback, proxyFor } from "./proxy.ts";
import { certificateRoots, readHostTrust, secureContext } from "./trust.ts";

/** Milliseconds. */
export interface TimeLimits {
  readonly connect: number;
  /** From the end of the request to the end of the response's headers. */
  readonly headers: number;
  /** Between two pieces of a body, in either direction. */
  readonly idle: number;
  /** For everything, when the response is small (a manifest, a token, an error). */
  readonly small: number;
}

export const DEFAULT_LIMITS: TimeLimits = { connect: 15_000, headers: 60_000, idle: 45_000, small: 60_000 };

/** A body: bytes, or a function that opens it anew for each attempt; `length` in bytes. */
export type RequestBody = Uint8Array | { readonly length: number; readonly open: () => AsyncIterable<Uint8Array> };

export interface ExchangeRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** The Authorization header, for the origin of `url` only. */
  readonly authorization?: string | undefined;
  readonly body?: RequestBody;
  /** Whether a redirect may lead to another origin; a body with a secret in it must not. Default `follow`. */
  readonly redirect?: "follow" | "same-origin";
}

export interface ExchangeResponse {
  readonly status: number;
  /** Where the response came from, after redirects. */
  readonly url: URL;
  /** A header's first value, by lower-case name. */
  header(name: string): string | undefined;
  /** Every value of a header, by lower-case name. */
  headerValues(name: string): readonly string[];
  /** The body, once. Ending the iteration early closes the connection. Throws ExchangeError. */
  body(): AsyncGenerator<Uint8Array, void, undefined>;
  /** The whole body; throws ExchangeError when it holds more than `limit` bytes or takes too long. */
  bytes(limit: number): Promise<Uint8Array>;
  /** Lets go of a body that is not wanted, so that its connection can be used again or is closed. */
  discard(): Promise<void>;
}

export interface TransportOptions {
  readonly env?: Environment;
  readonly limits?: Partial<TimeLimits>;
  /** True when this `host[:port]` may be asked without TLS, or with a certificate nobody vouches for. */
  readonly insecure?: (host: string) => boolean;
  /** Folders with certificates by host; the standard ones when not given. */
  readonly certificateRoots?: readonly string[];
  /** Connections to one origin at most. */
  readonly connections?: number;
  /** Aborts every exchange, which then throws its reason. */
  readonly signal?: AbortSignal;
  /** Called when an exchange ends; for a trace of what was asked. The URL is redacted. */
  readonly onExchange?: (event: { method: string; url: string; status: number; milliseconds: number }) => void;
}

const MAX_REDIRECTS = 6;
/** What is read of an unwanted body to keep its connection. Bytes. */
const DRAIN = 64 * 1024;

const CERTIFICATE_FAULTS = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "ERR_TLS_CERT_ALTNAME_INVALID",
]);
/** Faults that asking again does not mend. */
const LASTING_FAULTS = new Set([
  "ENOTFOUND",
  "EACCES",
  "UND_ERR_INVALID_ARG",
  "UND_ERR_HEADERS_OVERFLOW",
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_SSL_PACKET_LENGTH_TOO_LONG",
]);

/** Connection pools by origin; one for a whole run, so that many images share connections. */
export class Transport {
  readonly #env: Environment;
  readonly #limits: TimeLimits;
  readonly #options: TransportOptions;
  readonly #pools = new Map<string, Promise<Dispatcher>>();
  #undici: Promise<typeof import("undici")> | undefined;

  constructor(options: TransportOptions = {}) {
    this.#env = options.env ?? process.env;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#options = options;
  }

  get limits(): TimeLimits {
    return this.#limits;
  }

  /** True when `host` (`name[:port]`) may be reached without TLS: loopback, or asked for. */
  allowsPlain(host: string): boolean {
    return isLoopback(host.replace(/:\d+$/, "")) || this.#options.insecure?.(host) === true;
  }

  /** True when a certificate of `host` is accepted unseen, because the user asked for it. */
  trustsBlindly(host: string): boolean {
    return this.#options.insecure?.(host) === true;
  }

  /** One exchange, redirects followed. Throws ExchangeError; what a body's iteration throws comes through as it is. */
  async exchange(request: ExchangeRequest): Promise<ExchangeResponse> {
    const origin = request.url.origin;
    let { url, method } = request;
    let body = request.body;
    for (let hops = 0; ; hops++) {
      const authorization = url.origin === origin ? request.authorization : undefined;
      const response = await this.#once({ ...request, method, url, authorization }, body);
      const location = response.header("location");
      if (![301, 302, 303, 307, 308].includes(response.status) || location === undefined) return response;
      await response.discard();
      if (hops >= MAX_REDIRECTS) throw refusedRedirect(url, "it redirects without an end");
      const next = this.#redirectTarget(url, location);
      if (next.origin !== origin && request.redirect === "same-origin") {
        throw refusedRedirect(url, `it redirects a request with a secret to another host, ${next.host}`);
      }
      if (response.status === 303 || (response.status <= 302 && method === "POST")) {
        method = method === "HEAD" ? "HEAD" : "GET";
        body = undefined;
      }
      url = next;
    }
  }

  /** The target of a redirect or an upload's Location, checked: http or https, no user in it, never from HTTPS to HTTP. */
  redirectTarget(from: URL, location: string): URL {
    return this.#redirectTarget(from, location);
  }

  /** Closes every connection. Exchanges under way fail. */
  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.then((dispatcher) => dispatcher.destroy()).catch(() => {})));
  }

  #redirectTarget(from: URL, location: string): URL {
    let next: URL;
    try {
      next = new URL(location, from);
    } catch {
      throw refusedRedirect(from, "it redirects to something that is no URL");
    }
    if (next.protocol !== "https:" && next.protocol !== "http:") {
      throw refusedRedirect(from, `it redirects to a ${next.protocol.slice(0, -1)} address`);
    }
    if (next.protocol === "http:" && from.protocol === "https:") {
      throw refusedRedirect(from, `it redirects from HTTPS to plain HTTP at ${next.host}`);
    }
    if (next.username || next.password) throw refusedRedirect(from, "it redirects to a URL with a user in it");
    return next;
  }

  async #once(request: ExchangeRequest, body: RequestBody | undefined): Promise<ExchangeResponse> {
    const { url, method } = request;
    if (url.protocol === "http:" && request.authorization !== undefined && !this.allowsPlain(url.host)) {
      throw new ExchangeError(`credentials would go to ${url.host} over plain HTTP`, { retryable: false });
    }
    // In the bundle a CommonJS module has only its default export.
    this.#undici ??= import("undici").then((module) => module.default ?? module);
    const undici = await this.#undici;
    const dispatcher = await this.#pool(url);
    const watch = new Watch(this.#limits, this.#options.signal);
    const content = body === undefined || body instanceof Uint8Array ? body : watch.sending(body.open());
    const length = body === undefined ? undefined : body.length;
    // A body in memory is sent in one go; the time for it is counted into the wait for headers.
    if (content === undefined || content instanceof Uint8Array) watch.awaitHeaders();
    const started = performance.now();
    let status = 0;
    try {
      const response = await undici.request(url, {
        dispatcher,
        method,
        headers: {
          "user-agent": "initwrap",
          "accept-encoding": "identity",
          ...request.headers,
          ...(length === undefined ? {} : { "content-length": String(length) }),
          ...(request.authorization === undefined ? {} : { authorization: request.authorization }),
        },
        body: (content ?? null) as Dispatcher.DispatchOptions["body"] & Uint8Array,
        signal: watch.signal,
        headersTimeout: 0,
        bodyTimeout: this.#limits.idle,
      });
      watch.stop();
      status = response.statusCode;
      return new Response(response, url, watch);
    } catch (error) {
      watch.stop();
      if (watch.sourceFault) throw watch.sourceFault.error;
      throw toExchangeError(watch.signal.aborted ? watch.signal.reason : error, url);
    } finally {
      this.#options.onExchange?.({ method, url: redactUrl(url), status, milliseconds: performance.now() - started });
    }
  }

  #pool(url: URL): Promise<Dispatcher> {
    const known = this.#pools.get(url.origin);
    if (known) return known;
    const pool = this.#connect(url);
    this.#pools.set(url.origin, pool);
    // A pool that could not be made is tried again by the next exchange.
    pool.catch(() => this.#pools.delete(url.origin));
    return pool;
  }

  async #connect(url: URL): Promise<Dispatcher> {
    const { Agent, ProxyAgent } = await this.#undici!;
    let proxy: URL | undefined;
    try {
      proxy = proxyFor(url, this.#env);
    } catch {
      throw new ExchangeError("the proxy variable in the environment holds no URL", {
        retryable: false,
        hint: "Correct HTTPS_PROXY or HTTP_PROXY.",
      });
    }
    const connections = this.#options.connections ?? 8;
    const limits = { connections, pipelining: 1, headersTimeout: 0, keepAliveTimeout: 15_000 };
    if (url.protocol === "http:") {
      if (!proxy) return new Agent({ ...limits, connect: { timeout: this.#limits.connect } });
      return new ProxyAgent({ ...limits, ...proxyCredentials(proxy), proxyTunnel: false });
    }
    const trust = await readHostTrust(url.host, this.#options.certificateRoots ?? certificateRoots(this.#env));
    const connect = {
      secureContext: await secureContext(trust, this.#env),
      rejectUnauthorized: !this.trustsBlindly(url.host),
      timeout: this.#limits.connect,
    };
    if (!proxy) return new Agent({ ...limits, connect });
    const proxyTls = { secureContext: await secureContext({ authorities: [] }, this.#env) };
    return new ProxyAgent({ ...limits, ...proxyCredentials(proxy), requestTls: connect, proxyTls });
  }
}

function proxyCredentials(proxy: URL): { uri: string; token?: string } {
  const bare = new URL(proxy.href);
  bare.username = "";
  bare.password = "";
  if (!proxy.username && !proxy.password) return { uri: bare.href };
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { uri: bare.href, token: `Basic ${Buffer.from(pair).toString("base64")}` };
}

/** Ends an exchange that stands still. Its clock is stopped while the caller, not the network, is what is waited for. */
class Watch {
  readonly #limits: TimeLimits;
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  /** What the request's own body threw, so that it is not taken for a network fault. */
  sourceFault: { readonly error: unknown } | undefined;

  /** Aborted by the clock, or by whoever runs us. */
  readonly signal: AbortSignal;

  constructor(limits: TimeLimits, outer: AbortSignal | undefined) {
    this.#limits = limits;
    this.signal = outer ? AbortSignal.any([outer, this.#controller.signal]) : this.#controller.signal;
  }

  awaitHeaders(): void {
    this.#start(this.#limits.headers, "no answer");
  }

  awaitSmallBody(): void {
    this.#start(this.#limits.small, "the answer did not end");
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  async *sending(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of content) {
        this.#start(this.#limits.idle, "nothing was read of what we sent");
        yield chunk;
        this.stop();
      }
    } catch (error) {
      this.sourceFault = { error };
      throw error;
    } finally {
      this.stop();
    }
    this.awaitHeaders();
  }

  #start(milliseconds: number, what: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const seconds = Math.round(milliseconds / 100) / 10;
      this.#controller.abort(new ExchangeError(`${what} within ${seconds} s`, { retryable: true }));
    }, milliseconds);
  }
}

class Response implements ExchangeResponse {
  readonly status: number;
  readonly url: URL;
  readonly #data: Dispatcher.ResponseData;
  readonly #watch: Watch;

  constructor(data: Dispatcher.ResponseData, url: URL, watch: Watch) {
    this.status = data.statusCode;
    this.url = url;
    this.#data = data;
    this.#watch = watch;
    // An answer that nobody reads must not end the process when its connection breaks.
    data.body.on("error", () => {});
  }

  header(name: string): string | undefined {
    return this.headerValues(name)[0];
  }

  headerValues(name: string): readonly string[] {
    const value = this.#data.headers[name];
    return value === undefined ? [] : typeof value === "string" ? [value] : value;
  }

  async *body(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of this.#data.body) yield chunk as Uint8Array;
    } catch (error) {
      throw toExchangeError(this.#watch.signal.aborted ? this.#watch.signal.reason : error, this.url);
    }
  }

  async bytes(limit: number): Promise<Uint8Array> {
    this.#watch.awaitSmallBody();
    try {
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of this.body()) {
        size += chunk.length;
        if (size > limit) throw new ExchangeError(`the answer is longer than ${limit} bytes`, { retryable: false });
        chunks.push(chunk);
      }
      return Buffer.concat(chunks, size);
    } finally {
      this.#watch.stop();
    }
  }

  async discard(): Promise<void> {
    this.#watch.awaitSmallBody();
    try {
      let size = 0;
      for await (const chunk of this.#data.body) {
        size += (chunk as Uint8Array).length;
        if (size > DRAIN) break;
      }
    } catch {
      // Nobody wanted it.
    } finally {
      this.#watch.stop();
    }
  }
}

function refusedRedirect(from: URL, why: string): ExchangeError {
  return new ExchangeError(`${from.host}: ${why}`, {
    retryable: false,
    hint: "The registry's redirect was not followed.",
  });
}

/** Names a fault of undici, TLS or the socket, and says whether asking again may help. */
function toExchangeError(error: unknown, url: URL): unknown {
  if (error instanceof ExchangeError) return error;
  const fault = deepest(error);
  const code = fault.code ?? "";
  if (CERTIFICATE_FAULTS.has(code)) {
    return new ExchangeError(`the certificate of ${url.host} is not trusted (${code})`, {
      retryable: false,
      hint: `Add its CA to the system, to SSL_CERT_FILE or to certs.d/${url.host}/ca.crt, or name it with --insecure-registry.`,
      cause: error,
    });
  }
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG") {
    return new ExchangeError(`${url.host} does not speak TLS`, {
      retryable: false,
      hint: `If it is meant to be reached over plain HTTP, name it with --insecure-registry ${url.host}.`,
      cause: error,
    });
  }
  const hint = code === "ENOTFOUND" ? `There is no host ${url.hostname}, or no name server to ask.` : undefined;
  const words =
    code === "ECONNREFUSED" ? `${url.host} refused the connection` : fault.message || "the connection broke";
  return new ExchangeError(code && !words.includes(code) ? `${words} (${code})` : words, {
    retryable: !LASTING_FAULTS.has(code),
    hint,
    cause: error,
  });
}

/** undici and Node wrap what happened; the innermost error with a code says it. */
function deepest(error: unknown): { code?: string; message: string } {
  let found: { code?: string; message: string } = { message: "" };
  for (let at = error, depth = 0; at instanceof Error && depth < 5; depth++) {
    const code = (at as NodeJS.ErrnoException).code;
    found = {
      message: at.message || found.message,
      ...(typeof code === "string" ? { code } : found.code ? { code: found.code } : {}),
    };
    at = at instanceof AggregateError ? at.errors[0] : at.cause;
  }
  return found;
}
