/**
 * The image builds that a bake file describes, in HCL or JSON: one for each target.
 *
 * As `docker buildx bake` does it: a variable has the environment's value before its default, `inherits` takes the later
 * parent's value before the earlier's and the target's own before both, `args` are merged by name, a `matrix` makes a target of
 * each combination and a group of them all, and relative contexts count from the working folder, not from the file. Blocks of the
 * same name, in one file or several, are merged in order. What is not followed is refused where its value is needed.
 * Source: Docker's documentation, "Bake file reference".
 */
import { resolve } from "node:path";
import { isMap, isScalar, LineCounter, type Node, parseDocument } from "yaml";
import { InitwrapError } from "../model/errors.ts";
import {
  asBoolean,
  asNumber,
  bakeFunction,
  type Call,
  CallError,
  element,
  same,
  type Value,
} from "./bake-functions.ts";
import { type BuildUnit, invalid, placeOf, unsupported, type Variables } from "./build-unit.ts";
import { readInput } from "./dockerfile-file.ts";
import { type Block, type Body, type Expression, HclError, parseHcl, parseTemplate } from "./hcl.ts";

const PRINTED = "docker buildx bake --print";

export interface BakeOptions {
  /** Targets and groups to take; `default` unless given. */
  readonly targets?: readonly string[];
  readonly variables?: Variables;
  /** Where relative contexts count from. */
  readonly folder: string;
}

/** The builds of bake files, merged in order. Throws INPUT_NOT_FOUND, BUILD_FILE_INVALID, BUILD_FILE_UNSUPPORTED and BUILD_NOT_FOUND. */
export async function readBakeFile(
  paths: readonly string[],
  targets: readonly string[],
  environment: Variables,
): Promise<readonly BuildUnit[]> {
  const sources: Source[] = [];
  for (const path of paths)
    sources.push({
      path,
      text: new TextDecoder().decode(
        await readInput(path, { hint: "--bake names a bake file, such as docker-bake.hcl." }),
      ),
    });
  return unitsOf(sources, { targets, variables: environment, folder: process.cwd() });
}

/** The builds that a bake file's text describes; those of a group in the group's order, none twice. */
export function parseBake(text: string, { path, ...options }: BakeOptions & { path: string }): readonly BuildUnit[] {
  return unitsOf([{ path, text }], options);
}

/** A file; one whose path ends in `.json` is JSON. */
interface Source {
  readonly path: string;
  readonly text: string;
}

/** Lines count through all files, a million for each, so that a line says which file it is in. */
const LINES_EACH = 1_000_000;

function unitsOf(sources: readonly Source[], options: BakeOptions): readonly BuildUnit[] {
  const bodies = sources.map(({ path, text }, index) => {
    const before = index * LINES_EACH;
    return path.endsWith(".json") ? jsonBody(text, path, before) : hclBody(text, path, before);
  });
  const place = (line: number) => ({
    path: (sources[Math.floor(line / LINES_EACH)] as Source).path,
    line: line % LINES_EACH,
  });
  return new BakeReader(bodies, options, place).units();
}

function hclBody(text: string, path: string, before: number): Body {
  try {
    return parseHcl(text, before + 1);
  } catch (error) {
    if (error instanceof HclError) throw invalid(path, error.line - before, error.message, error);
    throw error;
  }
}

/** JSON has the same blocks, as maps by their label. YAML's parser reads JSON and knows the lines. */
function jsonBody(text: string, path: string, before: number): Body {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, schema: "json", logLevel: "silent" });
  try {
    JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (error) {
    throw invalid(path, document.errors[0]?.linePos?.[0].line ?? 1, `not JSON: ${(error as Error).message}`, error);
  }
  const lineAt = (node: unknown) => before + lines.linePos((node as Node | null)?.range?.[0] ?? 0).line;
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
    if (!isMap(value)) throw invalid(path, lineAt(key) - before, `${type} is not a mapping`);
    for (const entry of value.items) {
      const label = String(isScalar(entry.key) ? entry.key.value : entry.key);
      if (!isMap(entry.value)) throw invalid(path, lineAt(entry.key) - before, `${type} ${label} is not a mapping`);
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
    if (error instanceof HclError) throw invalid(path, error.line % LINES_EACH, error.message, error);
    throw error;
  }
}

/** An expression, and the values of its own target's matrix. */
interface Bound {
  readonly expression: Expression;
  readonly locals: Locals;
}

type Locals = ReadonlyMap<string, Value>;

/** The attributes of a target, each with what says it: `args` and `contexts` by all that were merged, others by the last. */
type Attributes = ReadonlyMap<string, readonly Bound[]>;

/** Attributes that are merged key by key. */
const MERGED = new Set(["args", "contexts"]);

/** A block with all of its name merged into it. */
interface Merged {
  readonly line: number;
  readonly attributes: ReadonlyMap<string, readonly Expression[]>;
}

interface Target extends Merged {
  readonly locals: Locals;
}

const NO_LOCALS: Locals = new Map();
// Functions that call each other may never end.
const MOST_CALLS = 100;

/** The file, and the line in it, of a line that counts through all files. */
type Place = (line: number) => { readonly path: string; readonly line: number };

class BakeReader {
  private readonly options: BakeOptions;
  private readonly place: Place;
  private readonly targets = new Map<string, Target>();
  private readonly groups: ReadonlyMap<string, Merged>;
  private readonly functions: ReadonlyMap<string, Merged>;
  /** The targets that a matrix made, by its name. */
  private readonly matrices = new Map<string, readonly string[]>();
  private readonly defaults = new Map<string, Expression | undefined>();
  private readonly values = new Map<string, Value>();
  private readonly open = new Set<string>();
  private locals: Locals = NO_LOCALS;
  private calls = 0;

  constructor(bodies: readonly Body[], options: BakeOptions, place: Place) {
    this.options = options;
    this.place = place;
    const blocks = bodies.flatMap((body) => body.blocks);
    this.groups = this.named(blocks, "group");
    this.functions = this.named(blocks, "function");
    // An attribute of the file itself is a variable too.
    for (const { attributes } of bodies) {
      for (const [name, expression] of attributes) this.defaults.set(name, expression);
    }
    for (const [name, { attributes }] of this.named(blocks, "variable")) {
      this.defaults.set(name, attributes.get("default")?.at(-1));
    }
    for (const [name, block] of this.named(blocks, "target")) this.expand(name, block);
  }

  units(): readonly BuildUnit[] {
    const wanted = this.options.targets ?? [];
    const names = new Set<string>();
    for (const name of wanted.length === 0 ? ["default"] : wanted) this.collect(name, names, []);
    return [...names].map((name) => this.unit(name));
  }

  private named(blocks: readonly Block[], type: string): ReadonlyMap<string, Merged> {
    const found = new Map<string, { line: number; attributes: Map<string, readonly Expression[]> }>();
    for (const block of blocks) {
      if (block.type !== type) continue;
      const [name] = block.labels;
      if (name === undefined || block.labels.length !== 1) throw this.invalid(block.line, `${type} takes one name`);
      const merged = found.get(name) ?? { line: block.line, attributes: new Map() };
      for (const [key, expression] of block.body.attributes) {
        merged.attributes.set(
          key,
          MERGED.has(key) ? [...(merged.attributes.get(key) ?? []), expression] : [expression],
        );
      }
      found.set(name, merged);
    }
    return found;
  }

  /** Takes a target, or the targets that its matrix makes of it. */
  private expand(name: string, block: Merged): void {
    const [matrix] = block.attributes.get("matrix") ?? [];
    const [named] = block.attributes.get("name") ?? [];
    if (matrix === undefined) {
      if (named !== undefined) throw this.invalid(named.line, "a name is for a target with a matrix");
      this.targets.set(name, { ...block, locals: NO_LOCALS });
      return;
    }
    const values = this.entries({ expression: matrix, locals: NO_LOCALS });
    let combinations: Locals[] = [NO_LOCALS];
    for (const [variable, list] of values) {
      if (!Array.isArray(list)) throw this.invalid(matrix.line, "a matrix holds lists");
      combinations = combinations.flatMap((one) =>
        (list as readonly Value[]).map((value) => new Map([...one, [variable, value]])),
      );
    }
    const names = combinations.map((locals) => {
      const own = named === undefined ? name : this.textOf({ expression: named, locals });
      if (this.targets.has(own)) throw this.invalid(block.line, `the matrix makes ${own} twice`);
      this.targets.set(own, { ...block, locals });
      return own;
    });
    if (!this.targets.has(name)) this.matrices.set(name, names);
  }

  /** The targets that `name` stands for: a group's, groups in it included, or the target itself. */
  private collect(name: string, into: Set<string>, path: readonly string[]): void {
    const group = this.groups.get(name);
    if (group === undefined) {
      const made = this.matrices.get(name);
      if (made === undefined && !this.targets.has(name)) throw this.unknown(name);
      for (const one of made ?? [name]) into.add(one);
      return;
    }
    // A group may hold a target of its own name.
    if (path.includes(name)) {
      if (!this.targets.has(name)) throw this.invalid(group.line, `group ${name} holds itself`);
      into.add(name);
      return;
    }
    const [members] = group.attributes.get("targets") ?? [];
    const bound = members && { expression: members, locals: NO_LOCALS };
    for (const member of this.words(bound)) this.collect(member, into, [...path, name]);
  }

  private unknown(name: string): InitwrapError {
    const names = [...this.groups.keys(), ...this.matrices.keys(), ...this.targets.keys()];
    return new InitwrapError("BUILD_NOT_FOUND", `there is no target or group ${name}`, {
      where: this.place(1).path,
      hint: names.length === 0 ? "The file has no targets." : `The file has ${names.join(", ")}: name one.`,
    });
  }

  private unit(name: string): BuildUnit {
    const block = this.targets.get(name) as Target;
    const attributes = this.inherited(name, []);
    const text = (key: string) => {
      const bound = attributes.get(key)?.at(-1);
      return bound && this.textOrNull(bound);
    };
    const context = text("context") ?? ".";
    const fromCwd = /^cwd:\/\//.test(context) ? context.slice("cwd://".length) : context;
    const dockerfile = text("dockerfile");
    const here = dockerfile?.startsWith("cwd://") ? resolve(this.options.folder, dockerfile.slice(6)) : dockerfile;
    const target = text("target");
    return {
      name,
      definedIn: this.place(block.line).path,
      line: this.place(block.line).line,
      ...placeOf(this.options.folder, fromCwd, here, text("dockerfile-inline")),
      target: target === "" ? undefined : target,
      args: this.args(attributes.get("args") ?? []),
      platforms: this.words(attributes.get("platforms")?.at(-1)),
      namedContexts: [...new Set((attributes.get("contexts") ?? []).flatMap((bound) => [...this.keys(bound)]))],
      entrypointOverride: undefined,
      init: undefined,
    };
  }

  private inherited(name: string, path: readonly string[]): Attributes {
    const block = this.targets.get(name);
    if (block === undefined) throw this.unknown(name);
    if (path.includes(name)) throw this.invalid(block.line, `target ${name} inherits from itself`);
    const { attributes, locals } = block;
    const own = new Map(
      [...attributes].map(([key, said]) => [key, said.map((expression) => ({ expression, locals }))] as const),
    );
    const result = new Map<string, readonly Bound[]>();
    for (const parent of this.words(own.get("inherits")?.at(-1))) {
      this.merge(result, this.inherited(parent, [...path, name]));
    }
    this.merge(result, own);
    return result;
  }

  private merge(into: Map<string, readonly Bound[]>, from: Attributes): void {
    for (const [name, said] of from) into.set(name, MERGED.has(name) ? [...(into.get(name) ?? []), ...said] : said);
  }

  private args(said: readonly Bound[]): Readonly<Record<string, string>> {
    const given: Record<string, string> = {};
    for (const bound of said) {
      for (const [name, value] of this.entries(bound)) {
        // null says nothing: what is inherited stays, and else the Dockerfile's own default.
        if (value !== null) given[name] = this.asText(value, bound.expression.line);
      }
    }
    return given;
  }

  private *keys(bound: Bound): Iterable<string> {
    const { expression, locals } = bound;
    if (expression.kind !== "map") {
      for (const [name] of this.entries(bound)) yield name;
      return;
    }
    // Where a named context leads to does not matter, and may be a reference that is not followed.
    for (const [key] of expression.entries) yield this.textOf({ expression: key, locals });
  }

  private entries(bound: Bound): readonly (readonly [string, Value])[] {
    const value = this.valueOf(bound);
    if (value === null) return [];
    if (!(value instanceof Map)) throw this.invalid(bound.expression.line, "this is not a map");
    return [...value.entries()];
  }

  private words(bound: Bound | undefined): readonly string[] {
    if (bound === undefined) return [];
    const value = this.valueOf(bound);
    if (value === null) return [];
    if (!Array.isArray(value)) throw this.invalid(bound.expression.line, "this is not a list");
    return value.map((word: Value) => this.asText(word, bound.expression.line));
  }

  private textOrNull(bound: Bound): string | undefined {
    const value = this.valueOf(bound);
    return value === null ? undefined : this.asText(value, bound.expression.line);
  }

  private textOf(bound: Bound): string {
    return this.asText(this.valueOf(bound), bound.expression.line);
  }

  private asText(value: Value, line: number): string {
    if (typeof value === "object") throw this.invalid(line, "this is not a text");
    return String(value);
  }

  /** The expression's value with its own locals, which do not reach the expressions that it leads to. */
  private valueOf({ expression, locals }: Bound): Value {
    const outer = this.locals;
    this.locals = locals;
    try {
      return this.value(expression);
    } catch (error) {
      if (error instanceof CallError) throw this.invalid(expression.line, error.message);
      throw error;
    } finally {
      this.locals = outer;
    }
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
      case "operation":
        return this.operation(expression.operator, expression.operands);
      case "element":
        return this.element(expression);
      case "call":
        return this.call(expression);
      case "unsupported":
        throw this.unsupported(expression.line, `${expression.text.split("\n")[0]} is more than can be followed`);
    }
  }

  private operation(operator: string, operands: readonly Expression[]): Value {
    const [first, second, third] = operands as readonly [Expression, Expression, Expression];
    const one = this.value(first);
    // What is not chosen is not evaluated.
    if (operator === "?") return this.value(asBoolean(one) ? second : third);
    if (operator === "!") return !asBoolean(one);
    if (operator === "negative") return -asNumber(one);
    const other = this.value(second);
    switch (operator) {
      case "==":
        return same(one, other);
      case "!=":
        return !same(one, other);
      case "&&":
        return asBoolean(one) && asBoolean(other);
      case "||":
        return asBoolean(one) || asBoolean(other);
      default:
        return arithmetic(operator, asNumber(one), asNumber(other));
    }
  }

  private element(expression: Extract<Expression, { kind: "element" }>): Value {
    const { of, key, line } = expression;
    let root = of;
    while (root.kind === "element") root = root.of;
    if (root.kind === "variable" && ["target", "group"].includes(root.name) && !this.defaults.has(root.name)) {
      throw this.unsupported(line, "a reference to another target is not followed");
    }
    return element(this.value(of), this.value(key));
  }

  private call({ name, args, expanded, line }: Extract<Expression, { kind: "call" }>): Value {
    const own = this.functions.get(name);
    const known = bakeFunction(name);
    if (own === undefined && known === undefined) throw this.unsupported(line, `the function ${name} is not followed`);
    const given = args.map((argument) => this.value(argument));
    const values = expanded ? [...given.slice(0, -1), ...this.listOf(given.at(-1), line)] : given;
    return own === undefined ? (known as Call)(...values) : this.ownFunction(name, own, values, line);
  }

  /** A function that the file describes itself: its parameters are the only locals of its result. */
  private ownFunction(name: string, { attributes }: Merged, values: readonly Value[], line: number): Value {
    const namesOf = (key: string): readonly string[] => {
      const written = attributes.get(key)?.at(-1);
      const names = written?.kind === "list" ? written.items : written === undefined ? [] : [written];
      return names.map((item) => (item.kind === "variable" ? item.name : ""));
    };
    const params = namesOf("params");
    const [rest] = namesOf("variadic_params");
    const result = attributes.get("result")?.at(-1);
    if (result === undefined) throw this.invalid(line, `the function ${name} has no result`);
    if (values.length < params.length || (rest === undefined && values.length > params.length)) {
      throw this.invalid(line, `the function ${name} takes ${params.length} arguments`);
    }
    if (this.calls >= MOST_CALLS) throw this.invalid(line, `the function ${name} never ends`);
    const locals = new Map(params.map((param, at) => [param, values[at] as Value]));
    if (rest !== undefined) locals.set(rest, values.slice(params.length));
    this.calls++;
    try {
      return this.valueOf({ expression: result, locals });
    } finally {
      this.calls--;
    }
  }

  private listOf(value: Value | undefined, line: number): readonly Value[] {
    if (!Array.isArray(value)) throw this.invalid(line, "this is not a list");
    return value;
  }

  private variable(name: string, line: number): Value {
    const local = this.locals.get(name);
    if (local !== undefined) return local;
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
    const otherwise = expression === undefined ? "" : this.valueOf({ expression, locals: NO_LOCALS });
    this.open.delete(name);
    const value = given === undefined ? otherwise : this.typed(name, given, otherwise, line);
    this.values.set(name, value);
    return value;
  }

  /** The environment's word in the type of the variable's default. */
  private typed(name: string, given: string, otherwise: Value, line: number): Value {
    if (typeof otherwise === "boolean") {
      if (/^(1|t|true)$/i.test(given)) return true;
      if (/^(0|f|false)$/i.test(given)) return false;
      throw this.invalid(line, `the environment has ${name}=${given}, which is neither true nor false`);
    }
    if (typeof otherwise === "number") {
      if (given.trim() !== "" && Number.isFinite(Number(given))) return Number(given);
      throw this.invalid(line, `the environment has ${name}=${given}, which is not a number`);
    }
    if (typeof otherwise === "object" && otherwise !== null) {
      throw this.unsupported(line, `${name} is a list or a map, and the environment has another`);
    }
    return given;
  }

  private invalid(line: number, message: string): InitwrapError {
    const place = this.place(line);
    return invalid(place.path, place.line, message);
  }

  private unsupported(line: number, message: string): InitwrapError {
    const place = this.place(line);
    return unsupported(place.path, place.line, message, PRINTED);
  }
}

function arithmetic(operator: string, a: number, b: number): Value {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "%":
      return a % b;
    case "<":
      return a < b;
    case ">":
      return a > b;
    case "<=":
      return a <= b;
    default:
      return a >= b;
  }
}
