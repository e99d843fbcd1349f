/**
 * The `index.json` of an OCI layout, in a folder or in an archive: which image a locator means, and its replacement.
 *
 * Sources: OCI image-spec, image-layout.md and annotations.md; containerd names images by `io.containerd.image.name`.
 */
import { type Descriptor, pointDescriptor, readDescriptor } from "../model/descriptor.ts";
import { digestOf } from "../model/digest.ts";
import { InitwrapError } from "../model/errors.ts";
import { decodeJson, editItems, nodeAt, parseJson, replaceAt } from "../model/json-edit.ts";
import { OCI_INDEX } from "../model/media-types.ts";
import { requireOneSpelling } from "../model/one-spelling.ts";
import { isRecord } from "../model/record.ts";
import { familiarReference, formatReference, parseReference } from "../model/reference.ts";

export const CONTAINERD_NAME = "io.containerd.image.name";
export const REF_NAME = "org.opencontainers.image.ref.name";

/** The image that was chosen from an index.json. */
export interface Chosen {
  readonly descriptor: Descriptor;
  readonly names: readonly string[];
  /** True when index.json itself is the image: several platforms side by side, without names. */
  readonly isWhole: boolean;
}

/** Chooses by tag, name or digest; without one there must be one image only. Throws LOCATOR_INVALID or IMAGE_NOT_FOUND. */
export function chooseFromIndex(bytes: Uint8Array, wanted: string | undefined, where: string): Chosen {
  const entries = listed(bytes, where);
  const matching = wanted === undefined ? entries : entries.filter((entry) => goesBy(entry, wanted));
  const digests = new Set(matching.map((entry) => entry.digest));
  const [first] = matching;
  if (!first) {
    throw new InitwrapError("IMAGE_NOT_FOUND", wanted === undefined ? "the index is empty" : `no image ${wanted}`, {
      where,
      ...(entries.length > 0 ? { hint: `It holds ${entries.map(label).join(", ")}.` } : {}),
    });
  }
  if (digests.size === 1) {
    const { mediaType, digest, size, platform } = first;
    return {
      descriptor: { mediaType, digest, size, ...(platform ? { platform } : {}) },
      names: [...new Set(matching.flatMap(namesOf))],
      isWhole: false,
    };
  }
  const named = matching.some((entry) => entry.annotations?.[REF_NAME] || entry.annotations?.[CONTAINERD_NAME]);
  if (wanted === undefined && !named && matching.every((entry) => entry.platform)) {
    return {
      descriptor: { mediaType: OCI_INDEX, digest: digestOf(bytes), size: bytes.length },
      names: [],
      isWhole: true,
    };
  }
  throw new InitwrapError("LOCATOR_INVALID", `it holds several images: ${matching.map(label).join(", ")}`, {
    where,
    hint: "Say which one, behind a colon: PATH:NAME.",
  });
}

/** The digests of what goes by a tag, name or digest. */
export function namedIn(bytes: Uint8Array, name: string): readonly string[] {
  return listed(bytes, "index.json").flatMap((entry) => (goesBy(entry, name) ? [entry.digest] : []));
}

/**
 * index.json with `before` replaced by `after`. Without names the entries keep theirs; with names they are written anew,
 * and a name that another entry had is taken from it.
 */
export function replaceInIndex(
  bytes: Uint8Array | undefined,
  before: string | undefined,
  after: Descriptor,
  names: readonly string[],
): Uint8Array {
  const added = (names.length > 0 ? names.map(annotationsOf) : [undefined]).map((annotations) => ({
    mediaType: after.mediaType,
    digest: after.digest,
    size: after.size,
    ...(annotations ? { annotations } : {}),
  }));
  if (!bytes) return encode({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: added });
  const text = decodeJson(bytes, "index.json");
  const entries = listed(bytes, "index.json");
  if (names.length === 0 && entries.some((entry) => entry.digest === before)) {
    return new TextEncoder().encode(
      editItems(text, ["manifests"], (entry, place) =>
        entries[place]!.digest === before ? pointDescriptor(entry, [], after) : entry,
      ),
    );
  }
  const taken = new Set(names);
  const array = nodeAt(parseJson(text), ["manifests"]);
  const kept =
    array?.kind === "array"
      ? array.items
          .filter((_, place) => {
            const entry = entries[place]!;
            const tag = entry.annotations?.[REF_NAME];
            const isTaken = namesOf(entry).some((name) => taken.has(name)) || (tag !== undefined && taken.has(tag));
            return entry.digest !== before && !isTaken;
          })
          .map((item) => text.slice(item.start, item.end))
      : [];
  const list = `[${[...kept, ...added.map((entry) => JSON.stringify(entry))].join(",")}]`;
  return new TextEncoder().encode(replaceAt(text, ["manifests"], list));
}

/** The full names of an entry. A bare tag in `ref.name` is no name: the repository is not known. */
function namesOf(entry: Descriptor): readonly string[] {
  const names: string[] = [];
  const full = entry.annotations?.[CONTAINERD_NAME];
  const short = entry.annotations?.[REF_NAME];
  for (const text of [full, short && /[/:]/.test(short) ? short : undefined]) {
    const reference = text === undefined ? undefined : parseReference(text);
    if (reference) names.push(formatReference(reference));
  }
  return names;
}

function goesBy(entry: Descriptor, wanted: string): boolean {
  const reference = parseReference(wanted);
  return (
    entry.annotations?.[REF_NAME] === wanted ||
    entry.digest === wanted ||
    (reference !== undefined && namesOf(entry).includes(formatReference(reference)))
  );
}

/**
 * Both names: containerd lists an image without the first one under an unusable name. A bare tag, as it stands behind the
 * colon of `oci:FOLDER:TAG`, has no repository, and is written as it is.
 */
function annotationsOf(name: string): Record<string, string> {
  const reference = /[/:]/.test(name) ? parseReference(name) : undefined;
  if (!reference) return { [REF_NAME]: name };
  return { [CONTAINERD_NAME]: formatReference(reference), [REF_NAME]: reference.tag ?? "latest" };
}

function label(entry: Descriptor): string {
  const [name] = namesOf(entry);
  const reference = name === undefined ? undefined : parseReference(name);
  return reference ? familiarReference(reference) : (entry.annotations?.[REF_NAME] ?? entry.digest);
}

function listed(bytes: Uint8Array, where: string): readonly Descriptor[] {
  const text = decodeJson(bytes, "index.json");
  parseJson(text, "index.json");
  const document: unknown = JSON.parse(text);
  const manifests = isRecord(document) ? document["manifests"] : undefined;
  if (isRecord(document)) requireOneSpelling(document, ["manifests"], "index.json", where);
  if (!Array.isArray(manifests)) throw new InitwrapError("IMAGE_INVALID", "index.json lists no manifests", { where });
  return manifests.map((entry: unknown, place) => readDescriptor(entry, `manifests[${place}] of index.json`, where));
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
