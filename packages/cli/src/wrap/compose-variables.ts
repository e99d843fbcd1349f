/**
 * Variables in Compose files, and the `.env` file beside them.
 * Source: the Compose specification, "Interpolation", and Docker's documentation of the .env file's syntax.
 */
import type { Variables } from "./build-unit.ts";

/** A text that does not follow the rules of interpolation, or a required variable without a value. */
export class InterpolationError extends Error {
  override readonly name = "InterpolationError";
}

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;

/**
 * `$NAME`, `${NAME}`, and with `:-`, `-`, `:?`, `?`, `:+`, `+` behind the name; `$$` is a dollar. A variable without a value is
 * empty. Defaults may hold variables themselves. Throws InterpolationError.
 */
export function interpolate(text: string, variables: Variables): string {
  const reader = new Reader(text, variables);
  return reader.read(false);
}

class Reader {
  private at = 0;
  private readonly text: string;
  private readonly variables: Variables;

  constructor(text: string, variables: Variables) {
    this.text = text;
    this.variables = variables;
  }

  /** Reads to the end, or to the brace that closes a default. */
  read(inBraces: boolean): string {
    let result = "";
    for (;;) {
      const char = this.text[this.at];
      if (char === undefined) {
        if (inBraces) throw new InterpolationError(`\${ is not closed in ${JSON.stringify(this.text)}`);
        return result;
      }
      if (char === "}" && inBraces) return result;
      this.at++;
      result += char === "$" ? this.variable() : char;
    }
  }

  private variable(): string {
    if (this.text[this.at] === "$") {
      this.at++;
      return "$";
    }
    const braces = this.text[this.at] === "{";
    if (braces) this.at++;
    const name = this.name();
    // A dollar that begins no variable stands for itself.
    if (name === undefined && !braces) return "$";
    if (name === undefined) throw new InterpolationError(`\${ without a name in ${JSON.stringify(this.text)}`);
    const value = Object.hasOwn(this.variables, name) ? this.variables[name] : undefined;
    return braces ? this.braced(name, value) : (value ?? "");
  }

  private name(): string | undefined {
    NAME.lastIndex = this.at;
    const name = NAME.exec(this.text)?.[0];
    this.at += name?.length ?? 0;
    return name;
  }

  private braced(name: string, value: string | undefined): string {
    const operator = /^:?[-?+]/.exec(this.text.slice(this.at, this.at + 2))?.[0];
    this.at += operator?.length ?? 0;
    const given = operator?.startsWith(":") ? value !== undefined && value !== "" : value !== undefined;
    const kind = operator?.at(-1);
    // What is not used is not evaluated: a required variable in it may be missing.
    const used = kind === "+" ? given : !given;
    const word = operator === undefined ? "" : this.word(used);
    if (this.text[this.at] !== "}") {
      throw new InterpolationError(`\${${name} has no valid end in ${JSON.stringify(this.text)}`);
    }
    this.at++;
    if (kind === "+") return given ? word : "";
    if (given) return value as string;
    if (kind === "?")
      throw new InterpolationError(`the variable ${name} has no value${word === "" ? "" : `: ${word}`}`);
    return kind === "-" ? word : "";
  }

  private word(used: boolean): string {
    if (used) return this.read(true);
    let depth = 0;
    while (this.at < this.text.length) {
      if (this.text.startsWith("${", this.at)) depth++;
      if (this.text[this.at] === "}" && depth-- === 0) break;
      this.at++;
    }
    return "";
  }
}

const LINE =
  /^[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*(?:=|:[ \t])[ \t]*(?:'((?:\\'|[^'])*)'|"((?:\\[\s\S]|[^"\\])*)"|([^\r\n]*))/gm;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

/**
 * Reads a `.env` file: `NAME=value`; a value in single quotes is literal, in double quotes has escapes and variables, and
 * without quotes ends at ` #` and has variables. A variable is looked up in `outer` first, then in the lines above, and then in
 * `earlier`, which is what files before this one say.
 */
export function parseEnvFile(
  text: string,
  outer: Variables,
  earlier: Variables = {},
): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const [, name, single, double, plain] of text.replace(/^\ufeff/, "").matchAll(LINE)) {
    const known = { ...earlier, ...values, ...outer };
    if (single !== undefined) values[name as string] = single.replaceAll("\\'", "'");
    else if (double !== undefined) values[name as string] = interpolate(decodeEscapes(double), known);
    else {
      const value = (plain as string).replace(/(?:^|[ \t]+)#.*$/, "").trim();
      values[name as string] = interpolate(value, known);
    }
  }
  return values;
}

function decodeEscapes(text: string): string {
  return text.replace(
    /\\([\s\S])/g,
    (all, char: string) => ESCAPES[char] ?? (/["\\]/.test(char) ? char : char === "$" ? "$$" : all),
  );
}
