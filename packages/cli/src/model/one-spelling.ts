/**
 * Keys that one reader takes for a field and another one does not.
 *
 * Engines and registries are written in Go, whose encoding/json matches keys with fields without regard to case: `Config` beside
 * `config` is a second value there, and `entrypoint` alone is an Entrypoint. Other readers see an unknown key.
 *
 * Source: Go, encoding/json, `Unmarshal`, and fold.go for the two letters beyond ASCII that fold to one within.
 */
import { InitwrapError } from "./errors.ts";

/** Throws IMAGE_INVALID for a key of `object` that is another spelling of one of `fields`. `what` is the document that has it. */
export function requireOneSpelling(object: object, fields: readonly string[], what: string, where: string): void {
  const known = new Map(fields.map((field) => [fold(field), field]));
  for (const key of Object.keys(object)) {
    const twin = known.get(fold(key));
    if (twin === undefined || twin === key) continue;
    throw new InitwrapError("IMAGE_INVALID", `${what} writes ${twin} as ${key}: readers differ on what that is`, {
      where,
    });
  }
}

/** U+017F, the long s, has an upper case within ASCII; U+212A, the sign for Kelvin, a lower case. */
function fold(key: string): string {
  return key.toLowerCase().replaceAll("\u017f", "s");
}
