/** What is said of downloaded inits and of triggers. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../../../packages/cli/src/dockerfile/evaluate.ts";
import { findingsOf } from "../../../packages/cli/src/dockerfile/findings.ts";
import { parseText } from "../../../packages/cli/src/dockerfile/parse.ts";

const TINI = "https://github.com/krallin/tini/releases/download/v0.19.0";
const DUMB = "https://github.com/Yelp/dumb-init/releases/download/v1.2.5";

/** `CODE:line` of every finding about an init. */
function found(text: string): string[] {
  const dockerfile = parseText(`${text}\n`);
  const stage = evaluate(dockerfile).stages.at(-1)!;
  return findingsOf(dockerfile, stage)
    .filter(({ code }) => code.startsWith("INIT_") || code.startsWith("ONBUILD_"))
    .map(({ code, range }) => `${code}:${range?.line}`);
}

describe("a downloaded init", () => {
  it.each([
    [
      "ADD without a checksum, for amd64 by tini's habit",
      `ADD ${TINI}/tini /tini`,
      ["INIT_UNVERIFIED:2", "INIT_ONE_ARCHITECTURE:2"],
    ],
    [
      "ADD with a checksum",
      `ADD --checksum=sha256:${"0".repeat(64)} ${TINI}/tini-amd64 /tini`,
      ["INIT_ONE_ARCHITECTURE:2"],
    ],
    ["an architecture from the build", `ARG TARGETARCH\nADD ${TINI}/tini-\${TARGETARCH} /tini`, ["INIT_UNVERIFIED:3"]],
    [
      "a version in a variable, the architecture not",
      `RUN wget -O /i ${DUMB}/dumb-init_\${V}_x86_64`,
      ["INIT_UNVERIFIED:2", "INIT_ONE_ARCHITECTURE:2"],
    ],
    [
      "a checked RUN that asks the machine",
      `RUN curl -Lo /i "${DUMB}/dumb-init_1.2.5_$(uname -m)" && sha256sum -c x`,
      [],
    ],
    [
      "a file and its signature",
      `RUN curl -O ${TINI}/tini-arm64 -O ${TINI}/tini-arm64.asc && gpg --verify tini-arm64.asc`,
      ["INIT_ONE_ARCHITECTURE:2"],
    ],
    ["another program", "ADD https://example.com/tinierror /x", []],
    ["a repository's name", "RUN git clone https://github.com/krallin/tini.git", []],
    ["a package", "RUN apk add tini dumb-init", []],
  ])("%s", (_name, line, expected) => {
    expect(found(`FROM debian\n${line}`)).toEqual(expected);
  });

  it("is for the one platform that FROM fixes", () => {
    expect(found(`FROM --platform=linux/amd64 debian\nADD --checksum=sha256:1 ${TINI}/tini /tini`)).toEqual([]);
  });

  it("is seen in a heredoc and in an earlier stage", () => {
    expect(found(`FROM debian AS get\nRUN <<E\ncurl -O ${TINI}/tini-\${A}\nE\nFROM debian`)).toEqual([
      "INIT_UNVERIFIED:2",
    ]);
  });
});

describe("a trigger", () => {
  it("that sets the entrypoint is named, in the wrapped stage only", () => {
    expect(found('FROM debian\nONBUILD ENTRYPOINT ["x"]\nONBUILD CMD ["y"]')).toEqual(["ONBUILD_ENTRYPOINT:2"]);
    expect(found('FROM debian AS a\nONBUILD ENTRYPOINT ["x"]\nFROM debian')).toEqual([]);
  });
});
