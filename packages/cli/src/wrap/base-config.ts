/**
 * A base image's config as people and programs hand it over, read into what the evaluator needs.
 *
 * Taken are an OCI image config (fields under `config`, `os` beside it), the output of `docker inspect` (an array, `Config`,
 * `Os`), and a bare object with `Entrypoint` and `Cmd`. Source: OCI image-spec, config.md.
 */
import type { BaseConfig } from "../dockerfile/evaluate.ts";
import { InitwrapError } from "../model/errors.ts";

/** Reads a config in any of these shapes. `where` names the place for the error. Throws USAGE. */
export function readBaseConfig(document: unknown, where: string, os?: string): BaseConfig {
  const outer = record(Array.isArray(document) ? document[0] : document, where);
  const inner = record(outer["config"] ?? outer["Config"] ?? outer, where);
  const system = os ?? outer["os"] ?? outer["Os"];
  return {
    ...(typeof system === "string" && system !== "" ? { os: system } : {}),
    entrypoint: strings(inner, "Entrypoint", where),
    cmd: strings(inner, "Cmd", where),
    shell: strings(inner, "Shell", where),
    user: text(inner, "User"),
    stopSignal: text(inner, "StopSignal"),
    onBuild: strings(inner, "OnBuild", where),
    env: strings(inner, "Env", where),
  };
}

/** Reads `--base-entrypoint` and `--base-cmd`: a JSON array, or nothing at all for "none". Throws USAGE. */
export function readArgv(value: string, flag: string): readonly string[] | null {
  if (value.trim() === "") return null;
  let document: unknown;
  try {
    document = JSON.parse(value);
  } catch {
    document = undefined;
  }
  if (document === null) return null;
  if (Array.isArray(document) && document.every((item) => typeof item === "string")) return document;
  throw new InitwrapError("USAGE", `${flag} takes a JSON array of strings, not ${value}`, {
    hint: `Write JSON, [] for none: ${flag} '["/entrypoint.sh"]'`,
  });
}

function record(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new InitwrapError("USAGE", "this is no image config", {
    where,
    hint: "Give the output of docker inspect, or an OCI image config.",
  });
}

function strings(config: Readonly<Record<string, unknown>>, name: string, where: string): readonly string[] | null {
  const value = config[name];
  if (value === undefined || value === null) return null;
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  throw new InitwrapError("USAGE", `${name} is no list of strings`, { where });
}

function text(config: Readonly<Record<string, unknown>>, name: string): string {
  const value = config[name];
  return typeof value === "string" ? value : "";
}
