/**
 * The distribution protocol for one repository at one endpoint: manifests and blobs, read and verified.
 *
 * Source: OCI distribution-spec 1.1, "Pull", "Push" and "Listing Referrers". Writing of blobs is in upload.ts.
 */
import { createHash } from "node:crypto";
import type { Descriptor } from "../../model/descriptor.ts";
import { type Digest, digestOf, isDigest } from "../../model/digest.ts";
import { InitwrapError } from "../../model/errors.ts";
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from "../../model/media-types.ts";
import { monotonic } from "../monotonic.ts";
import { parseChallenges } from "./challenge.ts";
import {
  ExchangeError,
  exchangeFailure,
  parseComplaints,
  printable,
  type RegistryComplaint,
  responseError,
} from "./failures.ts";
import type { Endpoint } from "./hosts.ts";
import { isTransientStatus, parseRetryAfter, pause, Transient, withRetries } from "./retry.ts";
import type { RegistrySession } from "./session.ts";
import type { ExchangeRequest, ExchangeResponse, RequestBody } from "./transport.ts";

/** A manifest and what its registry says about it. */
export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** What may be asked of a repository. */
export type Action = "pull" | "push";

/** One request below `/v2/REPOSITORY/`, or at an absolute URL that the registry gave. */
export interface Call {
  readonly method: ExchangeRequest["method"];
  /** `manifests/latest`, or the URL of an upload. */
  readonly target: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  readonly actions: readonly Action[];
  /** Another repository of the same registry to read from, for a mount. */
  readonly from?: string | undefined;
  /** The statuses that are an answer; any other is an error. */
  readonly accept: readonly number[];
  /** Registry error codes that the same call, or a new upload, may get over. */
  readonly passing?: readonly string[];
}

/** Manifests, indexes and configs are small; a larger one is refused. Bytes. Source: distribution-spec, "Pushing Manifests" (4 MiB is the least a registry takes). */
export const MAX_MANIFEST = 8 * 1024 * 1024;
const MAX_ERROR_BODY = 64 * 1024;
/** Below this many bytes in `SLOW_WINDOW` milliseconds, a stream counts as stalled. */
const SLOW_BYTES = 16 * 1024;
const SLOW_WINDOW = 60_000;

const MANIFEST_TYPES = [
  OCI_INDEX,
  DOCKER_LIST,
  OCI_MANIFEST,
  DOCKER_MANIFEST,
  // Not supported, but asked for: without it an old image would look as if it were not there.
  "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

/** One repository. All methods throw InitwrapError: AUTH_REQUIRED, IMAGE_NOT_FOUND, REGISTRY_FAILED, BLOB_CORRUPT. */
export class RegistryClient {
  readonly session: RegistrySession;
  readonly endpoint: Endpoint;

  constructor(session: RegistrySession, endpoint: Endpoint) {
    this.session = session;
    this.endpoint = endpoint;
  }

  /** `host/repository`, for messages. */
  get where(): string {
    return `${this.endpoint.registry}/${this.endpoint.repository}`;
  }

  /** The manifest under a tag or digest, verified; undefined when there is none. */
  async manifest(name: string): Promise<FetchedManifest | undefined> {
    const call: Call = {
      method: "GET",
      target: `manifests/${name}`,
      headers: { accept: MANIFEST_TYPES.join(", ") },
      actions: ["pull"],
      accept: [200, 404],
    };
    return this.call(call, async (response) => {
      if (response.status === 404) {
        await this.#refuseForeign404(response);
        return undefined;
      }
      return this.#readManifest(response, name);
    });
  }

  /** The descriptor of a manifest without its bytes; undefined when there is none. */
  async headManifest(
    name: string,
  ): Promise<(Pick<Descriptor, "mediaType" | "size"> & { digest?: Digest }) | undefined> {
    const call: Call = {
      method: "HEAD",
      target: `manifests/${name}`,
      headers: { accept: MANIFEST_TYPES.join(", ") },
      actions: ["pull"],
      accept: [200, 404],
    };
    return this.call(call, async (response) => {
      await response.discard();
      if (response.status === 404) return undefined;
      const digest = response.header("docker-content-digest");
      return {
        mediaType: mediaTypeOf(response) ?? "",
        size: Number(response.header("content-length") ?? Number.NaN),
        ...(isDigest(digest) ? { digest } : {}),
      };
    });
  }

  /** Stores a manifest under a tag or its digest. Repeating it is harmless, so it is retried like a read. */
  async putManifest(name: string, descriptor: Descriptor, bytes: Uint8Array): Promise<void> {
    const call: Call = {
      method: "PUT",
      target: `manifests/${name}`,
      headers: { "content-type": descriptor.mediaType },
      body: bytes,
      actions: ["pull", "push"],
      accept: [200, 201, 202],
      passing: ["DIGEST_INVALID"],
    };
    await this.call(call, async (response) => {
      await response.discard();
      // A registry that does not say what it stored, or something that only looks like one, is asked what is there now.
      const said = response.header("docker-content-digest");
      const stored = isDigest(said) ? said : await this.#digestOf(name);
      // A tag that names other bytes than ours must not be left standing: put it again.
      if (stored !== descriptor.digest) {
        throw new Transient(
          this.#corrupt(`${name} was stored as ${stored ?? "nothing"} instead of ${descriptor.digest}`),
        );
      }
    });
  }

  /** True when the repository holds the blob, with that size where the registry tells it. */
  async headBlob(descriptor: Descriptor): Promise<boolean> {
    const call: Call = { method: "HEAD", target: `blobs/${descriptor.digest}`, actions: ["pull"], accept: [200, 404] };
    return this.call(call, async (response) => {
      await response.discard();
      const length = response.header("content-length");
      return response.status === 200 && (length === undefined || Number(length) === descriptor.size);
    });
  }

  /** A small blob, whole and verified: a config. Throws IMAGE_NOT_FOUND when the registry does not hold it. */
  async smallBlob(descriptor: Descriptor): Promise<Uint8Array> {
    if (descriptor.size > MAX_MANIFEST)
      throw this.#corrupt(`${descriptor.digest} is larger than ${MAX_MANIFEST} bytes`);
    const call: Call = { method: "GET", target: `blobs/${descriptor.digest}`, actions: ["pull"], accept: [200, 404] };
    return this.call(call, async (response) => {
      if (response.status === 404) throw await this.#missing(response, descriptor);
      const bytes = await response.bytes(descriptor.size);
      // One more try: bytes are damaged on the way more often than in a store that is addressed by digest.
      if (bytes.length !== descriptor.size || digestOf(bytes) !== descriptor.digest) {
        throw new Transient(this.#corrupt(`the bytes of ${descriptor.digest} are not those it names`));
      }
      return bytes;
    });
  }

  /**
   * A blob of any size. Each iteration reads it anew from its first byte; a broken connection is resumed where it broke,
   * by Range (RFC 9110, section 14.2). The end is reached only when size and digest are right; else BLOB_CORRUPT.
   */
  blob(descriptor: Descriptor): AsyncIterable<Uint8Array> {
    return { [Symbol.asyncIterator]: () => this.#readBlob(descriptor) };
  }

  /** Makes a call until it is answered: authenticates, retries what may pass, and names what does not. */
  call<T>(call: Call, use: (response: ExchangeResponse) => Promise<T>): Promise<T> {
    return this.retrying(() => this.once(call, use));
  }

  /** Runs `operation` by the session's retry policy until it throws no Transient. */
  retrying<T>(operation: (attempt: number) => Promise<T>): Promise<T> {
    return withRetries(this.session.retry, operation, this.session.signal);
  }

  /**
   * One attempt at a call, authentication included. Throws Transient for what may pass, so that the caller can begin
   * anew from where it has to. `use` sees only accepted responses; an ExchangeError it lets through is classified too.
   */
  async once<T>(call: Call, use: (response: ExchangeResponse) => Promise<T>): Promise<T> {
    const first = await this.#firstAnswer(call);
    const url = await this.url(call.target);
    const asked = { method: call.method, url, where: this.where };
    try {
      const response = await this.#authenticated(call, url, first);
      if (call.accept.includes(response.status)) return await use(response);
      const complaints = await readComplaints(response);
      const failure = responseError({ ...asked, url: response.url }, response.status, complaints);
      const passes =
        isTransientStatus(response.status) || complaints.some(({ code }) => call.passing?.includes(code) === true);
      if (!passes) throw failure;
      throw new Transient(failure, parseRetryAfter(response.header("retry-after"), Date.now()));
    } catch (error) {
      if (!(error instanceof ExchangeError)) throw error;
      const failure = exchangeFailure(asked, error);
      throw error.retryable ? new Transient(failure) : failure;
    }
  }

  /** The URL of a target: below this repository, or as the registry gave it. */
  async url(target: string | URL): Promise<URL> {
    if (target instanceof URL) return target;
    const origin = await this.session.origin(this.endpoint.host);
    return new URL(`${origin}/v2/${this.endpoint.repository}/${target}`);
  }

  async #digestOf(name: string): Promise<Digest | undefined> {
    const head = await this.headManifest(name);
    return head?.digest ?? (await this.manifest(name))?.descriptor.digest;
  }

  /** The scopes that a call needs. Source: distribution, spec/auth/scope.md. */
  #scopes(call: Call): readonly string[] {
    const own = `repository:${this.endpoint.repository}:${[...call.actions].sort().join(",")}`;
    return call.from === undefined ? [own] : [own, `repository:${call.from}:pull`];
  }

  /** See RegistrySession. */
  async #firstAnswer({ method, target, headers }: Call): Promise<ExchangeResponse | undefined> {
    if (method !== "GET" || target instanceof URL) return undefined;
    const { host, repository } = this.endpoint;
    return this.session.firstAnswer(host, { path: `/v2/${repository}/${target}`, ...(headers ? { headers } : {}) });
  }

  /** `answer` is what the same request was answered already, without credentials. */
  async #authenticated(call: Call, url: URL, answer?: ExchangeResponse): Promise<ExchangeResponse> {
    const authorizer = this.session.authorizer(this.endpoint);
    const scopes = this.#scopes(call);
    const own = url.origin === new URL(await this.session.origin(this.endpoint.host)).origin;
    // An upload may be continued at another host (a signed URL): our token is not for that one.
    const authorization = own && !answer ? await authorizer.header(scopes) : undefined;
    const request: ExchangeRequest = {
      method: call.method,
      url,
      authorization,
      ...(call.headers ? { headers: call.headers } : {}),
      ...(call.body === undefined ? {} : { body: call.body }),
    };
    const first = answer ?? (await this.#exchange(request));
    if (first.status !== 401 || !own || first.url.origin !== url.origin) return first;
    const challenges = parseChallenges(first.headerValues("www-authenticate"));
    const complaints = await readComplaints(first);
    // Basic credentials that were just refused are not tried again.
    if (authorization?.startsWith("Basic ")) {
      throw responseError({ method: call.method, url, where: this.where }, 401, complaints);
    }
    return this.#exchange({
      ...request,
      authorization: await authorizer.answer(challenges, scopes, url, authorization),
    });
  }

  /** One exchange at the pace that the host can take. */
  async #exchange(request: ExchangeRequest): Promise<ExchangeResponse> {
    const pace = this.session.pace(request.url.host);
    const went = await pace.turn(this.session.signal);
    const response = await this.session.transport.exchange(request);
    if (response.status !== 429) pace.passed();
    else {
      const wait = parseRetryAfter(response.header("retry-after"), Date.now()) ?? 0;
      // Longer ones are not waited for: the request fails, and so may the others.
      pace.limited(went, wait > this.session.retry.maxRetryAfter ? 0 : wait);
    }
    return response;
  }

  async #readManifest(response: ExchangeResponse, name: string): Promise<FetchedManifest> {
    const bytes = await response.bytes(MAX_MANIFEST);
    const digest = digestOf(bytes);
    const claimed = isDigest(name) ? name : response.header("docker-content-digest");
    if (isDigest(claimed) && claimed !== digest) {
      throw new Transient(
        this.#corrupt(`the manifest ${printable(name)} has the digest ${digest} instead of ${claimed}`),
      );
    }
    let document: unknown;
    try {
      document = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch {
      throw new Transient(this.#corrupt(`the manifest ${printable(name)} is not JSON`));
    }
    const own = (document as { mediaType?: unknown } | null)?.mediaType;
    const header = mediaTypeOf(response);
    // Some registries answer every manifest as plain JSON; then the document has to say what it is.
    const mediaType =
      typeof own === "string" ? own : header !== undefined && /\+/.test(header) ? header : guessType(document);
    return { bytes, descriptor: { mediaType, digest, size: bytes.length } };
  }

  async *#readBlob(descriptor: Descriptor): AsyncGenerator<Uint8Array, void, undefined> {
    const { retry } = this.session;
    const hash = createHash("sha256");
    let offset = 0;
    let wasted = 0;
    let givesParts = true;
    for (;;) {
      const before = offset;
      try {
        const call = this.#blobCall(descriptor, givesParts ? offset : 0);
        const response = await this.call(call, async (got) => got);
        if (response.status === 404) throw await this.#missing(response, descriptor);
        if (response.status === 416) {
          await this.#refusedPart(response, descriptor);
          givesParts = false;
          continue;
        }
        let skip = await this.#startOf(response, offset, descriptor);
        const pace = new Pace();
        for await (const chunk of response.body()) {
          pace.add(chunk.length, this.endpoint.host);
          const fresh = skip > 0 ? chunk.subarray(Math.min(skip, chunk.length)) : chunk;
          skip = Math.max(0, skip - chunk.length);
          if (fresh.length === 0) continue;
          if (offset + fresh.length > descriptor.size)
            throw this.#corrupt(`${descriptor.digest} is longer than ${descriptor.size} bytes`);
          offset += fresh.length;
          hash.update(fresh);
          yield fresh;
        }
        if (offset < descriptor.size)
          throw new ExchangeError(`the blob ended after ${offset} of ${descriptor.size} bytes`, { retryable: true });
        break;
      } catch (error) {
        if (!(error instanceof ExchangeError)) throw error;
        // Progress earns new attempts, up to a bound: a connection that breaks every megabyte must not go on for ever.
        wasted = offset - before >= 1024 * 1024 ? wasted + 0.2 : wasted + 1;
        const failure = exchangeFailure(
          { method: "GET", url: await this.url(`blobs/${descriptor.digest}`), where: this.where },
          error,
        );
        if (!error.retryable || wasted >= retry.attempts) throw failure;
        await pause(retry.baseDelay * Math.random(), this.session.signal);
      }
    }
    if (`sha256:${hash.digest("hex")}` !== descriptor.digest) {
      throw this.#corrupt(`the bytes of ${descriptor.digest} are not those it names`);
    }
  }

  #blobCall(descriptor: Descriptor, offset: number): Call {
    return {
      method: "GET",
      target: `blobs/${descriptor.digest}`,
      actions: ["pull"],
      ...(offset > 0
        ? { accept: [200, 206, 404, 416], headers: { range: `bytes=${offset}-` } }
        : { accept: [200, 206, 404] }),
    };
  }

  /** A server may give no parts, and is then asked for the whole; one that says how much it holds has to hold all. */
  async #refusedPart(response: ExchangeResponse, descriptor: Descriptor): Promise<void> {
    await response.discard();
    const size = /^bytes \*\/(\d+)$/.exec(response.header("content-range") ?? "")?.[1];
    if (size !== undefined && Number(size) !== descriptor.size) throw this.#otherSize(descriptor);
  }

  /** How many bytes of the body were had before. Checks that the response is the part that was asked for. */
  async #startOf(response: ExchangeResponse, offset: number, descriptor: Descriptor): Promise<number> {
    const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.header("content-range") ?? "");
    const length = response.header("content-length");
    if (response.status === 206) {
      if (Number(range?.[1]) === offset && (range?.[3] === "*" || Number(range?.[3]) === descriptor.size)) return 0;
    } else if (length === undefined || Number(length) === descriptor.size) {
      return offset;
    }
    await response.discard();
    throw this.#otherSize(descriptor);
  }

  #otherSize({ digest, size }: Descriptor): InitwrapError {
    return this.#corrupt(`${digest} is offered with another size than ${size} bytes`);
  }

  async #missing(response: ExchangeResponse, descriptor: Descriptor): Promise<InitwrapError> {
    await response.discard();
    return new InitwrapError(
      "IMAGE_NOT_FOUND",
      `${this.where} does not hold ${descriptor.digest}, which its manifest names`,
      {
        where: this.where,
        hint: "The image is incomplete in its registry; push it again.",
      },
    );
  }

  /** A 404 from something that is no registry (a web server, a wrong path) is a failure, not "no such image". */
  async #refuseForeign404(response: ExchangeResponse): Promise<void> {
    const complaints = await readComplaints(response);
    if (complaints.length > 0 || response.header("docker-distribution-api-version") !== undefined) return;
    if (/html/.test(response.header("content-type") ?? "")) {
      throw new InitwrapError("REGISTRY_FAILED", `${this.endpoint.host} answers like a web site, not like a registry`, {
        where: this.where,
        hint: "Check the registry's name and port.",
      });
    }
  }

  #corrupt(message: string): InitwrapError {
    return new InitwrapError("BLOB_CORRUPT", `${this.where}: ${message}`, {
      where: this.where,
      hint: "The registry or something on the way to it changes what it hands out.",
    });
  }
}

/** A stream that trickles is as bad as one that stands still: curl's speed limit, for bodies of any length. */
class Pace {
  #since = monotonic();
  #bytes = 0;

  add(bytes: number, host: string): void {
    this.#bytes += bytes;
    const now = monotonic();
    if (now - this.#since < SLOW_WINDOW) return;
    if (this.#bytes < SLOW_BYTES) throw new ExchangeError(`${host} sends next to nothing`, { retryable: true });
    this.#since = now;
    this.#bytes = 0;
  }
}

async function readComplaints(response: ExchangeResponse): Promise<readonly RegistryComplaint[]> {
  return parseComplaints(await response.bytes(MAX_ERROR_BODY).catch(() => new Uint8Array()));
}

function mediaTypeOf(response: ExchangeResponse): string | undefined {
  return response.header("content-type")?.split(";")[0]?.trim().toLowerCase();
}

/** The type of a manifest that does not say it, by the fields that only one kind has. Source: image-spec, manifest.md and image-index.md. */
function guessType(document: unknown): string {
  const fields = (document ?? {}) as Record<string, unknown>;
  if (Array.isArray(fields["manifests"])) return OCI_INDEX;
  if (fields["schemaVersion"] === 1) return "application/vnd.docker.distribution.manifest.v1+json";
  return OCI_MANIFEST;
}
