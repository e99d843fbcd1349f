/** What oclif loads when a command really runs: the table of commands. */
import Dockerfile from "./commands/dockerfile.ts";
import Image from "./commands/image.ts";
import InitImage from "./commands/init-image.ts";

export const COMMANDS = { dockerfile: Dockerfile, image: Image, "init-image": InitImage };
