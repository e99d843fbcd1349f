/**
 * Values on their way into a Dockerfile.
 *
 * A project's files are data of strangers: a package name, a path or a script must not be able to end a line or an
 * argument. Commands go out as JSON arrays; paths and names are either plain or refused, never escaped by guess.
 */
import { InitwrapError } from "../model/errors.ts";

/** Strings as an exec form: `["a", "b"]`. What people cannot see is written as an escape. */
export function execForm(words: readonly string[]): string {
  return `[${words.map(jsonWord).join(", ")}]`;
}

function jsonWord(word: string): string {
  return JSON.stringify(word.toWellFormed()).replace(
    /[\x7f\u0080-\u00a0\u2028\u2029\ufeff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A path that means itself in COPY, in a shell's single quotes and in a URL-free world. Throws PROJECT_INVALID. */
export function plainPath(path: string): string {
  const parts = path.split("/");
  if (/^[\p{L}\p{N}_@+., /-]+$/u.test(path) && !path.startsWith("-") && !path.startsWith("/") && !parts.includes(".."))
    return path;
  throw new InitwrapError("PROJECT_INVALID", `the path ${JSON.stringify(path)} cannot be written into a Dockerfile`, {
    hint: "Rename it with letters, digits, dots, dashes and underscores.",
  });
}

/** A name that means itself everywhere: of a program, a package, a module. Throws PROJECT_INVALID. */
export function plainName(name: string, what: string): string {
  if (/^[A-Za-z0-9_][\w.-]*$/.test(name) && name.length <= 200) return name;
  throw new InitwrapError("PROJECT_INVALID", `${JSON.stringify(name)} is no ${what}`);
}

/** A word for a shell line; only what `plainPath` and `plainName` let through comes here. */
export function shellWord(word: string): string {
  return /^[\w@+.,/-]+$/.test(word) ? word : `'${word}'`;
}

/**
 * The words of a command line that needs no shell, or undefined when it does: for variables, pipes, patterns and the like.
 * Single quotes, double quotes and backslashes in their plain uses are understood.
 */
export function splitCommand(line: string): readonly string[] | undefined {
  const words: string[] = [];
  const token = /\s*(?:"((?:[^"\\$`]|\\["\\])*)"|'([^']*)'|([^\s"'\\$`&|;<>(){}*?[\]~#!]+))(?=\s|$)/y;
  const text = line.trim();
  while (token.lastIndex < text.length) {
    const match = token.exec(text);
    if (match === null) return undefined;
    words.push(match[1]?.replace(/\\(["\\])/g, "$1") ?? match[2] ?? (match[3] as string));
  }
  // An assignment in front of the program is the shell's business.
  return words.length === 0 || /^[A-Za-z_]\w*=/.test(words[0] as string) ? undefined : words;
}
