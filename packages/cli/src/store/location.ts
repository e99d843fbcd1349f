import { access, realpath, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { InitwrapError } from "../model/errors.ts";
import { formatReference, parseReference, referenceHint } from "../model/reference.ts";

/**
 * Splits `PATH[:NAME]`. A path may hold colons: the longest prefix that exists is the path. When none exists, everything
 * before the first colon is, for the file is about to be made.
 */
export async function splitLocation(location: string): Promise<{ readonly path: string; readonly name?: string }> {
  if (location === "-" || (await exists(location))) return { path: location };
  const colons = [...location.matchAll(/:/g)].map((match) => match.index);
  for (const colon of colons.toReversed()) {
    const path = location.slice(0, colon);
    if (path === "-" || (await exists(path))) return named(path, location.slice(colon + 1));
  }
  const [first] = colons;
  return first === undefined ? { path: location } : named(location.slice(0, first), location.slice(first + 1));
}

function named(path: string, name: string): { readonly path: string; readonly name?: string } {
  return name === "" ? { path } : { path, name };
}

/** The name of an image in a file with its registry and tag. Throws LOCATOR_INVALID. */
export function fullName(name: string): string {
  const reference = parseReference(name);
  if (!reference) {
    throw new InitwrapError("LOCATOR_INVALID", `${JSON.stringify(name)} is no image reference`, {
      where: name,
      hint: referenceHint(name),
    });
  }
  return formatReference(reference);
}

/**
 * Of the names that an image has elsewhere, those that it can have in a file. A digest names one content, and the result is
 * another one: a reader would take it for what that digest stands for.
 */
export function namesInFile(names: readonly string[]): readonly string[] {
  const kept = names.flatMap((name) => {
    const reference = parseReference(name);
    if (reference?.digest === undefined) return [name];
    const { digest: _, ...named } = reference;
    return named.tag === undefined ? [] : [formatReference(named)];
  });
  return [...new Set(kept)];
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * True when two paths lead to one file or folder: however they are written, through links, and through mounts. A second
 * name of a file is another file, for what replaces the one leaves the other.
 */
export async function isSameFile(a: string, b: string): Promise<boolean> {
  if (a === "-" || b === "-") return a === b;
  const [first, second] = await Promise.all([real(a), real(b)]);
  if (first === second) return true;
  const [one, other] = await Promise.all([found(first), found(second)]);
  if (!one || !other || one.dev !== other.dev || one.ino !== other.ino) return false;
  return one.isDirectory() || one.nlink === 1n;
}

function real(path: string): Promise<string> {
  return realpath(path).catch(() => resolve(path));
}

function found(path: string) {
  return stat(path, { bigint: true }).catch(() => undefined);
}
