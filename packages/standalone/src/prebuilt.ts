/** The native addon out of the program. The system's loader takes it only from a file, which is there for that moment. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Addon } from "../../init-core/lib/addon.ts";
import { packedFile } from "./packed-files.ts";

/** Throws what the asset, the file or the loader throws. */
export function prebuiltAddon(): Addon {
  const bytes = packedFile("addon.node");
  let failure: unknown;
  // /tmp is missing from small images, or mounted so that nothing in it can be executed.
  for (const place of [tmpdir(), "/dev/shm"]) {
    try {
      return fromFile(place, bytes);
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

function fromFile(place: string, bytes: Uint8Array): Addon {
  const folder = mkdtempSync(join(place, "initwrap-"));
  try {
    const file = join(folder, "addon.node");
    writeFileSync(file, bytes, { mode: 0o600 });
    const module = { exports: {} };
    process.dlopen(module, file);
    return module.exports as Addon;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
