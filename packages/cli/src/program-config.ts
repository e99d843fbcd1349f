/**
 * What a command asks of oclif's Config: the package's facts, and the other commands. oclif's own looks for plugins, their
 * manifests and the user's folders, by twenty npm packages whose start takes longer than most commands do.
 */
import { readFileSync } from "node:fs";
import type { Command } from "@oclif/core/command";
import type { Config } from "@oclif/core/config";
import type { Manifest, PJSON } from "@oclif/core/interfaces";
import { isCommand, loadCommand } from "./command-table.ts";

/** `root` is the URL of the package's folder. What is read from it is read when it is asked for. */
export function programConfig(root: URL): Config {
  const read = (name: string) => JSON.parse(readFileSync(new URL(name, root), "utf8"));
  const manifest = () => read("oclif.manifest.json") as Manifest;
  const loadable = (command: Command.Cached): Command.Loadable => ({
    ...command,
    load: async () => {
      if (isCommand(command.id)) return loadCommand(command.id);
      throw new Error(`the manifest has a command ${command.id}, and the program has not`);
    },
  });
  const config: Asked = {
    bin: "initwrap",
    get pjson() {
      return read("package.json") as PJSON;
    },
    get version() {
      return this.pjson.version;
    },
    get commands() {
      return Object.values(manifest().commands).map(loadable);
    },
    findCommand(id: string) {
      const command = manifest().commands[id];
      if (command === undefined) throw new Error(`there is no command ${id}`);
      return loadable(command);
    },
    // There are no plugins, so nobody has a hook.
    runHook: async () => ({ successes: [], failures: [] }),
    scopedEnvVarKeys: () => [],
  };
  return config as Config;
}

type Asked = Pick<Config, "bin" | "pjson" | "version" | "commands" | "findCommand" | "runHook" | "scopedEnvVarKeys">;
