/** The grammar, row by row. */
import { describe, expect, it } from "vitest";
import { parseText } from "../../../packages/cli/src/dockerfile/parse.ts";
import { frontendOf, hasSyntax } from "../../../packages/cli/src/dockerfile/syntax-version.ts";
import { encode, toBytes, toText } from "../../../packages/cli/src/dockerfile/text.ts";

const parse = (text: string) => parseText(encode(text));
const last = (text: string) => parse(`FROM a\n${text}`).instructions.at(-1)!;
const shape = (text: string) =>
  parse(text).instructions.map(({ keyword, range }) => `${keyword} ${range.line}-${range.endLine}`);
const fault = (text: string) => {
  try {
    parse(text);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
};

describe("directives", () => {
  it("are read in any case, in the first lines only", () => {
    const { directives, escape: char } = parse("# SynTax = docker/dockerfile:1\n#escape=`\n# check=skip=all\nFROM a\n");
    expect(directives.map(({ name, value }) => [name, value])).toEqual([
      ["syntax", "docker/dockerfile:1"],
      ["escape", "`"],
      ["check", "skip=all"],
    ]);
    expect(char).toBe("`");
  });
  it.each([
    "# hi\n# escape=`\nFROM a\n",
    "# x=y\n# escape=`\nFROM a\n",
    "\n# escape=`\nFROM a\n",
    "FROM a\n# escape=`\n",
  ])("are ended by any other line: %j", (text) => expect(parse(text).directives).toEqual([]));
  it("may not come twice", () =>
    expect(fault("# escape=`\n# escape=`\nFROM a\n")).toBe("only one escape parser directive can be used"));
  it("know two escapes", () =>
    expect(fault("# escape=x\nFROM a\n")).toBe("invalid escape token 'x' does not match ` or \\"));
  it.each([
    ["FROM a\n", "built-in", 99, true],
    ["# syntax=docker/dockerfile:1\nFROM a\n", "official", 99, true],
    ["# syntax=docker/dockerfile:1.3\nFROM a\n", "official", 4, false],
    ["# syntax=docker/dockerfile:1.10-labs\nFROM a\n", "official", 9, true],
    ["# syntax=docker.io/docker/dockerfile-upstream:master\nFROM a\n", "official", 9, true],
    ["# syntax=docker/dockerfile:experimental\nFROM a\n", "official", 4, false],
    [`# syntax=docker/dockerfile:1.4@sha256:${"0".repeat(64)}\nFROM a\n`, "official", 4, true],
    ["# syntax=example.com/x:1\nFROM a\n", "custom", 4, true],
  ])("tell the frontend: %j", (text, kind, minor, has) => {
    const frontend = frontendOf(parse(text));
    expect(frontend.kind).toBe(kind);
    expect(hasSyntax(frontend, minor)).toBe(has);
  });
});

describe("lines", () => {
  it("lose a byte order mark and carriage returns", () => {
    expect(shape("\ufeffFROM a\r\nCMD b\r\n")).toEqual(["FROM 1-1", "CMD 2-2"]);
    expect(last("CMD b\r\r\n").argument).toBe("b");
  });
  it("are split at line feeds only", () => expect(last("CMD a\rb\n").argument).toBe("a\rb"));
  it("have at most 65,535 bytes", () => {
    expect(fault(`FROM a\nRUN ${"x".repeat(65_530)}\n`)).toBe(undefined);
    expect(fault(`FROM a\nRUN ${"x".repeat(65_531)}\n`)).toBe(
      "dockerfile line greater than maximum allowed size of 65535",
    );
  });
  it("keep every byte", () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    expect(toBytes(toText(bytes))).toEqual(Buffer.from(bytes));
  });
});

describe("continuation", () => {
  it("takes blanks behind the escape", () => expect(last("CMD a \\ \t\n b\n").argument).toBe("a  b"));
  it("is none after a doubled escape", () => expect(shape("FROM a\nCMD e \\\\\nCMD x\n")).toHaveLength(3));
  it("drops comments, even those that end in an escape", () =>
    expect(last("CMD a \\\n# c \\\n  # d\nb\n").argument).toBe("a b"));
  it("skips blank lines, and says so", () => {
    const dockerfile = parse("FROM a\nCMD a \\\n\n b\n");
    expect(dockerfile.instructions.at(-1)?.argument).toBe("a  b");
    expect(dockerfile.blankContinuations).toEqual([{ line: 2, endLine: 4 }]);
  });
  it("may be open at the end of the file", () => {
    expect(last("CMD a \\").openEscape).toBe(13);
    expect(last("CMD a \\\n# c\n").range).toEqual({ line: 2, endLine: 3 });
    expect(last("CMD a\n").openEscape).toBe(undefined);
  });
  it("may split a keyword", () => expect(last("CM\\\nD a\n").keyword).toBe("CMD"));
});

describe("flags", () => {
  it("lead any instruction; -- ends them", () => {
    expect(fault("FROM a\nCMD --help\n")).toBe("dockerfile parse error on line 2: unknown flag: --help");
    expect(last("ENTRYPOINT -- e\n")).toMatchObject({ argument: "e", exec: false, flags: [] });
    expect(last('COPY --chown="a b" --link x /y\n').flags).toEqual(["--chown=a b", "--link"]);
  });
  it.each([
    ["COPY --form=a x y", "unknown flag: --form (did you mean from?)"],
    ["COPY --from x y", "missing a value on flag: --from"],
    ["COPY --from=a --from=b x y", "duplicate flag specified: --from"],
    ["COPY --link=maybe x y", "expecting boolean value for flag --link, not: maybe"],
    ["RUN --network=x y", 'invalid network mode "x"'],
  ])("are checked: %s", (text, message) =>
    expect(fault(`FROM a\n${text}\n`)).toBe(`dockerfile parse error on line 2: ${message}`),
  );
});

describe("the exec form", () => {
  it.each([
    ['["a","b"]', ["a", "b"]],
    ['[ "a" ,\t"b" ]', ["a", "b"]],
    ["[]", []],
    ['["\\u0065\\ud800"]', ["e\ufffd"]],
  ])("is a JSON array of strings: %s", (text, words) => {
    const instruction = last(`CMD ${text}\n`);
    expect(instruction.exec).toBe(true);
    expect(instruction.words.map((word) => Buffer.from(word, "latin1").toString())).toEqual(words);
  });
  it.each(["['a']", '["a",]', '["a"', '["a\tb"]', '["c:\\e"]', '["a",1e999]', '["a"] b', "null"])(
    "is silently the shell form otherwise: %s",
    (text) => expect(last(`CMD ${text}\n`)).toMatchObject({ exec: false, words: [text] }),
  );
  it.each(['["a",1]', '["a",null]', '["a",["b"]]', '["a",{}]'])("is an error with anything but strings: %s", (text) =>
    expect(fault(`FROM a\nCMD ${text}\n`)).toBe(
      "when using JSON array syntax, arrays must be comprised of strings only",
    ),
  );
  it("ignores junk behind it before syntax 1.9", () => {
    const junk = 'FROM a\nCMD ["a"] b\n';
    expect(parse(`# syntax=docker/dockerfile:1.8\n${junk}`).instructions.at(-1)?.exec).toBe(true);
    expect(parse(`# syntax=docker/dockerfile:1.9\n${junk}`).instructions.at(-1)?.exec).toBe(false);
    expect(parse(junk).instructions.at(-1)?.exec).toBe(false);
  });
  it("knows where its bracket is", () => {
    const text = 'FROM a\nENTRYPOINT \\\n  ["a"]\n';
    expect(text[parse(text).instructions[1]!.argumentStart]).toBe("[");
  });
});

describe("heredocs", () => {
  it("belong to RUN, COPY and ADD, under ONBUILD too", () => {
    expect(shape("FROM a\nRUN <<EOF\nCMD x\nEOF\nCMD y\n")).toEqual(["FROM 1-1", "RUN 2-4", "CMD 5-5"]);
    expect(shape("FROM a\nONBUILD COPY <<A /x\nb\nA\n")).toEqual(["FROM 1-1", "ONBUILD 2-4"]);
    expect(fault("FROM a\nENTRYPOINT <<EOF\ne\nEOF\n")).toBe(
      "dockerfile parse error on line 3: unknown instruction: e (did you mean env?)",
    );
  });
  it("keep carriage returns in the body, not in the terminator", () =>
    expect(last("RUN <<E\r\na\r\nE\r\n").heredocs).toEqual([{ name: "E", content: "a\r\n" }]));
  it("come several on a line, quoted, with tabs dropped", () =>
    expect(last("COPY <<-\"A\" <<'B' /x/\n\ta\n\tA\nb\nB\n").heredocs.map(({ name }) => name)).toEqual(["A", "B"]));
  it("take a space before the name", () => expect(last("RUN << E\na\nE\n").heredocs).toHaveLength(1));
  it.each([
    ["1.15", 0],
    ["1.16", 1],
    ["1", 1],
  ])("with a space are known from syntax 1.16 on: %s", (version, count) => {
    const text = `# syntax=docker/dockerfile:${version}\nFROM a\nRUN << E\nRUN b\n${count === 1 ? "E\n" : ""}`;
    expect(parse(text).instructions.flatMap(({ heredocs }) => heredocs)).toHaveLength(count);
  });
  it("are unknown before syntax 1.3", () =>
    expect(fault("# syntax=docker/dockerfile:1.2\nFROM a\nRUN <<E\necho\nE\n")).toContain("unknown instruction"));
  it.each(["RUN echo 'a <<E", "RUN a<<E", 'RUN ["a", "<<E"]', "RUN <<", "RUN cat <<<E"])("are none in %s", (text) =>
    expect(last(`${text}\n`).heredocs).toEqual([]),
  );
  it("end at the line that is the terminator, not at one that begins with it, and count their lines", () => {
    const body = "EE\nE2\n E\n\nE \nx E\n".repeat(50);
    expect(last(`RUN <<E\n${body}E\r\n`).heredocs).toEqual([{ name: "E", content: body }]);
    expect(last("RUN <<E\nE\n").heredocs).toEqual([{ name: "E", content: "" }]);
    expect(shape(`FROM a\nRUN <<E <<F\n${body}E\n${body}F\nCMD x\n`)).toEqual(["FROM 1-1", "RUN 2-604", "CMD 605-605"]);
  });
  it("have lines as long as any other", () => {
    const long = "x".repeat(65_536);
    expect(fault(`FROM a\nRUN <<E\na\n${long}\nE\n`)).toBe(
      "dockerfile line greater than maximum allowed size of 65535",
    );
    expect(() => parse(`FROM a\nRUN <<E\na\n${long}\nE\n`)).toThrow(expect.objectContaining({ line: 4 }));
  });
  it("must end", () => expect(fault("FROM a\nRUN <<E\na\n")).toBe("unterminated heredoc"));
});

describe("what BuildKit refuses", () => {
  it.each([
    ["", "file with no instructions"],
    ["# nothing\n", "file with no instructions"],
    ["ARG A\n", "dockerfile contains no stages to build"],
    ["RUN a\n", "no build stage in current context"],
    ["FROM a b\n", "dockerfile parse error on line 1: FROM requires either one or three arguments"],
    [
      "FROM a AS 1x\n",
      `dockerfile parse error on line 1: invalid name for build stage: "1x", name can't start with a number or contain symbols`,
    ],
    ["FROM a\nENV x\n", "ENV must have two arguments"],
    ["FROM a\nENV x=1 y\n", 'Syntax error - can\'t find = in "y". Must be of the form: name=value'],
    ["FROM a\nWRONG\n", "dockerfile parse error on line 2: unknown instruction: WRONG"],
    ["FROM a\nCPY a b\n", "dockerfile parse error on line 2: unknown instruction: CPY (did you mean COPY?)"],
    [
      "FROM a\nCOPY a\n",
      "dockerfile parse error on line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined",
    ],
    ["FROM a\nSHELL sh -c\n", "dockerfile parse error on line 2: SHELL requires the arguments to be in JSON form"],
    [
      "FROM a\nONBUILD ONBUILD RUN x\n",
      "dockerfile parse error on line 2: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
    ],
    ["FROM a\nHEALTHCHECK NO\n", 'dockerfile parse error on line 2: unknown type "NO" in HEALTHCHECK (try CMD)'],
    ["FROM a\nUSER\n", "dockerfile parse error on line 2: USER requires exactly one argument"],
  ])("%j", (text, message) => expect(fault(text)).toBe(message));
});
