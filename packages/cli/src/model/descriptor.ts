import type { Digest } from "./digest.ts";
import type { Platform } from "./platform.ts";

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
