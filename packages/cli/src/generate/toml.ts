/**
 * A reader of TOML, for pyproject.toml and Cargo.toml: tables, arrays of tables, strings, numbers, booleans, arrays and
 * inline tables. Dates are kept as text. Source: toml.io, version 1.0.0.
 */
import { InitwrapError } from "../model/errors.ts";

type Table = Record<string, unknown>;

/** Reads a document. Throws PROJECT_INVALID with the line. */
export function parseToml(text: string, where: string): Readonly<Record<string, unknown>> {
  return new Reader(text.replace(/^\ufeff/, "").replaceAll("\r\n", "\n"), where).document();
}

class Reader {
  private at = 0;
  private readonly text: string;
  private readonly where: string;

  constructor(text: string, where: string) {
    this.text = text;
    this.where = where;
  }

  document(): Table {
    const root = newTable();
    let current = root;
    for (;;) {
      this.skip(/(?:[ \t\n]|#[^\n]*)+/y);
      if (this.at >= this.text.length) return root;
      if (this.take("[[")) {
        const path = this.key();
        this.expect("]]");
        current = this.append(root, path);
      } else if (this.take("[")) {
        const path = this.key();
        this.expect("]");
        current = this.descend(root, path);
      } else this.pair(current);
      this.skip(/[ \t]*(?:#[^\n]*)?/y);
      if (this.at < this.text.length && !this.take("\n")) this.fail("the line goes on after its value");
    }
  }

  private pair(into: Table): void {
    const path = this.key();
    this.expect("=");
    this.skip(/[ \t]*/y);
    const holder = this.descend(into, path.slice(0, -1));
    holder[path.at(-1) as string] = this.value();
  }

  private key(): readonly string[] {
    const path: string[] = [];
    do {
      this.skip(/[ \t]*/y);
      const quote = this.text[this.at];
      path.push(
        quote === '"' || quote === "'" ? this.string() : (this.skip(/[\w-]+/y) ?? this.fail("a key is missing")),
      );
      this.skip(/[ \t]*/y);
    } while (this.take("."));
    return path;
  }

  private value(): unknown {
    const char = this.text[this.at];
    if (char === '"' || char === "'") return this.string();
    if (char === "[") return this.array();
    if (char === "{") return this.inlineTable();
    const word = this.skip(/[\w.:+-]+(?: \d\d:[\d:.Z+-]+)?/y) ?? this.fail("a value is missing");
    if (word === "true" || word === "false") return word === "true";
    const number = Number(word.replaceAll("_", ""));
    return Number.isNaN(number) ? word : number;
  }

  private array(): unknown[] {
    const items: unknown[] = [];
    this.expect("[");
    for (;;) {
      this.skip(/(?:[ \t\n]|#[^\n]*)+/y);
      if (this.take("]")) return items;
      items.push(this.value());
      this.skip(/(?:[ \t\n]|#[^\n]*)+/y);
      if (!this.take(",") && this.text[this.at] !== "]") this.fail("an array does not end");
    }
  }

  private inlineTable(): Table {
    const result = newTable();
    this.expect("{");
    for (;;) {
      this.skip(/(?:[ \t\n]|#[^\n]*)+/y);
      if (this.take("}")) return result;
      this.pair(result);
      this.skip(/(?:[ \t\n]|#[^\n]*)+/y);
      if (!this.take(",") && this.text[this.at] !== "}") this.fail("a table does not end");
    }
  }

  private string(): string {
    const quote = this.text[this.at] as string;
    const long = this.text.startsWith(quote.repeat(3), this.at);
    const fence = long ? quote.repeat(3) : quote;
    this.at += fence.length;
    if (long) this.take("\n");
    let content = "";
    while (!this.text.startsWith(fence, this.at)) {
      const char = this.text[this.at++];
      if (char === undefined || (char === "\n" && !long)) return this.fail("a string does not end");
      content += char === "\\" && quote === '"' ? this.escape() : char;
    }
    this.at += fence.length;
    // A long string may end in quotes of its own.
    while (long && this.text[this.at] === quote) content += this.text[this.at++];
    return content;
  }

  private escape(): string {
    const code = this.skip(/u[\da-fA-F]{4}|U[\da-fA-F]{8}/y);
    if (code !== undefined) {
      const point = Number.parseInt(code.slice(1), 16);
      return point <= 0x10ffff ? String.fromCodePoint(point) : this.fail("there is no such character");
    }
    if (this.skip(/[ \t]*\n[ \t\n]*/y) !== undefined) return "";
    const plain = { b: "\b", t: "\t", n: "\n", f: "\f", r: "\r", '"': '"', "\\": "\\" }[this.text[this.at++] ?? ""];
    return plain ?? this.fail("there is no such escape");
  }

  private descend(from: Table, path: readonly string[]): Table {
    let at = from;
    for (const name of path) {
      at[name] ??= newTable();
      const next = at[name];
      const holder: unknown = Array.isArray(next) ? next.at(-1) : next;
      if (typeof holder !== "object" || holder === null || Array.isArray(holder))
        return this.fail(`${name} is no table`);
      at = holder as Table;
    }
    return at;
  }

  private append(root: Table, path: readonly string[]): Table {
    const holder = this.descend(root, path.slice(0, -1));
    const name = path.at(-1) as string;
    holder[name] ??= [];
    const list = holder[name];
    if (!Array.isArray(list)) return this.fail(`${name} is no array of tables`);
    const item = newTable();
    list.push(item);
    return item;
  }

  /** What `pattern` (sticky) matches here; undefined when it does not. */
  private skip(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    this.at += found?.length ?? 0;
    return found;
  }

  private take(token: string): boolean {
    if (!this.text.startsWith(token, this.at)) return false;
    this.at += token.length;
    return true;
  }

  private expect(token: string): void {
    this.skip(/[ \t]*/y);
    if (!this.take(token)) this.fail(`${token} is missing`);
  }

  private fail(reason: string): never {
    const line = this.text.slice(0, this.at).split("\n").length;
    throw new InitwrapError("PROJECT_INVALID", `${this.where} is not TOML: ${reason}`, {
      where: `${this.where}:${line}`,
    });
  }
}

/** Without a prototype a key such as `__proto__` is a key. */
function newTable(): Table {
  return Object.create(null) as Table;
}
