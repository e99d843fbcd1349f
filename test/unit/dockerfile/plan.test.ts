/** How the rule is written into a Dockerfile: each edit, each way in for the init, each refusal. */
import { describe, expect, it } from "vitest";
import type { Injection } from "../../../packages/cli/src/dockerfile/injection.ts";
import { parseText } from "../../../packages/cli/src/dockerfile/parse.ts";
import type { PlanRequest } from "../../../packages/cli/src/dockerfile/plan.ts";
import { decode } from "../../../packages/cli/src/dockerfile/text.ts";
import { undoText } from "../../../packages/cli/src/dockerfile/undo.ts";
import { AMD64, ARM64, BYTES, IMAGE, INLINE, planned, refusal, rewritten } from "./support.ts";

const BLOCK = "COPY .initwrap/linux-amd64/initwrap /initwrap";
const BASE = '"BASE-ENTRYPOINT:docker.io/library/a:latest"';

describe("an ENTRYPOINT of the stage's own", () => {
  it.each([
    ['["e"]', '["/initwrap", "--", "e"]'],
    ['[ "e" , "f" ]', '[ "/initwrap", "--", "e" , "f" ]'],
    ["[]", '["/initwrap", "--"]'],
    ["[ ]", '[ "/initwrap", "--" ]'],
    ['[ \\\n  "e" \\\n]', '[ "/initwrap", "--", \\\n  "e" \\\n]'],
    ['[\\\n"e"]', '["/initwrap", "--", \\\n"e"]'],
  ])("in exec form gets elements in front: %j", (before, after) =>
    expect(rewritten(`FROM a\nENTRYPOINT ${before}\nCMD ["c"]\n`)).toBe(
      `FROM a\nENTRYPOINT ${after}\nCMD ["c"]\n# initwrap begin\n${BLOCK}\n# initwrap end\n`,
    ),
  );
  it("in shell form becomes the exec form it stands for, and is remembered", () =>
    expect(rewritten("FROM a\nENTRYPOINT exec e $X\n", { base: () => ({}) })).toBe(
      `FROM a\nENTRYPOINT ["/initwrap", "--", "/bin/sh", "-c", "exec e $X"]\n# initwrap begin\n# initwrap was entrypoint "exec e $X"\n${BLOCK}\n# initwrap end\n`,
    ));
  it("counts when it is the last", () => {
    const result = rewritten('FROM a\nENTRYPOINT ["x"]\nENTRYPOINT ["y"]\n');
    expect(result).toContain('ENTRYPOINT ["x"]\nENTRYPOINT ["/initwrap", "--", "y"]\n');
  });
  it("needs nothing of an unknown base", () =>
    expect(rewritten('FROM a\nENTRYPOINT ["e"]\n', { base: () => undefined })).toContain('"--", "e"]'));
  it("carries the init's options", () =>
    expect(rewritten('FROM a\nENTRYPOINT ["e"]\n', { init: { path: "/initwrap", options: ["-v"] } })).toContain(
      '["/initwrap", "-v", "--", "e"]',
    ));
});

describe("without an ENTRYPOINT of its own", () => {
  it("the stage gets the inherited one, and the CMD that it would lose", () =>
    expect(rewritten("FROM a\nENV X=1\n")).toBe(
      `FROM a\nENV X=1\n# initwrap begin\n${BLOCK}\nENTRYPOINT ["/initwrap", "--", ${BASE}]\nCMD ["BASE-CMD:docker.io/library/a:latest"]\n# initwrap end\n`,
    ));
  it("a CMD of the stage's own is not written twice", () =>
    expect(rewritten('FROM a\nCMD ["c"]\n').match(/CMD \[/g)).toHaveLength(1));
  it("a CMD that a trigger of the base set is not either", () => {
    const base = () => ({ entrypoint: ["be"], onBuild: ['CMD ["oc"]'] });
    expect(rewritten("FROM a\n", { base })).not.toContain("\nCMD");
  });
  it("no CMD at all is written as an empty one", () =>
    expect(rewritten("FROM a\n", { base: () => ({ entrypoint: ["be"] }) })).toContain('"be"]\nCMD []\n'));
  it("neither of both is a warning", () =>
    expect(planned("FROM scratch\nLABEL a=b\n").diagnostics.map(({ code }) => code)).toEqual(["NO_COMMAND"]));
});

describe("the neighbours", () => {
  it("give case and indentation", () =>
    expect(rewritten('from a\n  cmd ["c"]\n')).toBe(
      `from a\n  cmd ["c"]\n  # initwrap begin\n  ${BLOCK.replace("COPY", "copy")}\n  entrypoint ["/initwrap", "--", ${BASE}]\n  # initwrap end\n`,
    ));
  it("give the line ending", () => expect(rewritten("FROM a\r\nCMD c\r\n").replaceAll("\r\n", "")).not.toContain("\n"));
  it("may end without a line feed, and so does the result", () => {
    const result = rewritten('FROM a\nCMD ["c"]');
    expect(result).toMatch(/^FROM a\nCMD \["c"\]\n# initwrap begin\n[\s\S]*# initwrap end$/);
  });
  it("may end in an open continuation", () => {
    const result = rewritten("FROM a\nCMD c \\\n# last\n", { base: () => ({}) });
    expect(result).toContain('CMD c \n# last\n# initwrap begin\n# initwrap was escape "\\\\"\n');
    expect(parseText(result).instructions.map(({ keyword }) => keyword)).toEqual(["FROM", "CMD", "COPY", "ENTRYPOINT"]);
  });
  it("stay above: directives are the first lines still", () => {
    const result = rewritten("# syntax=docker/dockerfile:1\n# escape=`\n# head\nFROM a\n", { injection: INLINE });
    expect(result).toMatch(/^# syntax=docker\/dockerfile:1\n# escape=`\n# head\n# initwrap begin\nFROM scratch/);
  });
  it("keep the comment that describes the target", () => {
    const result = rewritten("FROM a AS b\nRUN x\n\n# release is shipped\nFROM a AS release\n", { injection: INLINE });
    expect(result).toContain("RUN x\n\n# initwrap begin\nFROM scratch");
    expect(result).toContain("# initwrap end\n# release is shipped\nFROM a AS release\n");
  });
});

describe("the init", () => {
  it("inline stands in stages in front of the target, byte for byte", () => {
    const { result } = planned("FROM a AS b\nFROM a\nCOPY --from=0 /x /x\n", { injection: INLINE });
    const { instructions } = parseText(result);
    expect(instructions.filter(({ keyword }) => keyword === "FROM").map(({ argument }) => argument)).toEqual([
      "a AS b",
      "scratch AS initwrap-amd64",
      "scratch AS initwrap-arm64",
      "initwrap-amd64 AS initwrap-amd64v2",
      "initwrap-amd64 AS initwrap-amd64v3",
      "initwrap-amd64 AS initwrap-amd64v4",
      "initwrap-${TARGETARCH}${TARGETVARIANT} AS initwrap",
      "a",
    ]);
    const bodies = instructions.flatMap(({ heredocs }) => heredocs.map(({ content }) => content));
    expect(bodies).toEqual([BYTES, `${BYTES}arm64\n`]);
  });
  it("inline for one platform is one stage", () => {
    const injection: Injection = { kind: "inline", inits: [{ platform: ARM64, text: BYTES }] };
    const result = rewritten("FROM a\n", { injection });
    expect(result).toContain("FROM scratch AS initwrap\n");
    expect(result).not.toContain("TARGETARCH");
  });
  it("inline picks a terminator that the bytes do not hold", () => {
    const text = `INITWRAP_END\n${BYTES}`;
    const { result } = planned("FROM a\n", { injection: { kind: "inline", inits: [{ platform: AMD64, text }] } });
    expect(parseText(result).instructions.flatMap(({ heredocs }) => heredocs)[0]?.content).toBe(text);
  });
  it.each([
    ["FROM --platform=$BUILDPLATFORM a\n", "initwrap-${BUILDARCH}${BUILDVARIANT} AS initwrap"],
    ["FROM --platform=$BUILDPLATFORM a AS p\nFROM p\n", "initwrap-${BUILDARCH}${BUILDVARIANT} AS initwrap"],
    ["FROM --platform=${TARGETPLATFORM:-linux/amd64} a\n", "initwrap-${TARGETARCH}${TARGETVARIANT} AS initwrap"],
  ])("follows the platform of the target stage: %j", (text, stage) =>
    expect(rewritten(text, { injection: INLINE })).toContain(stage),
  );
  it("for a constant platform is that platform's", () =>
    expect(rewritten("FROM --platform=linux/arm64 a\n", { injection: INLINE })).toContain("arm64\nINITWRAP_END\n"));
  it("takes a stage name that is free", () =>
    expect(rewritten("FROM a AS initwrap\nFROM a\n", { injection: INLINE })).toContain("COPY --from=initwrap2 "));
  it("from the context for several platforms is picked by ARG, without a new stage", () => {
    const result = rewritten("FROM a\n", { injection: { kind: "context", platforms: [AMD64, ARM64] } });
    expect(result).toContain(
      "ARG TARGETARCH\nARG TARGETVARIANT\nCOPY .initwrap/linux-${TARGETARCH}${TARGETVARIANT}/initwrap /initwrap\n",
    );
    expect(result.match(/^FROM/gm)).toHaveLength(1);
  });
  it("from an image is named by digest", () =>
    expect(rewritten("FROM a\n", { injection: IMAGE })).toContain("COPY --from=example.com/init@sha256:aaa"));
});

describe("refusals", () => {
  it.each([
    ["BASE_UNKNOWN", 'FROM a\nCMD ["c"]\n', { base: () => undefined }],
    ["BASE_UNKNOWN", "FROM a\nENTRYPOINT e\n", { base: () => undefined }],
    ["BASE_UNEXPANDED", "ARG B\nFROM $B\n", {}],
    ["BASE_UNEXPANDED", "FROM UPPER\n", {}],
    ["MUST_BE_PID1", 'FROM a\nENTRYPOINT ["/init"]\n', {}],
    ["MUST_BE_PID1", "FROM a\n", { base: () => ({ entrypoint: ["/init"] }) }],
    ["NOT_LINUX", "FROM a\n", { base: () => ({ os: "windows" }) }],
    ["NOT_LINUX", "FROM --platform=windows/amd64 a\n", { base: () => undefined }],
    ["NOT_LINUX", 'FROM mcr.microsoft.com/windows/nanoserver\nENTRYPOINT ["x"]\n', { base: () => undefined }],
    ["SYNTAX_TOO_OLD", "# syntax=docker/dockerfile:1.3\nFROM a\n", { injection: INLINE }],
    ["FRONTEND_UNKNOWN", "# syntax=example.com/x\nFROM a\n", {}],
    ["STAGE_NOT_FOUND", "FROM a AS x\n", { target: "y" }],
    ["NO_INIT_FOR_PLATFORM", "FROM --platform=linux/s390x a\n", { injection: INLINE }],
    ["UNSAFE_EDIT", "ARG P=linux/amd64\nFROM --platform=$P a\n", { injection: INLINE }],
    ["UNSAFE_EDIT", "ARG TARGETARCH\nFROM a\n", { injection: INLINE }],
    ["UNSAFE_EDIT", "FROM a AS x\nFROM b\nCOPY --from=0 /x /x\n", { injection: INLINE, target: "x" }],
    [
      "UNSAFE_EDIT",
      "FROM a AS x\nFROM b\nRUN --mount=type=bind,from=0,target=/x y\n",
      { injection: INLINE, target: "x" },
    ],
    ["UNSAFE_EDIT", "FROM --platform=$BUILDPLATFORM a\n", { injection: IMAGE }],
    ["UNSAFE_EDIT", "FROM a\n", { injection: { kind: "inline", inits: [{ platform: AMD64, text: "no line feed" }] } }],
    ["DockerfileError", 'FROM a\nENTRYPOINT ["a", 1]\n', {}],
  ] satisfies [string, string, Partial<PlanRequest>][])("%s: %j", (code, text, request) =>
    expect(refusal(text, request)).toBe(code),
  );
  it("can be overruled for a frontend", () =>
    expect(refusal("# syntax=example.com/x\nFROM a\n", { force: true })).toBe("none"));
});

describe("targets", () => {
  const text = 'FROM a AS One\nENTRYPOINT ["1"]\nFROM One AS two\nFROM one\nCMD ["x"]\n';
  it.each(["one", "ONE", "0"])("are named or counted: %s", (target) => {
    const plan = planned(text.replace("FROM One", "FROM one"), { target });
    expect(plan.target).toEqual({ index: 0, name: "one", line: 1 });
    expect(plan.diagnostics.map(({ code }) => code)).toContain("STAGE_IS_PARENT");
  });
});

describe("an init that is there already", () => {
  it("is left, with a note", () => {
    const plan = planned('FROM a\nENTRYPOINT ["tini", "--", "e"]\n');
    expect(plan.kind).toBe("unchanged");
    expect(plan.diagnostics.map(({ code }) => code)).toEqual(["EXISTING_INIT"]);
  });
  it("is seen through the base", () =>
    expect(planned("FROM a\n", { base: () => ({ entrypoint: ["/usr/bin/dumb-init"] }) }).kind).toBe("unchanged"));
  it("may be ours, put there by hand", () =>
    expect(planned('FROM a\nENTRYPOINT ["/initwrap", "--", "e"]\n').kind).toBe("unchanged"));
});

describe("undo and renewal", () => {
  it("a newer init replaces only its own lines", () => {
    const text = "FROM a\nENTRYPOINT e\n";
    const once = rewritten(text, { base: () => ({}), injection: IMAGE });
    const again = rewritten(once, { base: () => ({}), init: { path: "/initwrap", options: ["-v"] } });
    expect(again).toBe(rewritten(text, { base: () => ({}), init: { path: "/initwrap", options: ["-v"] } }));
  });
  it("lines that a person altered are not guessed at", () => {
    const wrapped = rewritten('FROM a\nENTRYPOINT ["e"]\n');
    expect(undoText(wrapped.replace('"/initwrap", ', '"/other", '))).toMatchObject({ kind: "altered", line: 2 });
    expect(undoText(wrapped.replace("# initwrap end\n", ""))).toMatchObject({ kind: "altered" });
  });
  it("finds no marker in a heredoc", () =>
    expect(undoText("FROM a\nRUN <<E\n# initwrap begin\n# initwrap end\nE\n")).toEqual({ kind: "nothing" }));
  it("gives back UTF-8", () => {
    const text = 'FROM a\nENTRYPOINT sagt "Grüße ☃"\n';
    const plan = planned(text, { base: () => ({}) });
    expect(decode(plan.result)).toContain('"sagt \\"Grüße ☃\\""');
    expect(undoText(plan.result)).toEqual({ kind: "undone", text: plan.source });
  });
});

describe("findings", () => {
  it.each([
    ["CMD ['c']", "JSON_FORM_MALFORMED"],
    ['CMD ["-x"]', "CMD_LIKE_FLAG"],
    ["CMD c", "SHELL_FORM_NO_EXEC"],
    ["STOPSIGNAL SIGKILL", "STOPSIGNAL_KILL"],
    ["CMD exec c \\\n\n x", "BLANK_CONTINUATION"],
  ])("%j is worth saying", (line, code) => {
    const { diagnostics } = planned(`FROM scratch\n${line}\n`);
    expect(diagnostics.filter((finding) => finding.code !== "NO_COMMAND").map((finding) => finding.code)).toEqual([
      code,
    ]);
    expect(diagnostics.find((finding) => finding.code === code)?.range?.line).toBe(2);
  });
});
