/**
 * `initwrap.lock`: what base images were found to run, so that a later run needs neither an engine nor a registry and comes to
 * the same result, and so that a change of a base shows itself.
 *
 * One file for a project: it is keyed by image and platform, and several Dockerfiles share it. It holds no times, and its
 * order does not depend on that of the runs. Its shape is published in schemas/lock.schema.json.
 */
import { readFileSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { BaseConfig } from "../dockerfile/evaluate.ts";
import { InitwrapError } from "../model/errors.ts";
import { sameArgv } from "../model/invocation.ts";
import { formatPlatform, type Platform } from "../model/platform.ts";
import { formatReference, parseReference } from "../model/reference.ts";
import { PROVENANCE_SOURCES, type Provenance, type ResolvedBase } from "./base-resolver.ts";
import { writeAtomically } from "./dockerfile-file.ts";

/** The lock's name in the folder where initwrap runs. */
export const LOCK_NAME = "initwrap.lock";
const SCHEMA = "https://unpkg.com/initwrap/schemas/lock.schema.json";
/** Of an image's environment only what other inits read says anything about what it runs; the rest changes often. */
const INIT_VARIABLE = /^(?:TINI|DUMB_INIT|CATATONIT)_/;

/**
 * `use`: what is locked counts, nothing is added. `add`: what is not locked yet is added. `renew`: everything is asked anew.
 */
export type LockMode = "use" | "add" | "renew";

/** One base as the lock holds it. `null` and `[]` are both "none", and kept apart as the image has them. */
interface LockedBase {
  readonly name: string;
  readonly platform: string;
  readonly source: Provenance["source"];
  readonly digest: string | null;
  readonly os: string;
  readonly entrypoint: readonly string[] | null;
  readonly cmd: readonly string[] | null;
  readonly shell: readonly string[] | null;
  readonly user: string;
  readonly stopSignal: string;
  readonly onBuild: readonly string[] | null;
  readonly env: readonly string[];
}

/** A field that a base has otherwise than the lock, as JSON. */
export interface Drift {
  readonly field: "ENTRYPOINT" | "CMD" | "SHELL" | "ONBUILD";
  readonly was: string;
  readonly is: string;
}

export class BaseLock {
  readonly path: string;
  readonly mode: LockMode;
  readonly #bases: Map<string, LockedBase>;
  #isChanged = false;

  private constructor(path: string, mode: LockMode, bases: readonly LockedBase[]) {
    this.path = path;
    this.mode = mode;
    this.#bases = new Map(bases.map((base) => [keyOf(base.name, base.platform), base]));
  }

  /** Reads the lock; an absent one is empty. Throws INPUT_NOT_FOUND, INPUT_UNREADABLE and LOCK_INVALID. */
  static async open(path: string, mode: LockMode, mustExist = false): Promise<BaseLock> {
    let text: string;
    try {
      // An absent file, or an ordinary one, needs no wait; a pipe may.
      text = statSync(path).isFile() ? readFileSync(path, "utf8") : await readFile(path, "utf8");
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" && mustExist) {
        throw new InitwrapError("INPUT_NOT_FOUND", `there is no lock ${path}`, {
          where: path,
          hint: "--lock writes one.",
          cause: error,
        });
      }
      if (code === "ENOENT") return new BaseLock(path, mode, []);
      throw new InitwrapError("INPUT_UNREADABLE", `${path} cannot be read (${code})`, { where: path, cause: error });
    }
    return new BaseLock(path, mode, readBases(text, path));
  }

  /** What the lock says of a base; nothing when it is to be asked anew. */
  find(reference: string, platform: Platform): ResolvedBase | undefined {
    if (this.mode === "renew") return undefined;
    const locked = this.#bases.get(keyFor(reference, platform));
    if (locked === undefined) return undefined;
    const { name: _name, platform: _platform, source, digest, ...config } = locked;
    const detail = [source, digest].filter((part) => part !== null).join(" ");
    return { reference, config, provenance: { source: "lock", detail } };
  }

  /** Takes an answer into the lock. Only a changed answer changes the file. */
  record({ reference, config, provenance }: ResolvedBase, platform: Platform): void {
    if (this.mode === "use" || provenance.source === "lock") return;
    const { source, detail } = provenance;
    const key = keyFor(reference, platform);
    const [name = "", formatted = ""] = key.split(" ");
    const base: LockedBase = {
      name,
      platform: formatted,
      source,
      digest: detail?.startsWith("sha256:") ? detail : null,
      os: config.os ?? platform.os,
      entrypoint: config.entrypoint ?? null,
      cmd: config.cmd ?? null,
      shell: config.shell ?? null,
      user: config.user ?? "",
      stopSignal: config.stopSignal ?? "",
      onBuild: config.onBuild ?? null,
      env: (config.env ?? []).filter((line) => INIT_VARIABLE.test(line)),
    };
    if (JSON.stringify(this.#bases.get(key)) === JSON.stringify(base)) return;
    this.#bases.set(key, base);
    this.#isChanged = true;
  }

  /** Writes the file when an answer changed it; true then. Throws OUTPUT_NOT_WRITTEN. */
  async save(signal?: AbortSignal): Promise<boolean> {
    if (!this.#isChanged) return false;
    const bases = [...this.#bases].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, base]) => base);
    const text = `${JSON.stringify({ $schema: SCHEMA, version: 1, bases }, undefined, 2)}\n`;
    await writeAtomically(this.path, Buffer.from(text), signal ? { signal } : {});
    this.#isChanged = false;
    return true;
  }
}

/** Where a base differs from what is locked, in the fields that decide what a wrapped image runs. */
export function driftOf(locked: BaseConfig, now: BaseConfig): readonly Drift[] {
  const fields = [
    ["ENTRYPOINT", locked.entrypoint, now.entrypoint],
    ["CMD", locked.cmd, now.cmd],
    ["SHELL", locked.shell, now.shell],
    ["ONBUILD", locked.onBuild, now.onBuild],
  ] as const;
  return fields.flatMap(([field, was = null, is = null]) =>
    sameArgv(was, is) ? [] : [{ field, was: JSON.stringify(was), is: JSON.stringify(is) }],
  );
}

function keyFor(reference: string, platform: Platform): string {
  const parsed = parseReference(reference);
  return keyOf(parsed === undefined ? reference : formatReference(parsed), formatPlatform(platform));
}

/** Neither part holds a space. */
function keyOf(name: string, platform: string): string {
  return `${name} ${platform}`;
}

function readBases(text: string, path: string): readonly LockedBase[] {
  const invalid = (reason: string, cause?: unknown) =>
    new InitwrapError("LOCK_INVALID", `${path}: ${reason}`, {
      where: path,
      hint: "initwrap dockerfile --update-lock writes a new one, once this one is removed.",
      ...(cause === undefined ? {} : { cause }),
    });
  let document: { readonly version?: unknown; readonly bases?: unknown } | null;
  try {
    document = JSON.parse(text) as typeof document;
  } catch (error) {
    throw invalid((error as Error).message, error);
  }
  if (document?.version !== 1) throw invalid(`its version is ${JSON.stringify(document?.version)}, not 1`);
  if (!Array.isArray(document.bases)) throw invalid("bases is no list");
  return document.bases.map((base: Record<string, unknown>, index) => {
    const fault = faultOf(base);
    if (fault !== undefined) throw invalid(`bases[${index}].${fault}`);
    const { name, platform, source, digest, os, entrypoint, cmd, shell, user, stopSignal, onBuild, env } =
      base as unknown as LockedBase;
    return { name, platform, source, digest, os, entrypoint, cmd, shell, user, stopSignal, onBuild, env };
  });
}

function faultOf(base: Record<string, unknown> | null): string | undefined {
  const isList = (value: unknown) => Array.isArray(value) && value.every((word) => typeof word === "string");
  for (const field of ["name", "platform", "os", "user", "stopSignal"]) {
    if (typeof base?.[field] !== "string") return `${field} is no string`;
  }
  for (const field of ["entrypoint", "cmd", "shell", "onBuild"]) {
    if (base?.[field] !== null && !isList(base?.[field])) return `${field} is neither null nor a list of strings`;
  }
  if (!isList(base?.["env"])) return "env is no list of strings";
  const digest = base?.["digest"];
  if (digest !== null && typeof digest !== "string") return "digest is neither null nor a string";
  const { source } = base ?? {};
  const isKnown = source !== "lock" && PROVENANCE_SOURCES.includes(source as Provenance["source"]);
  return isKnown ? undefined : "source is not known";
}
