/** What oclif loads when a command really runs: the table of commands. */
import Dockerfile from "./commands/dockerfile.ts";
import InitImage from "./commands/init-image.ts";

export const COMMANDS = { dockerfile: Dockerfile, "init-image": InitImage };
