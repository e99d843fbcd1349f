#!/usr/bin/env node
// CommonJS, which starts sooner: nothing of Node's loader of ES modules is needed.
"use strict";
const { statSync } = require("node:fs");
const { enableCompileCache } = require("node:module");
const { homedir } = require("node:os");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");

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

// Before anything else is loaded, so that V8's compiled code of the program is kept between runs.
const folder = process.env.NODE_COMPILE_CACHE || codeFolder();
if (folder !== undefined) enableCompileCache?.(folder);
const { start } = require("../dist/start.cjs");
void start(process.argv.slice(2), pathToFileURL(__filename).href);
