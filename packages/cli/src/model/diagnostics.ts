/**
 * Findings are values; words are elsewhere. The pure core yields these, and a reporter turns them into text, JSON or an
 * annotation of a CI system. `args` fill the message of `code` in terminal/messages.
 */
export type Severity = "error" | "warning" | "note";

/** Lines count from 1, as editors and BuildKit count them; `endLine` is included. */
export interface Range {
  readonly line: number;
  readonly endLine: number;
}

export interface Diagnostic {
  readonly code: DiagnosticCode;
  readonly severity: Severity;
  readonly args: Readonly<Record<string, string | number>>;
  readonly range?: Range;
}

/** Every finding's code. Each has a documentation page in docs/diagnostics and a message in terminal/messages. */
export type DiagnosticCode = keyof typeof DIAGNOSTICS;

/** The frozen table of findings: what each is about, in a few words. */
export const DIAGNOSTICS = Object.freeze({
  NO_COMMAND: "the image has neither ENTRYPOINT nor CMD",
  EXISTING_INIT: "another init is already in front",
  INIT_INHERITED: "the init is another version's, of the image that this one was built on",
  INIT_REPLACED: "another init was replaced, with its options",
  INIT_OPTION_DROPPED: "an option of a replaced init has no counterpart",
  BASE_ASSUMED: "the base image's command comes from the built-in table",
  BASE_RESOLVED: "the base image's command was read from an image",
  BASE_DRIFT: "a base image runs something else than the lock says",
  JSON_FORM_MALFORMED: "looks like the exec form but is not valid JSON",
  COMMAND_EMPTY: "an ENTRYPOINT or CMD without anything, which builders read differently",
  SHELL_FORM_NO_EXEC: "the shell form starts a shell that stays in front of the program",
  CMD_LIKE_FLAG: "CMD starts with an option and there is no ENTRYPOINT",
  STAGE_IS_PARENT: "the wrapped stage is another stage's parent",
  STOPSIGNAL_KILL: "STOPSIGNAL is a signal that no process can handle",
  BLANK_CONTINUATION: "a blank line inside a continued instruction",
  DOCKERIGNORE_LOST: "a .dockerignore of this Dockerfile is not read when it is piped",
  DOCKERIGNORE_HIDES_INIT: "the .dockerignore hides the init from the build",
  PLATFORM_ABSENT: "the index names a platform whose image is not there",
  PLATFORM_LEFT_ALONE: "a platform was not wrapped",
  ATTESTATION_DROPPED: "an attestation of the old image was dropped",
  SIGNATURE_STALE: "signatures and referrers name the old digest",
  ONBUILD_ENTRYPOINT: "an ONBUILD trigger replaces the init in images built from this one",
  INIT_UNVERIFIED: "an init is downloaded and nothing checks it",
  INIT_ONE_ARCHITECTURE: "an init is downloaded for one CPU architecture only",
  COMPOSE_ENTRYPOINT: "a Compose service replaces the image's entrypoint",
  COMPOSE_INIT: "a Compose service has the engine's init too",
  PID1_NO_INIT: "a platform's PID 1 is no init",
  INIT_NOT_COMPOSED: "an entrypoint with the init is not what the rule gives",
  INIT_FILE: "the init's file is missing, or not one that can be executed there",
  INIT_UNKNOWN: "the init's bytes are those of no init of this version",
  INIT_FOREIGN: "PID 1 is an init of others, whose bytes were not checked",
  COMMAND_CHANGED: "what runs behind the init is not what was wrapped",
  COMMAND_UNRECORDED: "nothing records what the image ran without the init",
  RECORD_BROKEN: "the config was changed after it was wrapped",
  RUN_SKIPPED: "an image was not started",
  RUN_ENDED: "a container ended before it was asked to",
  RUN_PID1: "PID 1 of a running container is no init",
  STOP_LATE: "a container did not end in time after its stop signal",
} as const);
