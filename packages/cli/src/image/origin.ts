/**
 * Which entry of an image's history set a field of its config.
 *
 * Builders write one entry for each instruction that only changes the config: BuildKit `CMD ["a" "b"]`, the classic builder and
 * buildah the same behind `/bin/sh -c #(nop)`. Lists are Go's `%q` of strings, or JSON. An entry is believed only when it says
 * what the config says: a config can be changed without one.
 */
import type { Origin } from "../model/inspection.ts";
import { sameArgv } from "../model/invocation.ts";
import { ownershipOf } from "./mutate.ts";
import type { ImageConfig, ManifestNode } from "./snapshot.ts";

/** A field of the config, and the instruction that sets it. */
const FIELDS = {
  entrypoint: { field: "Entrypoint", keyword: "ENTRYPOINT" },
  cmd: { field: "Cmd", keyword: "CMD" },
  user: { field: "User", keyword: "USER" },
  stopSignal: { field: "StopSignal", keyword: "STOPSIGNAL" },
} as const;

type HistoryEntry = NonNullable<ImageConfig["history"]>[number];

/** Why the config of a platform's image has this `value`. */
export function configOrigin(
  node: ManifestNode,
  name: keyof typeof FIELDS,
  value: readonly string[] | string | null,
): Origin {
  if (value === null || value.length === 0) return { kind: "unset" };
  const { field, keyword } = FIELDS[name];
  const { history } = node.config.value;
  const entries: readonly HistoryEntry[] = Array.isArray(history) ? history : [];
  // An image that was wrapped has the entry of the wrapping last, and what it set is the entrypoint.
  const isOurs = name === "entrypoint" && ownershipOf(node.config.bytes) !== undefined;
  const index = isOurs
    ? entries.length - 1
    : entries.findLastIndex((entry) => argumentOf(entry, keyword) !== undefined);
  const entry = entries[index];
  const argument = entry && argumentOf(entry, keyword);
  if (entry === undefined || (!isOurs && !says(argument ?? "", value))) {
    return { kind: "config", field: `config.${field}` };
  }
  return {
    kind: "history",
    entry: index + 1,
    entries: entries.length,
    createdBy: entry.created_by ?? "",
    created: entry.created ?? null,
  };
}

/** What stands behind the keyword in an entry of that instruction; undefined for any other. */
function argumentOf(entry: HistoryEntry, keyword: string): string | undefined {
  if (typeof entry?.created_by !== "string") return undefined;
  const line = entry.created_by.replace(/^\/bin\/sh -c #\(nop\)\s*/, "").trim();
  return line.startsWith(`${keyword} `) ? line.slice(keyword.length + 1).trim() : undefined;
}

function says(argument: string, value: readonly string[] | string): boolean {
  if (typeof value === "string") return argument === value || argument === `[${value}]`;
  const literals = argument.match(/"(?:[^"\\]|\\.)*"/g) ?? [];
  return argument.startsWith("[") && sameArgv(literals.map(unquote), value);
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/** The string that a literal of Go or JSON means. Source: The Go Programming Language Specification, string literals. */
function unquote(literal: string): string {
  return literal
    .slice(1, -1)
    .replace(/\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))/g, (_all, byte, short, long, letter) => {
      const code = byte ?? short ?? long;
      if (code === undefined) return ESCAPES[letter as string] ?? (letter as string);
      const point = Number.parseInt(code as string, 16);
      return point <= 0x10ffff ? String.fromCodePoint(point) : "\ufffd";
    });
}
