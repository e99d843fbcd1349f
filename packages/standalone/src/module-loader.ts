/** Stands in for oclif's loader of modules, which imports files: every command is part of the program. */

import { commands } from "initwrap:commands";
import { join } from "node:path";

interface Loaded {
  readonly filePath: string;
  readonly isESM: boolean;
  readonly module: unknown;
}

interface Cached {
  readonly relativePath?: readonly string[];
}

/** What oclif's manifest says of a command: its module's path, `dist/commands/NAME.js`. */
export async function loadWithDataFromManifest({ relativePath = [] }: Cached, root: string): Promise<Loaded> {
  const path = relativePath.join("/");
  return { filePath: join(root, path), isESM: true, module: await loaded(path) };
}

/** By path, with or without its extension. */
export async function loadWithData(config: { readonly root: string }, path: string): Promise<Loaded> {
  const name = path.startsWith(config.root) ? path.slice(config.root.length + 1) : join(path);
  return { filePath: path, isESM: true, module: await loaded(name.endsWith(".js") ? name : `${name}.js`) };
}

export async function load(config: { readonly root: string }, path: string): Promise<unknown> {
  return (await loadWithData(config, path)).module;
}

export function isPathModule(): boolean {
  return true;
}

async function loaded(path: string): Promise<unknown> {
  const module = commands[path];
  if (module) return module();
  throw Object.assign(new Error(`the program has no module ${path}`), { code: "MODULE_NOT_FOUND" });
}
