import { hash } from "node:crypto";

/** `sha256:` and 64 lower-case hex digits. Source: OCI image-spec, descriptor.md, "Digests". */
export type Digest = `sha256:${string}`;

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** True for a well-formed sha256 digest, the only algorithm that engines and registries use. */
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
