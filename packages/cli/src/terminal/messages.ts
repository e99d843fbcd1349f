/** The words for each finding. The core yields codes and arguments; only this file turns them into sentences. */
import type { Diagnostic, DiagnosticCode } from "../model/diagnostics.ts";

type Args = Diagnostic["args"];

const MESSAGES: Readonly<Record<DiagnosticCode, (args: Args) => string>> = {
  NO_COMMAND: () =>
    "the image has neither ENTRYPOINT nor CMD: it needs a command at run time, and the init then runs that",
  EXISTING_INIT: (a) => `${a["init"]} is already in front of the command; nothing to add`,
  BASE_ASSUMED: (a) => `the command of ${a["reference"]} is assumed from the built-in table of official images`,
  BASE_RESOLVED: (a) => `the command of ${a["reference"]} was read from ${a["source"]}`,
  JSON_FORM_MALFORMED: (a) =>
    `${a["instruction"]} looks like the exec form but is not valid JSON, so it runs in a shell`,
  SHELL_FORM_NO_EXEC: (a) =>
    `${a["instruction"]} in shell form leaves a shell in front of the program; signals are sent to the whole group`,
  CMD_LIKE_FLAG: (a) => `CMD starts with ${a["word"]} but there is no ENTRYPOINT to take it`,
  STAGE_IS_PARENT: (a) => `other stages are built from ${a["stage"]}: they inherit the init with its entrypoint`,
  STOPSIGNAL_KILL: (a) => `STOPSIGNAL ${a["signal"]} can be handled by no process: the container always dies at once`,
  BLANK_CONTINUATION: () => "a blank line inside a continued instruction will become an error",
  DOCKERIGNORE_LOST: (a) => `${a["path"]} is not read by the builder when the Dockerfile comes from standard input`,
  DOCKERIGNORE_HIDES_INIT: (a) => `${a["path"]} hides ${a["file"]} from the build`,
  PLATFORM_ABSENT: (a) => `the index names ${a["platform"]}, but its image is not here; left as it is`,
  PLATFORM_LEFT_ALONE: (a) => `${a["platform"]} was left as it is: ${a["reason"]}`,
  ATTESTATION_DROPPED: (a) => `the attestation of ${a["platform"]} described the old image and was dropped`,
  SIGNATURE_STALE: (a) => `signatures and referrers of ${a["digest"]} do not apply to the new digest`,
};

/** The sentence for a finding, without severity, place or code. */
export function messageOf(diagnostic: Diagnostic): string {
  return MESSAGES[diagnostic.code](diagnostic.args);
}
