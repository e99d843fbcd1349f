/**
 * What is attached to an image in the `index.json` that it stands in: everything beside an image in a layout or an archive is
 * listed there, so nothing is left to be asked.
 *
 * Sources: OCI image-spec 1.1, manifest.md, `subject`; distribution-spec 1.1, "Referrers Tag Schema"; cosign,
 * specs/SIGNATURE_SPEC.md, and the annotation `kind` of what `cosign save` writes.
 */
import type { Descriptor } from "../model/descriptor.ts";
import { type Digest, digestHex, isDigest } from "../model/digest.ts";
import { isManifestType } from "../model/media-types.ts";
import type { Attachment } from "./contract.ts";
import { COSIGN_TAGS } from "./cosign-tags.ts";
import { REF_NAME } from "./oci-index.ts";

/** More entries are not looked into: a notice is not worth reading a whole store. */
const MAX_ENTRIES = 200;
const COSIGN_KINDS: Readonly<Record<string, string>> = {
  "dev.cosignproject.cosign/sigs": "cosign signature",
  "dev.cosignproject.cosign/atts": "cosign attestation",
  "dev.cosignproject.cosign/sboms": "cosign SBOM",
};

/** What refers to `digest` among the index's other entries. What cannot be read refers to nothing. */
export async function attachmentsInIndex(
  index: Uint8Array,
  digest: Digest,
  read: (descriptor: Descriptor) => Promise<Uint8Array>,
): Promise<readonly Attachment[]> {
  const { manifests = [] } = documentOf<{ manifests?: readonly Descriptor[] }>(index);
  const found: Attachment[] = [];
  for (const entry of manifests.slice(0, MAX_ENTRIES)) {
    if (!isDigest(entry?.digest) || entry.digest === digest) continue;
    const kind = kindByName(entry, digest) ?? (await kindBySubject(entry, digest, read));
    if (kind !== undefined) found.push({ digest: entry.digest, kind });
  }
  return found;
}

function kindByName({ annotations }: Descriptor, digest: Digest): string | undefined {
  const own = annotations?.["kind"];
  if (own !== undefined && Object.hasOwn(COSIGN_KINDS, own)) return COSIGN_KINDS[own];
  const name = annotations?.[REF_NAME] ?? "";
  const tag = name.slice(name.lastIndexOf(":") + 1);
  const prefix = `sha256-${digestHex(digest)}`;
  if (tag === prefix) return "referrers";
  const suffix = tag.startsWith(`${prefix}.`) ? tag.slice(prefix.length + 1) : "";
  return Object.hasOwn(COSIGN_TAGS, suffix) ? COSIGN_TAGS[suffix] : undefined;
}

async function kindBySubject(
  entry: Descriptor,
  digest: Digest,
  read: (descriptor: Descriptor) => Promise<Uint8Array>,
): Promise<string | undefined> {
  if (!isManifestType(entry.mediaType)) return undefined;
  const bytes = await read(entry).catch(() => undefined);
  if (bytes === undefined) return undefined;
  const { subject, artifactType, config } = documentOf<{
    subject?: { digest?: unknown };
    artifactType?: unknown;
    config?: { mediaType?: unknown };
  }>(bytes);
  if (subject?.digest !== digest) return undefined;
  return String(artifactType ?? config?.mediaType ?? "artifact");
}

function documentOf<T extends object>(bytes: Uint8Array): T {
  try {
    return (JSON.parse(new TextDecoder().decode(bytes)) ?? {}) as T;
  } catch {
    return {} as T;
  }
}
