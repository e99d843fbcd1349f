/** What `scripts/version.mjs` writes into CHANGELOG.md and the documentation. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { renumbered, withRelease } from "../../../scripts/release/changelog.mjs";
import { ROOT } from "../../support/programs.ts";

const CLI = `# initwrap

## 0.2.0

### Minor Changes

- aaa: Two lines
  of text.
- bbb: In both.

### Patch Changes

- ccc: Small.
- Updated dependencies [bbb]
  - @initwrap/init-core@0.2.0

## 0.1.0

### Patch Changes

- old: Not again.
`;
const CORE =
  "# @initwrap/init-core\n\n## 0.2.0\n\n### Minor Changes\n\n- bbb: In both.\n\n### Patch Changes\n\n- ddd: Core.\n";
const RELEASE = `## 0.2.0

First.

### Minor Changes

- aaa: Two lines
  of text.
- bbb: In both.

### Patch Changes

- ccc: Small.
- ddd: Core.
`;

describe("the changelog", () => {
  it("has a release's entries once, in place of what was not released", () => {
    const before = "# Changelog\n\nAbout it.\n\n## Unreleased\n\nFirst.\n";
    expect(withRelease(before, "0.2.0", [CLI, CORE])).toBe(`# Changelog\n\nAbout it.\n\n${RELEASE}`);
  });

  it("has the newest release above the others, once", () => {
    const before = `# Changelog\n\n${RELEASE}`;
    const after = withRelease(before, "0.2.1", [
      "# initwrap\n\n## 0.2.1\n\n### Patch Changes\n\n- eee: Fix.\n\n## 0.2.0\n",
    ]);
    expect(after).toBe(`# Changelog\n\n## 0.2.1\n\n### Patch Changes\n\n- eee: Fix.\n\n${RELEASE}`);
    expect(withRelease(after, "0.2.1", [])).toBe(after);
  });
});

describe("the documentation", () => {
  it.each([
    ["npx initwrap@0.1.0 x", "npx initwrap@0.2.0 x"],
    ["initwrap-0.1.0-linux-amd64.tar.gz", "initwrap-0.2.0-linux-amd64.tar.gz"],
    ["initwrap_0.1.0_amd64.deb", "initwrap_0.2.0_amd64.deb"],
    ["example/tools/initwrap:0.1.0", "example/tools/initwrap:0.2.0"],
    ["initwrap-init-core-0.1.0.tgz", "initwrap-init-core-0.2.0.tgz"],
    ["tini 0.1.0, initwrap@0.1.01, initwrap@0.1.0.5, initwrap-0x1y0", undefined],
  ])("names the release in %j", (before, after = before) => {
    expect(renumbered(before, "0.1.0", "0.2.0")).toBe(after);
  });

  it("names this release and no other", async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, "packages/cli/package.json"), "utf8"));
    const pages = (await readdir(join(ROOT, "docs"), { recursive: true })).filter((name) => name.endsWith(".md"));
    const named = new Set<string>();
    for (const file of ["README.md", "packages/cli/README.md", ...pages.map((name) => join("docs", name))]) {
      const text = await readFile(join(ROOT, file), "utf8");
      for (const [, number] of text.matchAll(/\binitwrap(?:-init-core)?[@:_-](\d+\.\d+\.\d+)/g)) named.add(number!);
    }
    expect([...named]).toEqual([version]);
  });
});
