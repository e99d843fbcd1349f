/**
 * The rules in the text of a registries.conf, version 2. What is not as containers-registries.conf(5) has it is an error: a mirror
 * that is silently ignored is worse.
 *
 * Source: containers-registries.conf(5); TOML 1.0.
 */
import { parse, TomlError, type TomlTable, type TomlValue } from "smol-toml";
import { InitwrapError } from "../../model/errors.ts";
import { isRecord } from "../../model/record.ts";
import type { MirrorRule, RegistryRule } from "./registries-conf.ts";

/** The rules in one file's text, in its order. `path` is for messages. Throws INPUT_UNREADABLE. */
export function parseRegistryRules(text: string, path: string): readonly RegistryRule[] {
  let document: TomlTable;
  try {
    document = parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    // Its message goes on with a picture of the place.
    throw unreadable(path, cause.message.split("\n", 1)[0]!.replace(/^Invalid TOML document: /, ""), cause.line);
  }
  if (document["registries"] !== undefined) throw unreadable(path, "version 1 of the format is not supported");
  return tablesOf(document["registry"], "registry", path).map((registry) => ruleOf(registry, path));
}

function ruleOf(registry: TomlTable, path: string): RegistryRule {
  const location = placeOf(registry, "location", path);
  const prefix = placeOf(registry, "prefix", path) ?? location;
  if (prefix === undefined) throw unreadable(path, "a [[registry]] with neither prefix nor location");
  const digestOnly = flagOf(registry, "mirror-by-digest-only", path);
  return {
    prefix,
    location: location ?? (prefix.startsWith("*.") ? undefined : prefix),
    insecure: flagOf(registry, "insecure", path),
    blocked: flagOf(registry, "blocked", path),
    mirrors: tablesOf(registry["mirror"], "registry.mirror", path).map((mirror) => mirrorOf(mirror, digestOnly, path)),
  };
}

function mirrorOf(mirror: TomlTable, digestOnly: boolean, path: string): MirrorRule {
  const location = placeOf(mirror, "location", path);
  if (location === undefined) throw unreadable(path, "a [[registry.mirror]] without a location");
  const pull = textOf(mirror, "pull-from-mirror", path);
  return {
    location,
    insecure: flagOf(mirror, "insecure", path),
    pull: pull === "digest-only" || pull === "tag-only" ? pull : digestOnly ? "digest-only" : "all",
  };
}

function tablesOf(value: TomlValue | undefined, name: string, path: string): readonly TomlTable[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every((one) => isRecord(one))) return value as TomlTable[];
  throw unreadable(path, `${name} is no array of tables; each begins with [[${name}]]`);
}

/** `host[:port][/path]`, without slashes at its end. Throws INPUT_UNREADABLE for a URL, as podman does. */
function placeOf(table: TomlTable, key: string, path: string): string | undefined {
  const text = textOf(table, key, path)?.replace(/\/+$/, "");
  if (text?.includes("://")) throw unreadable(path, `the ${key} ${text} has a scheme; it is HOST[:PORT][/PATH]`);
  return text;
}

function textOf(table: TomlTable, key: string, path: string): string | undefined {
  const value = table[key];
  if (value === undefined || value === "") return undefined;
  if (typeof value !== "string") throw unreadable(path, `${key} is no text`);
  return value;
}

function flagOf(table: TomlTable, key: string, path: string): boolean {
  const value = table[key] ?? false;
  if (typeof value !== "boolean") throw unreadable(path, `${key} is neither true nor false`);
  return value;
}

function unreadable(path: string, why: string, line?: number): InitwrapError {
  return new InitwrapError("INPUT_UNREADABLE", `${path}: ${why}`, {
    where: line === undefined ? path : `${path}:${line}`,
    hint: "Correct the file, or name another one in CONTAINERS_REGISTRIES_CONF.",
  });
}
