/**
 * podman's registries.conf, version 2: where a registry's images really are, its mirrors, and which hosts go without TLS.
 *
 * Read: `[[registry]]` with prefix, location, insecure, blocked, mirror-by-digest-only, and `[[registry.mirror]]` with
 * location, insecure, pull-from-mirror. Not read: short names (a name without a host is Docker Hub's here, as in docker)
 * and version 1. Only the part of TOML that these files use is understood; a line outside it is an error that names it,
 * for a mirror that is silently ignored is worse.
 *
 * Source: containers-registries.conf(5); TOML 1.0.
 */
import { readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { InitwrapError } from "../../model/errors.ts";
import type { Environment } from "./proxy.ts";

/** One `[[registry.mirror]]`. `location` is `host[:port][/path]`. */
export interface MirrorRule {
  readonly location: string;
  readonly insecure: boolean;
  readonly pull: "all" | "digest-only" | "tag-only";
}

/** One `[[registry]]`: what holds for every image whose name begins with `prefix`. */
export interface RegistryRule {
  /** `host[:port][/path]`, or `*.domain`. */
  readonly prefix: string;
  /** What replaces the prefix; the same as it when not given. Undefined for a wildcard without one. */
  readonly location: string | undefined;
  readonly insecure: boolean;
  readonly blocked: boolean;
  readonly mirrors: readonly MirrorRule[];
}

/**
 * The rules of the machine and the user: CONTAINERS_REGISTRIES_CONF, else ~/.config/containers/registries.conf, else
 * /etc/containers/registries.conf; then the drop-in folders, whose rules replace those of the same prefix.
 * Throws INPUT_UNREADABLE, with the line, for a file that cannot be understood.
 */
export async function readRegistryRules(env: Environment): Promise<readonly RegistryRule[]> {
  const config = env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config");
  const named = env["CONTAINERS_REGISTRIES_CONF"];
  const main = named ? [named] : [join(config, "containers/registries.conf"), "/etc/containers/registries.conf"];
  const rules = new Map<string, RegistryRule>();
  const add = (text: string, path: string): void => {
    for (const rule of parseRegistryRules(text, path)) rules.set(rule.prefix, rule);
  };
  for (const path of main) {
    const text = readIfThere(path);
    if (text === undefined) continue;
    add(text, path);
    break;
  }
  const folders = named ? [] : ["/etc/containers/registries.conf.d", join(config, "containers/registries.conf.d")];
  for (const folder of folders) {
    for (const name of namesIn(folder)) {
      if (!name.endsWith(".conf")) continue;
      const path = join(folder, name);
      add(readIfThere(path) ?? "", path);
    }
  }
  return [...rules.values()];
}

// Small files that mostly are not there: waiting for them is less than loading what would not wait.

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** The rule for `name` (`host/path`, no tag): the longest prefix that ends at a `/`, `:` or `@` of the name or at its end. */
export function ruleFor(name: string, rules: readonly RegistryRule[]): RegistryRule | undefined {
  let best: RegistryRule | undefined;
  for (const rule of rules) {
    if (matches(name, rule.prefix) && rule.prefix.length > (best?.prefix.length ?? -1)) best = rule;
  }
  return best;
}

/** `name` with the part that matches the rule's prefix replaced by `location`. */
export function rewriteName(name: string, rule: RegistryRule, location: string): string {
  // As podman has it: a prefix without a port leaves the name's port where it is.
  const matched = rule.prefix.startsWith("*.") ? /^[^/:@]*/.exec(name)![0].length : rule.prefix.length;
  return location + name.slice(matched);
}

function matches(name: string, prefix: string): boolean {
  if (prefix.startsWith("*.")) return (name.split("/")[0] ?? "").replace(/:\d+$/, "").endsWith(prefix.slice(1));
  return name === prefix || (name.startsWith(prefix) && "/:@".includes(name[prefix.length]!));
}

type Value = string | boolean | number | readonly Value[];
type Table = Map<string, Value>;

/** The rules in one file's text. `path` is for messages. */
export function parseRegistryRules(text: string, path: string): readonly RegistryRule[] {
  const registries: { fields: Table; mirrors: Table[] }[] = [];
  for (const { header, fields, line } of parseTables(text, path)) {
    if (header === "[[registry]]") registries.push({ fields, mirrors: [] });
    else if (header === "[[registry.mirror]]") {
      const owner = registries.at(-1);
      if (!owner) throw unreadable(path, line, "a mirror before any [[registry]]");
      owner.mirrors.push(fields);
    } else if (header.startsWith("[registries")) {
      throw unreadable(path, line, "version 1 of the format is not supported");
    }
  }
  return registries.map(({ fields, mirrors }) => {
    const location = placeOf(fields, "location", path);
    const prefix = placeOf(fields, "prefix", path) ?? location;
    if (prefix === undefined) throw unreadable(path, 0, "a [[registry]] with neither prefix nor location");
    const digestOnly = fields.get("mirror-by-digest-only") === true;
    return {
      prefix,
      location: location ?? (prefix.startsWith("*.") ? undefined : prefix),
      insecure: fields.get("insecure") === true,
      blocked: fields.get("blocked") === true,
      mirrors: mirrors.map((mirror) => {
        const target = placeOf(mirror, "location", path);
        if (target === undefined) throw unreadable(path, 0, "a [[registry.mirror]] without a location");
        const pull = textOf(mirror, "pull-from-mirror");
        return {
          location: target,
          insecure: mirror.get("insecure") === true,
          pull: pull === "digest-only" || pull === "tag-only" ? pull : digestOnly ? "digest-only" : "all",
        };
      }),
    };
  });
}

/** `host[:port][/path]`, without slashes at its end. Throws INPUT_UNREADABLE for a URL, as podman does. */
function placeOf(table: Table, key: string, path: string): string | undefined {
  const text = textOf(table, key)?.replace(/\/+$/, "");
  if (text?.includes("://")) throw unreadable(path, 0, `the ${key} ${text} has a scheme; it is HOST[:PORT][/PATH]`);
  return text;
}

function textOf(table: Table, key: string): string | undefined {
  const value = table.get(key);
  return typeof value === "string" && value !== "" ? value : undefined;
}

interface ParsedTable {
  readonly header: string;
  readonly fields: Table;
  readonly line: number;
}

/** Splits TOML into its tables, in order; the keys before the first header are a table with an empty one. */
function parseTables(text: string, path: string): readonly ParsedTable[] {
  const tables: ParsedTable[] = [{ header: "", fields: new Map(), line: 0 }];
  const lines = text.split(/\r?\n/);
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]!.trim();
    if (line === "" || line.startsWith("#")) continue;
    const header = /^(\[\[?)\s*([^\]]+?)\s*(\]\]?)\s*(?:#.*)?$/.exec(line);
    if (header) {
      const name = header[2]!.replace(/["'\s]/g, "");
      tables.push({ header: `${header[1]}${name}${header[3]}`, fields: new Map(), line: index + 1 });
      continue;
    }
    const pair = /^(?:"([^"]*)"|'([^']*)'|([\w-]+(?:\s*\.\s*[\w-]+)*))\s*=\s*(.*)$/.exec(line);
    if (!pair) throw unreadable(path, index + 1, "not a key with a value");
    const started = index + 1;
    let rest = pair[4]!;
    // An array may go on over several lines.
    while (rest.startsWith("[") && !isClosed(rest) && index + 1 < lines.length) rest += `\n${lines[++index]!}`;
    const cursor = { text: rest, at: 0 };
    const value = readValue(cursor, path, started);
    skipGaps(cursor);
    if (cursor.at < rest.length) throw unreadable(path, started, "something after the value");
    tables.at(-1)!.fields.set(pair[1] ?? pair[2] ?? pair[3]!.replace(/\s/g, ""), value);
  }
  return tables;
}

interface Cursor {
  readonly text: string;
  at: number;
}

function readValue(cursor: Cursor, path: string, line: number): Value {
  skipGaps(cursor);
  const rest = cursor.text.slice(cursor.at);
  const literal = /^'([^'\n]*)'/.exec(rest) ?? /^"((?:[^"\\\n]|\\.)*)"/.exec(rest);
  if (literal && !/^("""|''')/.test(rest)) {
    cursor.at += literal[0].length;
    if (literal[0].startsWith("'")) return literal[1]!;
    try {
      return JSON.parse(literal[0]) as string;
    } catch {
      throw unreadable(path, line, "a string with an unknown escape");
    }
  }
  const word = /^(true|false)\b/.exec(rest);
  if (word) {
    cursor.at += word[0].length;
    return word[0] === "true";
  }
  const number = /^[+-]?\d[\d_.]*/.exec(rest);
  if (number) {
    cursor.at += number[0].length;
    return Number(number[0].replaceAll("_", ""));
  }
  if (!rest.startsWith("[")) throw unreadable(path, line, "a value that is not understood");
  cursor.at++;
  const items: Value[] = [];
  for (;;) {
    skipGaps(cursor);
    if (cursor.text[cursor.at] === "]") {
      cursor.at++;
      return items;
    }
    items.push(readValue(cursor, path, line));
    skipGaps(cursor);
    if (cursor.text[cursor.at] === ",") cursor.at++;
    else if (cursor.text[cursor.at] !== "]") throw unreadable(path, line, "an array that does not end");
  }
}

/** Skips blanks, line ends and comments. */
function skipGaps(cursor: Cursor): void {
  const gap = /(?:\s|#[^\n]*)*/y;
  gap.lastIndex = cursor.at;
  gap.exec(cursor.text);
  cursor.at = gap.lastIndex;
}

/** True when every bracket outside strings and comments is closed. */
function isClosed(text: string): boolean {
  const bare = text.replace(/"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|#[^\n]*/g, "");
  return bare.split("[").length <= bare.split("]").length;
}

function unreadable(path: string, line: number, why: string): InitwrapError {
  return new InitwrapError("INPUT_UNREADABLE", `${path}: ${why}`, {
    where: line > 0 ? `${path}:${line}` : path,
    hint: "Correct the file, or name another one in CONTAINERS_REGISTRIES_CONF.",
  });
}
