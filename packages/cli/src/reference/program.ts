/** What the program says of itself as a whole, in its help and its man page. */

export const PROGRAM = {
  name: "initwrap",
  summary: "Put a correct init in front of the command of a container image, and change nothing else.",
  examples: [
    "initwrap dockerfile Dockerfile | docker build -f - .",
    "initwrap image app:latest",
    "initwrap inspect app:latest",
    "initwrap verify ghcr.io/acme/app:1",
  ],
  usage: "COMMAND [FLAGS]",
  /** Where to read on: what it is, and how it is asked for. */
  topics: [
    ["a command's flags", "initwrap help COMMAND"],
    ["settings from a file or from variables", "initwrap config"],
    ["completion for bash, zsh and fish", "initwrap completion SHELL"],
  ],
} as const;
