import { describe, expect, it } from "vitest";
import { formatPlatform, parsePlatform, samePlatform } from "../../../packages/cli/src/model/platform.ts";

describe("parsePlatform", () => {
  it.each([
    ["linux/amd64", "linux/amd64"],
    ["amd64", "linux/amd64"],
    ["x86_64", "linux/amd64"],
    ["linux/aarch64", "linux/arm64"],
    ["linux/arm64/v8", "linux/arm64"],
    ["linux/arm/v7", "linux/arm/v7"],
    ["linux/arm/7", "linux/arm/v7"],
    ["linux/arm/v8", "linux/arm/v8"],
    ["armhf", "linux/arm/v7"],
    ["linux/amd64/v3", "linux/amd64/v3"],
    ["Windows/AMD64", "windows/amd64"],
  ])("%s is %s", (text, canonical) => {
    const platform = parsePlatform(text);
    expect(platform && formatPlatform(platform)).toBe(canonical);
  });

  it.each(["", "linux/", "linux/amd64/v1/x", "linux amd64", "$TARGETPLATFORM"])("%j is none", (text) => {
    expect(parsePlatform(text)).toBeUndefined();
  });
});

describe("samePlatform", () => {
  it("takes arm without a variant for v7, as engines do", () => {
    expect(
      samePlatform({ os: "linux", architecture: "arm" }, { os: "linux", architecture: "arm", variant: "v7" }),
    ).toBe(true);
    expect(
      samePlatform({ os: "linux", architecture: "arm", variant: "v6" }, { os: "linux", architecture: "arm" }),
    ).toBe(false);
    expect(
      samePlatform({ os: "linux", architecture: "arm64", variant: "v8" }, { os: "linux", architecture: "arm64" }),
    ).toBe(true);
  });
});
