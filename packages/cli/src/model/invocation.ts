/**
 * What a container runs: ENTRYPOINT and CMD as an image config holds them.
 *
 * `null` and `[]` are both "nothing"; they are kept apart because the config's bytes tell them apart.
 * Source: OCI image-spec, config.md, `Entrypoint` and `Cmd`.
 */
export interface Invocation {
  readonly entrypoint: readonly string[] | null;
  readonly cmd: readonly string[] | null;
}

/** The argument vector that an engine executes when it is given no arguments of its own: entrypoint, then cmd. */
export function argvOf(invocation: Invocation): readonly string[] {
  return [...(invocation.entrypoint ?? []), ...(invocation.cmd ?? [])];
}

/** True when both lists hold the same strings in the same order; `null` equals `[]`, as it does to an engine. */
export function sameArgv(a: readonly string[] | null, b: readonly string[] | null): boolean {
  const left = a ?? [];
  const right = b ?? [];
  return left.length === right.length && left.every((value, index) => value === right[index]);
}
