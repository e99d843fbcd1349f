/** Every code that the program can print has its explanation. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DIAGNOSTICS } from "../../packages/cli/src/model/diagnostics.ts";
import { ERROR_EXIT, EXIT } from "../../packages/cli/src/model/errors.ts";
import { ROOT } from "../support/programs.ts";

const DOCS = join(ROOT, "docs");

describe("documentation", () => {
  it.each(Object.entries(ERROR_EXIT))("explains %s, with its exit code %i", async (code, exit) => {
    const text = await readFile(join(DOCS, "errors.md"), "utf8");
    expect(text).toContain(`\n### ${code}\n(${exit}) `);
  });

  it("explains every exit code", async () => {
    const text = await readFile(join(DOCS, "exit-codes.md"), "utf8");
    for (const exit of Object.values(EXIT)) expect(text).toContain(`\n| ${exit} |`);
  });

  it("has a page for every finding, and no page without one", async () => {
    const pages = (await readdir(join(DOCS, "diagnostics"))).map((name) => name.replace(/\.md$/, ""));
    expect(pages.filter((name) => name !== "README").sort()).toEqual(Object.keys(DIAGNOSTICS).sort());
  });

  it("links only to files that exist", async () => {
    const files = (await readdir(ROOT)).filter((name) => name.endsWith(".md")).map((name) => join(ROOT, name));
    for (const entry of await readdir(DOCS, { recursive: true }))
      if (entry.endsWith(".md")) files.push(join(DOCS, entry));
    const broken: string[] = [];
    for (const file of files) {
      for (const [, target] of (await readFile(file, "utf8")).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)) {
        await readFile(join(file, "..", target!)).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== "EISDIR") broken.push(`${file}: ${target}`);
        });
      }
    }
    expect(broken).toEqual([]);
  });
});
