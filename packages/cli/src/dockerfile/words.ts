/**
 * BuildKit's shell-like words: quotes, escapes and variables of FROM, ARG, ENV, COPY and the words that start a heredoc.
 * Source: moby/buildkit, frontend/dockerfile/shell, read for its behaviour. CMD and ENTRYPOINT never pass through here.
 */
import { patternToRegExp } from "./pattern.ts";

/** Values by name. */
export type Environment = ReadonlyMap<string, string>;

export interface WordOptions {
  readonly escape: string;
  readonly environment: Environment;
  /** Keep the quotes and escapes in the result. */
  readonly raw?: boolean;
  /** Leave `$X` as it is when X is not set. */
  readonly skipUnset?: boolean;
}

/** A word that cannot be expanded. The message is BuildKit's. */
export class WordError extends Error {
  override readonly name = "WordError";
}

/** One word expanded: quotes removed, variables replaced. Throws WordError. */
export function expandWord(word: string, options: WordOptions): string {
  // Without any of these characters a word is its own value.
  if (!/['"$\\`]/.test(word)) return word;
  try {
    return new Lexer(word, options).process("").text;
  } catch (error) {
    if (!(error instanceof WordError)) throw error;
    throw new WordError(`failed to process ${JSON.stringify(word)}: ${error.message}`);
  }
}

/** The line split into words; undefined when a quote is left open. */
export function splitWords(line: string, options: WordOptions): readonly string[] | undefined {
  try {
    return new Lexer(line, options).process("").words;
  } catch (error) {
    if (error instanceof WordError) return undefined;
    throw error;
  }
}

const SPACE = /^[\t\n\v\f\r \x85\xa0]$/;
const SPECIAL = new Set(["@", "*", "#", "?", "-", "$", "!", "0"]);

class Words {
  readonly list: string[] = [];
  private word = "";
  private inside = false;

  add(char: string): void {
    if (SPACE.test(char)) this.end();
    else this.addRaw(char);
  }

  addRaw(text: string): void {
    this.word += text;
    this.inside = true;
  }

  end(): void {
    if (this.inside) this.list.push(this.word);
    this.word = "";
    this.inside = false;
  }
}

class Lexer {
  private at = 0;
  private readonly text: string;
  private readonly options: WordOptions;
  private rawEscapes: boolean;

  constructor(text: string, options: WordOptions) {
    this.text = text;
    this.options = options;
    this.rawEscapes = options.raw === true;
  }

  /** Reads to `stop`, or to the end when it is "". */
  process(stop: string, rawEscapes = this.rawEscapes): { text: string; words: readonly string[] } {
    const outer = this.rawEscapes;
    this.rawEscapes = rawEscapes;
    try {
      let result = "";
      const words = new Words();
      while (this.at < this.text.length) {
        const char = this.text[this.at] as string;
        if (stop !== "" && char === stop) {
          this.at++;
          words.end();
          return { text: result, words: words.list };
        }
        if (char === "$") {
          const value = this.dollar();
          result += value;
          for (const part of value) words.add(part);
        } else if (char === "'" || char === '"') {
          const value = char === "'" ? this.singleQuoted() : this.doubleQuoted();
          result += value;
          words.addRaw(value);
        } else if (char === this.options.escape) {
          this.at++;
          if (this.rawEscapes) {
            words.addRaw(char);
            result += char;
          }
          const next = this.text[this.at++];
          if (next === undefined) break;
          words.addRaw(next);
          result += next;
        } else {
          this.at++;
          words.add(char);
          result += char;
        }
      }
      if (stop !== "") throw new WordError(`unexpected end of statement while looking for matching ${stop}`);
      words.end();
      return { text: result, words: words.list };
    } finally {
      this.rawEscapes = outer;
    }
  }

  private singleQuoted(): string {
    const end = this.text.indexOf("'", this.at + 1);
    if (end < 0) throw new WordError("unexpected end of statement while looking for matching single-quote");
    const value = this.text.slice(this.at + 1, end);
    this.at = end + 1;
    return this.options.raw ? `'${value}'` : value;
  }

  private doubleQuoted(): string {
    let result = this.options.raw ? '"' : "";
    this.at++;
    for (;;) {
      const char = this.text[this.at];
      if (char === undefined) {
        throw new WordError("unexpected end of statement while looking for matching double-quote");
      }
      if (char === '"') {
        this.at++;
        return this.options.raw ? `${result}"` : result;
      }
      if (char === "$") {
        result += this.dollar();
        continue;
      }
      this.at++;
      if (char !== this.options.escape) {
        result += char;
        continue;
      }
      const next = this.text[this.at];
      if (next === undefined) continue;
      if (next === '"' || next === "$" || next === this.options.escape) {
        this.at++;
        result += this.rawEscapes ? char + next : next;
      } else {
        result += char;
      }
    }
  }

  private dollar(): string {
    this.at++;
    if (this.text[this.at] !== "{") {
      const name = this.nameOf();
      if (name === "") return "$";
      return this.value(name) ?? (this.options.skipUnset ? `$${name}` : "");
    }
    this.at++;
    const first = this.text[this.at];
    if (first === undefined) throw new WordError("syntax error: missing '}'");
    if (first === "{" || first === "}" || first === ":") throw new WordError("syntax error: bad substitution");
    const name = this.nameOf();
    let modifier = this.text[this.at++] ?? "";
    if (modifier === "}") return this.value(name) ?? (this.options.skipUnset ? `\${${name}}` : "");
    if (modifier === "/") return this.replace(name);
    let emptyIsUnset = false;
    let spelled = modifier;
    if (modifier === ":") {
      emptyIsUnset = true;
      modifier = this.text[this.at++] ?? "";
      spelled += modifier;
    }
    const trims = modifier === "#" || modifier === "%";
    if (!"+-?#%".includes(modifier) || modifier === "" || (trims && emptyIsUnset)) {
      throw new WordError(`unsupported modifier (${spelled}) in substitution`);
    }
    const word = this.inBraces(trims);
    const value = this.value(name);
    if (value === undefined && this.options.skipUnset) return `\${${name}${spelled}${word}}`;
    const missing = value === undefined || (emptyIsUnset && value === "");
    switch (modifier) {
      case "-":
        return missing ? word : (value ?? "");
      case "+":
        return missing ? "" : word;
      case "?":
        if (!missing) return value ?? "";
        throw new WordError(`${name}: ${word || `is not allowed to be ${value === undefined ? "unset" : "empty"}`}`);
      default:
        return trimPattern(value ?? "", word, modifier);
    }
  }

  /** `${name/pattern/replacement}` and `${name//pattern/replacement}`. */
  private replace(name: string): string {
    const all = this.text[this.at] === "/";
    if (all) this.at++;
    let pattern: string;
    try {
      pattern = this.process("/", true).text;
    } catch (error) {
      if (error instanceof WordError) throw new WordError("syntax error: missing '/' in a substitution");
      throw error;
    }
    const replacement = this.inBraces(true);
    const value = this.value(name);
    if (value === undefined && this.options.skipUnset) return `\${${name}/${pattern}/${replacement}}`;
    const expression = patternToRegExp(pattern, { greedy: true, anchor: "none", global: all });
    return (value ?? "").replace(expression, () => replacement);
  }

  private inBraces(rawEscapes: boolean): string {
    try {
      return this.process("}", rawEscapes).text;
    } catch (error) {
      if (error instanceof WordError && this.at >= this.text.length) throw new WordError("syntax error: missing '}'");
      throw error;
    }
  }

  private nameOf(): string {
    const rest = this.text.slice(this.at, this.at + 256);
    const name =
      /^[0-9]+/.exec(rest)?.[0] ??
      (SPECIAL.has(rest[0] ?? "") ? (rest[0] as string) : (/^[A-Za-z_][A-Za-z0-9_]*/.exec(rest)?.[0] ?? ""));
    this.at += name.length;
    return name;
  }

  private value(name: string): string | undefined {
    return this.options.environment.get(name);
  }
}

/** `${x#pattern}` and `${x%pattern}`; a doubled sign takes the longest match. */
function trimPattern(value: string, word: string, sign: string): string {
  const greedy = word.startsWith(sign);
  const pattern = greedy ? word.slice(1) : word;
  if (sign === "#") return value.replace(patternToRegExp(pattern, { greedy, anchor: "start" }), "");
  // The shortest match at the end is the shortest match at the start of the reversed text; trying each start from the
  // right says the same without reversing the pattern.
  const expression = patternToRegExp(pattern, { greedy: true, anchor: "both" });
  const starts = Array.from({ length: value.length + 1 }, (_, index) => index);
  if (!greedy) starts.reverse();
  const start = starts.find((index) => expression.test(value.slice(index)));
  return start === undefined ? value : value.slice(0, start);
}
