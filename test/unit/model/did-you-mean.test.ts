import { describe, expect, it } from "vitest";
import { nearest } from "../../../packages/cli/src/model/did-you-mean.ts";

const COMMANDS = ["dockerfile", "generate", "image", "init-image", "inspect", "run"];

describe("the word that was meant", () => {
  it.each([
    ["dockerfil", "dockerfile"],
    ["Dockerfile", "dockerfile"],
    ["dokcerfiel", "dockerfile"],
    ["inspct", "inspect"],
    ["rnu", "run"],
    ["imgae", "image"],
    ["initimage", "init-image"],
    ["frobnicate", undefined],
    ["x", undefined],
    ["", undefined],
  ])("by %s is %s", (word, meant) => {
    expect(nearest(word, COMMANDS)).toBe(meant);
  });

  it("is none of two that are as near", () => {
    expect(nearest("cat", ["bat", "car"])).toBeUndefined();
  });
});
