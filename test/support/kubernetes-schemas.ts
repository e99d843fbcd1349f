/**
 * Manifests checked by the schemas of Kubernetes and of Argo Workflows, as the packages kubernetes-models have them from those
 * projects' own API definitions: what is required and of which form by their validators, and by the compiler and their types
 * that there is no field which the API does not know, for the validators pass those over as an API server would not.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "./programs.ts";

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  // biome-ignore lint/suspicious/noExplicitAny: its form is what is in question
  readonly [field: string]: any;
}

/** What the API of each manifest would find wrong with it, a line for each mistake; empty when it would take all of them. */
export async function manifestErrors(manifests: readonly Manifest[]): Promise<readonly string[]> {
  const checked = manifests.map((one) => (one.apiVersion.startsWith("argoproj.io/") ? asModelled(one) : one));
  const [byValidators, byTypes] = await Promise.all([
    Promise.all(checked.map(validatorErrors)).then((errors) => errors.flat()),
    typeErrors(checked),
  ]);
  return [...byValidators, ...byTypes];
}

/** The module that has the kinds of an API. */
function moduleOf({ apiVersion }: Manifest): string {
  return apiVersion.startsWith("argoproj.io/")
    ? `@kubernetes-models/argo-workflows/${apiVersion}`
    : `kubernetes-models/${apiVersion}`;
}

async function validatorErrors(manifest: Manifest): Promise<readonly string[]> {
  const { [manifest.kind]: Kind } = await import(/* @vite-ignore */ `${moduleOf(manifest)}/${manifest.kind}`);
  try {
    new Kind(manifest).validate();
    return [];
  } catch (error) {
    return [`${manifest.kind}: ${(error as Error).message}`];
  }
}

async function typeErrors(manifests: readonly Manifest[]): Promise<readonly string[]> {
  // Within the project, whose packages the compiler has to find.
  const folder = await mkdtemp(join(ROOT, ".cache/manifests-"));
  try {
    const lines = manifests.map((one, at) => {
      const type = `import("${moduleOf(one)}/${one.kind}").I${one.kind}`;
      return `export const manifest${at}: ${type} = ${JSON.stringify(one, undefined, 1)};\n`;
    });
    await writeFile(join(folder, "manifests.ts"), lines.join(""));
    const compilerOptions = { module: "nodenext", strict: true, noEmit: true, skipLibCheck: true, types: [] };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["manifests.ts"] }));
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    const { stdout } = await promisify(execFile)(process.execPath, [tsc, "--pretty", "false", "-p", folder], {
      encoding: "utf8",
    }).catch((error: { stdout?: string }) => ({ stdout: error.stdout || String(error) }));
    return stdout.split("\n").filter((line) => line !== "");
  } finally {
    await rm(folder, { recursive: true });
  }
}

/**
 * An Argo workflow as its model has it. In the model, made from Argo's Go types, a group of parallel steps is an object with a
 * field that only its comment says is no such thing, and a template's container has a name, which Argo calls `main` itself.
 */
function asModelled(workflow: Manifest): Manifest {
  const { templates, ...spec } = workflow["spec"];
  return {
    ...workflow,
    spec: {
      ...spec,
      // biome-ignore lint/suspicious/noExplicitAny: as above
      templates: templates.map((template: any) => ({
        ...template,
        ...(template.steps && { steps: template.steps.map((steps: unknown) => ({ steps })) }),
        ...(template.container && { container: { name: "main", ...template.container } }),
      })),
    },
  };
}
