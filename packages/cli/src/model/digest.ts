import { hash } from "node:crypto";

/** `sha256:` and 64 lower-case hex digits. Source: OCI image-spec, descriptor.md, "Digests". */
export type Digest = `sha256:${string}`;

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/**
 * The algorithm of a well-formed digest that is registered and not read here: engines and registries give sha256 ones. Undefined
 * for any other value. Source: OCI image-spec, descriptor.md, "Registered algorithms".
 */
export function unreadDigest(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  return /^(?:(sha512):[0-9a-f]{128}|(blake3):[0-9a-f]{64})$/.exec(value)?.slice(1).find(Boolean);
}

/** True for a well-formed sha256 digest, the one algorithm that is read here. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === "string" && DIGEST.test(text);
}

/** The 64 hex digits of a digest: its file name in an OCI layout. */
export function digestHex(digest: Digest): string {
  return digest.slice("sha256:".length);
}

/** The digest of `bytes`. */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${hash("sha256", bytes, "hex")}`;
}
