/**
 * `node compile.cjs SCRIPT CACHE ASSETS`: runs the CLI's script with some commands, one after the other, and writes the code that V8
 * compiled for them. By the Node.js that will use it, for no other can. ASSETS is a JSON file with each asset's path.
 * `node compile.cjs SCRIPT CACHE`: fails when this Node.js would not take that code.
 */
const { readFileSync, writeFileSync } = require("node:fs");
const { dirname, join } = require("node:path");
const { setFlagsFromString } = require("node:v8");
const { Script } = require("node:vm");

/** When these have their turn depends on the machine's load, and V8 notes in its code what they have done. */
const UNTIMELY = ["sparkplug", "maglev", "opt", "flush-bytecode"];

/** A command that is there and one that a base image has. */
const DOCKERFILE = `FROM node:22-slim AS build
ENTRYPOINT ["node"]
FROM node:22-slim
COPY --from=build /app /app
CMD ["server.js"]
`;

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
  const dockerfile = join(dirname(cache), "Dockerfile");
  writeFileSync(dockerfile, DOCKERFILE);
  const runs = [
    ["ci", "tekton"],
    ["dockerfile", dockerfile, "--offline", "--quiet"],
  ];
  process.stdout.write = () => true;
  process.on("exit", (code) => {
    // Code that was made under other flags than the program's is not taken.
    for (const flag of UNTIMELY) setFlagsFromString(`--${flag}`);
    if (code === 0) writeFileSync(cache, script.createCachedData());
  });
  const next = () => {
    const words = process.exitCode ? undefined : runs.shift();
    if (words === undefined) return;
    process.argv = [process.execPath, process.execPath, ...words];
    script.runInThisContext()((name) => (name === "node:sea" ? sea : require(name)), process);
  };
  process.on("beforeExit", next);
  next();
}
