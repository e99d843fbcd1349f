/** The addon's prebuilds are the files that were listed when they were built. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";

const PREBUILDS = join(import.meta.dirname, "../../packages/init-core/prebuilds");

it("every prebuild has the checksum that SHA256SUMS gives it, and no other file is there", async () => {
  const listed = (await readFile(join(PREBUILDS, "SHA256SUMS"), "utf8")).trim().split("\n");
  const found: string[] = [];
  for (const folder of await readdir(PREBUILDS, { withFileTypes: true })) {
    if (!folder.isDirectory()) continue;
    for (const name of await readdir(join(PREBUILDS, folder.name))) {
      const bytes = await readFile(join(PREBUILDS, folder.name, name));
      found.push(`${createHash("sha256").update(bytes).digest("hex")}  ${folder.name}/${name}`);
    }
  }
  expect(found.sort()).toEqual(listed.sort());
});
