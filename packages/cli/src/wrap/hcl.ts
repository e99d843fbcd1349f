/**
 * The part of HCL that bake files are mostly written in: blocks, attributes, texts with variables, lists and maps, operators,
 * indices and calls.
 *
 * Every file is read to its end, but what an expression needs beyond that (`for`, splats, directives in texts) is kept as
 * `unsupported`, with its line, and only refused by who asks for its value: a loop in `tags` is nobody's concern here.
 * Source: HCL Native Syntax Specification, https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md.
 */

export type Expression =
  | { readonly kind: "value"; readonly value: string | number | boolean | null; readonly line: number }
  | { readonly kind: "template"; readonly parts: readonly Expression[]; readonly line: number }
  | { readonly kind: "variable"; readonly name: string; readonly line: number }
  | { readonly kind: "list"; readonly items: readonly Expression[]; readonly line: number }
  | { readonly kind: "map"; readonly entries: readonly (readonly [Expression, Expression])[]; readonly line: number }
  | {
      readonly kind: "operation";
      readonly operator: string;
      readonly operands: readonly Expression[];
      readonly line: number;
    }
  | { readonly kind: "element"; readonly of: Expression; readonly key: Expression; readonly line: number }
  | {
      readonly kind: "call";
      readonly name: string;
      readonly args: readonly Expression[];
      /** The last argument is a list that stands for the rest of the arguments. */
      readonly expanded: boolean;
      readonly line: number;
    }
  | { readonly kind: "unsupported"; readonly text: string; readonly line: number };

export interface Body {
  readonly attributes: ReadonlyMap<string, Expression>;
  readonly blocks: readonly Block[];
}

export interface Block {
  readonly type: string;
  readonly labels: readonly string[];
  readonly body: Body;
  readonly line: number;
}

/** A text that is not HCL. */
export class HclError extends Error {
  override readonly name = "HclError";
  readonly line: number;
  constructor(message: string, line: number) {
    super(message);
    this.line = line;
  }
}

/** Reads a whole file, whose lines count from `firstLine`. Throws HclError. */
export function parseHcl(text: string, firstLine = 1): Body {
  const parser = new Parser(text.replace(/^\ufeff/, ""), firstLine);
  return parser.body(0);
}

/** Reads a text with `${}` in it, as JSON bake files have them. */
export function parseTemplate(text: string, line: number): Expression {
  return templateOf(text, line, (part) => part);
}

const IDENTIFIER = /[\p{L}_][\p{L}\p{N}_-]*/uy;
const NUMBER = /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
/** Operators of two sides, those that bind least first. */
const OPERATORS: readonly (readonly string[])[] = [
  ["||"],
  ["&&"],
  ["==", "!="],
  [">=", "<=", ">", "<"],
  ["+", "-"],
  ["*", "/", "%"],
];
// What may follow a finished expression.
const END = /(?:[ \t\r]|\/\*[\s\S]*?\*\/)*(?:[,\])}:\n#=]|\/\/|$)/y;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\" };
// Deeper than any file that a person wrote, and well within the stack.
const MOST_DEPTH = 100;

class Parser {
  private at = 0;
  private readonly text: string;
  private readonly firstLine: number;

  constructor(text: string, firstLine = 1) {
    this.text = text;
    this.firstLine = firstLine;
  }

  body(depth: number): Body {
    if (depth > MOST_DEPTH) throw this.error("blocks are nested too deeply");
    const attributes = new Map<string, Expression>();
    const blocks: Block[] = [];
    for (;;) {
      this.space(true);
      if (this.at >= this.text.length || (depth > 0 && this.text[this.at] === "}")) return { attributes, blocks };
      const line = this.line();
      // buildx itself accepts a quoted attribute name.
      const quoted = this.text[this.at] === '"';
      const name = quoted ? this.label() : this.identifier();
      if (name === undefined) throw this.error(`unexpected ${JSON.stringify(this.text[this.at])}`);
      this.space(false);
      if (this.text[this.at] === "=" && this.text[this.at + 1] !== "=") {
        this.at++;
        if (attributes.has(name)) throw new HclError(`${name} is set twice`, line);
        attributes.set(name, this.expression(depth + 1, false));
      } else blocks.push(this.block(name, line, depth));
      this.endOfLine(depth);
    }
  }

  /** A single expression that fills the text. */
  whole(depth: number): Expression {
    const expression = this.expression(depth, true);
    this.space(true);
    return this.at === this.text.length ? expression : this.unsupported(0, this.firstLine, this.text.length);
  }

  private block(type: string, line: number, depth: number): Block {
    const labels: string[] = [];
    for (;;) {
      this.space(false);
      const char = this.text[this.at];
      if (char === "{") break;
      const label = char === '"' ? this.label() : this.identifier();
      if (label === undefined) throw this.error(`expected = or { behind ${type}`);
      labels.push(label);
    }
    this.at++;
    const body = this.body(depth + 1);
    if (this.text[this.at] !== "}") throw new HclError(`the block ${type} is not closed`, line);
    this.at++;
    return { type, labels, body, line };
  }

  private endOfLine(depth: number): void {
    this.space(false);
    const char = this.text[this.at];
    if (char === undefined || char === "\n" || (depth > 0 && char === "}")) return;
    throw this.error(`expected a new line, not ${JSON.stringify(char)}`);
  }

  /** One expression. `nested` ones may stand on several lines. */
  private expression(depth: number, nested: boolean): Expression {
    if (depth > MOST_DEPTH) throw this.error("an expression is nested too deeply");
    this.space(nested);
    const start = this.at;
    const line = this.line();
    const read = this.conditional(depth, nested);
    END.lastIndex = this.at;
    if (read !== undefined && END.test(this.text)) return read;
    this.at = start;
    this.skip();
    if (this.at === start) throw this.error("a value is missing");
    return this.unsupported(start, line, this.at);
  }

  private unsupported(start: number, line: number, end: number): Expression {
    return { kind: "unsupported", text: this.text.slice(start, end).trim(), line };
  }

  /** `a ? b : c`, or anything that binds closer; undefined for what is not followed. */
  private conditional(depth: number, nested: boolean): Expression | undefined {
    const line = this.line();
    const condition = this.operation(depth, nested, 0);
    if (condition === undefined || !this.follows("?", nested)) return condition;
    const yes = this.conditional(depth + 1, nested);
    if (yes === undefined || !this.follows(":", nested)) return undefined;
    const no = this.conditional(depth + 1, nested);
    return no && { kind: "operation", operator: "?", operands: [condition, yes, no], line };
  }

  /** Operators of one level and those that bind closer, from the left. */
  private operation(depth: number, nested: boolean, level: number): Expression | undefined {
    if (depth > MOST_DEPTH) throw this.error("an expression is nested too deeply");
    const operators = OPERATORS[level];
    if (operators === undefined) return this.unary(depth, nested);
    let left = this.operation(depth, nested, level + 1);
    while (left !== undefined) {
      const operator = operators.find((one) => this.follows(one, nested));
      if (operator === undefined) return left;
      const right = this.operation(depth + 1, nested, level + 1);
      left = right && { kind: "operation", operator, operands: [left, right], line: left.line };
    }
    return undefined;
  }

  private unary(depth: number, nested: boolean): Expression | undefined {
    if (depth > MOST_DEPTH) throw this.error("an expression is nested too deeply");
    this.space(nested);
    const line = this.line();
    const sign = this.text[this.at];
    if (sign !== "!" && sign !== "-") return this.postfix(depth, nested);
    this.at++;
    const operand = this.unary(depth + 1, nested);
    return operand && { kind: "operation", operator: sign === "-" ? "negative" : sign, operands: [operand], line };
  }

  /** A value with `.name` and `[key]` behind it. */
  private postfix(depth: number, nested: boolean): Expression | undefined {
    this.space(nested);
    const line = this.line();
    let of = this.simple(depth, line);
    for (; of !== undefined; ) {
      if (this.text[this.at] === "[") {
        this.at++;
        const key = this.conditional(depth + 1, true);
        if (key === undefined || !this.follows("]", true)) return undefined;
        of = { kind: "element", of, key, line };
      } else if (this.text[this.at] === "." && /[\p{L}_]/u.test(this.text[this.at + 1] ?? "")) {
        this.at++;
        of = { kind: "element", of, key: { kind: "value", value: this.identifier() as string, line }, line };
      } else return of;
    }
    return undefined;
  }

  /** Goes behind an operator when it is the next thing, and not the beginning of a longer one. */
  private follows(operator: string, lines: boolean): boolean {
    const before = this.at;
    this.space(lines);
    const longer = /^(?:[=!<>]=|&&|\|\||\.\.\.)/.exec(this.text.slice(this.at, this.at + 3))?.[0];
    if (this.text.startsWith(operator, this.at) && (longer === undefined || longer === operator)) {
      this.at += operator.length;
      return true;
    }
    this.at = before;
    return false;
  }

  private call(name: string, line: number, depth: number): Expression | undefined {
    this.at++;
    const args: Expression[] = [];
    for (;;) {
      if (this.follows(")", true)) return { kind: "call", name, args, expanded: false, line };
      const argument = this.conditional(depth + 1, true);
      if (argument === undefined) return undefined;
      args.push(argument);
      if (this.follows("...", true)) {
        return this.follows(")", true) ? { kind: "call", name, args, expanded: true, line } : undefined;
      }
      if (this.follows(",", true)) continue;
      return this.follows(")", true) ? { kind: "call", name, args, expanded: false, line } : undefined;
    }
  }

  private simple(depth: number, line: number): Expression | undefined {
    const char = this.text[this.at];
    if (char === "(") {
      this.at++;
      const inner = this.conditional(depth + 1, true);
      return inner !== undefined && this.follows(")", true) ? inner : undefined;
    }
    if (char === '"') return this.quoted(line, depth);
    if (char === "[") return this.list(line, depth);
    if (char === "{") return this.map(line, depth);
    if (char === "<") return this.heredoc(line, depth);
    NUMBER.lastIndex = this.at;
    const number = NUMBER.exec(this.text)?.[0];
    if (number !== undefined) {
      this.at += number.length;
      return { kind: "value", value: Number(number), line };
    }
    const name = this.identifier();
    if (name === undefined) return undefined;
    if (name === "true" || name === "false") return { kind: "value", value: name === "true", line };
    if (name === "null") return { kind: "value", value: null, line };
    if (this.text[this.at] === "(") return this.call(name, line, depth);
    return { kind: "variable", name, line };
  }

  private list(line: number, depth: number): Expression | undefined {
    this.at++;
    const items: Expression[] = [];
    for (;;) {
      this.space(true);
      if (this.text[this.at] === "]") break;
      // `[for x in y : z]` makes a list, and `for` is no variable.
      if (/^for\s/.test(this.text.slice(this.at, this.at + 4))) return undefined;
      items.push(this.expression(depth + 1, true));
      this.space(true);
      if (this.text[this.at] === ",") this.at++;
      else if (this.text[this.at] !== "]") throw this.error("the list is not closed");
    }
    this.at++;
    return { kind: "list", items, line };
  }

  private map(line: number, depth: number): Expression | undefined {
    this.at++;
    const entries: [Expression, Expression][] = [];
    for (;;) {
      this.space(true);
      if (this.text[this.at] === "}") break;
      if (/^for\s/.test(this.text.slice(this.at, this.at + 4))) return undefined;
      const key = this.key(depth);
      this.space(true);
      if (this.text[this.at] !== "=" && this.text[this.at] !== ":") throw this.error("expected = behind a key");
      this.at++;
      entries.push([key, this.expression(depth + 1, false)]);
      this.space(false);
      if (this.text[this.at] === ",") this.at++;
      else if (this.text[this.at] !== "\n" && this.text[this.at] !== "}") throw this.error("the map is not closed");
    }
    this.at++;
    return { kind: "map", entries, line };
  }

  /** A key that is a bare name means its own letters. */
  private key(depth: number): Expression {
    const key = this.expression(depth + 1, true);
    return key.kind === "variable" ? { kind: "value", value: key.name, line: key.line } : key;
  }

  private quoted(line: number, depth: number): Expression {
    const raw = this.quotedText();
    return templateOf(raw, line, decodeEscapes, depth);
  }

  private label(): string {
    const line = this.line();
    const raw = this.quotedText();
    if (/[$%]\{/.test(raw)) throw new HclError("a label must be a plain text", line);
    return decodeEscapes(raw, line);
  }

  /** The text between quotes as it is written; quotes inside `${}` do not end it. */
  private quotedText(): string {
    const line = this.line();
    const start = ++this.at;
    for (;;) {
      const char = this.text[this.at];
      if (char === undefined || char === "\n") throw new HclError("a text is not closed", line);
      if (char === '"') break;
      if (char === "\\") this.at += 2;
      else if (char === "$" || char === "%") this.dollar(char, line);
      else this.at++;
    }
    return this.text.slice(start, this.at++);
  }

  private dollar(char: string, line: number): void {
    if (this.text.startsWith(`${char}${char}{`, this.at)) this.at += 3;
    else if (this.text[this.at + 1] === "{") this.at = closingBrace(this.text, this.at + 2, line) + 1;
    else this.at++;
  }

  private heredoc(line: number, depth: number): Expression | undefined {
    const open = /^<<(-?)([\p{L}_][\p{L}\p{N}_-]*)[ \t]*\r?\n/u.exec(this.text.slice(this.at));
    if (open === null) return undefined;
    const start = this.at + open[0].length;
    const close = new RegExp(`^[ \\t]*${open[2]}[ \\t]*\\r?$`, "m").exec(this.text.slice(start));
    if (close === null) throw new HclError(`the text <<${open[2]} is not closed`, line);
    const body = this.text.slice(start, start + close.index);
    this.at = start + close.index + close[0].length;
    return templateOf(open[1] === "-" ? withoutIndentation(body) : body, line + 1, (part) => part, depth);
  }

  /** Moves behind an expression of any kind: to what ends it outside of all brackets and texts. */
  private skip(): void {
    let brackets = 0;
    let questions = 0;
    while (this.at < this.text.length) {
      const char = this.text[this.at] as string;
      if (char === '"') {
        this.quotedText();
        continue;
      }
      const comment = /^(?:#|\/\/|\/\*)/.test(this.text.slice(this.at, this.at + 2));
      if (comment && brackets === 0) return;
      if (comment) {
        const before = this.at;
        this.space(true);
        // A comment that is not closed is passed over, letter by letter.
        if (this.at === before) this.at++;
        continue;
      }
      if (brackets === 0 && (/[,\])}\n]/.test(char) || (char === ":" && questions === 0))) return;
      // A lone equals sign belongs to a key, or to an attribute that should stand on a line of its own.
      if (char === "=" && brackets === 0) {
        if (this.text[this.at + 1] !== "=" && !/[=!<>]/.test(this.text[this.at - 1] ?? "")) return;
      }
      if (char === "?") questions++;
      if (char === ":" && brackets === 0) questions--;
      if (/[([{]/.test(char)) brackets++;
      if (/[)\]}]/.test(char)) brackets--;
      this.at++;
    }
    if (brackets > 0) throw this.error("a bracket is not closed");
  }

  private identifier(): string | undefined {
    IDENTIFIER.lastIndex = this.at;
    const name = IDENTIFIER.exec(this.text)?.[0];
    this.at += name?.length ?? 0;
    return name;
  }

  /** Skips white space and comments; a line's end only with `lines`. */
  private space(lines: boolean): void {
    const pattern = lines
      ? /(?:\s|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y
      : /(?:[ \t\r]|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;
    pattern.lastIndex = this.at;
    this.at += pattern.exec(this.text)?.[0].length ?? 0;
  }

  private line(): number {
    let line = this.firstLine;
    for (let at = this.text.indexOf("\n"); at >= 0 && at < this.at; at = this.text.indexOf("\n", at + 1)) line++;
    return line;
  }

  private error(message: string): HclError {
    return new HclError(message, this.line());
  }
}

/** The position of the brace that closes a `${`, nested ones and texts skipped. */
function closingBrace(text: string, start: number, line: number): number {
  let depth = 1;
  for (let at = start; at < text.length; at++) {
    const char = text[at];
    if (char === '"') {
      for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === "\\") at++;
    } else if (char === "{") depth++;
    else if (char === "}" && --depth === 0) return at;
  }
  throw new HclError("${ is not closed", line);
}

/** Splits a text into its literal parts, each decoded, and the expressions between them. */
function templateOf(raw: string, line: number, decode: (part: string, line: number) => string, depth = 0): Expression {
  const parts: Expression[] = [];
  let literal = "";
  const flush = () => {
    if (literal !== "") parts.push({ kind: "value", value: decode(literal, line), line });
    literal = "";
  };
  for (let at = 0; at < raw.length; at++) {
    const char = raw[at] as string;
    if ((char === "$" || char === "%") && raw.startsWith(`${char}{`, at + 1)) {
      literal += `${char}{`;
      at += 2;
    } else if ((char === "$" || char === "%") && raw[at + 1] === "{") {
      const end = closingBrace(raw, at + 2, line);
      flush();
      const inner = raw.slice(at + 2, end);
      const unsupported = { kind: "unsupported", text: raw.slice(at, end + 1), line } as const;
      // `%{if}` is a directive, and `~` trims what is around it.
      parts.push(char === "%" || /^~|~$/.test(inner) ? unsupported : new Parser(inner, line).whole(depth + 1));
      at = end;
    } else {
      // An escaped dollar or quote must not be taken for the beginning of anything.
      literal += char === "\\" ? char + (raw[++at] ?? "") : char;
    }
  }
  flush();
  const [only] = parts;
  if (parts.length === 0) return { kind: "value", value: "", line };
  // A text that is nothing but a variable has the variable's own type.
  return parts.length === 1 && only !== undefined ? { ...only, line } : { kind: "template", parts, line };
}

function decodeEscapes(text: string, line: number): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[\s\S]?)/g, (all, code: string) => {
    const plain = ESCAPES[code];
    if (plain !== undefined) return plain;
    const point = /^[uU][0-9a-fA-F]+$/.test(code) ? Number.parseInt(code.slice(1), 16) : Number.NaN;
    if (Number.isNaN(point) || point > 0x10ffff) throw new HclError(`${all} is no escape`, line);
    return String.fromCodePoint(point);
  });
}

/** `<<-`: takes the indentation of the least indented line from all of them. */
function withoutIndentation(text: string): string {
  const lines = text.split("\n");
  const widths = lines.filter((line) => line.trim() !== "").map((line) => /^[ \t]*/.exec(line)?.[0].length ?? 0);
  const least = Math.min(...(widths.length === 0 ? [0] : widths));
  return lines.map((line) => line.slice(Math.min(least, /^[ \t]*/.exec(line)?.[0].length ?? 0))).join("\n");
}
