import { describe, expect, it } from "vitest";
import {
  familiarReference,
  formatReference,
  parseReference,
  referenceHint,
} from "../../../packages/cli/src/model/reference.ts";

const SHA = `sha256:${"a".repeat(64)}` as const;

describe("parseReference", () => {
  it.each([
    ["app", "docker.io/library/app:latest"],
    ["app:1", "docker.io/library/app:1"],
    ["team/app", "docker.io/team/app:latest"],
    ["docker.io/app", "docker.io/library/app:latest"],
    ["index.docker.io/library/app", "docker.io/library/app:latest"],
    ["localhost/app", "localhost/app:latest"],
    ["localhost:5000/app:1", "localhost:5000/app:1"],
    ["127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c:latest"],
    ["[::1]:5000/app", "[::1]:5000/app:latest"],
    ["ghcr.io/owner/app:v1.2-rc.1", "ghcr.io/owner/app:v1.2-rc.1"],
    [`app@${SHA}`, `docker.io/library/app@${SHA}`],
    [`app:1@${SHA}`, `docker.io/library/app:1@${SHA}`],
    ["Upper/app", "Upper/app:latest"],
    ["a__b/c-d.e", "docker.io/a__b/c-d.e:latest"],
  ])("%s is %s", (text, full) => {
    const reference = parseReference(text);
    expect(reference && formatReference(reference)).toBe(full);
  });

  it.each([
    "",
    "App",
    "app:",
    "app:bad tag",
    "app@sha256:short",
    "a//b",
    "-a",
    "a".repeat(256),
    "b".repeat(64).replace(/b/g, "f"),
    "host:5000/",
    "_x",
  ])("%j is none", (text) => expect(parseReference(text)).toBeUndefined());

  it("says of a digest of another algorithm that it is not read", () => {
    const name = `app@sha512:${"a".repeat(128)}`;
    expect([parseReference(name), referenceHint(name)]).toEqual([undefined, "Only sha256 digests are read."]);
    expect(referenceHint("app@sha512:a")).toContain("[@sha256:DIGEST]");
  });

  it("prints the short form that Docker prints", () => {
    expect(familiarReference(parseReference("docker.io/library/app:1")!)).toBe("app:1");
    expect(familiarReference(parseReference("team/app")!)).toBe("team/app:latest");
    expect(familiarReference(parseReference("localhost:5000/app")!)).toBe("localhost:5000/app:latest");
  });
});
