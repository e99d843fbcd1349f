/** GitHub's own schemas of workflows and actions, by the library that its editors use. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NoOperationTraceWriter, parseWorkflow } from "@actions/workflow-parser";
import type { parseAction } from "@actions/workflow-parser/actions/action-parser";
import { build } from "esbuild";
import { ROOT } from "./programs.ts";

interface Library {
  readonly NoOperationTraceWriter: typeof NoOperationTraceWriter;
  readonly parseWorkflow: typeof parseWorkflow;
  readonly parseAction: typeof parseAction;
}

let loaded: Promise<Library> | undefined;

/** The library is written for bundlers: it imports JSON as they do, and as Node does not. */
async function load(): Promise<Library> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-schemas-"));
  try {
    const outfile = join(folder, "library.mjs");
    const contents = `export * from "@actions/workflow-parser";
export { parseAction } from "@actions/workflow-parser/actions/action-parser";`;
    const stdin = { contents, resolveDir: ROOT };
    // Its YAML parser is CommonJS, and asks for Node's own modules.
    const banner = { js: 'import { createRequire } from "node:module"; const require = createRequire("/");' };
    await build({ stdin, outfile, banner, bundle: true, format: "esm", platform: "node", logLevel: "error" });
    return await import(/* @vite-ignore */ outfile);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What GitHub would find wrong with the text of a workflow or of an action.yml; empty when it would take it. */
export async function schemaErrors(kind: "workflow" | "action", content: string): Promise<readonly string[]> {
  loaded ??= load();
  const library = await loaded;
  const parseKind = kind === "workflow" ? library.parseWorkflow : library.parseAction;
  const { context } = parseKind({ name: `${kind}.yml`, content }, new library.NoOperationTraceWriter());
  return context.errors.getErrors().map(({ message }) => message);
}
