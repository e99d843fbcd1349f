/** Tar archives whose bytes follow from their entries alone: sorted as given, owned by root, of one time, packed by zlib. */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { pack } from "tar-stream";

/**
 * A file or a folder: `{ path, bytes, mode }`, without `bytes` for a folder. Paths have no slash in front or behind. `date` is the
 * time of all of them, in seconds since 1970.
 */
export async function tarOf(entries, date = 0) {
  const archive = pack();
  for (const { path, bytes, mode } of entries) {
    const type = bytes === undefined ? "directory" : "file";
    const header = { name: path, type, mode, mtime: new Date(date * 1000), uid: 0, gid: 0, size: bytes?.length ?? 0 };
    archive.entry(header, bytes === undefined ? undefined : Buffer.from(bytes));
  }
  archive.finalize();
  const chunks = [];
  for await (const chunk of archive) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** gzip, without the byte that names the packing machine's system. Level 9 is what Debian asks for in documents. */
export async function gzipped(bytes, level = 6) {
  // In a thread of its own: a release packs several archives at once.
  const packed = await promisify(gzip)(bytes, { level });
  packed[9] = 0xff;
  return packed;
}
