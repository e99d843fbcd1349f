/**
 * `node compile.cjs SCRIPT CACHE ASSETS`: runs the CLI's script once, with a command, and writes the code that V8 compiled for it. By the
 * Node.js that will use it, for no other can. ASSETS is a JSON file with each asset's path.
 * `node compile.cjs SCRIPT CACHE`: fails when this Node.js would not take that code.
 */
const { readFileSync, writeFileSync } = require("node:fs");
const { setFlagsFromString } = require("node:v8");
const { Script } = require("node:vm");

/** When these have their turn depends on the machine's load, and V8 notes in its code what they have done. */
const UNTIMELY = ["sparkplug", "maglev", "opt", "flush-bytecode"];

const [, , file, cache, list] = process.argv;
const source = readFileSync(file).latin1Slice();
if (list === undefined) {
  const { cachedDataRejected } = new Script(source, { filename: "initwrap", cachedData: readFileSync(cache) });
  if (cachedDataRejected) throw new Error("Node.js does not take the code that it has compiled");
} else {
  for (const flag of UNTIMELY) setFlagsFromString(`--no-${flag}`);
  const script = new Script(source, { filename: "initwrap" });
  const assets = JSON.parse(readFileSync(list, "utf8"));
  const sea = {
    getAssetKeys: () => Object.keys(assets),
    getRawAsset: (name) => new Uint8Array(readFileSync(assets[name])).buffer,
  };
  process.argv = [process.argv[0], process.argv[0], "ci", "tekton"];
  process.stdout.write = () => true;
  process.on("exit", (code) => {
    // Code that was made under other flags than the program's is not taken.
    for (const flag of UNTIMELY) setFlagsFromString(`--${flag}`);
    if (code === 0) writeFileSync(cache, script.createCachedData());
  });
  script.runInThisContext()((name) => (name === "node:sea" ? sea : require(name)), process);
}
