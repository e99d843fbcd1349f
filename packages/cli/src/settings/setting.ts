/** A flag's value that was not given on the command line, and where it was said. */
import type { FlagReference } from "../reference/command.ts";

export type Place =
  | { readonly kind: "variable"; readonly name: string }
  | {
      readonly kind: "file";
      readonly path: string;
      /** Both from 1. */
      readonly line: number;
      readonly column: number;
      /** The keys that lead to it: `dockerfile.inject`. */
      readonly key: string;
    };

export interface Setting {
  /** `true` or `false` for a flag without a value; one word, or for a flag that may be repeated several. */
  readonly values: readonly string[];
  readonly place: Place;
}

/** Settings by their keys, such as `dockerfile.inject` and `reporter`. */
export type Settings = ReadonlyMap<string, Setting>;

/** `file:line:column`, or the variable's name. */
export function placeText(place: Place): string {
  return place.kind === "variable" ? place.name : `${place.path}:${place.line}:${place.column}`;
}

/** True when a flag without a value is set to "no". */
export function isOff(flag: FlagReference, { values }: Setting): boolean {
  return flag.value === undefined && values[0] === "false";
}
