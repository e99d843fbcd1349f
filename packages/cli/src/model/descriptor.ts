import { type Digest, isDigest } from "./digest.ts";
import { type JsonPath, rawAt, removeMember, replaceAt } from "./json-edit.ts";
import type { Platform } from "./platform.ts";
import { isRecord } from "./record.ts";

/** Names content by type, digest and size in bytes. Source: OCI image-spec, descriptor.md. Unknown fields are carried. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly urls?: readonly string[];
  readonly [field: string]: unknown;
}

/**
 * What is wrong with a value that should be a descriptor; undefined when it is one. A size beyond what numbers hold exactly, or
 * an annotation that is no text, is read in two ways by two readers.
 */
export function descriptorProblem(value: unknown): string | undefined {
  const { digest, size, mediaType, annotations, platform } = (isRecord(value) ? value : {}) as Record<string, unknown>;
  if (!isDigest(digest) || !Number.isSafeInteger(size) || (size as number) < 0) {
    return "is no descriptor with a sha256 digest and a size";
  }
  if (mediaType !== undefined && typeof mediaType !== "string") return "has a media type that is no text";
  if (!isTextRecord(annotations)) return "has annotations that are no texts";
  if (platform !== undefined && platform !== null) {
    const { os, architecture, variant } = isRecord(platform) ? platform : { os: null };
    if (![os, architecture, variant].every((part) => part === undefined || typeof part === "string")) {
      return "has a platform that is none";
    }
  }
  return undefined;
}

/** True for an object whose values are texts, and for none. */
export function isTextRecord(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return isRecord(value) && Object.values(value).every((one) => typeof one === "string");
}

/**
 * The text with the descriptor at `path` pointing at other content. Where the descriptor embeds its content, in `data`, that is
 * exchanged too; without `content` it is left out, for readers take it instead of the blob.
 */
export function pointDescriptor(
  text: string,
  path: JsonPath,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  content?: Uint8Array,
): string {
  let result = replaceAt(text, [...path, "digest"], JSON.stringify(digest));
  result = replaceAt(result, [...path, "size"], String(size));
  const data = [...path, "data"];
  if (rawAt(result, data) === undefined) return result;
  if (content === undefined) return removeMember(result, data);
  return replaceAt(result, data, JSON.stringify(Buffer.from(content).toString("base64")));
}
