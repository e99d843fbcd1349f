/** The shell patterns of `${x#p}`, `${x%p}` and `${x/p/r}`: `*`, `?` and escapes; nothing else is special. */
export interface PatternOptions {
  readonly greedy: boolean;
  readonly anchor: "none" | "start" | "both";
  readonly global?: boolean;
}

/** The pattern as a regular expression over a value. */
export function patternToRegExp(pattern: string, options: PatternOptions): RegExp {
  let source = "";
  for (let index = 0; index < pattern.length; index++) {
    const char = pattern[index] as string;
    if (char === "*") source += options.greedy ? ".*" : ".*?";
    else if (char === "?") source += ".";
    else source += literal(char === "\\" ? (pattern[++index] ?? char) : char);
  }
  const start = options.anchor === "none" ? "" : "^";
  const end = options.anchor === "both" ? "$" : "";
  return new RegExp(`${start}${source}${end}`, options.global ? "gs" : "s");
}

function literal(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
