/**
 * The part of oclif that is in our programs: its Command, its flags and arguments, and its parser. Plugins, help, colours and
 * logs come with it as the packages are written, by modules that each load all that they may ever need.
 */
import { readFileSync } from "node:fs";
import { fail } from "./workspace.mjs";

/** Of @oclif/core/lib: what nothing here calls. `RunnableCommand` and `programConfig` stand in for them. */
const LEFT_OUT = /^\.{1,2}\/(?:config|handle|help|help\/util|logger|performance|ux)$/;

/** `const x_1 = require("...");` at the outermost level, as TypeScript writes it. */
const REQUIRE = /^const (\w+) = ((?:__import(?:Default|Star)\()?require\("[^"]+"\)\)?);$/gm;

/** For esbuild. What is left in loads a module when something of it is used: most are for errors. */
export const oclifParser = {
  name: "oclif-parser",
  setup({ onLoad, onResolve }) {
    onResolve({ filter: LEFT_OUT }, ({ path, importer }) =>
      /\/@oclif\/core\/lib\//.test(importer) ? { path, namespace: "left-out" } : undefined,
    );
    onLoad({ filter: /./, namespace: "left-out" }, ({ path }) => {
      const message = JSON.stringify(`oclif's ${path} is left out of this program`);
      return { contents: `module.exports = new Proxy({}, { get() { throw new Error(${message}); } });` };
    });
    onLoad({ filter: /\/@oclif\/core\/lib\/.*\.js$/ }, ({ path }) => {
      let contents = readFileSync(path, "utf8").replace(
        REQUIRE,
        "let $1$loaded; const $1 = new Proxy({}, { get: (_, name) => ($1$loaded ??= $2)[name] });",
      );
      if (path.endsWith("/lib/command.js")) {
        // It would open stdout for runs that never write to it; terminal/streams.ts does the same.
        const [start, end] = [contents.indexOf("process.stdout.on('error'"), contents.indexOf("class Command {")];
        if (start < 0 || end < start) fail(`${path} is not what it was`);
        contents = contents.slice(0, start) + contents.slice(end);
      }
      return { contents, loader: "js" };
    });
  },
};
