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
  /** Of the man pages: a build on another day gives the same. */
  date: "November 27, 2026",
  /** As docs/exit-codes.md has them. */
  exits: [
    ["0", "Done, or nothing to do"],
    ["1", "With --check: something would change"],
    ["2", "The call's words are off"],
    ["3", "The input is missing, cannot be parsed, or is not supported"],
    ["4", "Authentication is needed or was refused"],
    ["5", "Refused: the right answer cannot be known, or no right result exists; not verified"],
    ["6", "A registry or an engine failed; the same call may succeed later"],
    ["7", "The output could not be written; what was there is intact"],
    ["70", "A bug in initwrap"],
    ["125", "The command of initwrap run could not be started"],
    ["130, 143", "Interrupted by SIGINT, SIGTERM"],
  ],
  /** Where to read on: what it is, and how it is asked for. */
  topics: [
    ["a command's flags", "initwrap help COMMAND"],
    ["settings from a file or from variables", "initwrap config"],
    ["completion for bash, zsh and fish", "initwrap completion SHELL"],
  ],
} as const;
