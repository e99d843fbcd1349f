/** What oclif loads when a command really runs: the table of commands. */
import Dockerfile from "./commands/dockerfile.ts";
import Generate from "./commands/generate.ts";
import Image from "./commands/image.ts";
import InitImage from "./commands/init-image.ts";

export const COMMANDS = { dockerfile: Dockerfile, generate: Generate, image: Image, "init-image": InitImage };
