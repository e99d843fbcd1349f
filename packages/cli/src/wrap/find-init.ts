import { type Init, initFor } from "@initwrap/init-core";
import type { Platform } from "../model/platform.ts";

/** The shipped init that runs on a platform; undefined when there is none. */
export function findInit(platform: Platform): Init | undefined {
  try {
    return initFor(platform);
  } catch (cause) {
    if ((cause as { code?: string }).code === "E_NO_INIT") return undefined;
    throw cause;
  }
}
