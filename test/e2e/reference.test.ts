/** What is made of the commands' own descriptions: the reference pages. */
import { describe, expect, it } from "vitest";
import { outdated, renderedFiles } from "../../scripts/render-commands.mjs";

describe("docs/commands", () => {
  it("is what the commands say of themselves; else run node scripts/render-commands.mjs", async () => {
    const files = await renderedFiles();
    expect([...files.keys()]).toContain("docs/commands/verify.md");
    expect(outdated(files)).toEqual([]);
  });

  it("would not pass for another text, or with a page too many", async () => {
    const files = await renderedFiles();
    files.set("docs/commands/run.md", "another\n");
    files.delete("docs/commands/image.md");
    expect(outdated(files)).toEqual(["docs/commands/run.md", "docs/commands/image.md"]);
  });
});
