/**
 * The image builds that a bake file describes, in HCL or JSON: one for each target.
 *
 * As `docker buildx bake` does it: a variable has the environment's value before its default, `inherits` takes the later
 * parent's value before the earlier's and the target's own before both, `args` are merged by name, and relative contexts count
 * from the working folder, not from the file. What is not followed (functions, `matrix`, references to other targets) is refused
 * where its value is needed.
 * Source: Docker's documentation, "Bake file reference".
 */
import { resolve } from "node:path";
import { isMap, isScalar, LineCounter, type Node, parseDocument } from "yaml";
import { InitwrapError } from "../model/errors.ts";
import { type BuildUnit, invalid, placeOf, unsupported, type Variables } from "./build-unit.ts";
import { readInput } from "./dockerfile-file.ts";
import { type Block, type Body, type Expression, HclError, parseHcl, parseTemplate } from "./hcl.ts";

const PRINTED = "docker buildx bake --print";

export interface BakeOptions {
  /** The file's path; one that ends in `.json` is JSON. */
  readonly path: string;
  /** Targets and groups to take; `default` unless given. */
  readonly targets?: readonly string[];
  readonly variables?: Variables;
  /** Where relative contexts count from. */
  readonly folder: string;
}

/** The builds of a bake file. Throws INPUT_NOT_FOUND, BUILD_FILE_INVALID, BUILD_FILE_UNSUPPORTED and BUILD_NOT_FOUND. */
export async function readBakeFile(
  path: string,
  targets: readonly string[],
  environment: Variables,
): Promise<readonly BuildUnit[]> {
  const text = new TextDecoder().decode(await readInput(path));
  return parseBake(text, { path, targets, variables: environment, folder: process.cwd() });
}

/** The builds that a bake file's text describes; those of a group in the group's order, none twice. */
export function parseBake(text: string, options: BakeOptions): readonly BuildUnit[] {
  const body = options.path.endsWith(".json") ? jsonBody(text, options.path) : hclBody(text, options.path);
  return new BakeReader(body, options).units();
}

function hclBody(text: string, path: string): Body {
  try {
    return parseHcl(text);
  } catch (error) {
    if (error instanceof HclError) throw invalid(path, error.line, error.message, error);
    throw error;
  }
}

/** JSON has the same blocks, as maps by their label. YAML's parser reads JSON and knows the lines. */
function jsonBody(text: string, path: string): Body {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, schema: "json", logLevel: "silent" });
  try {
    JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (error) {
    throw invalid(path, document.errors[0]?.linePos?.[0].line ?? 1, `not JSON: ${(error as Error).message}`, error);
  }
  const lineAt = (node: unknown) => lines.linePos((node as Node | null)?.range?.[0] ?? 0).line;
  const attributes = new Map<string, Expression>();
  const blocks: Block[] = [];
  if (!isMap(document.contents)) throw invalid(path, 1, "a bake file is a mapping");
  for (const { key, value } of document.contents.items) {
    const type = String(isScalar(key) ? key.value : key);
    if (type === "function") continue;
    if (!["target", "group", "variable"].includes(type)) {
      attributes.set(type, jsonExpression(value as Node, lineAt, path));
      continue;
    }
    if (!isMap(value)) throw invalid(path, lineAt(key), `${type} is not a mapping`);
    for (const entry of value.items) {
      const label = String(isScalar(entry.key) ? entry.key.value : entry.key);
      if (!isMap(entry.value)) throw invalid(path, lineAt(entry.key), `${type} ${label} is not a mapping`);
      const own = new Map<string, Expression>();
      for (const pair of entry.value.items) {
        own.set(
          String(isScalar(pair.key) ? pair.key.value : pair.key),
          jsonExpression(pair.value as Node, lineAt, path),
        );
      }
      blocks.push({ type, labels: [label], body: { attributes: own, blocks: [] }, line: lineAt(entry.key) });
    }
  }
  return { attributes, blocks };
}

function jsonExpression(node: Node, lineAt: (node: unknown) => number, path: string): Expression {
  const line = lineAt(node);
  if (isMap(node)) {
    const entries = node.items.map(
      ({ key, value }) =>
        [jsonExpression(key as Node, lineAt, path), jsonExpression(value as Node, lineAt, path)] as const,
    );
    return { kind: "map", entries, line };
  }
  if ("items" in node) {
    return { kind: "list", items: (node.items as Node[]).map((item) => jsonExpression(item, lineAt, path)), line };
  }
  const value = isScalar(node) ? node.value : null;
  if (typeof value !== "string") return { kind: "value", value: value as number | boolean | null, line };
  try {
    return parseTemplate(value, line);
  } catch (error) {
    if (error instanceof HclError) throw invalid(path, error.line, error.message, error);
    throw error;
  }
}

type Value = string | number | boolean | null | readonly Value[] | ReadonlyMap<string, Value>;

/** The attributes of a target that decide what is built, each with the line where it is set. */
type Attributes = ReadonlyMap<string, Expression>;

/** Attributes that are merged key by key; of all others the last one counts. */
const MERGED = new Set(["args", "contexts"]);

class BakeReader {
  private readonly options: BakeOptions;
  private readonly targets: ReadonlyMap<string, Block>;
  private readonly groups: ReadonlyMap<string, Block>;
  private readonly defaults = new Map<string, Expression | undefined>();
  private readonly values = new Map<string, Value>();
  private readonly open = new Set<string>();

  constructor(body: Body, options: BakeOptions) {
    this.options = options;
    this.targets = this.named(body.blocks, "target");
    this.groups = this.named(body.blocks, "group");
    // An attribute of the file itself is a variable too.
    for (const [name, expression] of body.attributes) this.defaults.set(name, expression);
    for (const [name, block] of this.named(body.blocks, "variable")) {
      this.defaults.set(name, block.body.attributes.get("default"));
    }
  }

  units(): readonly BuildUnit[] {
    const wanted = this.options.targets ?? [];
    const names = new Set<string>();
    for (const name of wanted.length === 0 ? ["default"] : wanted) this.collect(name, names, []);
    return [...names].map((name) => this.unit(name));
  }

  private named(blocks: readonly Block[], type: string): ReadonlyMap<string, Block> {
    const found = new Map<string, Block>();
    for (const block of blocks) {
      if (block.type !== type) continue;
      const [name] = block.labels;
      if (name === undefined || block.labels.length !== 1) throw this.invalid(block.line, `${type} takes one name`);
      if (found.has(name)) throw this.unsupported(block.line, `${type} ${name} is described twice`);
      found.set(name, block);
    }
    return found;
  }

  /** The targets that `name` stands for: a group's, groups in it included, or the target itself. */
  private collect(name: string, into: Set<string>, path: readonly string[]): void {
    const group = this.groups.get(name);
    if (group === undefined) {
      if (!this.targets.has(name)) throw this.unknown(name);
      into.add(name);
      return;
    }
    // A group may hold a target of its own name.
    if (path.includes(name)) {
      if (!this.targets.has(name)) throw this.invalid(group.line, `group ${name} holds itself`);
      into.add(name);
      return;
    }
    for (const member of this.words(group.body.attributes.get("targets"))) this.collect(member, into, [...path, name]);
  }

  private unknown(name: string): InitwrapError {
    const names = [...this.groups.keys(), ...this.targets.keys()];
    return new InitwrapError("BUILD_NOT_FOUND", `there is no target or group ${name}`, {
      where: this.options.path,
      hint: names.length === 0 ? "the file has no targets" : `the file has ${names.join(", ")}: name one`,
    });
  }

  private unit(name: string): BuildUnit {
    const block = this.targets.get(name) as Block;
    const attributes = this.inherited(name, []);
    const matrix = attributes.get("matrix");
    if (matrix !== undefined) throw this.unsupported(matrix.line, `target ${name} has a matrix`);
    const context = this.text(attributes.get("context")) ?? ".";
    const fromCwd = /^cwd:\/\//.test(context) ? context.slice("cwd://".length) : context;
    const dockerfile = this.text(attributes.get("dockerfile"));
    const here = dockerfile?.startsWith("cwd://") ? resolve(this.options.folder, dockerfile.slice(6)) : dockerfile;
    const target = this.text(attributes.get("target"));
    return {
      name,
      definedIn: this.options.path,
      line: block.line,
      ...placeOf(this.options.folder, fromCwd, here, this.text(attributes.get("dockerfile-inline"))),
      target: target === "" ? undefined : target,
      args: this.args(attributes.get("args")),
      platforms: this.words(attributes.get("platforms")),
      namedContexts: [...this.keys(attributes.get("contexts"))],
      entrypointOverride: undefined,
      init: undefined,
    };
  }

  private inherited(name: string, path: readonly string[]): Attributes {
    const block = this.targets.get(name);
    if (block === undefined) throw this.unknown(name);
    if (path.includes(name)) throw this.invalid(block.line, `target ${name} inherits from itself`);
    const own = block.body.attributes;
    const result = new Map<string, Expression>();
    for (const parent of this.words(own.get("inherits"))) {
      this.merge(result, this.inherited(parent, [...path, name]));
    }
    this.merge(result, own);
    return result;
  }

  private merge(into: Map<string, Expression>, from: Attributes): void {
    for (const [name, expression] of from) {
      const before = into.get(name);
      const both = MERGED.has(name) && before?.kind === "map" && expression.kind === "map";
      into.set(name, both ? { ...expression, entries: [...before.entries, ...expression.entries] } : expression);
    }
  }

  private args(expression: Expression | undefined): Readonly<Record<string, string>> {
    const given: Record<string, string> = {};
    for (const [name, value] of this.entries(expression)) {
      // null leaves the Dockerfile's own default.
      if (value === null) delete given[name];
      else given[name] = this.asText(value, expression?.line ?? 1);
    }
    return given;
  }

  private *keys(expression: Expression | undefined): Iterable<string> {
    if (expression === undefined) return;
    if (expression.kind !== "map") {
      for (const [name] of this.entries(expression)) yield name;
      return;
    }
    // Where a named context leads to does not matter, and may be a reference that is not followed.
    for (const [key] of expression.entries) yield this.asText(this.value(key), key.line);
  }

  private entries(expression: Expression | undefined): readonly (readonly [string, Value])[] {
    if (expression === undefined) return [];
    const value = this.value(expression);
    if (value === null) return [];
    if (!(value instanceof Map)) throw this.invalid(expression.line, "this is not a map");
    return [...value.entries()];
  }

  private words(expression: Expression | undefined): readonly string[] {
    if (expression === undefined) return [];
    const value = this.value(expression);
    if (value === null) return [];
    if (!Array.isArray(value)) throw this.invalid(expression.line, "this is not a list");
    return value.map((word: Value) => this.asText(word, expression.line));
  }

  private text(expression: Expression | undefined): string | undefined {
    if (expression === undefined) return undefined;
    const value = this.value(expression);
    return value === null ? undefined : this.asText(value, expression.line);
  }

  private asText(value: Value, line: number): string {
    if (typeof value === "object") throw this.invalid(line, "this is not a text");
    return String(value);
  }

  private value(expression: Expression): Value {
    switch (expression.kind) {
      case "value":
        return expression.value;
      case "template":
        return expression.parts.map((part) => this.asText(this.value(part), part.line)).join("");
      case "list":
        return expression.items.map((item) => this.value(item));
      case "map":
        return new Map(
          expression.entries.map(([key, item]) => [this.asText(this.value(key), key.line), this.value(item)]),
        );
      case "variable":
        return this.variable(expression.name, expression.line);
      case "unsupported":
        throw this.unsupported(expression.line, `${expression.text.split("\n")[0]} is more than a text with variables`);
    }
  }

  private variable(name: string, line: number): Value {
    const known = this.values.get(name);
    if (known !== undefined) return known;
    if (!this.defaults.has(name)) {
      if (/^BAKE_/.test(name)) throw this.unsupported(line, `${name} is known to the builder only`);
      throw this.invalid(line, `there is no variable ${name}`);
    }
    if (this.open.has(name)) throw this.invalid(line, `the variable ${name} needs its own value`);
    this.open.add(name);
    const given = this.options.variables?.[name];
    const expression = this.defaults.get(name);
    const value = given ?? (expression === undefined ? "" : this.value(expression));
    this.open.delete(name);
    this.values.set(name, value);
    return value;
  }

  private invalid(line: number, message: string): InitwrapError {
    return invalid(this.options.path, line, message);
  }

  private unsupported(line: number, message: string): InitwrapError {
    return unsupported(this.options.path, line, message, PRINTED);
  }
}
