/** What the table of official tags says of a tag, and what it lets one guess of a tag it does not hold. */
import { describe, expect, it } from "vitest";
import { BASE_TABLE } from "../../packages/cli/src/wrap/base-table.data.ts";
import { guessBase, lookUpBase } from "../../packages/cli/src/wrap/base-table.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

describe("the table", () => {
  it("knows exact tags only, and none by digest", async () => {
    expect((await lookUpBase("node:22-alpine"))?.cmd).toEqual(["node"]);
    expect(await lookUpBase("node:999-alpine")).toBeUndefined();
    expect(await lookUpBase(`node:22-alpine@${DIGEST}`)).toBeUndefined();
  });

  it.each([
    ["alpine", ["/bin/sh"]],
    ["alpine:3.22", ["/bin/sh"]],
    ["debian:bookworm-slim", ["bash"]],
    ["debian:12", ["bash"]],
    ["ubuntu:24.04", ["/bin/bash"]],
    ["docker.io/library/ubuntu", ["/bin/bash"]],
    ["busybox", ["sh"]],
  ])("knows what %s runs", async (reference, cmd) => {
    expect(await lookUpBase(reference)).toEqual({ os: "linux", cmd });
  });

  it("holds no tag twice, and none whose command was another in its time", async () => {
    const tags = BASE_TABLE.split("\n").flatMap((line) => {
      const [image, , tags = ""] = line.split("\t");
      return tags.split(" ").map((tag) => `${image}:${tag}`);
    });
    expect(tags.filter((tag, index) => tags.indexOf(tag) !== index)).toEqual([]);
    expect(await lookUpBase("ubuntu:20.04")).toBeUndefined();
  });
});

describe("a guess", () => {
  it("is what the tags of the same variant run, and names one", async () => {
    const guess = await guessBase(`node:999.1-alpine3.99@${DIGEST}`);
    expect(guess?.config.entrypoint).toEqual(["docker-entrypoint.sh"]);
    expect(guess?.like).toMatch(/^node:[\d.]*-?alpine/);
  });
  it.each(["example.com/node:999", "someone/node:999", "no-such-official-image:1"])(
    "is not made for %s",
    async (name) => expect(await guessBase(name)).toBeUndefined(),
  );
});
