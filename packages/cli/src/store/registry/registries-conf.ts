/**
 * podman's registries.conf, version 2: where a registry's images really are, its mirrors, and which hosts go without TLS.
 *
 * Read: `[[registry]]` with prefix, location, insecure, blocked, mirror-by-digest-only, and `[[registry.mirror]]` with
 * location, insecure, pull-from-mirror. Not read: short names (a name without a host is Docker Hub's here, as in docker)
 * and version 1. What stands in a file is read by registries-toml.ts: most files have nothing of all that, and reading TOML
 * takes as long as asking a registry.
 *
 * Source: containers-registries.conf(5).
 */
import { readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
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
 * A table of registries, or a key with tables of them. Not `unqualified-search-registries`, which is for names without a host, nor
 * the short name `registry`, whose value is a text.
 */
const MENTION = /^[ \t]*(?:\[\[?[ \t]*["']?registr(?:y|ies)\b|["']?registr(?:y|ies)["']?[ \t]*(?:\.|=[ \t]*[[{]))/m;

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
  const add = async (text: string, path: string): Promise<void> => {
    if (!MENTION.test(text)) return;
    const { parseRegistryRules } = await import("./registries-toml.ts");
    for (const rule of parseRegistryRules(text, path)) rules.set(rule.prefix, rule);
  };
  for (const path of main) {
    const text = readIfThere(path);
    if (text === undefined) continue;
    await add(text, path);
    break;
  }
  const folders = named ? [] : ["/etc/containers/registries.conf.d", join(config, "containers/registries.conf.d")];
  for (const folder of folders) {
    for (const name of namesIn(folder)) {
      if (!name.endsWith(".conf")) continue;
      const path = join(folder, name);
      await add(readIfThere(path) ?? "", path);
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
