/**
 * The style of hints, over the source: full sentences, with a capital letter in front and a full stop behind. A command, a flag or
 * a file's text that is to be copied may stand at the end, behind a colon and without a stop.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseAst } from "vitest/node";
import { ROOT } from "../support/programs.ts";

/** What takes a hint as its last argument. */
const TAKE_A_HINT = new Set(["details", "startUnknown", "LineError", "DockerfileError", "this.invalid"]);
/** What may stand before it: the message. */
const ARGUMENTS_BEFORE: Readonly<Record<string, number>> = { details: 0, DockerfileError: 3, "this.invalid": 2 };

/** What a sentence may begin with: a capital letter, a value, or something spelled in its own way. */
const BEGINS = /^(?:[A-Z]|\$\{|-|`|initwrap )/;
/** How it ends: as a sentence, or with what is to be copied behind a colon. */
const ENDS = /(?:[.?](?:\$\{\})?|: (?:-|'|"|\[|SHELL |docker |initwrap |\$\{).*)$/;

/** A node of the syntax tree as ESTree describes it; fields differ by type. */
interface Syntax {
  readonly type: string;
  readonly start: number;
  readonly [field: string]: unknown;
}

interface Hint {
  readonly place: string;
  readonly text: string;
}

function hints(): readonly Hint[] {
  const folders = ["packages/cli/src", "packages/buildkit-frontend/src"];
  const files = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => join(folder, name)),
  );
  return files.flatMap((file) => {
    const source = readFileSync(join(ROOT, file), "utf8");
    const program = parseAst(source, { lang: "ts" }) as unknown as Syntax;
    return expressions(program).flatMap((expression) =>
      texts(expression).map(({ start, text }) => ({
        place: `${file}:${source.slice(0, start).split("\n").length}`,
        text,
      })),
    );
  });
}

/** The expressions below `node` that make hints. */
function expressions(node: Syntax): readonly Syntax[] {
  return [...ownExpressions(node), ...children(node).flatMap(expressions)];
}

function ownExpressions(node: Syntax): readonly Syntax[] {
  const field = (name: string) => node[name] as Syntax;
  switch (node.type) {
    case "Property":
      return field("key")["name"] === "hint" ? [field("value")] : [];
    case "VariableDeclarator": {
      const name = String(field("id")["name"]);
      if (node["init"] === null) return [];
      if (/^(?:hint|[A-Z_]*HINT)$/.test(name)) return [field("init")];
      if (name === "HINTS") return children(field("init")).map((property) => property["value"] as Syntax);
      // A reason, and what to do about it.
      return name.endsWith("_FAILURES") ? children(field("init")).flatMap((row) => pair(row["value"] as Syntax)) : [];
    }
    case "FunctionDeclaration":
      // Functions that give the pair, or the hint, and nothing else.
      return field("id")["name"] === "explain"
        ? returned(node).flatMap(pair)
        : /[hH]int(?:For)?$/.test(String(field("id")["name"]))
          ? returned(node)
          : [];
    case "NewExpression":
    case "CallExpression": {
      const called = nameOf(field("callee"));
      const given = node["arguments"] as readonly Syntax[];
      const last = given.at(-1);
      return TAKE_A_HINT.has(called) && last !== undefined && given.length > (ARGUMENTS_BEFORE[called] ?? 1)
        ? [last]
        : [];
    }
    default:
      return [];
  }
}

/** The second of a pair, or of each that it can be. */
function pair(array: Syntax): readonly Syntax[] {
  if (array.type === "ConditionalExpression")
    return ["consequent", "alternate"].flatMap((one) => pair(array[one] as Syntax));
  return ((array["elements"] ?? []) as readonly Syntax[]).slice(1);
}

function returned(node: Syntax): readonly Syntax[] {
  const below = children(node).flatMap(returned);
  return node.type === "ReturnStatement" && node["argument"] !== null ? [node["argument"] as Syntax, ...below] : below;
}

function nameOf(callee: Syntax): string {
  if (callee.type === "Identifier") return callee["name"] as string;
  const { object, property } = callee as unknown as { object?: Syntax; property?: Syntax };
  return object?.type === "ThisExpression" ? `this.${property?.["name"]}` : "";
}

/** The texts that an expression can be; a value within a text stands there as `${}`. */
function texts(node: Syntax): readonly { readonly start: number; readonly text: string }[] {
  const { start } = node;
  switch (node.type) {
    case "Literal":
      return typeof node["value"] === "string" ? [{ start, text: node["value"] }] : [];
    case "TemplateLiteral": {
      const parts = node["quasis"] as readonly { readonly value: { readonly cooked: string } }[];
      return [{ start, text: parts.map(({ value }) => value.cooked).join("${}") }];
    }
    case "BinaryExpression": {
      const [left, right] = [texts(node["left"] as Syntax), texts(node["right"] as Syntax)];
      return left.flatMap((one) => right.map((other) => ({ start, text: one.text + other.text })));
    }
    case "ConditionalExpression":
      return [...texts(node["consequent"] as Syntax), ...texts(node["alternate"] as Syntax)];
    case "LogicalExpression":
      return [...texts(node["left"] as Syntax), ...texts(node["right"] as Syntax)];
    default:
      return [];
  }
}

function children(node: Syntax): readonly Syntax[] {
  return Object.values(node)
    .flat()
    .filter((one): one is Syntax => typeof (one as Syntax | null)?.type === "string");
}

describe("hints", () => {
  const found = hints();

  it("are found: those of errors, of findings, of tables and of what makes errors", () => {
    expect(found.length).toBeGreaterThan(250);
    const known = [
      "Add a FROM instruction.",
      "Indent with spaces.",
      "Sign the new digest.",
      "Start the engine again.",
      "Write to another file system.",
      "Wrap the Dockerfile where it is kept.",
      "initwrap generate is for programs.",
      "Names are in lower case: did you mean ${}?",
    ];
    expect(known.filter((one) => !found.some(({ text }) => text === one))).toEqual([]);
  });

  it("are full sentences, with what is to be copied at the end where there is something", () => {
    const wrong = found.filter(({ text }) =>
      text.split("\n").some((line) => line !== "" && (!BEGINS.test(line) || !ENDS.test(line))),
    );
    expect(wrong).toEqual([]);
  });
});
