/**
 * What is attached to an image in its repository: signatures, attestations, SBOMs. All of it names the image's digest, and
 * says nothing of an image with another.
 *
 * Three places are asked, side by side: the referrers API, the tag that stands in for it where a registry has none, and the
 * tags that cosign makes of a digest. It is asked once each: a notice is not worth waiting for a registry to recover.
 *
 * Sources: OCI distribution-spec 1.1, "Listing Referrers" and "Referrers Tag Schema"; cosign, specs/SIGNATURE_SPEC.md.
 */
import { type Digest, digestHex, isDigest } from "../../model/digest.ts";
import { InitwrapError } from "../../model/errors.ts";
import { OCI_INDEX } from "../../model/media-types.ts";
import type { Attachment } from "../contract.ts";
import { COSIGN_TAGS } from "../cosign-tags.ts";
import { MAX_MANIFEST, type RegistryClient } from "./client.ts";
import { printable } from "./failures.ts";
import { Transient } from "./retry.ts";

/** A list beyond this is cut: it is for people to see that there is something. */
const MAX_ATTACHMENTS = 100;

/** Pages of a list that are read at most. */
const MAX_PAGES = 10;

/** From this image of a repository on its tags are listed. */
const ASKED_BEFORE_LIST = 3;

/** What is attached to `digest`; undefined when the registry does not say. */
export async function attachmentsTo(
  client: RegistryClient,
  digest: Digest,
): Promise<readonly Attachment[] | undefined> {
  const tag = `sha256-${digestHex(digest)}`;
  try {
    const tags = await knownTags(client);
    const isThere = (name: string): boolean => tags?.has(name) ?? true;
    const found = await Promise.all([
      referrers(client, digest, isThere(tag) ? tag : undefined),
      ...Object.entries(COSIGN_TAGS)
        .filter(([suffix]) => isThere(`${tag}.${suffix}`))
        .map(([suffix, kind]) => tagged(client, `${tag}.${suffix}`, kind)),
    ]);
    return found.flat().slice(0, MAX_ATTACHMENTS);
  } catch (error) {
    if (error instanceof Transient || error instanceof InitwrapError) return undefined;
    throw error;
  }
}

/** `tag` stands in for the API where the registry has none; undefined when there is no such tag. */
async function referrers(
  client: RegistryClient,
  digest: Digest,
  tag: string | undefined,
): Promise<readonly Attachment[]> {
  const { host } = client.endpoint;
  const { withoutReferrers } = client.session;
  if (!withoutReferrers.has(host)) {
    const listed = await allPages(client, `referrers/${digest}`);
    if (listed) return listed;
    // A registry that has the API answers with an empty list.
    withoutReferrers.add(host);
  }
  return (tag && (await index(client, `manifests/${tag}`, [200, 404])).entries) || [];
}

/** The entries of all pages, as far as they bring something; undefined where there is no API. */
async function allPages(client: RegistryClient, first: string): Promise<readonly Attachment[] | undefined> {
  const start = await client.url(first);
  let page = await index(client, first, [200, 400, 404, 405, 501]);
  if (!page.entries) return undefined;
  const found = new Map<string, Attachment>();
  for (let number = 1; page.entries; number++) {
    const before = found.size;
    for (const entry of page.entries) found.set(`${entry.digest} ${entry.kind}`, entry);
    const { next } = page;
    // Only at the registry: what is elsewhere is not ours to ask.
    const goesOn = next?.origin === start.origin && number < MAX_PAGES && found.size < MAX_ATTACHMENTS;
    // An empty page may stand before others, a full one that was there already leads in a circle.
    if (!goesOn || (page.entries.length > 0 && found.size === before)) break;
    page = await index(client, next, [200]);
  }
  return [...found.values()];
}

/**
 * All tags of the repository, where several images of it are worked on in one session and one answer holds them; undefined
 * where each tag has to be asked for. A list may be long and slow to make, so that it is asked for no sooner, and once.
 */
async function knownTags(client: RegistryClient): Promise<ReadonlySet<string> | undefined> {
  const { tagLists } = client.session;
  const key = `${client.endpoint.host}/${client.endpoint.repository}`;
  const known = tagLists.get(key) ?? { asked: 0 };
  tagLists.set(key, known);
  known.asked++;
  if (known.asked < ASKED_BEFORE_LIST) return undefined;
  known.tags ??= listTags(client).catch(() => undefined);
  return known.tags;
}

async function listTags(client: RegistryClient): Promise<ReadonlySet<string> | undefined> {
  return client.once({ method: "GET", target: "tags/list", actions: ["pull"], accept: [200] }, async (response) => {
    const bytes = await response.bytes(MAX_MANIFEST);
    // There are more on another page (distribution-spec, "Listing Tags").
    if (response.header("link") !== undefined) return undefined;
    const { tags } = JSON.parse(new TextDecoder().decode(bytes)) as { tags?: unknown };
    return Array.isArray(tags) ? new Set(tags.filter((tag) => typeof tag === "string")) : undefined;
  });
}

/** One index of a list. */
interface Page {
  /** Undefined when there is none. */
  readonly entries?: readonly Attachment[] | undefined;
  /** Where the registry says that the next page is. */
  readonly next?: URL | undefined;
}

function index(client: RegistryClient, target: string | URL, accept: readonly number[]): Promise<Page> {
  return client.once(
    { method: "GET", target, headers: { accept: OCI_INDEX }, actions: ["pull"], accept },
    async (response) => {
      const bytes = await response.bytes(MAX_MANIFEST);
      if (response.status !== 200) return {};
      // RFC 8288; distribution-spec, "Listing Referrers".
      const next = /<([^>]*)>\s*;[^<]*\brel="?next\b/i.exec(response.headerValues("link").join(", "))?.[1];
      const isPlace = next !== undefined && URL.canParse(next, response.url.href);
      return { entries: entriesOf(bytes), ...(isPlace ? { next: new URL(next, response.url) } : {}) };
    },
  );
}

/** Undefined for what is no index: a web server that answers everything with a page. */
function entriesOf(bytes: Uint8Array): readonly Attachment[] | undefined {
  let document: { manifests?: unknown } | null;
  try {
    document = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  if (!Array.isArray(document?.manifests)) return undefined;
  return document.manifests.flatMap((entry: { digest?: unknown; artifactType?: unknown } | null) => {
    const { digest, artifactType } = entry ?? {};
    if (!isDigest(digest)) return [];
    const kind = typeof artifactType === "string" && artifactType !== "" ? artifactType : "artifact";
    return [{ digest, kind: printable(kind) }];
  });
}

function tagged(client: RegistryClient, tag: string, kind: string): Promise<readonly Attachment[]> {
  return client.once(
    {
      method: "HEAD",
      target: `manifests/${tag}`,
      headers: { accept: "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json" },
      actions: ["pull"],
      accept: [200, 404],
    },
    async (response) => {
      await response.discard();
      const digest = response.header("docker-content-digest");
      return response.status === 200 && isDigest(digest) ? [{ digest, kind }] : [];
    },
  );
}
