/** The words for each finding. The core yields codes and arguments; only this file turns them into sentences. */
import { DIAGNOSTICS, type Diagnostic, type DiagnosticCode } from "../model/diagnostics.ts";
import type { ErrorCode } from "../model/errors.ts";
import { unhandledSignal } from "../model/stop-signal.ts";

type Args = Diagnostic["args"];

const MESSAGES: Readonly<Record<DiagnosticCode, (args: Args) => string>> = {
  NO_COMMAND: () =>
    "the image has neither ENTRYPOINT nor CMD: it needs a command at run time, and the init then runs that",
  INIT_INHERITED: (a) =>
    `${a["platform"]} has the init of version ${a["version"]} from the image that it was built on; it stays`,
  EXISTING_INIT: (a) => `${a["init"]} is already in front of the command; nothing to add`,
  INIT_REPLACED: (a) => `${a["init"]} is replaced; what it did is asked for with ${a["options"]}`,
  INIT_OPTION_DROPPED: (a) => `${a["init"]}'s ${a["option"]} has no counterpart and is left out`,
  BASE_ASSUMED: (a) =>
    a["like"] === undefined
      ? `the command of ${a["reference"]} is assumed from the built-in table of official images`
      : `the command of ${a["reference"]}, which is not in the built-in table of official images, is assumed to be that of ${a["like"]}`,
  BASE_RESOLVED: (a) => `the command of ${a["reference"]} was read from ${a["source"]}`,
  BASE_DRIFT: (a) =>
    `${a["field"]} of ${a["reference"]} is ${a["is"]} by now (${a["source"]}), and ${a["was"]} in the lock`,
  JSON_FORM_MALFORMED: (a) =>
    `${a["instruction"]} looks like the exec form but is not valid JSON, so it runs in a shell`,
  COMMAND_EMPTY: (a) =>
    `${a["instruction"]} without anything is an empty shell command to BuildKit, and nothing to others`,
  SHELL_FORM_NO_EXEC: (a) =>
    `${a["instruction"]} in shell form leaves a shell in front of the program: when a stop ends the shell, the container is over`,
  CMD_LIKE_FLAG: (a) => `CMD starts with ${a["word"]} but there is no ENTRYPOINT to take it`,
  STAGE_IS_PARENT: (a) => `other stages are built from ${a["stage"]}: they inherit the init with its entrypoint`,
  STOPSIGNAL_KILL: (a) =>
    unhandledSignal(String(a["signal"])) === "SIGSTOP"
      ? `STOPSIGNAL ${a["signal"]} can be handled by no process: the container stands still until the engine kills it`
      : `STOPSIGNAL ${a["signal"]} can be handled by no process: the container always dies at once`,
  BLANK_CONTINUATION: () => "a blank line inside a continued instruction will become an error",
  DOCKERIGNORE_LOST: (a) => `${a["path"]} is not read by the builder when the Dockerfile comes from standard input`,
  DOCKERIGNORE_HIDES_INIT: (a) => `${a["path"]} hides ${a["file"]} from the build`,
  PLATFORM_ABSENT: (a) => `the index names ${a["platform"]}, which is not here; left as it is`,
  PLATFORM_LEFT_ALONE: (a) => `${a["platform"]} was left as it is: ${a["reason"]}`,
  ATTESTATION_DROPPED: (a) => `the attestation of ${a["platform"]} described the old image and was dropped`,
  SIGNATURE_STALE: (a) =>
    a["kinds"] === undefined
      ? `the registry does not say whether there are signatures of ${a["digest"]}; they would not apply to the new digest`
      : `${a["count"]} that refer to ${a["digest"]} do not apply to the new digest: ${a["kinds"]}`,
  ONBUILD_ENTRYPOINT: (a) => `ONBUILD ${a["instruction"]} replaces the init in every image built from this one`,
  INIT_UNVERIFIED: (a) => `${a["init"]} is downloaded and nothing checks that it is the file that was meant`,
  INIT_ONE_ARCHITECTURE: (a) => `${a["init"]} is downloaded for ${a["architecture"]}, whatever platform is built`,
  COMPOSE_ENTRYPOINT: (a) =>
    `${a["path"]}: service ${a["service"]} replaces the image's entrypoint, and with it the init`,
  COMPOSE_INIT: (a) =>
    `${a["path"]}: service ${a["service"]} has init: true, so the engine puts a second init in front`,
  PID1_NO_INIT: (a) =>
    a["program"] === ""
      ? `${a["platform"]} has no entrypoint, no command and no init`
      : `PID 1 of ${a["platform"]} is ${a["program"]}, which is no init`,
  INIT_NOT_COMPOSED: (a) => `the entrypoint of ${a["platform"]} is not an init in front of a command: ${a["problem"]}`,
  INIT_FILE: (a) => `/initwrap of ${a["platform"]} cannot be the init: ${a["problem"]}`,
  INIT_UNKNOWN: (a) => `/initwrap of ${a["platform"]} is no init of this version; its sha256 is ${a["sha256"]}`,
  INIT_FOREIGN: (a) => `PID 1 of ${a["platform"]} is ${a["init"]}, whose bytes are not checked`,
  COMMAND_CHANGED: (a) => `${a["platform"]} runs ${a["is"]}, and ${a["was"]} was recorded when it was wrapped`,
  COMMAND_UNRECORDED: (a) =>
    `nothing in ${a["platform"]} records what it ran before: a Dockerfile set its entrypoint, or layers were added`,
  RECORD_BROKEN: (a) => `the config of ${a["platform"]} was changed after it was wrapped`,
  RUN_SKIPPED: (a) => `${a["platform"]} was not started: ${a["reason"]}`,
  RUN_ENDED: (a) => `the container of ${a["platform"]} ended before it was asked to: ${a["how"]}`,
  RUN_PID1: (a) => `PID 1 of the running container of ${a["platform"]} is ${a["program"]}`,
  STOP_LATE: (a) => `the container of ${a["platform"]} did not end within ${a["seconds"]} s of ${a["signal"]}`,
};

/** The sentence for a finding, without severity, place or code. */
export function messageOf(diagnostic: Diagnostic): string {
  return MESSAGES[diagnostic.code](diagnostic.args);
}

/** What to do about a finding, where something can be done. Absent for notes that only tell a fact. */
const HINTS: Readonly<Partial<Record<DiagnosticCode, string>>> = {
  NO_COMMAND: "Add a CMD, or name the program when the container is run.",
  INIT_INHERITED: "Wrap the image that it was built on again, and build it anew.",
  EXISTING_INIT:
    "Say --replace-init to have initwrap's instead, with the same options, where it is ENTRYPOINT's first word.",
  INIT_OPTION_DROPPED: "With -v the init says what it reaps.",
  BASE_ASSUMED: "Let the engine or the registry be asked, or describe the base with --base-entrypoint and --base-cmd.",
  BASE_DRIFT: "Say --update-lock, and wrap the Dockerfile again.",
  JSON_FORM_MALFORMED: "Use double quotes, and no comma behind the last element.",
  COMMAND_EMPTY: "Write [] to clear it, which every builder reads in the same way.",
  SHELL_FORM_NO_EXEC: 'Write the exec form, ["program", "argument"], or begin the text with exec.',
  CMD_LIKE_FLAG: "Add an ENTRYPOINT, or begin CMD with the program.",
  STAGE_IS_PARENT: "Choose the stage that is shipped with --target, or wrap all with --all-targets.",
  STOPSIGNAL_KILL: "Remove STOPSIGNAL, or name the signal on which the program ends in good order.",
  BLANK_CONTINUATION: "Remove the blank line, or begin it with #.",
  DOCKERIGNORE_LOST: "Write the result to a file with -o, and build that.",
  DOCKERIGNORE_HIDES_INIT: "Say --amend-dockerignore, or use --inject inline.",
  ATTESTATION_DROPPED: "Attest the new digest.",
  SIGNATURE_STALE: "Sign the new digest.",
  ONBUILD_ENTRYPOINT: "Wrap the images that are built from this one, or remove the trigger.",
  INIT_UNVERIFIED: "Add --checksum, or check the file with sha256sum in the same RUN.",
  INIT_ONE_ARCHITECTURE: "Use TARGETARCH in the address, or let initwrap bring its own init.",
  COMPOSE_ENTRYPOINT: "Use command:, which leaves the image's entrypoint.",
  COMPOSE_INIT: "Remove init: true; the image has an init of its own.",
  PID1_NO_INIT:
    "Wrap it as the last step: `initwrap image`, or the Dockerfile that is built, with a builder that knows it.",
  INIT_NOT_COMPOSED: "Take the entrypoint back to what it was, and wrap it again.",
  INIT_FILE: "Wrap the image again; no later layer may touch the file.",
  INIT_UNKNOWN: "Wrap the image again, or say --accept-init SHA256 when it is another release that you trust.",
  COMMAND_CHANGED: "Wrap the image again, after the last tool that sets its command.",
  RECORD_BROKEN: "Wrap the image again, after the last tool that changes its config.",
  RUN_SKIPPED: "Start it where it can run, or leave out --run.",
  RUN_ENDED: "Leave out --run for an image that ends by itself or needs arguments.",
  RUN_PID1: "The engine or the entrypoint puts something else there.",
  STOP_LATE:
    "The program does not end on that signal: name another with STOPSIGNAL, or give it longer, by --timeout of verify and --grace of probe.",
};

export function hintOf(diagnostic: Diagnostic): string | undefined {
  return HINTS[diagnostic.code];
}

// The package carries its documentation, so the page of a code is there as long as the package is.
const DOCUMENTATION = "https://unpkg.com/initwrap/docs";

/** The address of a finding's or an error's documentation. */
export function helpOf(code: DiagnosticCode | ErrorCode): string {
  return Object.hasOwn(DIAGNOSTICS, code)
    ? `${DOCUMENTATION}/diagnostics/${code}.md`
    : `${DOCUMENTATION}/errors.md#${code.toLowerCase()}`;
}
