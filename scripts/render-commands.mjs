/**
 * Renders what is made of the commands' own descriptions and is committed: the reference pages and the configuration file's
 * schema. With `--check` nothing is written, and the files that are not what they should be are named.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.mjs";
import { environment, fail, install, ROOT, say } from "./workspace.mjs";

/** The guide of a command whose name is another. */
const GUIDES = { "frontend-image": "frontend.md", "init-image": "dockerfile.md" };

/** Every rendered file's path and content. */
export async function renderedFiles() {
  const { commandList, commandPage, commandsOf, settingsSchema } = await import("../packages/cli/dist/reference.js");
  const commands = commandsOf(JSON.parse(readFileSync(join(ROOT, "packages/cli/oclif.manifest.json"), "utf8")));
  const guides = readdirSync(join(ROOT, "docs"));
  const schemas = readdirSync(join(ROOT, "schemas"));
  const files = new Map([["docs/commands/README.md", commandList(commands)]]);
  for (const command of commands) {
    const guide = GUIDES[command.name] ?? guides.find((name) => name === `${command.name}.md`);
    const schema = schemas.find((name) => name === `${command.name}.schema.json`);
    files.set(`docs/commands/${command.name}.md`, commandPage(command, { guide, schema }));
  }
  files.set(
    "schemas/initwrap.schema.json",
    formatted("initwrap.schema.json", JSON.stringify(settingsSchema(commands))),
  );
  return files;
}

/** JSON as the formatter of this repository wants it. */
function formatted(name, text) {
  const { status, stdout } = spawnSync("biome", ["format", `--stdin-file-path=${name}`], {
    cwd: ROOT,
    env: environment(),
    input: text,
    encoding: "utf8",
  });
  if (status !== 0) fail(`${name} cannot be formatted`);
  return stdout;
}

/** The rendered files that are missing, different, or left over from a command that is gone. */
export function outdated(files) {
  const current = (path) => {
    try {
      return readFileSync(join(ROOT, path), "utf8");
    } catch {
      return undefined;
    }
  };
  const extra = readdirSync(join(ROOT, "docs/commands"))
    .map((name) => `docs/commands/${name}`)
    .filter((path) => !files.has(path));
  return [...[...files].filter(([path, text]) => current(path) !== text).map(([path]) => path), ...extra];
}

if (process.argv[1] === join(ROOT, "scripts/render-commands.mjs")) {
  install();
  build();
  const files = await renderedFiles();
  const wrong = outdated(files);
  if (process.argv.includes("--check")) {
    if (wrong.length > 0) fail(`not as rendered: ${wrong.join(", ")}; run node scripts/render-commands.mjs`);
  } else {
    for (const path of wrong) {
      const text = files.get(path);
      if (text === undefined) rmSync(join(ROOT, path));
      else writeFileSync(join(ROOT, path), text);
      say(`${text === undefined ? "removed" : "wrote"} ${path}`);
    }
  }
}
