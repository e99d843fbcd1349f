/**
 * Numbers of a Compose file as texts. Compose is written in Go: its YAML library also takes `0123`, `0b11` and `1_000` for numbers, and
 * a number that becomes a build argument is what Go prints of it: `1.0` is `1`, `1e7` is `1e+07`.
 * Source: resolve.go of go-yaml v3, and the verb `%v` of Go's package fmt; test/e2e/compose-config.test.ts compares.
 */
import type { ScalarTag } from "yaml";

const INTEGER = /^([-+]?)(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|[0-9][0-9_]*)$/;
const FLOAT = /^[-+]?(?:\.[0-9_]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9_]+)?$/;
const SPECIAL = /^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$/;

/** The tags that come before the library's own, for `customTags`. A number's value is its text. */
export const GO_NUMBERS: readonly ScalarTag[] = [
  { tag: "tag:yaml.org,2002:int", default: true, test: INTEGER, resolve: integerText },
  { tag: "tag:yaml.org,2002:float", default: true, test: FLOAT, resolve: (text) => floatText(numberIn(text)) },
  { tag: "tag:yaml.org,2002:float", default: true, test: SPECIAL, resolve: specialText },
];

function numberIn(text: string): number {
  return Number(text.replaceAll("_", ""));
}

function integerText(text: string): string {
  const plain = text.replaceAll("_", "");
  const [, sign = "", digits = ""] = INTEGER.exec(plain) ?? [];
  const isOctal = /^0[0-7]+$/.test(digits);
  const isPrefixed = /^0[xXbBoO]/.test(digits);
  // What only looks octal, such as 08, is a float to Go.
  if (!isOctal && !isPrefixed && /^0\d/.test(digits)) return floatText(numberIn(plain));
  const value = BigInt(isOctal ? `0o${digits.slice(1)}` : digits.toLowerCase());
  const isHuge = sign === "-" ? value > 2n ** 63n : value >= 2n ** 64n;
  if (isHuge) return isPrefixed ? text : floatText(numberIn(plain));
  return value === 0n ? "0" : `${sign === "-" ? "-" : ""}${value}`;
}

function specialText(text: string): string {
  if (/nan/i.test(text)) return "NaN";
  return text.startsWith("-") ? "-Inf" : "+Inf";
}

/** The shortest digits that mean `value`; seven before the point get an exponent. */
function floatText(value: number): string {
  if (!Number.isFinite(value)) return value < 0 ? "-Inf" : "+Inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa = "", power = ""] = value.toExponential().split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return value.toString();
  const digits = String(Math.abs(exponent)).padStart(2, "0");
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${digits}`;
}
