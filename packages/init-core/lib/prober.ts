import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { InitCoreError } from "./errors.ts";
import { packageRoot } from "./package-root.ts";
import { type InitPlatform, initName } from "./platform.ts";

/** The static program that looks at a container from within: prober/prober.c says how it is called and what it prints. */
export interface Prober {
  /** The absolute path of the executable. */
  readonly path: string;
  /** The executable. */
  bytes(): Buffer;
}

/**
 * The prober for a platform.
 *
 * @throws {InitCoreError} `E_NO_INIT` when none is built for it; there is one wherever there is an init.
 */
export function proberFor(platform: InitPlatform): Prober {
  const path = join(packageRoot(), "prober", initName(platform));
  if (!existsSync(path)) throw new InitCoreError("E_NO_INIT", `there is no prober for ${initName(platform)}`);
  return { path, bytes: () => readFileSync(path) };
}
