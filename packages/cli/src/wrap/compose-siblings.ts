/** The Compose file beside a Dockerfile, which may take the init out of the container again or add a second one. */
import { dirname, resolve } from "node:path";
import type { Diagnostic } from "../model/diagnostics.ts";
import { InitwrapError } from "../model/errors.ts";
import type { Variables } from "./build-unit.ts";
import { composeFileIn } from "./compose-names.ts";

/**
 * Findings about the services that build `dockerfile`, from the Compose file in its folder or its context. A file that cannot be
 * read or followed has no say: nobody asked for it.
 */
export async function siblingFindings(
  dockerfile: string,
  context: string | undefined,
  environment: Variables,
): Promise<readonly Diagnostic[]> {
  const path = resolve(dockerfile);
  const folders = new Set([dirname(path), ...(context === undefined ? [] : [resolve(context)])]);
  for (const folder of folders) {
    const file = composeFileIn(folder);
    if (file !== undefined) return findingsIn(file, path, environment);
  }
  return [];
}

async function findingsIn(file: string, path: string, environment: Variables): Promise<readonly Diagnostic[]> {
  // Most folders have no Compose file, and then nothing of YAML is loaded.
  const { composeFindings } = await import("./compose-file.ts");
  const { readCompose } = await import("./compose-project.ts");
  try {
    return readCompose([file], [], environment)
      .filter(({ dockerfile }) => dockerfile.kind === "file" && dockerfile.path === path)
      .flatMap(composeFindings);
  } catch (error) {
    if (error instanceof InitwrapError) return [];
    throw error;
  }
}
