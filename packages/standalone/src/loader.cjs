/**
 * The program's main script: runs the CLI's, whose compiled code is an asset beside it. Node.js's own `useCodeCache` keeps what is
 * compiled before a run, which is little more than the outermost function; this is what a run has needed.
 */
const { getRawAsset } = require("node:sea");
const { Script } = require("node:vm");

// ASCII, as esbuild writes it: V8 keeps one byte a character. Code that does not fit this Node.js is compiled anew.
const source = Buffer.from(getRawAsset("main.js")).latin1Slice();
const cachedData = new Uint8Array(getRawAsset("main.cache"));
new Script(source, { filename: "initwrap", cachedData }).runInThisContext()(require, process);
