/**
 * The functions that bake files call most, on values as HCL has them. Those that give another result each time (timestamp, uuid), and
 * those that nobody needs to tell which Dockerfile is built, are left out.
 * Source: Docker's documentation, "Bake standard library functions".
 */
export type Value = string | number | boolean | null | readonly Value[] | ReadonlyMap<string, Value>;

/** A call that cannot be evaluated, with the reason. */
export class CallError extends Error {
  override readonly name = "CallError";
}

export type Call = (...values: readonly Value[]) => Value;

/** The function of that name; undefined when it is not known here. */
export function bakeFunction(name: string): Call | undefined {
  return Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
}

/** A value as the text that stands in a template or an argument. Throws CallError for a list or a map. */
export function asText(value: Value | undefined): string {
  if (value === null || value === undefined || typeof value === "object") throw new CallError("this is not a text");
  return String(value);
}

/** A number, also one that is written as a text. */
export function asNumber(value: Value | undefined): number {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isFinite(number)) throw new CallError("this is not a number");
  return number;
}

export function asBoolean(value: Value | undefined): boolean {
  if (value === "true" || value === true) return true;
  if (value === "false" || value === false) return false;
  throw new CallError("this is neither true nor false");
}

export function asList(value: Value | undefined): readonly Value[] {
  if (!Array.isArray(value)) throw new CallError("this is not a list");
  return value as readonly Value[];
}

function asMap(value: Value | undefined): ReadonlyMap<string, Value> {
  if (!(value instanceof Map)) throw new CallError("this is not a map");
  return value;
}

/** Equality as HCL has it: by value, and a number is no text. */
export function same(a: Value | undefined, b: Value | undefined): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, at) => same(item, b[at]));
  if (a instanceof Map && b instanceof Map) {
    return a.size === b.size && [...a].every(([key, item]) => b.has(key) && same(item, b.get(key)));
  }
  return a === b;
}

const withoutEnds = (text: string, chars: string, ends: "both" | "left" | "right"): string => {
  const letters = [...text];
  if (ends !== "right") while (letters.length > 0 && chars.includes(letters[0] as string)) letters.shift();
  if (ends !== "left") while (letters.length > 0 && chars.includes(letters.at(-1) as string)) letters.pop();
  return letters.join("");
};

const distinct = (list: readonly Value[]): readonly Value[] =>
  list.filter((item, at) => list.findIndex((other) => same(item, other)) === at);

const FUNCTIONS: Readonly<Record<string, Call>> = {
  upper: (text) => asText(text).toUpperCase(),
  lower: (text) => asText(text).toLowerCase(),
  strlen: (text) => [...asText(text)].length,
  reverse: (text) => [...asText(text)].reverse().join(""),
  trimspace: (text) => asText(text).trim(),
  trim: (text, chars) => withoutEnds(asText(text), asText(chars), "both"),
  trimprefix: (text, prefix) =>
    asText(text).startsWith(asText(prefix)) ? asText(text).slice(asText(prefix).length) : asText(text),
  trimsuffix: (text, suffix) =>
    asText(suffix) !== "" && asText(text).endsWith(asText(suffix))
      ? asText(text).slice(0, -asText(suffix).length)
      : asText(text),
  replace: (text, from, to) => asText(text).replaceAll(asText(from), () => asText(to)),
  substr: (text, start, length) => {
    const letters = [...asText(text)];
    const from = asNumber(start) < 0 ? letters.length + asNumber(start) : asNumber(start);
    return letters.slice(from, asNumber(length) < 0 ? undefined : from + asNumber(length)).join("");
  },
  split: (separator, text) => asText(text).split(asText(separator)),
  join: (separator, ...lists) =>
    lists
      .flatMap((list) => asList(list))
      .map(asText)
      .join(asText(separator)),
  format: (text, ...values) => formatted(asText(text), values),
  concat: (...lists) => lists.flatMap((list) => asList(list)),
  length: (list) => asList(list).length,
  contains: (list, item) => asList(list).some((other) => same(other, item)),
  distinct: (list) => distinct(asList(list)),
  compact: (list) => asList(list).filter((item) => item !== "" && item !== null),
  element: (list, at) => {
    const items = asList(list);
    if (items.length === 0) throw new CallError("the list is empty");
    return items[asNumber(at) % items.length] ?? null;
  },
  index: (of, key) => element(of ?? null, key ?? null),
  slice: (list, start, end) => asList(list).slice(asNumber(start), asNumber(end)),
  sort: (list) =>
    asList(list)
      .map(asText)
      .toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)),
  reverselist: (list) => asList(list).toReversed(),
  keys: (map) => [...asMap(map).keys()].toSorted(),
  values: (map) => [...asMap(map)].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value),
  lookup: (map, key, otherwise) => asMap(map).get(asText(key)) ?? otherwise ?? null,
  merge: (...maps) => new Map(maps.flatMap((map) => [...asMap(map)])),
  coalesce: (...values) => {
    const found = values.find((value) => value !== null);
    if (found === undefined) throw new CallError("every argument is null");
    return found;
  },
  equal: (a, b) => same(a, b),
  notequal: (a, b) => !same(a, b),
  and: (a, b) => asBoolean(a) && asBoolean(b),
  or: (a, b) => asBoolean(a) || asBoolean(b),
  not: (a) => !asBoolean(a),
  add: (a, b) => asNumber(a) + asNumber(b),
  subtract: (a, b) => asNumber(a) - asNumber(b),
  multiply: (a, b) => asNumber(a) * asNumber(b),
  greaterthan: (a, b) => asNumber(a) > asNumber(b),
  lessthan: (a, b) => asNumber(a) < asNumber(b),
  max: (...values) => Math.max(...values.map(asNumber)),
  min: (...values) => Math.min(...values.map(asNumber)),
};

/** One item of a list, or a map's value. */
export function element(of: Value, key: Value): Value {
  const found = of instanceof Map ? of.get(asText(key)) : asList(of)[asNumber(key)];
  if (found === undefined) throw new CallError(`there is nothing at ${JSON.stringify(key)}`);
  return found;
}

/** `%s`, `%d` with a width, `%v` and `%%`; the rest of Go's verbs is refused. */
function formatted(text: string, values: readonly Value[]): string {
  let next = 0;
  return text.replace(/%(?:%|(0?)(\d*)([a-zA-Z]))/g, (all, zero: string, width: string, verb: string) => {
    if (all === "%%") return "%";
    const value = values[next++];
    if (verb === "s" || verb === "v") return asText(value).padStart(Number(width));
    if (verb !== "d") throw new CallError(`${all} is not followed`);
    const digits = String(Math.trunc(Math.abs(asNumber(value))));
    const sign = asNumber(value) < 0 ? "-" : "";
    return zero === "0"
      ? sign + digits.padStart(Number(width) - sign.length, "0")
      : (sign + digits).padStart(Number(width));
  });
}
