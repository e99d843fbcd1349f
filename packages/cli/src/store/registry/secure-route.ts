/**
 * The ways to an origin that need TLS or a proxy: HTTPS, HTTPS through a proxy's tunnel (RFC 9110, section 9.3.6,
 * CONNECT), and HTTP that a proxy forwards (section 7.1, absolute form). Loaded only when one of them is needed.
 */
import { Agent, type AgentOptions, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest, Agent as SecureAgent } from "node:https";
import type { Duplex } from "node:stream";
import * as tls from "node:tls";
import { ExchangeError, printable } from "./failures.ts";
import type { Environment } from "./proxy.ts";
import { directPlace, hostNames, pools, type Route } from "./transport.ts";
import { certificateRoots, readHostTrust, secureContext } from "./trust.ts";

/** What a TLS connection to an origin depends on. */
export interface SecureOptions {
  readonly env: Environment;
  /** Milliseconds until the proxy has to have made the tunnel. */
  readonly connectLimit: number;
  /** True when any certificate is good enough. */
  readonly blindly: boolean;
  readonly certificateRoots?: readonly string[];
}

/** HTTPS to `url`'s origin, through `proxy` when there is one. Throws INPUT_UNREADABLE for certificates that cannot be read. */
export async function secureRoute(
  url: URL,
  proxy: URL | undefined,
  pool: AgentOptions,
  options: SecureOptions,
): Promise<Route> {
  const trust = await readHostTrust(hostNames(url), options.certificateRoots ?? certificateRoots(options.env));
  const secure = {
    ...pool,
    secureContext: await secureContext(trust, options.env),
    rejectUnauthorized: !options.blindly,
  };
  const context = proxy && (await proxyContext(proxy, options.env));
  const agents = pools(() =>
    proxy ? new TunnelAgent(secure, proxy, context, options.connectLimit) : new SecureAgent(secure),
  );
  return { ...agents, request: httpsRequest, place: directPlace };
}

/** Plain HTTP that `proxy` forwards. */
export async function forwardRoute(proxy: URL, pool: AgentOptions, env: Environment): Promise<Route> {
  const isSecure = proxy.protocol === "https:";
  const secureContext = await proxyContext(proxy, env);
  return {
    ...pools(() => (isSecure ? new SecureAgent({ ...pool, secureContext }) : new Agent(pool))),
    request: isSecure ? httpsRequest : httpRequest,
    place: (url) => ({ ...directPlace(proxy), path: url.href }),
    headers: (url) => ({ host: url.host, ...proxyAuthorization(proxy) }),
  };
}

async function proxyContext(proxy: URL, env: Environment): Promise<tls.SecureContext | undefined> {
  return proxy.protocol === "https:" ? secureContext({ authorities: [] }, env) : undefined;
}

function proxyAuthorization(proxy: URL): Readonly<Record<string, string>> {
  if (!proxy.username && !proxy.password) return {};
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(pair).toString("base64")}` };
}

/** Options of a connection as an agent hands them to `createConnection`. */
type ConnectionOptions = tls.ConnectionOptions & { readonly host?: string; readonly port?: number | string };

/** Makes each connection inside a tunnel of its own through a proxy. */
class TunnelAgent extends SecureAgent {
  readonly #proxy: URL;
  readonly #context: tls.SecureContext | undefined;
  readonly #limit: number;

  constructor(options: AgentOptions, proxy: URL, context: tls.SecureContext | undefined, limit: number) {
    super(options);
    this.#proxy = proxy;
    this.#context = context;
    this.#limit = limit;
  }

  override createConnection(
    options: ConnectionOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const done = callback as (error: Error | null, stream?: Duplex) => void;
    const host = options.host ?? "";
    const authority = `${host.includes(":") ? `[${host}]` : host}:${options.port ?? 443}`;
    const isSecure = this.#proxy.protocol === "https:";
    const message = (isSecure ? httpsRequest : httpRequest)({
      ...directPlace(this.#proxy),
      ...(this.#context ? { secureContext: this.#context } : {}),
      agent: false,
      method: "CONNECT",
      path: authority,
      headers: { host: authority, "user-agent": "initwrap", ...proxyAuthorization(this.#proxy) },
    });
    const where = `the proxy ${this.#proxy.host}`;
    const timer = setTimeout(() => {
      message.destroy(new ExchangeError(`${where} made no tunnel in time`, { retryable: true }));
    }, this.#limit);
    const fail = (error: Error): void => {
      clearTimeout(timer);
      done(error);
    };
    const refuse = (response: IncomingMessage): void => {
      const status = response.statusCode ?? 0;
      const said = printable(`${status} ${response.statusMessage ?? ""}`, 80);
      fail(
        new ExchangeError(`${where} answered ${said} to CONNECT ${authority}`, {
          retryable: status >= 500,
          hint:
            status === 407
              ? "The proxy wants a user and a password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT."
              : "Check HTTPS_PROXY and NO_PROXY, and whether the proxy allows this host.",
        }),
      );
      message.destroy();
    };
    message.once("error", (error) =>
      fail(
        error instanceof ExchangeError
          ? error
          : new ExchangeError(`${where} cannot be reached: ${error.message}`, { retryable: true, cause: error }),
      ),
    );
    message.once("response", refuse);
    message.once("connect", (response, socket) => {
      if (response.statusCode !== 200) {
        socket.destroy();
        refuse(response);
        return;
      }
      clearTimeout(timer);
      done(null, tls.connect({ ...options, socket, path: undefined } as tls.ConnectionOptions));
    });
    message.end();
  }
}
