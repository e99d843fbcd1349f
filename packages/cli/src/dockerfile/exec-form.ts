/**
 * The exec form: a JSON array of strings. Anything that is not quite JSON silently means the shell form, except an array
 * with something else than strings in it, which is an error.
 * Source: BuildKit's parser and Go's encoding/json, whose grammar is JSON's own but whose numbers must be finite.
 */
import { decode, encode, trimStart } from "./text.ts";

/** The strings of the array; `not-strings` for an array with other values; undefined when the text is no JSON array. */
export type ExecForm = readonly string[] | "not-strings" | undefined;

/** Reads `text` (one character a byte). `lenient` ignores what follows the array, as frontends before 1.9 do. */
export function readExecForm(text: string, lenient = false): ExecForm {
  const trimmed = trimStart(text);
  if (trimmed[0] !== "[") return undefined;
  const source = lenient ? trimmed.slice(0, arrayEnd(trimmed)) : trimmed;
  let value: unknown;
  try {
    value = JSON.parse(decode(source));
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  if (value.every((item) => typeof item === "string")) return value.map((item: string) => encode(item.toWellFormed()));
  return allFinite(value) ? "not-strings" : undefined;
}

/** Strings as an exec form, in the spelling that people use: `["a", "b"]`. */
export function formatExecForm(words: readonly string[]): string {
  return `[${words.map(formatWord).join(", ")}]`;
}

/** One string of an exec form; the control characters that JSON allows raw but people cannot see are escaped. */
export function formatWord(word: string): string {
  return JSON.stringify(word).replace(
    /[\x7f\u0085\u00a0\u2028\u2029\ufeff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Offset behind the array that `text` begins with, or the text's length when it does not close. */
function arrayEnd(text: string): number {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index++) {
    const char = text[index];
    if (inString) {
      if (char === "\\") index++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === "[" || char === "{") depth++;
    else if ((char === "]" || char === "}") && --depth === 0) return index + 1;
  }
  return text.length;
}

function allFinite(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  return Object.values(value).every(allFinite);
}
