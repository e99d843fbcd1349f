/**
 * The one rule: how an init goes in front of a command.
 *
 * Every path (Dockerfile, image) calls it, and nothing else decides what becomes PID 1. It is invertible: `decompose`
 * gives back the invocation that was composed, which is what undo and renewal rest on. The `--` between the init's
 * options and the command is what makes it invertible, and keeps a command that begins with `-` from being read as one.
 *
 * Laws (test/laws): composing twice equals composing once; decompose(compose(x)) = x; x's argv is a suffix of the result's.
 * Where another init is replaced, x is what stood behind that init, and its options come first among ours.
 */
import { InitwrapError } from "./errors.ts";
import { argvOf, type Invocation, sameArgv } from "./invocation.ts";
import { knownInit } from "./known-inits.ts";
import { type ImageVariable, replaceInit } from "./replace-init.ts";

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
  | { readonly code: "INIT_REPLACED"; readonly init: string; readonly options: string }
  | { readonly code: "INIT_OPTION_DROPPED"; readonly init: string; readonly option: string };

/** Why nothing may or can be put in front. */
export type ComposeRefusal =
  | { readonly code: "MUST_BE_PID1"; readonly init: string; readonly yields?: true }
  | { readonly code: "INIT_NOT_REPLACED"; readonly init: string; readonly reason: string };

export type Composition =
  | {
      readonly kind: "composed";
      readonly invocation: Invocation;
      /** The init that is in front: the one asked for, with the options of one that it replaced. */
      readonly init: Init;
      readonly notes: readonly ComposeNote[];
    }
  | { readonly kind: "unchanged"; readonly reason: "already" | "existing-init"; readonly notes: readonly ComposeNote[] }
  | { readonly kind: "refused"; readonly note: ComposeRefusal };

export interface ComposePolicy {
  /** Replace tini, dumb-init, catatonit and docker-init, where the entrypoint begins with one, instead of leaving them. */
  readonly replaceInit?: boolean;
  /** Go in front of a supervisor that does not insist on being PID 1. Where the init is in front already it may stay. */
  readonly allowSupervisor?: boolean;
  /** Looks up the image's environment, of which the inits that are replaced read a few variables. */
  readonly variable?: ImageVariable;
}

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
export function composeEntrypoint(invocation: Invocation, init: Init, policy: ComposePolicy = {}): Composition {
  const prefix = initPrefix(init);
  const previous = decompose(invocation);
  if (previous) {
    if (sameArgv(initPrefix(previous.init), prefix)) return { kind: "unchanged", reason: "already", notes: [] };
    return composeEntrypoint(previous.invocation, init, { ...policy, allowSupervisor: true });
  }
  const argv = argvOf(invocation);
  const existing = knownInit(argv);
  const isAllowed = existing?.yields === true && policy.allowSupervisor === true;
  if (existing?.kind === "supervisor" && !isAllowed) {
    const { name, yields } = existing;
    return { kind: "refused", note: { code: "MUST_BE_PID1", init: name, ...(yields ? { yields } : {}) } };
  }
  if (existing?.kind === "transparent") {
    const { name } = existing;
    // Behind a shell or env, and in CMD, it cannot be taken out of the entrypoint.
    const isFirst = knownInit((invocation.entrypoint ?? []).slice(0, 1)) !== undefined;
    if (policy.replaceInit === true && isFirst) return composeInstead(name, invocation, init, policy);
    return { kind: "unchanged", reason: "existing-init", notes: [{ code: "EXISTING_INIT", init: name }] };
  }
  return {
    kind: "composed",
    invocation: { entrypoint: [...prefix, ...(invocation.entrypoint ?? [])], cmd: invocation.cmd },
    init,
    notes: argv.length === 0 ? [{ code: "NO_COMMAND" }] : [],
  };
}

/** Puts `init` where the init `name` is, with that one's options before its own, which so have the last word. */
function composeInstead(name: string, invocation: Invocation, init: Init, policy: ComposePolicy): Composition {
  const replacement = replaceInit(name, invocation, policy.variable ?? (() => undefined));
  if (replacement.kind === "refused") {
    return { kind: "refused", note: { code: "INIT_NOT_REPLACED", init: name, reason: replacement.reason } };
  }
  const { options, dropped, entrypoint } = replacement;
  const rest: Invocation = { entrypoint: entrypoint.length === 0 ? null : entrypoint, cmd: invocation.cmd };
  const next = knownInit(argvOf(rest));
  if (next?.kind === "transparent" || decompose(rest) !== undefined) {
    const reason = `${next?.name ?? "initwrap"} is behind it`;
    return { kind: "refused", note: { code: "INIT_NOT_REPLACED", init: name, reason } };
  }
  // A supervisor behind another init is not PID 1 as it is.
  const stacked: Init = { path: init.path, options: [...options, ...init.options] };
  const composition = composeEntrypoint(rest, stacked, { allowSupervisor: true });
  if (composition.kind !== "composed") return composition;
  const notes: readonly ComposeNote[] = [
    { code: "INIT_REPLACED", init: name, options: options.join(" ") },
    ...dropped.map((option) => ({ code: "INIT_OPTION_DROPPED" as const, init: name, option })),
  ];
  return { ...composition, notes: [...notes, ...composition.notes] };
}

/** What a refused composition is thrown as. `where` is the platform or stage. */
export function composeError(refusal: ComposeRefusal, where?: string): InitwrapError {
  const place = where === undefined ? {} : { where };
  if (refusal.code === "MUST_BE_PID1" && refusal.yields) {
    return new InitwrapError(refusal.code, `${refusal.init} is PID 1 here, and an init of its own`, {
      hint: "It reaps orphans and stops its programs already; --force puts initwrap in front, behind which it does the same.",
      ...place,
    });
  }
  if (refusal.code === "MUST_BE_PID1") {
    return new InitwrapError(refusal.code, `${refusal.init} has to be PID 1 itself`, {
      hint: "It reaps orphans and forwards signals already; such an image needs no other init.",
      ...place,
    });
  }
  return new InitwrapError(refusal.code, `${refusal.init} cannot be replaced: ${refusal.reason}`, {
    hint: 'Write its options, then "--", then the program into ENTRYPOINT, or leave --replace-init out.',
    ...place,
  });
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
