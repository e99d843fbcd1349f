/**
 * Which files of a context a `.dockerignore` hides. Patterns are tried in order and the last that matches decides; `!` takes
 * a file back. A pattern that matches a folder matches what is in it.
 * Source: Docker's documentation of .dockerignore, and moby/patternmatcher, read for its behaviour.
 */
export interface IgnorePattern {
  readonly expression: RegExp;
  readonly exception: boolean;
  readonly line: number;
}

/** Reads a `.dockerignore`. Lines that start with `#` are comments; white space around a pattern does not count. */
export function parseIgnore(text: string): readonly IgnorePattern[] {
  const patterns: IgnorePattern[] = [];
  text
    .replace(/^\ufeff/, "")
    .split("\n")
    .forEach((raw, index) => {
      if (raw.startsWith("#")) return;
      let pattern = raw.trim();
      if (pattern === "") return;
      const exception = pattern.startsWith("!");
      if (exception) pattern = pattern.slice(1).trim();
      pattern = cleanPath(pattern);
      if (pattern === "") return;
      patterns.push({ expression: patternExpression(pattern), exception, line: index + 1 });
    });
  return patterns;
}

/** The line whose pattern hides `path` (with `/` between folders), or undefined when the builder sees the file. */
export function hiddenBy(patterns: readonly IgnorePattern[], path: string): number | undefined {
  const parts = path.split("/");
  const prefixes = parts.map((_, index) => parts.slice(0, index + 1).join("/"));
  let hidden: number | undefined;
  for (const { expression, exception, line } of patterns) {
    if (!prefixes.some((prefix) => expression.test(prefix))) continue;
    hidden = exception ? undefined : line;
  }
  return hidden;
}

/** The path without `.`, `..`, doubled slashes and a slash at either end, as Go's filepath.Clean leaves it. */
function cleanPath(pattern: string): string {
  const parts: string[] = [];
  for (const part of pattern.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else parts.push(part);
  }
  return parts.join("/");
}

/** `*` and `?` stay inside a folder, `**` does not, `[...]` is a class, `\` takes away a meaning. */
function patternExpression(pattern: string): RegExp {
  let source = "";
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] as string;
    if (char === "*" && pattern[at + 1] === "*") {
      at++;
      if (pattern[at + 1] === "/") at++;
      source += at + 1 >= pattern.length ? ".*" : "(?:.*/)?";
    } else if (char === "*") source += "[^/]*";
    else if (char === "?") source += "[^/]";
    else if (char === "[") {
      const end = pattern.indexOf("]", at + 2);
      if (end < 0) return /(?!)/;
      const body = pattern.slice(at + 1, end).replace(/\\(.)|[[\]]/g, (all, one?: string) => `\\${one ?? all}`);
      source += `[${body}]`;
      at = end;
    } else {
      const plain = char === "\\" ? (pattern[++at] ?? char) : char;
      source += plain.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
    }
  }
  try {
    return new RegExp(`^${source}$`, "s");
  } catch {
    // A class such as [z-a] is an error to Docker too; it hides nothing.
    return /(?!)/;
  }
}
