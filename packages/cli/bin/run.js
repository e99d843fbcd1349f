#!/usr/bin/env node
// Loaded before anything else so that V8's compiled code of the bundle is kept between runs. Node's modules are not imported:
// an import reads every export, and some load more modules when they are read.
const { statSync } = process.getBuiltinModule("node:fs");
const module = process.getBuiltinModule("node:module");
const { homedir } = process.getBuiltinModule("node:os");
const { join } = process.getBuiltinModule("node:path");

/**
 * The user's own cache folder: compiled code in a folder for everyone, where Node would put it, could be planted by anyone.
 * Undefined when it is another user's, as under sudo. NODE_COMPILE_CACHE decides when it is set.
 */
function codeFolder() {
  try {
    const home = homedir();
    if (statSync(home).uid !== process.getuid()) return undefined;
    return join(process.env.XDG_CACHE_HOME || join(home, ".cache"), "initwrap");
  } catch {
    return undefined;
  }
}

const folder = process.env.NODE_COMPILE_CACHE || codeFolder();
if (folder !== undefined) module.enableCompileCache?.(folder);
const { start } = await import("../dist/start.js");
await start(process.argv.slice(2), import.meta.url);
