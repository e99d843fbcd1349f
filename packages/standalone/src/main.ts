/** The standalone program: the CLI's own start, with the package's files inside the program. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { start } from "../../cli/src/start.ts";
import { ROOT, showPackedFiles } from "./packed-files.ts";

showPackedFiles();
// start() presents every error itself and never rejects.
void start(process.argv.slice(2), pathToFileURL(join(ROOT, "dist/main.js")).href);
