/**
 * What a build asks of this frontend: the options that BuildKit passes in the environment, ours read and taken out, all others
 * as they go on to the frontend that reads the Dockerfile.
 *
 * Ours come as words behind the image's name, in the syntax line or in BUILDKIT_SYNTAX, or as build arguments, which go first:
 *
 *     # syntax=REGISTRY/initwrap/frontend:1 init="-g --grace=5s" upstream=docker/dockerfile:1
 *     --build-arg INITWRAP_INIT="-g --grace=5s"
 */
import { InitwrapError } from "../../cli/src/model/errors.ts";
import { type Platform, parsePlatform } from "../../cli/src/model/platform.ts";
import { splitWords } from "../../cli/src/model/split-words.ts";
import type { CacheImport } from "./gateway.ts";

export interface FrontendRequest {
  /** A query about the Dockerfile (`--call`), not a build: it is only passed on. */
  readonly isQuery: boolean;
  /** The image of the frontend that reads the Dockerfile; undefined for BuildKit's own. */
  readonly upstream: string | undefined;
  /** What that frontend is given. */
  readonly options: ReadonlyMap<string, string>;
  readonly initOptions: readonly string[];
  readonly replaceInit: boolean;
  /** Go on although supervisord is started. */
  readonly force: boolean;
  /** Only these are wrapped; all when empty. */
  readonly platforms: readonly Platform[];
  readonly cacheImports: readonly CacheImport[];
  /** RFC 3339, from SOURCE_DATE_EPOCH. */
  readonly created: string | undefined;
}

const OPTION = /^BUILDKIT_FRONTEND_OPT_\d+$/;
const ARGUMENT = "build-arg:";
const SYNTAX = `${ARGUMENT}BUILDKIT_SYNTAX`;

/** Our settings: the word in the syntax line, and the build argument. */
const SETTINGS = {
  init: "INITWRAP_INIT",
  "replace-init": "INITWRAP_REPLACE_INIT",
  force: "INITWRAP_FORCE",
  platforms: "INITWRAP_PLATFORMS",
  upstream: "INITWRAP_UPSTREAM",
} as const;
type Setting = keyof typeof SETTINGS;

/** Reads the environment of a frontend's process. Throws USAGE for a setting that cannot be understood. */
export function readRequest(environment: Readonly<Record<string, string | undefined>>): FrontendRequest {
  const options = new Map<string, string>();
  for (const [name, value] of Object.entries(environment)) {
    if (!OPTION.test(name) || value === undefined) continue;
    const split = value.indexOf("=");
    if (split > 0) options.set(value.slice(0, split), value.slice(split + 1));
  }
  const settings = settingsOf(options.get("cmdline") ?? "");
  for (const [setting, argument] of Object.entries(SETTINGS) as [Setting, string][]) {
    const value = options.get(ARGUMENT + argument);
    if (value !== undefined) settings.set(setting, value);
    options.delete(ARGUMENT + argument);
  }
  // By then the Dockerfile's own syntax line has not been looked at, and has to be.
  if (options.get(SYNTAX) !== undefined && options.get(SYNTAX) === options.get("cmdline")) {
    for (const name of [SYNTAX, "cmdline", "source"]) options.delete(name);
  }
  const upstream = settings.get("upstream") || undefined;
  if (upstream !== undefined) {
    options.set("source", upstream);
    options.set("cmdline", upstream);
  }
  const epoch = options.get(`${ARGUMENT}SOURCE_DATE_EPOCH`);
  return {
    isQuery: options.has("requestid"),
    upstream,
    options,
    initOptions: splitWords(settings.get("init") ?? ""),
    replaceInit: isTrue("replace-init", settings),
    force: isTrue("force", settings),
    platforms: platformsOf(settings.get("platforms") ?? ""),
    cacheImports: cacheImportsOf(options),
    created: epoch !== undefined && /^\d{1,12}$/.test(epoch) ? timeOf(Number(epoch)) : undefined,
  };
}

/** The words behind the image's name. */
function settingsOf(cmdline: string): Map<Setting, string> {
  const settings = new Map<Setting, string>();
  for (const word of splitWords(cmdline).slice(1)) {
    const [name, ...value] = word.split("=");
    if (!Object.hasOwn(SETTINGS, name as string)) {
      throw new InitwrapError("USAGE", `the syntax line says ${word}, which is no setting of initwrap`, {
        hint: `Settings are ${Object.keys(SETTINGS).join(", ")}, as in init="-g" or replace-init.`,
      });
    }
    settings.set(name as Setting, value.length === 0 ? "true" : value.join("="));
  }
  return settings;
}

function isTrue(name: Setting, settings: ReadonlyMap<Setting, string>): boolean {
  const value = settings.get(name);
  if (value === undefined || /^(?:|0|false)$/i.test(value)) return false;
  if (/^(?:1|true)$/i.test(value)) return true;
  throw new InitwrapError("USAGE", `${name} is ${value}`, { hint: "It is true or false." });
}

function platformsOf(list: string): readonly Platform[] {
  return list
    .split(",")
    .filter((one) => one.trim() !== "")
    .map((one) => {
      const platform = parsePlatform(one);
      if (platform !== undefined) return platform;
      throw new InitwrapError("USAGE", `${one} is no platform`, {
        hint: "A platform is written like linux/amd64 or linux/arm/v7.",
      });
    });
}

/** The same caches for the layers above the build's own: `cache-imports` is JSON, `cache-from` a list of references. */
function cacheImportsOf(options: ReadonlyMap<string, string>): readonly CacheImport[] {
  const imports = options.get("cache-imports");
  if (imports !== undefined) {
    const entries = JSON.parse(imports) as { Type?: string; Attrs?: Record<string, string> | null }[];
    return entries.map(({ Type, Attrs }) => ({ type: Type ?? "", attributes: Attrs ?? {} }));
  }
  const references = (options.get("cache-from") ?? "").split(",").filter(Boolean);
  return references.map((ref) => ({ type: "registry", attributes: { ref } }));
}

function timeOf(epoch: number): string {
  return new Date(epoch * 1000).toISOString().replace(".000Z", "Z");
}
