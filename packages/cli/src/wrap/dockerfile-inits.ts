/** The shipped inits as the Dockerfile path needs them: platforms, and bytes as text. */
import { initFor, initPlatforms } from "@initwrap/init-core";
import type { InlineInit } from "../dockerfile/injection.ts";
import { toText } from "../dockerfile/text.ts";
import { InitwrapError } from "../model/errors.ts";
import { formatPlatform, normalizePlatform, type Platform, parsePlatform } from "../model/platform.ts";
import { findInit } from "./find-init.ts";

/** Every platform that has an init. */
export function availablePlatforms(): readonly Platform[] {
  return initPlatforms().map(({ os, architecture, variant }) =>
    normalizePlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) }),
  );
}

/** The platforms that `--platform` names, or all. Throws USAGE for what is no platform, NO_INIT_FOR_PLATFORM. */
export function choosePlatforms(names: readonly string[]): readonly Platform[] {
  const all = availablePlatforms();
  if (names.length === 0) return all;
  return names.map((name) => {
    const platform = parsePlatform(name);
    if (platform === undefined) {
      throw new InitwrapError("USAGE", `${name} is no platform`, {
        hint: "A platform reads like linux/amd64.",
        flag: "platform",
      });
    }
    if (findInit(platform) !== undefined) return platform;
    throw new InitwrapError("NO_INIT_FOR_PLATFORM", `there is no init for ${formatPlatform(platform)}`, {
      flag: "platform",
      hint: `There are inits for ${all.map(formatPlatform).join(", ")}.`,
    });
  });
}

/** The init's bytes for a platform. */
export function initBytes(platform: Platform): Uint8Array {
  return initFor(platform).bytes();
}

/** Made once in a process, for a call may wrap a thousand files. */
const offers = new Map<string, readonly InlineInit[]>();

/** The inits of these platforms, as text that can stand in a heredoc. */
export function inlineInits(platforms: readonly Platform[]): readonly InlineInit[] {
  return offer(platforms, "init", (platform) => toText(initBytes(platform)));
}

/** A line in the place of each init, for a plan of which nothing is written. */
export function inlineStandIns(platforms: readonly Platform[]): readonly InlineInit[] {
  return offer(platforms, "stand-in", (platform) => `the init for ${formatPlatform(platform)}\n`);
}

function offer(
  platforms: readonly Platform[],
  what: string,
  textFor: (platform: Platform) => string,
): readonly InlineInit[] {
  const key = `${what} ${platforms.map(formatPlatform).join(",")}`;
  const known = offers.get(key) ?? platforms.map((platform) => ({ platform, text: textFor(platform) }));
  offers.set(key, known);
  return known;
}
