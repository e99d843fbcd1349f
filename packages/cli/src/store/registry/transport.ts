/**
 * One HTTP exchange with a registry, or with where it sends us: connection pools, TLS, proxies, time limits, redirects.
 *
 * Rules that hold for every exchange:
 * - plain HTTP only where the host's policy allows it, and never after HTTPS has begun;
 * - Authorization goes to the origin it was made for and is dropped when a redirect leaves it (RFC 9110, section 15.4);
 * - every wait has an end: connecting, sending when nobody reads, waiting for headers, waiting for the next bytes.
 *
 * On node:http and node:https, whose HTTP parser is compiled into Node: loading undici took half of the whole time of a
 * wrap in a registry. What is only needed over TLS or through a proxy is loaded by the first exchange that needs it.
 */
import { once } from "node:events";
import {
  Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from "node:http";
import { monotonic } from "../monotonic.ts";
import { ExchangeError, redactUrl } from "./failures.ts";
import { type Environment, isLoopback, proxyFor } from "./proxy.ts";

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
  "ERR_INVALID_CHAR",
  "ERR_UNESCAPED_CHARACTERS",
  "HPE_HEADER_OVERFLOW",
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_SSL_PACKET_LENGTH_TOO_LONG",
]);

/** How one origin is reached: its pool of connections, and what its requests have to carry. */
export interface Route {
  readonly agent: Agent;
  /**
   * For requests whose body is a stream, made when the first one is: it may come from the same origin, and would wait for a
   * connection that this very request has.
   */
  readonly streaming: () => Agent;
  /** Closes every connection. */
  readonly end: () => void;
  readonly request: (options: RequestOptions) => ClientRequest;
  /** The options that say where a request goes. */
  readonly place: (url: URL) => RequestOptions;
  /** More headers, for a proxy that forwards requests. */
  readonly headers?: (url: URL) => Readonly<Record<string, string>>;
}

/** Connection pools by origin; one for a whole run, so that many images share connections. */
export class Transport {
  readonly #env: Environment;
  readonly #limits: TimeLimits;
  readonly #options: TransportOptions;
  readonly #routes = new Map<string, Promise<Route>>();
  /** Of the exchanges that have not ended. One listener for all of them: a signal for each costs as much as its request. */
  readonly #watches = new Set<Watch>();

  constructor(options: TransportOptions = {}) {
    this.#env = options.env ?? process.env;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#options = options;
    const { signal } = options;
    signal?.addEventListener(
      "abort",
      () => {
        for (const watch of this.#watches) watch.end(signal.reason);
      },
      { once: true },
    );
  }

  get limits(): TimeLimits {
    return this.#limits;
  }

  /** True when a place (`name[:port]`, or a URL there) may be reached without TLS: loopback, or asked for. */
  allowsPlain(place: string | URL): boolean {
    const host = typeof place === "string" ? place : place.host;
    return isLoopback(host.replace(/:\d+$/, "")) || this.trustsBlindly(place);
  }

  /** True when a certificate of the place is accepted unseen, because the user asked for it. */
  trustsBlindly(place: string | URL): boolean {
    const names = typeof place === "string" ? [place] : hostNames(place);
    return names.some((name) => this.#options.insecure?.(name) === true);
  }

  /** One exchange, redirects followed. Throws ExchangeError; what a body's iteration throws comes through as it is. */
  async exchange(request: ExchangeRequest): Promise<ExchangeResponse> {
    const origin = request.url.origin;
    let { url, method, authorization, body } = request;
    for (let hops = 0; ; hops++) {
      // For good: whoever we were sent to says where we go next, which is not for our credentials to follow.
      if (url.origin !== origin) authorization = undefined;
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
    const routes = [...this.#routes.values()];
    this.#routes.clear();
    await Promise.all(routes.map((route) => route.then(({ end }) => end()).catch(() => {})));
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
    // A fragment is never sent.
    next.hash = "";
    return next;
  }

  async #once(request: ExchangeRequest, body: RequestBody | undefined): Promise<ExchangeResponse> {
    const { url, method } = request;
    if (url.protocol === "http:" && request.authorization !== undefined && !this.allowsPlain(url)) {
      throw new ExchangeError(`credentials would go to ${url.host} over plain HTTP`, { retryable: false });
    }
    const route = await this.#route(url);
    this.#options.signal?.throwIfAborted();
    const length = body?.length;
    const options: RequestOptions = {
      ...route.place(url),
      agent: body === undefined || body instanceof Uint8Array ? route.agent : route.streaming(),
      method,
      headers: {
        "user-agent": "initwrap",
        "accept-encoding": "identity",
        ...request.headers,
        ...route.headers?.(url),
        ...(length === undefined ? {} : { "content-length": String(length) }),
        ...(request.authorization === undefined ? {} : { authorization: request.authorization }),
      },
    };
    const watch = new Watch(this.#limits);
    this.#watches.add(watch);
    const started = monotonic();
    let status = 0;
    try {
      const response = await this.#send(route, options, body, watch);
      watch.stop();
      status = response.statusCode ?? 0;
      response.once("close", () => this.#watches.delete(watch));
      return new Response(response, url, watch);
    } catch (error) {
      watch.stop();
      this.#watches.delete(watch);
      if (watch.sourceFault) throw watch.sourceFault.error;
      throw toExchangeError(watch.ended ? watch.ended.reason : error, url);
    } finally {
      this.#options.onExchange?.({ method, url: redactUrl(url), status, milliseconds: monotonic() - started });
    }
  }

  async #send(
    route: Route,
    options: RequestOptions,
    body: RequestBody | undefined,
    watch: Watch,
  ): Promise<IncomingMessage> {
    const message = route.request(options);
    watch.onEnd = (reason) => void message.destroy(reason as Error);
    // After the answer nobody waits for the request any more, and an error without a listener would end the process.
    message.on("error", () => {});
    limitConnecting(message, this.#limits.connect);
    const answered = answerTo(message);
    if (body === undefined || body instanceof Uint8Array) {
      // A body in memory is sent in one go; the time for it is counted into the wait for headers.
      // Not the wait for a connection, which others of ours have, each with a clock of its own.
      message.once("socket", () => watch.awaitHeaders());
      message.end(body);
      return await answered.catch((error: unknown) => {
        if (!isUnread(message, error)) throw error;
        return this.#send(route, options, body, watch);
      });
    }
    // Who waits for a connection here must not have one that the source of the body waits for.
    await Promise.race([once(message, "socket"), answered]);
    // Whoever answers early (a refusal) has read enough; the rest is not sent.
    const early = new AbortController();
    const response = answered.then((first) => {
      early.abort();
      return first;
    });
    response.catch(() => early.abort());
    try {
      await sendAll(message, watch.sending(body.open()), early.signal);
    } catch (error) {
      message.destroy();
      throw error;
    }
    const first = await response;
    // A connection on which a body was left unfinished cannot take another request.
    if (!message.writableFinished) first.once("end", () => message.destroy());
    return first;
  }

  #route(url: URL): Promise<Route> {
    const known = this.#routes.get(url.origin);
    if (known) return known;
    const route = this.#connect(url);
    this.#routes.set(url.origin, route);
    // A route that could not be made is tried again by the next exchange.
    route.catch(() => this.#routes.delete(url.origin));
    return route;
  }

  async #connect(url: URL): Promise<Route> {
    let proxy: URL | undefined;
    try {
      proxy = proxyFor(url, this.#env);
    } catch (error) {
      // Node's own words about a URL quote it, and it may hold a password.
      const why = (error as NodeJS.ErrnoException).code === undefined ? `: ${(error as Error).message}` : "";
      throw new ExchangeError(`the proxy variable in the environment holds no URL of a proxy${why}`, {
        retryable: false,
        hint: "Correct HTTPS_PROXY or HTTP_PROXY: http://USER:PASSWORD@HOST:PORT, with % signs of them as %25.",
      });
    }
    const pool = { keepAlive: true, maxSockets: this.#options.connections ?? 8 };
    if (url.protocol === "http:" && !proxy) {
      return { ...pools(() => new Agent(pool)), request: httpRequest, place: directPlace };
    }
    const { forwardRoute, secureRoute } = await import("./secure-route.ts");
    if (url.protocol === "http:") return forwardRoute(proxy!, pool, this.#env);
    return secureRoute(url, proxy, pool, {
      env: this.#env,
      connectLimit: this.#limits.connect,
      blindly: this.trustsBlindly(url),
      ...(this.#options.certificateRoots ? { certificateRoots: this.#options.certificateRoots } : {}),
    });
  }
}

/** The pools of connections of a route, each as `make` makes them. */
export function pools(make: () => Agent): Pick<Route, "agent" | "streaming" | "end"> {
  const agent = make();
  let streaming: Agent | undefined;
  return {
    agent,
    streaming: () => {
      streaming ??= make();
      return streaming;
    },
    end: () => {
      agent.destroy();
      streaming?.destroy();
    },
  };
}

/** What a user may have written for a URL's host: a URL leaves out the port that its scheme has anyway. */
export function hostNames(url: URL): readonly string[] {
  return url.port ? [url.host] : [url.host, `${url.host}:${url.protocol === "https:" ? 443 : 80}`];
}

/** A request's place when it goes to the origin itself. */
export function directPlace(url: URL): RequestOptions {
  // An IPv6 address is in brackets in a URL and without them everywhere else.
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  return { hostname, port: url.port || undefined, path: url.pathname + url.search };
}

/** The answer; an end without one is a failure, whatever kind of end it is. */
function answerTo(message: ClientRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  let isAnswered = false;
  message.once("response", (response) => {
    isAnswered = true;
    resolve(response);
  });
  message.once("error", reject);
  // Without a listener Node closes the connection and says nothing.
  message.once("upgrade", (_response, socket) => {
    socket.destroy();
    reject(new ExchangeError("it switches to another protocol", { retryable: false }));
  });
  message.once("close", () => {
    // Every exchange ends so, and an error takes long to make.
    if (!isAnswered) reject(closed());
  });
  promise.catch(() => {});
  return promise;
}

function closed(): ExchangeError {
  return new ExchangeError("the connection was closed", { retryable: true });
}

/**
 * True for a read that hit a connection at the moment at which its server closed it for want of use: it is made again, as
 * RFC 9112 (section 9.3.1) has it. Each time there is one resting connection less.
 */
function isUnread(message: ClientRequest, error: unknown): boolean {
  if (!message.reusedSocket || (message.method !== "GET" && message.method !== "HEAD")) return false;
  const { code } = error as NodeJS.ErrnoException;
  return code === "ECONNRESET" || code === "EPIPE";
}

/** Ends a request whose new connection is not there after `limit` milliseconds. A pooled connection is there at once. */
function limitConnecting(message: ClientRequest, limit: number): void {
  message.once("socket", (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(() => {
      const seconds = Math.round(limit / 100) / 10;
      message.destroy(new ExchangeError(`no connection within ${seconds} s`, { retryable: true }));
    }, limit);
    const stop = (): void => clearTimeout(timer);
    // Over TLS, `connect` is only half of the way.
    socket.once("encrypted" in socket ? "secureConnect" : "connect", stop);
    socket.once("close", stop);
  });
}

/** Writes `content` as fast as it is taken, until its end or until `signal`. Throws what `content` throws. */
async function sendAll(
  message: ClientRequest,
  content: AsyncGenerator<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  for await (const chunk of content) {
    if (signal.aborted) return;
    if (!message.write(chunk)) await once(message, "drain", { signal }).catch(() => {});
    if (signal.aborted) return;
  }
  message.end();
}

/** Ends an exchange that stands still. Its clock is stopped while the caller, not the network, is what is waited for. */
class Watch {
  readonly limits: TimeLimits;
  #timer: NodeJS.Timeout | undefined;
  /** What the request's own body threw, so that it is not taken for a network fault. */
  sourceFault: { readonly error: unknown } | undefined;
  /** Why it was ended: by the clock, or by whoever runs us. */
  ended: { readonly reason: unknown } | undefined;
  /** Ends what is under way. */
  onEnd: ((reason: unknown) => void) | undefined;

  constructor(limits: TimeLimits) {
    this.limits = limits;
  }

  end(reason: unknown): void {
    if (this.ended) return;
    this.ended = { reason };
    this.onEnd?.(reason);
  }

  awaitHeaders(): void {
    this.#start(this.limits.headers, "no answer");
  }

  /** Not beyond `end`, in milliseconds of `monotonic()`. */
  awaitBytes(end: number): void {
    const left = end - monotonic();
    const late = "the answer did not end in time";
    if (left <= 0) throw new ExchangeError(late, { retryable: true });
    if (left > this.limits.idle) this.#start(this.limits.idle, "no more of the answer came");
    else this.#fuse(left, late);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  async *sending(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of content) {
        this.#start(this.limits.idle, "nothing was read of what we sent");
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
    this.#fuse(milliseconds, `${what} within ${Math.round(milliseconds / 100) / 10} s`);
  }

  #fuse(milliseconds: number, message: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.end(new ExchangeError(message, { retryable: true })), milliseconds);
  }
}

class Response implements ExchangeResponse {
  readonly status: number;
  readonly url: URL;
  readonly #message: IncomingMessage;
  readonly #watch: Watch;

  constructor(message: IncomingMessage, url: URL, watch: Watch) {
    this.status = message.statusCode ?? 0;
    this.url = url;
    this.#message = message;
    this.#watch = watch;
    // An answer that nobody reads must not end the process when its connection breaks.
    message.on("error", () => {});
    watch.onEnd = () => void message.destroy();
  }

  header(name: string): string | undefined {
    return this.headerValues(name)[0];
  }

  headerValues(name: string): readonly string[] {
    return this.#message.headersDistinct[name] ?? [];
  }

  body(): AsyncGenerator<Uint8Array, void, undefined> {
    return this.#read(Number.POSITIVE_INFINITY);
  }

  /** The body until `end`. */
  async *#read(end: number): AsyncGenerator<Uint8Array, void, undefined> {
    const chunks = this.#message[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    try {
      for (;;) {
        this.#watch.awaitBytes(end);
        const { done, value } = await chunks.next();
        this.#watch.stop();
        if (done) return;
        yield value;
      }
    } catch (error) {
      throw this.#fault(error);
    } finally {
      this.#watch.stop();
      // Closes the connection unless the body was read to its end.
      await chunks.return?.();
    }
  }

  #fault(error: unknown): unknown {
    return toExchangeError(this.#watch.ended ? this.#watch.ended.reason : error, this.url);
  }

  /**
   * Hands out the body of an answer that has to be complete soon, until `take` returns false; closes the connection then, and on
   * any failure. By events: an iterator of a stream takes longer to make than such an answer to read.
   */
  async #small(take: (chunk: Uint8Array) => boolean): Promise<void> {
    const [message, watch] = [this.#message, this.#watch];
    const end = monotonic() + watch.limits.small;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const read = (chunk: Uint8Array): void => {
      try {
        if (take(chunk)) {
          watch.awaitBytes(end);
          return;
        }
        resolve();
      } catch (error) {
        reject(error);
      }
      message.off("data", read);
      message.destroy();
    };
    try {
      // It broke before anybody read it, and will say nothing more.
      if (message.destroyed) throw message.errored ?? closed();
      watch.awaitBytes(end);
      message.once("end", resolve);
      message.once("error", reject);
      // After its end this is heard by nobody, and an error takes long to make.
      message.once("close", () => message.readableEnded || reject(closed()));
      message.on("data", read);
      await promise;
    } catch (error) {
      throw this.#fault(error);
    } finally {
      watch.stop();
    }
  }

  async bytes(limit: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    await this.#small((chunk) => {
      size += chunk.length;
      if (size > limit) throw new ExchangeError(`the answer is longer than ${limit} bytes`, { retryable: false });
      chunks.push(chunk);
      return true;
    });
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size);
  }

  async discard(): Promise<void> {
    let size = 0;
    // Nobody wanted it: however it ends.
    await this.#small((chunk) => {
      size += chunk.length;
      return size <= DRAIN;
    }).catch(() => {});
  }
}

function refusedRedirect(from: URL, why: string): ExchangeError {
  return new ExchangeError(`${from.host}: ${why}`, {
    retryable: false,
    hint: "The registry's redirect was not followed.",
  });
}

/** Names a fault of HTTP, TLS or the socket, and says whether asking again may help. */
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
  const hint =
    code === "ENOTFOUND"
      ? `There is no host ${url.hostname}, or no name server to ask.`
      : code === "ECONNREFUSED"
        ? "Check the registry's name and port, and that it runs."
        : code === "ECONNRESET" && url.protocol === "http:"
          ? `If it speaks TLS there, name it with --insecure-registry ${url.host}.`
          : undefined;
  const words =
    code === "ECONNREFUSED" ? `${url.host} refused the connection` : fault.message || "the connection broke";
  return new ExchangeError(code && !words.includes(code) ? `${words} (${code})` : words, {
    retryable: !LASTING_FAULTS.has(code),
    hint,
    cause: error,
  });
}

/** Node wraps what happened; the innermost error with a code says it. */
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
