/** One image build as a Compose or bake file describes it: which Dockerfile, in which context, with which arguments. */
import { isAbsolute, resolve } from "node:path";
import { InitwrapError } from "../model/errors.ts";

export interface BuildUnit {
  /** The service's or target's name. */
  readonly name: string;
  /** The file that describes the build, and the line where it does. */
  readonly definedIn: string;
  readonly line: number;
  /** A folder, absolute; a remote one as it is written. */
  readonly context: string;
  /** The Dockerfile: a path, absolute; its text; or one inside a remote context, which cannot be read here. */
  readonly dockerfile:
    | { readonly kind: "file"; readonly path: string }
    | { readonly kind: "inline"; readonly text: string }
    | { readonly kind: "remote" };
  /** The stage that is built; the last unless given. */
  readonly target: string | undefined;
  readonly args: Readonly<Record<string, string>>;
  readonly platforms: readonly string[];
  /** Names that FROM takes from another context instead of a registry. */
  readonly namedContexts: readonly string[];
  /** What the service puts in place of the image's ENTRYPOINT; undefined when it leaves it. */
  readonly entrypointOverride: readonly string[] | undefined;
  /** The service's `init`; undefined when it does not say. */
  readonly init: boolean | undefined;
}

/** Names to values, as a process has them. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** A context and the Dockerfile in it. `inline` wins; a relative context counts from `folder`, a Dockerfile from the context. */
export function placeOf(
  folder: string,
  context: string,
  dockerfile: string | undefined,
  inline: string | undefined,
): Pick<BuildUnit, "context" | "dockerfile"> {
  const remote = isRemote(context);
  const place = remote ? context : resolve(folder, context);
  if (inline !== undefined) return { context: place, dockerfile: { kind: "inline", text: inline } };
  const name = dockerfile ?? "Dockerfile";
  if (remote && !isAbsolute(name)) return { context: place, dockerfile: { kind: "remote" } };
  return { context: place, dockerfile: { kind: "file", path: resolve(place, name) } };
}

/** True for what the builder fetches: an address, a Git remote, or GitHub's short form. */
export function isRemote(context: string): boolean {
  return /^(?:[a-z][a-z0-9+.-]*:\/\/|git@|github\.com\/)/i.test(context);
}

/** A fault in a build file. */
export function invalid(path: string, line: number, message: string, cause?: unknown): InitwrapError {
  return new InitwrapError("BUILD_FILE_INVALID", message, { where: `${path}:${line}`, cause });
}

/** Something in a build file that initwrap does not follow. `printed` is the command that resolves it. */
export function unsupported(path: string, line: number, message: string, printed: string): InitwrapError {
  return new InitwrapError("BUILD_FILE_UNSUPPORTED", message, {
    where: `${path}:${line}`,
    hint: `Use the output of ${printed}, which is without it.`,
  });
}
