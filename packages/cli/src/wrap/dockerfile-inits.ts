/** The shipped inits as the Dockerfile path needs them: platforms, and bytes as text. */
import { initFor, initPlatforms } from "@initwrap/init-core";
import type { InlineInit } from "../dockerfile/injection.ts";
import { toText } from "../dockerfile/text.ts";
import { InitwrapError } from "../model/errors.ts";
import { formatPlatform, normalizePlatform, type Platform, parsePlatform, samePlatform } from "../model/platform.ts";

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
      throw new InitwrapError("USAGE", `${name} is no platform`, { hint: "a platform reads like linux/amd64" });
    }
    // One init serves every level of an architecture except 32-bit arm.
    const found =
      all.find((one) => samePlatform(one, platform)) ??
      all.find(
        (one) => one.os === platform.os && one.architecture === platform.architecture && one.architecture !== "arm",
      );
    if (found !== undefined) return platform;
    throw new InitwrapError("NO_INIT_FOR_PLATFORM", `there is no init for ${formatPlatform(platform)}`, {
      hint: `there are inits for ${all.map(formatPlatform).join(", ")}`,
    });
  });
}

/** The init's bytes for a platform. */
export function initBytes(platform: Platform): Uint8Array {
  return initFor(platform).bytes();
}

/** Read once in a process, for a call may wrap a thousand files. */
const texts = new Map<string, string>();

/** The inits of these platforms, as text that can stand in a heredoc. */
export function inlineInits(platforms: readonly Platform[]): readonly InlineInit[] {
  return platforms.map((platform) => {
    const name = formatPlatform(platform);
    const text = texts.get(name) ?? toText(initBytes(platform));
    texts.set(name, text);
    return { platform, text };
  });
}
