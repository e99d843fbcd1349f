/**
 * Where an image is: `SCHEME:LOCATION`, a path that exists, or a bare name.
 *
 * A path is told apart by what is there, not by how it ends: a folder is an OCI layout, a file an archive of either kind.
 * A bare name is the local engine's; callers may look in a registry when it is not there (`isBare`).
 */
import { stat } from "node:fs/promises";
import { nearest } from "../model/did-you-mean.ts";
import { changed, InitwrapError } from "../model/errors.ts";
import { isImageId, parseReference, referenceHint } from "../model/reference.ts";
import { splitEngineLocation } from "./engine-location.ts";
import { splitLocation } from "./location.ts";
import { ENGINES, SCHEMES, schemeIn } from "./schemes.ts";

export interface Locator {
  /** One of SCHEMES. */
  readonly scheme: string;
  readonly location: string;
  /** True when the text was a bare image name: the engine was assumed. */
  readonly isBare: boolean;
}

/** True for two locators of one image. */
export function samePlace(a: Locator, b: Locator): boolean {
  return a.scheme === b.scheme && a.location === b.location;
}

/** Schemes with a name behind them; with the others it is a path, which may begin with slashes. */
const NAMES: ReadonlySet<string> = new Set(["docker", "podman", "registry"]);

/** Reads a locator. `purpose` decides what a path that does not exist means: an error, or a file to be made. */
export async function parseLocator(text: string, purpose: "source" | "sink"): Promise<Locator> {
  const scheme = schemeIn(text);
  if (scheme !== undefined) {
    const location = text.slice(scheme.length + 1);
    if (location === "") throw invalid(text, `${text} has nothing behind its colon`);
    if (location.startsWith("//") && NAMES.has(scheme)) {
      throw new InitwrapError("LOCATOR_INVALID", `${scheme}: is followed by a name, and by no //`, {
        where: text,
        // skopeo and podman call a registry so.
        hint: `Did you mean ${scheme === "docker" ? "registry" : scheme}:${location.slice(2)}?`,
      });
    }
    if (ENGINES.has(scheme)) checkEngineName(text, splitEngineLocation(location).name);
    return { scheme, location: ownStream(location, purpose), isBare: false };
  }
  if (ownStream(text, purpose) === "-") return { scheme: "docker-archive", location: "-", isBare: false };
  const { path } = await splitLocation(text);
  const found = await stat(path).catch(() => undefined);
  if (found) return { scheme: found.isDirectory() ? "oci" : "docker-archive", location: text, isBare: false };
  if (looksLikePath(text)) {
    if (purpose === "source") throw new InitwrapError("INPUT_NOT_FOUND", `there is no ${text}`, { where: text });
    return { scheme: text.endsWith("/") ? "oci" : "docker-archive", location: text, isBare: false };
  }
  if (!parseReference(text) && !isImageId(text)) {
    if (text.trim() === "") throw invalid(text, "the name of the image is empty");
    throw invalid(text, `${JSON.stringify(text)} is neither a path that exists nor the name of an image`);
  }
  return { scheme: "docker", location: text, isBare: true };
}

/** What no engine takes for a name is none of its images: an engine that is asked would only say that the call is off. */
function checkEngineName(text: string, name: string): void {
  if (parseReference(name) || isImageId(name)) return;
  const hint = /^\[[^\]]*$/.test(name) ? "The bracket is not closed." : referenceHint(name);
  throw new InitwrapError("LOCATOR_INVALID", `${JSON.stringify(name)} is no image reference`, { where: text, hint });
}

/** This process's own streams by their names as files. */
function ownStream(location: string, purpose: "source" | "sink"): string {
  return location === (purpose === "source" ? "/dev/stdin" : "/dev/stdout") ? "-" : location;
}

/**
 * The failure of looking for an image, with the scheme that was mistyped or mistaken for a part of its name: `dcoker:app`
 * is a name with a tag, and `registry:2` a scheme with a name. Anything else comes back as it is.
 */
export function withSchemeHint(error: unknown, text: string, { scheme, location, isBare }: Locator): unknown {
  if (!(error instanceof InitwrapError) || !LOOKED_FOR.has(error.code)) return error;
  const [, first, rest] = /^([a-z-]+):([^:]+)$/.exec(text) ?? [];
  if (first === undefined) return error;
  const meant = isBare ? (schemeMeant(text) ?? nearest(first, SCHEMES)) : undefined;
  if (meant !== undefined) return changed(error, { hint: `Did you mean ${meant}:${rest}? ${error.hint ?? ""}`.trim() });
  const isTag = /^(?:\d[\w.-]*|latest|dind|cli|rootless)$/.test(location);
  if (isBare || error.code === "DAEMON_UNREACHABLE" || !isTag || !/^(?:docker|registry)$/.test(scheme)) return error;
  return changed(error, { hint: `${error.hint ?? ""} The image ${text} itself is ${scheme}:${text}.`.trim() });
}

/** What a name that was not meant as one fails with. */
const LOOKED_FOR: ReadonlySet<string> = new Set([
  "IMAGE_NOT_FOUND",
  "DAEMON_UNREACHABLE",
  "REGISTRY_FAILED",
  "AUTH_REQUIRED",
]);

function looksLikePath(text: string): boolean {
  return /^\.{0,2}\//.test(text) || /\.(tar|tgz|tzst|gz|zst)$/.test(text) || text.endsWith("/");
}

function invalid(text: string, message: string): InitwrapError {
  return new InitwrapError("LOCATOR_INVALID", message, {
    hint: hintFor(text),
    ...(text.trim() === "" ? {} : { where: text }),
  });
}

/** How other tools write the same. */
const FOREIGN: readonly (readonly [pattern: RegExp, scheme: string])[] = [
  [/^https?:\/\//, "registry"],
  [/^docker-daemon:/, "docker"],
  [/^(?:dir|ocidir):/, "oci"],
  [/^(?:tar|tarball|file):(?:\/\/)?/, "docker-archive"],
];

/** The scheme that another tool's word stands for. */
function schemeMeant(text: string): string | undefined {
  return FOREIGN.find(([pattern]) => pattern.test(text))?.[1];
}

function hintFor(text: string): string {
  const foreign = FOREIGN.find(([pattern]) => pattern.test(text));
  if (foreign) return `Did you mean ${foreign[1]}:${text.replace(foreign[0], "")}?`;
  const [, first = "", rest] = /^([a-z-]+):(.+)$/.exec(text) ?? [];
  const meant = nearest(first, SCHEMES);
  if (meant !== undefined) return `Did you mean ${meant}:${rest}?`;
  const hint = referenceHint(text);
  if (/did you mean/i.test(hint)) return hint;
  return `Use a path, an image name, or a name with one of these in front: ${SCHEMES.map((name) => `${name}:`).join(" ")}`;
}
