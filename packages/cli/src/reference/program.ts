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
    ["130, 143, 129", "Interrupted by SIGINT, SIGTERM, SIGHUP"],
  ],
  /** Variables beside those that stand for flags. */
  environment: [
    ["INITWRAP_CONFIG", "The configuration file."],
    ["INITWRAP_INSECURE_REGISTRIES", "Registries that need no TLS, with commas between them."],
    ["INITWRAP_UNPACK_LIMIT", "What a compressed archive or layer may expand to, 20GiB for instance."],
    ["NO_COLOR, FORCE_COLOR", "No colours, or colours also where the output is no terminal."],
  ],
  /** Where to read on: what it is, and how it is asked for. */
  topics: [
    ["a command's flags", "initwrap help COMMAND"],
    ["exit codes", "initwrap help exit-codes"],
    ["variables", "initwrap help environment"],
    ["settings from a file or from variables", "initwrap config"],
    ["completion for bash, zsh and fish", "initwrap completion SHELL"],
  ],
} as const;
