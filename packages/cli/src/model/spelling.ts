/**
 * Names of JSON fields as readers in Go take them: `encoding/json` matches them without regard to case, and of several spellings the
 * last one counts. So a document with `layers` and `Layers` is two documents, and one with `Layers` alone is one that we misread.
 *
 * Source: Go, encoding/json, `Unmarshal` and `foldName`, which folds as Unicode does: the long s is an s, the Kelvin sign a k.
 */

/** A key that is one of `fields` in another spelling, and that field; undefined when there is none. */
export function otherSpelling(
  object: object,
  fields: readonly string[],
): { readonly key: string; readonly field: string } | undefined {
  for (const key of Object.keys(object)) {
    const field = fields.find((one) => one !== key && fold(one) === fold(key));
    if (field !== undefined) return { key, field };
  }
  return undefined;
}

function fold(name: string): string {
  return name.toUpperCase().toLowerCase();
}
