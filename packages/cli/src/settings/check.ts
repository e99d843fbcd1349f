/** Whether a flag takes what a variable or the file has for it. */
import { nearest } from "../model/did-you-mean.ts";
import { type ErrorCode, InitwrapError } from "../model/errors.ts";
import type { FlagReference } from "../reference/command.ts";
import { withoutSecrets } from "./secrets.ts";

/** Throws `code` for a value that is none of the flag's options. */
export function checkOptions(
  flag: FlagReference,
  values: readonly string[],
  { code, where, name }: { readonly code: ErrorCode; readonly where: string; readonly name: string },
): void {
  const { options } = flag;
  const wrong = options && values.find((value) => !options.includes(value));
  if (options === undefined || wrong === undefined) return;
  const guess = nearest(wrong, options);
  throw new InitwrapError(code, `${name}: ${withoutSecrets(wrong)} is none of its values`, {
    where,
    hint: guess === undefined ? `it takes ${options.join(", ")}` : `did you mean ${guess}?`,
  });
}
