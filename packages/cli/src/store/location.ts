import { access } from "node:fs/promises";

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

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
