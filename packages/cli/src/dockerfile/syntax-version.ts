/**
 * What `# syntax=` says about the grammar. Features came with versions of the docker/dockerfile frontend; a file without
 * the line is read by whatever the builder has built in, which is taken to be recent.
 * Source: Dockerfile frontend release notes (docker/dockerfile tags).
 */
import type { Dockerfile } from "./syntax.ts";

/** The frontend that a file asks for. `version` is undefined for "the newest of its line". */
export interface Frontend {
  readonly kind: "built-in" | "official" | "custom";
  readonly reference?: string;
  readonly version?: readonly [major: number, minor: number];
}

const OFFICIAL = /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?::([^@]+))?(?:@sha256:[0-9a-f]{64})?$/;

/** The frontend of a Dockerfile, from its `# syntax=` line. */
export function frontendOf(dockerfile: Pick<Dockerfile, "directives">): Frontend {
  const syntax = dockerfile.directives.find((directive) => directive.name === "syntax");
  if (syntax === undefined) return { kind: "built-in" };
  // BuildKit passes the rest of the line as the frontend's command line; its first word names the image.
  const reference = syntax.value.split(/\s/, 1)[0] as string;
  const match = OFFICIAL.exec(reference);
  if (match === null) return { kind: "custom", reference };
  // The tag "experimental" was last moved to 1.2.
  const version = /^(\d+)\.(\d+)/.exec(match[1] === "experimental" ? "1.2" : (match[1] ?? ""));
  if (version === null) return { kind: "official", reference };
  return { kind: "official", reference, version: [Number(version[1]), Number(version[2])] };
}

/** True unless the file asks for an official frontend older than `minor` of version 1. */
export function hasSyntax(frontend: Frontend, minor: number): boolean {
  const { version } = frontend;
  return version === undefined || version[0] > 1 || (version[0] === 1 && version[1] >= minor);
}

/** `COPY --chmod` and RUN --mount. */
export const CHMOD_SYNTAX = 2;
/** From here on heredocs are read at all. */
export const HEREDOC_GRAMMAR = 3;
/** Heredocs in a stable frontend. */
export const HEREDOC_SYNTAX = 4;
/** From here on `<< NAME`, with a space, is a heredoc too. */
export const SPACED_HEREDOC_SYNTAX = 16;
/** From here on text behind the closing `]` makes a shell form; before, it was ignored. */
export const STRICT_JSON_SYNTAX = 9;
