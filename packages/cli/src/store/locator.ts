/**
 * Where an image is: `SCHEME:LOCATION`, a path that exists, or a bare name.
 *
 * A path is told apart by what is there, not by how it ends: a folder is an OCI layout, a file an archive of either kind.
 * A bare name is the local engine's; callers may look in a registry when it is not there (`isBare`).
 */
import { stat } from "node:fs/promises";
import { InitwrapError } from "../model/errors.ts";
import { isImageId, parseReference } from "../model/reference.ts";
import { splitLocation } from "./location.ts";
import { SCHEMES } from "./media.ts";

export interface Locator {
  /** A scheme of the table in media.ts. */
  readonly scheme: string;
  readonly location: string;
  /** True when the text was a bare image name: the engine was assumed. */
  readonly isBare: boolean;
}

/** Reads a locator. `purpose` decides what a path that does not exist means: an error, or a file to be made. */
export async function parseLocator(text: string, purpose: "source" | "sink"): Promise<Locator> {
  const scheme = SCHEMES.find((name) => text.startsWith(`${name}:`));
  if (scheme !== undefined) {
    const location = text.slice(scheme.length + 1);
    if (location === "") throw invalid(text, "there is nothing behind the colon");
    return { scheme, location, isBare: false };
  }
  if (text === "-") return { scheme: "docker-archive", location: "-", isBare: false };
  const { path } = await splitLocation(text);
  const found = await stat(path).catch(() => undefined);
  if (found) return { scheme: found.isDirectory() ? "oci" : "docker-archive", location: text, isBare: false };
  if (looksLikePath(text)) {
    if (purpose === "source") throw new InitwrapError("INPUT_NOT_FOUND", `there is no ${text}`, { where: text });
    return { scheme: text.endsWith("/") ? "oci" : "docker-archive", location: text, isBare: false };
  }
  if (!parseReference(text) && !isImageId(text)) {
    throw invalid(text, "it is neither a path that exists nor the name of an image");
  }
  return { scheme: "docker", location: text, isBare: true };
}

function looksLikePath(text: string): boolean {
  return /^\.{0,2}\//.test(text) || /\.(tar|tgz|tzst|gz|zst)$/.test(text) || text.endsWith("/");
}

function invalid(text: string, problem: string): InitwrapError {
  return new InitwrapError("LOCATOR_INVALID", `${text}: ${problem}`, {
    hint: `Use a path, an image name, or one of ${SCHEMES.map((name) => `${name}:`).join(" ")}`,
    where: text,
  });
}
