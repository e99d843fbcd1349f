/**
 * Turns a registry's challenge into an Authorization header: Basic, or the Bearer token flow.
 *
 * Sources: distribution, spec/auth/token.md (GET) and spec/auth/oauth.md (POST with a refresh token); RFC 6750.
 *
 * The realm is a stranger's URL that our password is sent to, so it is checked first: https, or http where the registry
 * itself may be reached so. A realm on another host is normal (Docker Hub has one); it gets the service, the scopes and
 * the credentials for this registry, which is what the challenge needs, and nothing else.
 */
import { InitwrapError } from "../../model/errors.ts";
import type { Challenge } from "./challenge.ts";
import type { Credentials } from "./credentials.ts";
import { ExchangeError, exchangeFailure, parseComplaints, printable, redactUrl, responseError } from "./failures.ts";
import type { RefreshTokens } from "./refresh-tokens.ts";
import { isTransientStatus, parseRetryAfter, type RetryPolicy, Transient, withRetries } from "./retry.ts";
import type { ExchangeRequest, Transport } from "./transport.ts";

/** A token answer has no reason to be longer. Bytes. */
const MAX_ANSWER = 1024 * 1024;
/** Source: token.md, "expires_in": 60 seconds when not given. */
const DEFAULT_LIFE = 60;
/** A token is not used in its last seconds: it would expire on the way. Milliseconds. */
const MARGIN = 5_000;

type Scheme =
  | { readonly kind: "unknown" }
  | { readonly kind: "basic" }
  | { readonly kind: "bearer"; readonly realm: URL; readonly service: string | undefined };

interface Token {
  readonly value: string;
  readonly expires: number;
  /** What takes the place of the refresh token that was exchanged for it. */
  readonly refresh?: string;
}

/** A token as it is being asked for, and as it came. */
interface HeldToken {
  readonly pending: Promise<Token>;
  token?: Token;
  failed?: boolean;
}

/** What an authorizer is for: one repository at one registry. */
export interface AuthorizerOptions {
  /** The registry as the user wrote it, for messages. */
  readonly registry: string;
  readonly transport: Transport;
  readonly retry: RetryPolicy;
  readonly signal?: AbortSignal | undefined;
  readonly credentials: () => Promise<Credentials | undefined>;
  readonly refreshTokens: RefreshTokens;
}

/** Remembers how a registry wants to be asked, and the tokens it gave. Scopes as in `repository:NAME:pull,push`. */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #tokens = new Map<string, HeldToken>();
  #scheme: Scheme = { kind: "unknown" };

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** The header for a request that needs `scopes`; undefined when the registry has not asked for one yet. */
  async header(scopes: readonly string[]): Promise<string | undefined> {
    if (this.#scheme.kind === "unknown") return undefined;
    if (this.#scheme.kind === "basic") return this.#basic();
    const credentials = await this.#options.credentials();
    if (credentials?.kind === "registry") return `Bearer ${headerSafe(credentials.token)}`;
    const { realm, service } = this.#scheme;
    return this.#bearer(scopes, undefined, () => this.#fetch(realm, service, scopes, credentials));
  }

  /**
   * Takes in a 401's challenges and returns the header to ask with again. `base` is the URL that was asked, `refused` the
   * header that it was asked with. Throws AUTH_REQUIRED when the user has nothing that this registry takes, REGISTRY_FAILED when the token server fails.
   */
  async answer(
    challenges: readonly Challenge[],
    scopes: readonly string[],
    base: URL,
    refused?: string,
  ): Promise<string> {
    const bearer = challenges.find(({ scheme, parameters }) => scheme === "bearer" && parameters.has("realm"));
    if (bearer) {
      const realm = this.#checkRealm(bearer.parameters.get("realm")!, base);
      const service = bearer.parameters.get("service");
      this.#scheme = { kind: "bearer", realm, service };
      const asked = bearer.parameters.get("scope")?.split(" ").filter(Boolean) ?? [];
      const credentials = await this.#options.credentials();
      if (credentials?.kind === "registry") return `Bearer ${headerSafe(credentials.token)}`;
      const wanted = mergeScopes([...scopes, ...asked]);
      return this.#bearer(scopes, refused, () => this.#fetch(realm, service, wanted, credentials));
    }
    if (challenges.some(({ scheme }) => scheme === "basic")) {
      this.#scheme = { kind: "basic" };
      const header = await this.#basic();
      if (header !== undefined) return header;
      throw new InitwrapError("AUTH_REQUIRED", `${this.#options.registry} wants a user and a password`, {
        where: this.#options.registry,
        hint: `Run \`docker login ${this.#options.registry}\` or \`podman login ${this.#options.registry}\`.`,
      });
    }
    const names = challenges.map(({ scheme }) => scheme).join(", ");
    throw new InitwrapError(
      "AUTH_REQUIRED",
      `${this.#options.registry} asks for ${names ? `authentication by ${printable(names, 60)}, which is not supported` : "authentication without saying how"}`,
      { where: this.#options.registry },
    );
  }

  async #basic(): Promise<string | undefined> {
    const credentials = await this.#options.credentials();
    if (credentials?.kind !== "password") return undefined;
    return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64")}`;
  }

  /**
   * The header with the token for `scopes`: the one that is held, unless it is old or was `refused`; the one that is being
   * asked for already, for many images of a repository begin at the same moment; else a new one.
   */
  async #bearer(scopes: readonly string[], refused: string | undefined, ask: () => Promise<Token>): Promise<string> {
    const header = ({ value }: Token): string => `Bearer ${value}`;
    const key = [...scopes].sort().join(" ");
    const held = this.#tokens.get(key);
    if (held && !held.token && !held.failed) return header(await held.pending);
    if (held?.token && held.token.expires > Date.now() + MARGIN && header(held.token) !== refused) {
      return header(held.token);
    }
    const fresh: HeldToken = { pending: ask() };
    this.#tokens.set(key, fresh);
    try {
      fresh.token = await fresh.pending;
      return header(fresh.token);
    } catch (error) {
      fresh.failed = true;
      throw error;
    }
  }

  #checkRealm(text: string, base: URL): URL {
    const refuse = (why: string): InitwrapError =>
      new InitwrapError("AUTH_REQUIRED", `${base.host} sends its users to ${why}`, {
        where: this.#options.registry,
        hint: "No credentials were sent there. Ask the registry's operator about the realm in its WWW-Authenticate header.",
      });
    let realm: URL;
    try {
      realm = new URL(text);
    } catch {
      throw refuse("a token server that is no URL");
    }
    if (realm.protocol !== "https:" && realm.protocol !== "http:")
      throw refuse(`a ${realm.protocol.slice(0, -1)} address`);
    if (realm.username || realm.password) throw refuse("a token server with a user in its URL");
    if (realm.protocol === "http:") {
      if (base.protocol === "https:") throw refuse(`a token server without TLS, ${realm.host}`);
      if (!this.#options.transport.allowsPlain(realm)) throw refuse(`a token server without TLS, ${realm.host}`);
    }
    return realm;
  }

  async #fetch(
    realm: URL,
    service: string | undefined,
    scopes: readonly string[],
    credentials: Credentials | undefined,
  ): Promise<Token> {
    if (credentials?.kind !== "identity") return this.#ask(realm, tokenRequest(realm, service, scopes, credentials));
    return this.#options.refreshTokens.exchange(this.#options.registry, credentials.token, (token) =>
      this.#ask(realm, tokenRequest(realm, service, scopes, { kind: "identity", token })),
    );
  }

  async #ask(realm: URL, request: ExchangeRequest): Promise<Token> {
    const asked = { method: request.method, url: realm, where: this.#options.registry };
    return withRetries(
      this.#options.retry,
      async () => {
        const started = Date.now();
        try {
          const response = await this.#options.transport.exchange(request);
          const body = await response.bytes(MAX_ANSWER);
          if (response.status === 200) return readToken(body, started, realm, this.#options.registry);
          const failure = responseError(asked, response.status, parseComplaints(body));
          if (!isTransientStatus(response.status)) {
            // A token server's refusal of any kind (400 `invalid_grant`, 404) is about who we are.
            if (response.status >= 500 || failure.code === "AUTH_REQUIRED") throw failure;
            throw new InitwrapError("AUTH_REQUIRED", failure.message, {
              where: this.#options.registry,
              cause: failure,
            });
          }
          throw new Transient(failure, parseRetryAfter(response.header("retry-after"), Date.now()));
        } catch (error) {
          if (error instanceof ExchangeError && error.retryable) throw new Transient(exchangeFailure(asked, error));
          throw error instanceof ExchangeError ? exchangeFailure(asked, error) : error;
        }
      },
      this.#options.signal,
    );
  }
}

/**
 * One scope for each resource, with all its actions in order: a registry may name the ones we know in another order.
 * Source: distribution, spec/auth/scope.md; a scope that is not `TYPE:NAME:ACTIONS` is passed on as it is.
 */
export function mergeScopes(scopes: readonly string[]): readonly string[] {
  const actions = new Map<string, Set<string> | undefined>();
  for (const scope of scopes) {
    const end = scope.lastIndexOf(":");
    if (end <= scope.indexOf(":")) {
      actions.set(scope, undefined);
      continue;
    }
    const resource = scope.slice(0, end);
    const known = actions.get(resource) ?? new Set<string>();
    for (const action of scope.slice(end + 1).split(",")) known.add(action);
    actions.set(resource, known);
  }
  return [...actions].map(([resource, known]) => (known ? `${resource}:${[...known].sort().join(",")}` : resource));
}

function tokenRequest(
  realm: URL,
  service: string | undefined,
  scopes: readonly string[],
  credentials: Credentials | undefined,
): ExchangeRequest {
  if (credentials?.kind === "identity") {
    const form = new URLSearchParams({ grant_type: "refresh_token", client_id: "initwrap" });
    if (service !== undefined) form.set("service", service);
    if (scopes.length > 0) form.set("scope", scopes.join(" "));
    form.set("refresh_token", credentials.token);
    return {
      method: "POST",
      url: realm,
      headers: { "content-type": "application/x-www-form-urlencoded", accept: "application/json" },
      body: new TextEncoder().encode(form.toString()),
      redirect: "same-origin",
    };
  }
  const url = new URL(realm.href);
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  if (credentials?.kind !== "password") return { method: "GET", url, headers: { accept: "application/json" } };
  url.searchParams.set("account", credentials.username);
  const pair = Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64");
  return { method: "GET", url, headers: { accept: "application/json" }, authorization: `Basic ${pair}` };
}

function readToken(body: Uint8Array, started: number, realm: URL, registry: string): Token {
  const bad = (why: string): InitwrapError =>
    new InitwrapError("REGISTRY_FAILED", `the token server ${redactUrl(realm)} ${why}`, { where: registry });
  let answer: { token?: unknown; access_token?: unknown; expires_in?: unknown; refresh_token?: unknown } | null;
  try {
    answer = JSON.parse(new TextDecoder().decode(body));
  } catch {
    throw bad("did not answer in JSON");
  }
  const value = answer?.token || answer?.access_token;
  if (typeof value !== "string") throw bad("gave no token");
  if (!/^[\x21-\x7e]+$/.test(value)) throw bad("gave a token that cannot be sent");
  const seconds = typeof answer?.expires_in === "number" && answer.expires_in > 0 ? answer.expires_in : DEFAULT_LIFE;
  // Counted from before we asked: the server's clock and the way back are not ours to trust.
  const refresh = answer?.refresh_token;
  return {
    value,
    expires: started + seconds * 1000,
    ...(typeof refresh === "string" && refresh !== "" ? { refresh } : {}),
  };
}

/** A token from a file or helper, checked so that it cannot carry a second header. */
function headerSafe(token: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new InitwrapError("AUTH_REQUIRED", "the registry token in the docker configuration cannot be sent in a header");
}
