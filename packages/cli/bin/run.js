#!/usr/bin/env node
// Loaded before anything else so that V8's compiled code of the bundle is kept between runs.
import module from "node:module";

module.enableCompileCache?.();
const { start } = await import("../dist/start.js");
await start(process.argv.slice(2), import.meta.url);
