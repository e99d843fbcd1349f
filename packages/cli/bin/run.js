#!/usr/bin/env node
// CommonJS, which starts sooner: nothing of Node's loader of ES modules is needed.
"use strict";
const { pathToFileURL } = require("node:url");
const { start } = require("../dist/start.cjs");

// It never rejects.
void start(process.argv.slice(2), pathToFileURL(__filename).href);
