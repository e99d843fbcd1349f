/** Tar archives whose bytes follow from their entries alone: sorted as given, owned by root, of one time, packed by zlib. */
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";

/** A file or a folder: `{ path, bytes, mode }`, without `bytes` for a folder. Paths have no slash in front or behind. */
export async function tarOf(entries) {
  const archive = pack();
  for (const { path, bytes, mode } of entries) {
    const type = bytes === undefined ? "directory" : "file";
    const header = { name: path, type, mode, mtime: new Date(0), uid: 0, gid: 0, size: bytes?.length ?? 0 };
    archive.entry(header, bytes === undefined ? undefined : Buffer.from(bytes));
  }
  archive.finalize();
  const chunks = [];
  for await (const chunk of archive) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** gzip, without the byte that names the packing machine's system. */
export function gzipped(bytes) {
  const packed = gzipSync(bytes, { level: 6 });
  packed[9] = 0xff;
  return packed;
}
