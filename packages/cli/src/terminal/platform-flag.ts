import { InitwrapError } from "../model/errors.ts";
import { type Platform, parsePlatform } from "../model/platform.ts";

/** A value of `--platform`. Throws USAGE for what is no platform. */
export function platformFlag(text: string): Platform {
  const platform = parsePlatform(text);
  if (platform) return platform;
  throw new InitwrapError("USAGE", `--platform: ${text} is no platform`, { hint: "Write it as linux/amd64." });
}
