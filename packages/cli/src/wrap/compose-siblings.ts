/** The Compose file beside a Dockerfile, which may take the init out of the container again or add a second one. */
import { statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Diagnostic } from "../model/diagnostics.ts";
import { InitwrapError } from "../model/errors.ts";
import type { Variables } from "./build-unit.ts";

/** Names that Compose looks for, in its order. */
const COMPOSE_NAMES = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"] as const;

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

function composeFileIn(folder: string): string | undefined {
  return COMPOSE_NAMES.map((name) => join(folder, name)).find((path) => isFile(path));
}

function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  } catch {
    // A folder that cannot be searched has no say.
    return false;
  }
}

async function findingsIn(file: string, path: string, environment: Variables): Promise<readonly Diagnostic[]> {
  // Most folders have no Compose file, and then nothing of YAML is loaded.
  const { composeFindings, readComposeFile } = await import("./compose-file.ts");
  try {
    const units = await readComposeFile(file, [], environment);
    return units
      .filter(({ dockerfile }) => dockerfile.kind === "file" && dockerfile.path === path)
      .flatMap(composeFindings);
  } catch (error) {
    if (error instanceof InitwrapError) return [];
    throw error;
  }
}
