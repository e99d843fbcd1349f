import { type Digest, isDigest, unreadDigest } from "./digest.ts";
import { InitwrapError } from "./errors.ts";
import { type JsonPath, rawAt, removeMember, replaceAt } from "./json-edit.ts";
import { requireOneSpelling } from "./one-spelling.ts";
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

const FIELDS = ["mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"];
const PLATFORM_FIELDS = ["os", "architecture", "variant"];

/**
 * A value as a descriptor; one without a media type has an empty one. `what` and `where` are for the message: which entry, of what.
 * Throws IMAGE_INVALID for what is none, and UNSUPPORTED_IMAGE for one with a digest that is not read here.
 */
export function readDescriptor(value: unknown, what: string, where: string): Descriptor {
  const digest = isRecord(value) ? value["digest"] : undefined;
  const unread = unreadDigest(digest);
  if (unread !== undefined) throw unreadError(`${what} has a ${unread} digest`, where);
  const problem = descriptorProblem(value);
  if (problem !== undefined) throw new InitwrapError("IMAGE_INVALID", `${what} ${problem}`, { where });
  const descriptor = value as Descriptor;
  requireOneSpelling(descriptor, FIELDS, what, where);
  if (descriptor.platform) requireOneSpelling(descriptor.platform, PLATFORM_FIELDS, what, where);
  return { ...descriptor, mediaType: descriptor.mediaType ?? "" };
}

/** The refusal of digests that are proper, of an algorithm that is not read here. */
export function unreadError(message: string, where: string): InitwrapError {
  return new InitwrapError("UNSUPPORTED_IMAGE", message, {
    where,
    hint: "Only sha256 digests are read and made: build or copy the image with those.",
  });
}

/**
 * What is wrong with a value that should be a descriptor; undefined when it is one. A size beyond what numbers hold exactly, or
 * an annotation that is no text, is read in two ways by two readers.
 */
function descriptorProblem(value: unknown): string | undefined {
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
