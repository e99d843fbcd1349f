/** Whether a flag takes what a variable or the file has for it. */
import { nearest } from "../model/did-you-mean.ts";
import { type ErrorCode, InitwrapError } from "../model/errors.ts";
import { parsePlatform } from "../model/platform.ts";
import type { FlagReference } from "../reference/command.ts";
import { withoutSecrets } from "./secrets.ts";

interface Form {
  readonly fits: (text: string) => boolean;
  /** What `text` is not. */
  readonly what: string;
  readonly hint: string;
}

const PLATFORM: Form = {
  // An empty one stands for all.
  fits: (text) => text === "" || parsePlatform(text) !== undefined,
  what: "platform",
  hint: "A platform reads like linux/amd64.",
};
const WHOLE: Form = { fits: (text) => /^0*[1-9]\d*$/.test(text), what: "whole number above 0", hint: "Write digits." };

/** The form of a value, by the name that its flag has for it; the command itself knows the limits. */
const FORMS: Readonly<Record<string, Form>> = {
  "OS/ARCH[/VARIANT]": PLATFORM,
  "OS/ARCH": PLATFORM,
  N: WHOLE,
  NUMBER: WHOLE,
  SECONDS: {
    fits: (text) => /^\d+(?:\.\d+)?$/.test(text) && Number(text) > 0,
    what: "number of seconds",
    hint: "Write digits without a unit.",
  },
};

interface Said {
  /** What a wrong value is: CONFIG_INVALID in the file, USAGE elsewhere. */
  readonly code: ErrorCode;
  readonly where: string;
  /** What was set: a key, or a flag. */
  readonly name: string;
}

/** Throws `code` for a value that is none of the flag's options, or not of its form. */
export function checkValue(flag: FlagReference, value: string, { code, where, name }: Said): void {
  const { options } = flag;
  const said = `${name}: ${withoutSecrets(value)}`;
  if (options !== undefined && !options.includes(value)) {
    const guess = nearest(value, options);
    throw new InitwrapError(code, `${said} is none of its values`, {
      where,
      hint: guess === undefined ? `It takes ${options.join(", ")}.` : `Did you mean ${guess}?`,
    });
  }
  const form = FORMS[flag.value ?? ""];
  if (form !== undefined && !form.fits(value)) {
    throw new InitwrapError(code, `${said} is no ${form.what}`, { where, hint: form.hint });
  }
}

/** The values of one word: several where the flag takes a list. An empty word that stands alone has its own meaning. */
export function valuesOfWord({ delimiter, multiple }: FlagReference, word: string): readonly string[] {
  if (!multiple || delimiter === undefined || word === "") return [word];
  return word
    .split(delimiter)
    .map((value) => value.trim())
    .filter(Boolean);
}
