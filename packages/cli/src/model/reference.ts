/**
 * An image reference, in Docker's spelling: `app`, `app:1`, `host:5000/team/app@sha256:...`.
 *
 * Source: distribution/reference, grammar in reference.go; the first path component is a registry host only when it holds
 * a `.` or a `:`, is `localhost`, or has an upper-case letter.
 */
import { type Digest, isDigest, unreadDigest } from "./digest.ts";

export interface Reference {
  /** Host and port as written, or `docker.io`. */
  readonly registry: string;
  /** Path below the registry; official images are under `library/`. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const DOCKER_HUB = "docker.io";
const HOST =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d+)?$/;
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
/** A host, a port, a path of 255 characters, a tag and a digest are shorter by far. */
const MAX_LENGTH = 1024;
const TAG = /^\w[\w.-]{0,127}$/;

/** Reads a reference; undefined when the text is none (upper-case repository, bad tag, bare 64-digit id). */
export function parseReference(text: string): Reference | undefined {
  // Some expressions below need a stack as deep as the text is long.
  if (text.length > MAX_LENGTH) return undefined;
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) return undefined;
  let name = at < 0 ? text : text.slice(0, at);
  if (/^[0-9a-f]{64}$/.test(name)) return undefined;
  const colon = name.lastIndexOf(":");
  let tag: string | undefined;
  if (colon > name.lastIndexOf("/")) {
    tag = name.slice(colon + 1);
    name = name.slice(0, colon);
    if (!TAG.test(tag)) return undefined;
  }
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const hasHost = /[.:]|^localhost$/.test(first) || first !== first.toLowerCase();
  const host = hasHost ? first : DOCKER_HUB;
  let repository = hasHost ? name.slice(slash + 1) : name;
  const port = Number(/:(\d+)$/.exec(host)?.[1] ?? 0);
  if (!HOST.test(host) || port > 65535 || !PATH.test(repository) || repository.length > 255) return undefined;
  const registry = host === "index.docker.io" ? DOCKER_HUB : host;
  if (registry === DOCKER_HUB && !repository.includes("/")) repository = `library/${repository}`;
  return { registry, repository, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

/**
 * True for an image's ID: in full, or its beginning behind `sha256:`, which has the form of a name with a tag, and no engine takes it
 * for one.
 */
export function isImageId(text: string): boolean {
  return /^(?:sha256:[0-9a-f]{1,64}|[0-9a-f]{64})$/.test(text);
}

/** The full spelling: `docker.io/library/app:latest`. A reference with neither tag nor digest means `latest`. */
export function formatReference(reference: Reference): string {
  const { registry, repository, tag, digest } = reference;
  const named = `${registry}/${repository}`;
  if (digest !== undefined) return `${named}${tag === undefined ? "" : `:${tag}`}@${digest}`;
  return `${named}:${tag ?? "latest"}`;
}

/** The short spelling that Docker prints: `app:latest`. */
export function familiarReference(reference: Reference): string {
  return formatReference(reference).replace(/^docker\.io\/(library\/)?/, "");
}

/** What to write instead of a text that is no reference: one sentence. */
export function referenceHint(text: string): string {
  const bare = text.trim().replace(/^[a-z][a-z0-9+.-]*:\/\//i, "");
  if (bare !== text && parseReference(bare)) return `Did you mean ${bare}?`;
  const colon = bare.lastIndexOf(":");
  const end = colon > bare.lastIndexOf("/") ? colon : bare.length;
  const lower = bare.slice(0, end).toLowerCase() + bare.slice(end);
  if (lower !== bare && parseReference(lower)) return `Names are in lower case: did you mean ${lower}?`;
  if (unreadDigest(text.slice(text.lastIndexOf("@") + 1)) !== undefined) return "Only sha256 digests are read.";
  return "A reference is [HOST[:PORT]/]PATH[:TAG][@sha256:DIGEST], in lower case.";
}
