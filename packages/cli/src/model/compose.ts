/**
 * The one rule: how an init goes in front of a command.
 *
 * Every path (Dockerfile, image) calls it, and nothing else decides what becomes PID 1. It is invertible: `decompose`
 * gives back the invocation that was composed, which is what undo and renewal rest on. The `--` between the init's
 * options and the command is what makes it invertible, and keeps a command that begins with `-` from being read as one.
 *
 * Laws (test/laws): composing twice equals composing once; decompose(compose(x)) = x; x's argv is a suffix of the result's.
 */
import { type Invocation, sameArgv } from "./invocation.ts";
import { knownInit } from "./known-inits.ts";

/** Where the init lives in every wrapped image: the root, so that no directory entry can replace a usr-merged link. */
export const INIT_PATH = "/initwrap";

/** The init to put in front: its path and its own options, without the closing `--`. */
export interface Init {
  readonly path: typeof INIT_PATH;
  readonly options: readonly string[];
}

export type ComposeNote =
  | { readonly code: "NO_COMMAND" }
  | { readonly code: "EXISTING_INIT"; readonly init: string }
  | { readonly code: "MUST_BE_PID1"; readonly init: string };

export type Composition =
  | { readonly kind: "composed"; readonly invocation: Invocation; readonly notes: readonly ComposeNote[] }
  | { readonly kind: "unchanged"; readonly reason: "already" | "existing-init"; readonly notes: readonly ComposeNote[] }
  | { readonly kind: "refused"; readonly note: Extract<ComposeNote, { code: "MUST_BE_PID1" }> };

/** The words that go in front of an entrypoint: path, options, `--`. */
export function initPrefix(init: Init): readonly string[] {
  return [init.path, ...init.options, "--"];
}

/**
 * Puts `init` in front of `invocation`.
 *
 * entrypoint' = prefix + entrypoint and cmd' = cmd. Our own init with the same options is left as it is; with other
 * options it is exchanged, never stacked.
 */
export function composeEntrypoint(invocation: Invocation, init: Init): Composition {
  const prefix = initPrefix(init);
  const previous = decompose(invocation);
  if (previous) {
    if (sameArgv(initPrefix(previous.init), prefix)) return { kind: "unchanged", reason: "already", notes: [] };
    return composeEntrypoint(previous.invocation, init);
  }
  const argv = [...(invocation.entrypoint ?? []), ...(invocation.cmd ?? [])];
  const existing = knownInit(argv);
  if (existing?.kind === "supervisor") {
    return { kind: "refused", note: { code: "MUST_BE_PID1", init: existing.name } };
  }
  if (existing) {
    return { kind: "unchanged", reason: "existing-init", notes: [{ code: "EXISTING_INIT", init: existing.name }] };
  }
  return {
    kind: "composed",
    invocation: { entrypoint: [...prefix, ...(invocation.entrypoint ?? [])], cmd: invocation.cmd },
    notes: argv.length === 0 ? [{ code: "NO_COMMAND" }] : [],
  };
}

/**
 * Takes our init away again: the invocation it was composed from, and the init with its options.
 * Undefined when the entrypoint does not start with our init and a closing `--`.
 *
 * `null` entrypoints come back as `null`: an entrypoint that is only the prefix stood in front of none.
 */
export function decompose(
  invocation: Invocation,
): { readonly invocation: Invocation; readonly init: Init } | undefined {
  const { entrypoint, cmd } = invocation;
  if (entrypoint?.[0] !== INIT_PATH) return undefined;
  const end = entrypoint.indexOf("--");
  if (end < 0) return undefined;
  const rest = entrypoint.slice(end + 1);
  return {
    init: { path: INIT_PATH, options: entrypoint.slice(1, end) },
    invocation: { entrypoint: rest.length === 0 ? null : rest, cmd },
  };
}
