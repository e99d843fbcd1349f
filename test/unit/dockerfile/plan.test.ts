/** How the rule is written into a Dockerfile: each edit, each way in for the init, each refusal. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../../../packages/cli/src/dockerfile/evaluate.ts";
import type { Injection } from "../../../packages/cli/src/dockerfile/injection.ts";
import { parseText } from "../../../packages/cli/src/dockerfile/parse.ts";
import type { PlanRequest } from "../../../packages/cli/src/dockerfile/plan.ts";
import { decode, encode } from "../../../packages/cli/src/dockerfile/text.ts";
import { undoText } from "../../../packages/cli/src/dockerfile/undo.ts";
import { AMD64, ARM64, BYTES, IMAGE, INLINE, planned, refusal, rewritten, sentinelBase } from "./support.ts";

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
  it("leaves a CMD untold that a trigger or the SHELL of an unknown base decides", () => {
    const base = () => undefined;
    const told = (text: string) => {
      const { before, after, targets } = planned(text, { base });
      return [before.cmd, after.cmd, targets.at(-1)?.unknown];
    };
    expect(told('FROM a\nENTRYPOINT ["e"]\n')).toEqual([null, null, ["cmd"]]);
    expect(told('FROM a\nCMD c\nENTRYPOINT ["e"]\n')).toEqual([null, null, ["cmd"]]);
    expect(told('FROM a\nENTRYPOINT ["e"]\nCMD ["c"]\n')).toEqual([["c"], ["c"], []]);
    expect(told('FROM a AS b\nENTRYPOINT ["x"]\nFROM b\nENTRYPOINT ["e"]\n')).toEqual([null, null, []]);
    // What is inherited would have to be written out.
    const child = 'FROM a AS b\nENTRYPOINT ["x"]\nFROM b\n';
    expect(refusal(child, { base })).toBe("BASE_UNKNOWN");
    expect(rewritten(child, { base: () => ({ onBuild: ['CMD ["t"]'] }) })).toContain('\nCMD ["t"]\n');
    const heir = planned('FROM a AS b\nENTRYPOINT ["x"]\nFROM b AS c\n', { base, allTargets: true });
    expect(heir.targets.map(({ after }) => after.entrypoint)).toEqual(Array(2).fill(["/initwrap", "--", "x"]));
  });
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
  it("inline has a stage for the levels of a CPU that are newer than the init's, once", () => {
    const arm = (variant: string) => ({ platform: { os: "linux", architecture: "arm", variant }, text: BYTES });
    const stages = (...variants: readonly string[]) => {
      const injection: Injection = { kind: "inline", inits: variants.map(arm) };
      const { instructions } = parseText(planned("FROM a\n", { injection }).result);
      return instructions.filter(({ keyword }) => keyword === "FROM").map(({ argument }) => argument.split(" AS ")[1]);
    };
    expect(stages("v6", "v7")).toEqual(["initwrap-armv6", "initwrap-armv7", "initwrap-armv8", "initwrap", undefined]);
    expect(stages("v7", "v8")).toEqual(["initwrap-armv7", "initwrap-armv8", "initwrap", undefined]);
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
    ["MUST_BE_PID1", 'FROM a\nENTRYPOINT ["/init"]\n', { force: true }],
    ["MUST_BE_PID1", 'FROM a\nENTRYPOINT ["/e.sh"]\nCMD ["supervisord", "-n"]\n', {}],
    ["NOT_LINUX", "FROM a\n", { base: () => ({ os: "windows" }) }],
    ["NOT_LINUX", "FROM --platform=windows/amd64 a\n", { base: () => undefined }],
    ["NOT_LINUX", 'FROM mcr.microsoft.com/windows/nanoserver\nENTRYPOINT ["x"]\n', { base: () => undefined }],
    ["SYNTAX_TOO_OLD", "# syntax=docker/dockerfile:1.3\nFROM a\n", { injection: INLINE }],
    ["FRONTEND_UNKNOWN", "# syntax=example.com/x\nFROM a\n", {}],
    ["STAGE_NOT_FOUND", "FROM a AS x\n", { target: "y" }],
    ["NO_INIT_FOR_PLATFORM", "FROM --platform=linux/s390x a\n", { injection: INLINE }],
    ["UNSAFE_EDIT", "ARG P=linux/amd64\nFROM --platform=$P a\n", { injection: INLINE }],
    ["UNSAFE_EDIT", '# escape=`\nFROM a\nCMD ["x"]\r`\n', {}],
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
    expect(plan.target).toMatchObject({ index: 0, name: "one", line: 1 });
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
    expect(undoText(plan.result)).toMatchObject({ kind: "undone", text: plan.source });
  });
});

describe("findings", () => {
  it.each([
    ["CMD ['c']", "JSON_FORM_MALFORMED"],
    ['CMD ["-x"]', "CMD_LIKE_FLAG"],
    ["CMD", "COMMAND_EMPTY"],
    ["ENTRYPOINT", "COMMAND_EMPTY"],
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

  it.each([
    [["/docker-entrypoint.sh"], ["SHELL_FORM_NO_EXEC"]],
    [["docker-php-entrypoint"], ["SHELL_FORM_NO_EXEC"]],
    [["/app"], []],
    [["/docker-entrypoint.sh", "serve"], []],
  ])("a CMD in shell form behind the base's %j: %j", (entrypoint, codes) => {
    const { diagnostics } = planned("FROM a\nCMD c\n", { base: () => ({ entrypoint }) });
    expect(diagnostics.map(({ code }) => code).filter((code) => code.startsWith("SHELL"))).toEqual(codes);
  });
});

describe("another init in front", () => {
  const replaceInit = true;
  const TINI = 'FROM a\nENTRYPOINT ["/sbin/tini", "-g",  "--", "app"]\nCMD ["c"]\n';

  it("is replaced when asked for, and undo brings it back to the byte", () => {
    const plan = planned(TINI, { replaceInit });
    expect(plan.result).toBe(
      `FROM a\nENTRYPOINT ["/initwrap", "-g", "--", "app"]\nCMD ["c"]\n# initwrap begin\n# initwrap was entrypoint "[\\"/sbin/tini\\", \\"-g\\",  \\"--\\", \\"app\\"]"\n# initwrap was init "tini as -g"\n${BLOCK}\n# initwrap end\n`,
    );
    expect(plan.after).toEqual({ entrypoint: ["/initwrap", "-g", "--", "app"], cmd: ["c"] });
    expect(undoText(plan.result)).toMatchObject({ kind: "undone", text: TINI, replaced: [["-g"]] });
  });
  it("is replaced once: a later plan is not told to, and changes nothing", () => {
    const { result } = planned(TINI, { replaceInit });
    expect(planned(decode(result)).kind).toBe("unchanged");
    expect(planned(decode(result), { replaceInit }).kind).toBe("unchanged");
  });
  it("is seen and replaced in the base's entrypoint", () => {
    const base = () => ({ entrypoint: ["dumb-init", "-r", "15:2", "--", "be"], cmd: ["bc"] });
    const result = rewritten("FROM a\n", { replaceInit, base });
    expect(result).toBe(
      `FROM a\n# initwrap begin\n# initwrap was init "dumb-init as -g --rewrite=15:2"\n${BLOCK}\nENTRYPOINT ["/initwrap", "-g", "--rewrite=15:2", "--", "be"]\nCMD ["bc"]\n# initwrap end\n`,
    );
    expect(planned(result, { base }).kind).toBe("unchanged");
  });
  it("takes its variables from ENV, not from ARG", () => {
    const text = (line: string) => `FROM a\n${line}\nENTRYPOINT ["tini", "--", "app"]\n`;
    expect(rewritten(text("ENV TINI_KILL_PROCESS_GROUP=1"), { replaceInit })).toContain('["/initwrap", "-g", "--"');
    expect(rewritten(text("ARG TINI_KILL_PROCESS_GROUP=1"), { replaceInit })).toContain('["/initwrap", "--no-group"');
    const base = () => ({ env: ["TINI_KILL_PROCESS_GROUP="] });
    expect(rewritten(text("RUN x"), { replaceInit, base })).toContain('["/initwrap", "-g", "--"');
  });
  it("is left with a note behind a shell", () => {
    const plan = planned("FROM a\nENTRYPOINT exec tini -- app\n", { replaceInit, base: () => ({}) });
    expect([plan.kind, plan.diagnostics.map(({ code }) => code)]).toEqual(["unchanged", ["EXISTING_INIT"]]);
  });
  it("is refused when its options have no counterpart", () =>
    expect(refusal('FROM a\nENTRYPOINT ["tini", "-q", "--", "x"]\n', { replaceInit })).toBe("INIT_NOT_REPLACED"));
});

describe("all targets", () => {
  const all = { allTargets: true };
  const config = (result: string) => {
    const { stages } = evaluate(parseText(encode(result)), { base: sentinelBase });
    return new Map(stages.map(({ name, index, config }) => [name ?? `${index}`, config]));
  };
  const wrapped = (words: readonly string[]) => ["/initwrap", "--", ...words];
  const A = "BASE-ENTRYPOINT:docker.io/library/a:latest";
  const C = "BASE-CMD:docker.io/library/a:latest";

  it("a child without an ENTRYPOINT inherits its parent's, and is not edited", () => {
    const text = 'FROM a AS base\nFROM base AS dev\nCMD ["d"]\nFROM base AS prod\nRUN x\n';
    const plan = planned(text, all);
    const stages = config(decode(plan.result));
    for (const name of ["base", "dev", "prod"]) expect(stages.get(name)?.entrypoint).toEqual(wrapped([A]));
    expect(stages.get("dev")?.cmd).toEqual(["d"]);
    expect(stages.get("prod")?.cmd).toEqual([C]);
    expect(decode(plan.result).match(/# initwrap begin/g)).toHaveLength(1);
    expect(plan.targets.map(({ name, after }) => [name, after.cmd])).toEqual([
      ["base", [C]],
      ["dev", ["d"]],
      ["prod", [C]],
    ]);
    expect(plan.diagnostics.map(({ code }) => code)).not.toContain("STAGE_IS_PARENT");
  });
  it("a child with an ENTRYPOINT of its own gets one init, not two", () => {
    const text = 'FROM a AS base\nENTRYPOINT ["b"]\nFROM base AS prod\nENTRYPOINT ["p"]\n';
    const stages = config(rewritten(text, all));
    expect(stages.get("base")?.entrypoint).toEqual(wrapped(["b"]));
    expect(stages.get("prod")?.entrypoint).toEqual(wrapped(["p"]));
  });
  it("stages without a name or a command are left, and the last is not", () => {
    const text =
      'FROM scratch AS files\nCOPY . /\nFROM a\nRUN x\nFROM a AS one\nFROM files AS app\nCMD ["x"]\nFROM scratch\n';
    const result = rewritten(text, all);
    const stages = config(result);
    expect(stages.get("files")?.entrypoint).toBe(null);
    expect(stages.get("1")?.entrypoint).toEqual([A]);
    expect(stages.get("one")?.entrypoint).toEqual(wrapped([A]));
    expect(stages.get("app")?.entrypoint).toEqual(["/initwrap", "--"]);
    expect(stages.get("4")?.entrypoint).toEqual(["/initwrap", "--"]);
  });
  it("a stage of a name that is given again is no target", () => {
    const plan = planned("FROM a AS x\nFROM x AS y\nFROM a AS x\n", all);
    expect(plan.targets.map(({ index }) => index)).toEqual([1, 2]);
  });
  it("the init is carried once, in front of the first, whatever platform each stage is for", () => {
    const text = "FROM --platform=$BUILDPLATFORM a AS tool\nFROM a AS app\nFROM --platform=linux/arm64 a AS arm\n";
    const plan = planned(text, { ...all, injection: INLINE });
    const froms = parseText(plan.result).instructions.filter(({ keyword }) => keyword === "FROM");
    expect(froms.map(({ words }) => words.join(" "))).toEqual([
      "scratch AS initwrap-amd64",
      "scratch AS initwrap-arm64",
      "initwrap-amd64 AS initwrap-amd64v2",
      "initwrap-amd64 AS initwrap-amd64v3",
      "initwrap-amd64 AS initwrap-amd64v4",
      "initwrap-${BUILDARCH}${BUILDVARIANT} AS initwrap-build",
      "initwrap-${TARGETARCH}${TARGETVARIANT} AS initwrap",
      "a AS tool",
      "a AS app",
      "a AS arm",
    ]);
    expect(decode(plan.result).match(/^COPY --from=\S+/gm)).toEqual([
      "COPY --from=initwrap-build",
      "COPY --from=initwrap",
      "COPY --from=initwrap-arm64",
    ]);
  });
  it("twice is once, and undo gives every byte back", () => {
    const text = "FROM a AS x\r\n  ENTRYPOINT e\r\nFROM x AS y\nENTRYPOINT [ 'f' ]\nFROM a \\\n";
    const plan = planned(text, { ...all, base: () => ({ entrypoint: ["be"] }) });
    expect(plan.kind).toBe("changed");
    const again = planned(decode(plan.result), { ...all, base: () => ({ entrypoint: ["be"] }) });
    expect(again.kind).toBe("unchanged");
    expect(undoText(plan.result)).toMatchObject({ kind: "undone", text });
  });
  it("a replaced init's options are each stage's own", () => {
    const text = 'FROM a AS x\nENTRYPOINT ["tini", "--", "e"]\nFROM x AS y\nENV TINI_KILL_PROCESS_GROUP=1\n';
    const stages = config(rewritten(text, { ...all, replaceInit: true }));
    expect(stages.get("x")?.entrypoint).toEqual(["/initwrap", "--no-group", "--", "e"]);
    expect(stages.get("y")?.entrypoint).toEqual(["/initwrap", "-g", "--", "e"]);
  });
  it("supervisord gets the init when forced, and keeps it", () => {
    const text = 'FROM a\nENTRYPOINT ["/usr/bin/supervisord", "-n"]\n';
    const forced = rewritten(text, { force: true });
    expect(config(forced).get("0")?.entrypoint).toEqual(["/initwrap", "--", "/usr/bin/supervisord", "-n"]);
    expect(planned(forced, {}).kind).toBe("unchanged");
  });
  it("what stands against one stage stands against the file, and names the stage", () => {
    const text = 'FROM a AS x\nENTRYPOINT ["/init"]\nFROM a\n';
    expect(refusal(text, all)).toBe("MUST_BE_PID1");
    expect(() => planned(text, all)).toThrow("stage x: s6-overlay has to be PID 1");
    expect(() => planned('FROM a AS x\nFROM b\nENTRYPOINT ["b"]\n', { ...all, base: () => undefined })).toThrow(
      "stage x: the ENTRYPOINT of a is not known",
    );
  });
});
