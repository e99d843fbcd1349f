/** Which files a .dockerignore hides. */
import { describe, expect, it } from "vitest";
import { hiddenBy, parseIgnore } from "../../../packages/cli/src/dockerfile/ignore.ts";

const FILE = ".initwrap/linux-amd64/initwrap";
const hides = (text: string, path = FILE) => hiddenBy(parseIgnore(text), path);

describe("a .dockerignore", () => {
  it.each([
    ["*", 1],
    ["**", 1],
    [".*", 1],
    ["/.initwrap/", 1],
    ["./.initwrap", 1],
    ["**/initwrap", 1],
    ["**/linux-*", 1],
    ["*/*/initwrap", 1],
    [".initwrap/linux-amd6?", 1],
    ["x\n  .initwrap  \r\n", 2],
    [".initwra[p]", 1],
    [".initwra[^x]", 1],
    ["\\.initwrap", 1],
    ["a/../.initwrap", 1],
    ["*\n!x\n", 1],
    ["*\n!.initwrap\n*\n", 3],
  ])("hides the init: %j", (text, line) => expect(hides(text)).toBe(line));
  it.each([
    "",
    "# *",
    "initwrap",
    "*.md",
    "*/initwrap",
    "*\n!.initwrap",
    "*\n!/.initwrap/**",
    "**\n! .initwrap/",
    ".initwrap?",
    "[",
    ".initwra[z-a]",
    "node_modules\n!.initwrap",
  ])("does not hide it: %j", (text) => expect(hides(text)).toBe(undefined));
  it("has comments only at a line's first byte", () => expect(hides(" #x\n", "#x")).toBe(1));
});
