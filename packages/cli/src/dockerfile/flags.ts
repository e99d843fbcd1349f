/** The `--x` words at the start of an argument. Source: BuildKit's parser, extractBuilderFlags. */
export interface Flags {
  readonly flags: readonly string[];
  /** Offset of what follows them. */
  readonly rest: number;
}

/** Reads the flags that `text` begins with; `--` alone ends them. */
export function readFlags(text: string): Flags {
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && isSpace(text.charCodeAt(at))) at++;
    if (text[at] !== "-" || text[at + 1] !== "-") return { flags, rest: at };
    const { word, end } = readWord(text, at);
    at = end;
    if (word === "--") return { flags, rest: at };
    flags.push(word);
  }
}

/** One word, quotes and backslashes taken away. */
function readWord(text: string, start: number): { word: string; end: number } {
  let word = "";
  let quote = "";
  let at = start;
  for (; at < text.length; at++) {
    const char = text[at] as string;
    if (quote === "" && isSpace(text.charCodeAt(at))) break;
    if (quote === "" && (char === "'" || char === '"')) quote = char;
    else if (char === quote) quote = "";
    else if (char === "\\") word += text[++at] ?? "";
    else word += char;
  }
  return { word, end: Math.min(at, text.length) };
}

/** White space of one byte, as Go's unicode.IsSpace sees the byte as a character. */
function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13) || code === 0x85 || code === 0xa0;
}
