/** One image build as a Compose or bake file describes it: which Dockerfile, in which context, with which arguments. */

export interface BuildUnit {
  /** The service's or target's name. */
  readonly name: string;
  /** The file that describes the build, and the line where it does. */
  readonly definedIn: string;
  readonly line: number;
  /** A folder, absolute; or a URL or other remote context, as it is written. */
  readonly context: string;
  /** The Dockerfile: a path, absolute, or its text. */
  readonly dockerfile:
    | { readonly kind: "file"; readonly path: string }
    | { readonly kind: "inline"; readonly text: string };
  /** The stage that is built; the last unless given. */
  readonly target: string | undefined;
  readonly args: Readonly<Record<string, string>>;
  readonly platforms: readonly string[];
  /** What the service puts in place of the image's ENTRYPOINT; undefined when it leaves it. */
  readonly entrypointOverride: readonly string[] | undefined;
  /** The service's `init`; undefined when it does not say. */
  readonly init: boolean | undefined;
}
