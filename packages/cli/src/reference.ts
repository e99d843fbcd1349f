/** What is made of the commands' descriptions when the packages are built. No command loads it. */
export { commandsOf } from "./reference/command.ts";
export { manPages } from "./reference/man.ts";
export { commandList, commandPage } from "./reference/markdown.ts";
export { settingsSchema } from "./reference/schema.ts";
