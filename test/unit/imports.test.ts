/** The house's walls: which folder may import which, and that the pure core reads no world. */
import { readdir, readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../support/programs.ts";

const SRC = join(ROOT, "packages/cli/src");

/** For each folder, the other folders it may import. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  model: [],
  dockerfile: ["model"],
  image: ["model"],
  generate: ["model"],
  store: ["model"],
  wrap: ["model", "dockerfile", "image", "generate", "store"],
  reference: [],
  settings: ["model", "reference"],
  terminal: ["model", "reference", "settings"],
  commands: ["model", "reference", "settings", "terminal", "wrap"],
};

const PURE = new Set(["model", "dockerfile", "image", "generate"]);
// Hashing is computation; everything else of Node's is the world.
const PURE_MODULES = new Set(["node:crypto"]);

interface Import {
  readonly file: string;
  readonly folder: string;
  readonly specifier: string;
}

async function imports(): Promise<Import[]> {
  const found: Import[] = [];
  for (const entry of await readdir(SRC, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
    const file = posix.relative(SRC, join(entry.parentPath, entry.name));
    const source = await readFile(join(SRC, file), "utf8");
    for (const match of source.matchAll(
      /^(?:import|export)\b[^;]*?\bfrom "([^"]+)"|^import "([^"]+)"|\bimport\("([^"]+)"\)/gm,
    )) {
      found.push({
        file,
        folder: file.includes("/") ? file.slice(0, file.indexOf("/")) : "",
        specifier: (match[1] ?? match[2] ?? match[3])!,
      });
    }
  }
  return found;
}

describe("imports", () => {
  it("point one way: commands -> terminal, wrap -> dockerfile, image, store -> model", async () => {
    const wrong = (await imports()).filter(({ file, folder, specifier }) => {
      if (folder === "" || !specifier.startsWith(".")) return false;
      const target = posix.join(posix.dirname(file), specifier).split("/")[0]!;
      return target !== folder && !MAY_IMPORT[folder]?.includes(target);
    });
    expect(wrong).toEqual([]);
  });

  it("let the BuildKit frontend share the rule and the words, and nothing that would make its bundle large", async () => {
    const folder = join(ROOT, "packages/buildkit-frontend/src");
    const outside = new Set<string>();
    for (const name of await readdir(folder)) {
      const source = await readFile(join(folder, name), "utf8");
      for (const [, specifier] of source.matchAll(/\bfrom "(\.\.\/[^"]+)"/g)) outside.add(specifier as string);
    }
    const shared =
      /^\.\.\/\.\.\/(?:cli\/src\/(?:model\/[\w-]+|terminal\/messages|wrap\/init-options)|init-core\/lib\/(?:init|errors|platform))\.ts$/;
    expect([...outside].filter((specifier) => !shared.test(specifier))).toEqual([]);
    expect(outside).toContain("../../cli/src/model/compose.ts");
  });

  it("leave the pure core without I/O, clock or environment", async () => {
    const wrong = (await imports()).filter(
      ({ folder, specifier }) => PURE.has(folder) && !specifier.startsWith(".") && !PURE_MODULES.has(specifier),
    );
    expect(wrong).toEqual([]);
    for (const folder of PURE) {
      for (const entry of await readdir(join(SRC, folder), { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const source = await readFile(join(entry.parentPath, entry.name), "utf8");
        expect(source, join(folder, entry.name)).not.toMatch(
          /\bprocess\.|\bDate\.now|new Date\(\)|\bfetch\(|\bconsole\./,
        );
      }
    }
  });
});
