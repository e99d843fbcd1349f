/** zstd, which Node.js has from 22.15 and 23.8 on. */
import type { Transform } from "node:stream";
import * as zlib from "node:zlib";
import { InitwrapError } from "../model/errors.ts";

/** Throws UNSUPPORTED_IMAGE where Node.js is too old. */
export function zstdDecompressor(options?: zlib.ZstdOptions): Transform {
  requireZstd(zlib.createZstdDecompress);
  return zlib.createZstdDecompress(options);
}

/** Throws UNSUPPORTED_IMAGE where Node.js is too old. */
export function zstdCompressor(options?: zlib.ZstdOptions): Transform {
  requireZstd(zlib.createZstdCompress);
  return zlib.createZstdCompress(options);
}

function requireZstd(method: unknown): void {
  if (typeof method === "function") return;
  throw new InitwrapError("UNSUPPORTED_IMAGE", `Node.js ${process.version} cannot read or write zstd`, {
    hint: "Run initwrap with Node.js 22.15 or later, or compress the image with gzip.",
  });
}
