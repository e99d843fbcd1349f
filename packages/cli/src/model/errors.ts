/**
 * One error class, one frozen table of codes. Anything else that is thrown is a bug (exit 70).
 */

/** Exit codes, stable and documented in docs/exit-codes.md. */
export const EXIT = Object.freeze({
  done: 0,
  wouldChange: 1,
  usage: 2,
  input: 3,
  auth: 4,
  refused: 5,
  remote: 6,
  output: 7,
  bug: 70,
  ownFailure: 125,
} as const);

export type Exit = (typeof EXIT)[keyof typeof EXIT];

/** Every error code and the exit code it ends with. Each has a section in docs/errors.md. */
export const ERROR_EXIT = Object.freeze({
  // 2: the call's words are off
  USAGE: EXIT.usage,
  // 3: input missing, unparsable or unsupported
  NODE_TOO_OLD: EXIT.input,
  INPUT_NOT_FOUND: EXIT.input,
  INPUT_UNREADABLE: EXIT.input,
  DOCKERFILE_SYNTAX: EXIT.input,
  STAGE_NOT_FOUND: EXIT.input,
  IMAGE_NOT_FOUND: EXIT.input,
  ARCHIVE_INVALID: EXIT.input,
  ARCHIVE_TRUNCATED: EXIT.input,
  IMAGE_INVALID: EXIT.input,
  BLOB_CORRUPT: EXIT.input,
  LOCATOR_INVALID: EXIT.input,
  PROJECT_INVALID: EXIT.input,
  TEMPLATE_INVALID: EXIT.input,
  BUILD_FILE_INVALID: EXIT.input,
  BUILD_FILE_UNSUPPORTED: EXIT.input,
  BUILD_NOT_FOUND: EXIT.input,
  LOCK_INVALID: EXIT.input,
  CONFIG_INVALID: EXIT.input,
  // 4: authentication
  AUTH_REQUIRED: EXIT.auth,
  // 5: refused, for the right answer cannot be known or nothing right can be done
  BASE_UNKNOWN: EXIT.refused,
  BASE_UNEXPANDED: EXIT.refused,
  FRONTEND_UNKNOWN: EXIT.refused,
  MUST_BE_PID1: EXIT.refused,
  INIT_NOT_REPLACED: EXIT.refused,
  NOT_LINUX: EXIT.refused,
  NO_INIT_FOR_PLATFORM: EXIT.refused,
  PATH_TAKEN: EXIT.refused,
  PROOF_FAILED: EXIT.refused,
  UNSAFE_EDIT: EXIT.refused,
  SYNTAX_TOO_OLD: EXIT.refused,
  HARD_LINKED: EXIT.refused,
  UNSUPPORTED_IMAGE: EXIT.refused,
  CONTEXT_IGNORED: EXIT.refused,
  TAG_REQUIRED: EXIT.refused,
  NOT_VERIFIED: EXIT.refused,
  NOT_MEASURED: EXIT.refused,
  STACK_UNKNOWN: EXIT.refused,
  STACK_AMBIGUOUS: EXIT.refused,
  START_UNKNOWN: EXIT.refused,
  OUTPUT_EXISTS: EXIT.refused,
  // 6: a remote failed; the same call may succeed later
  DAEMON_UNREACHABLE: EXIT.remote,
  DAEMON_FAILED: EXIT.remote,
  REGISTRY_FAILED: EXIT.remote,
  // 7: the output could not be written; what was there is intact
  OUTPUT_NOT_WRITTEN: EXIT.output,
  // 125: `initwrap run` could not start the command; what the init itself ends with
  RUN_UNSUPPORTED: EXIT.ownFailure,
  RUN_FAILED: EXIT.ownFailure,
} as const);

export type ErrorCode = keyof typeof ERROR_EXIT;

export interface ErrorDetails {
  /** What to do about it: one sentence, with the flag that settles it where there is one. */
  readonly hint?: string;
  /** The place: `file:line`, a reference, a path in an archive. */
  readonly where?: string;
  /** A line of the file that is worked on, from 1, said by who does not know the file's name; ends up in `where`. */
  readonly line?: number;
  /** The flag whose value it is about, without dashes. Where that was set elsewhere, it is the place. */
  readonly flag?: string;
  /** What stood in the way, where that is said in brackets at the end of the message: it may be the same for other failures. */
  readonly reasons?: readonly string[];
  /** An excerpt of the source, ready to print. */
  readonly excerpt?: string;
  readonly cause?: unknown;
}

/** A failure that the user can act on. `exit` follows from `code` alone. */
export class InitwrapError extends Error {
  override readonly name = "InitwrapError";
  readonly code: ErrorCode;
  readonly exit: Exit;
  readonly hint: string | undefined;
  readonly where: string | undefined;
  readonly line: number | undefined;
  readonly flag: string | undefined;
  readonly excerpt: string | undefined;
  readonly reasons: readonly string[];

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    const reasons = details.reasons ?? [];
    super(withReasons(shortened(message), reasons), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.exit = ERROR_EXIT[code];
    this.hint = details.hint === undefined ? undefined : shortened(details.hint);
    this.where = details.where;
    this.line = details.line;
    this.flag = details.flag;
    this.excerpt = details.excerpt;
    this.reasons = reasons;
  }
}

/** More is no message: a stranger's document may have a name of megabytes, or a list of thousands. UTF-16 units. */
const MAX_MESSAGE = 8192;

function shortened(text: string): string {
  if (text.length <= MAX_MESSAGE) return text;
  // No half of a character.
  return `${text.slice(0, MAX_MESSAGE).replace(/[\ud800-\udbff]$/, "")} … (${text.length} characters)`;
}

function withReasons(message: string, reasons: readonly string[]): string {
  return reasons.length === 0 ? message : `${message} (${reasons.join("; ")})`;
}

/** The message with only those of its reasons that `kept` holds. */
export function messageWith({ message, reasons }: InitwrapError, kept: readonly string[]): string {
  const end = withReasons("", reasons).length;
  return withReasons(end === 0 ? message : message.slice(0, -end), kept);
}

/**
 * The failure with the place that it happened at, unless it says one itself or is about the call's words. Anything but a
 * failure of ours comes back as it is.
 */
export function withPlace(error: unknown, where: string): unknown {
  if (!(error instanceof InitwrapError) || error.where !== undefined || error.code === "USAGE") return error;
  return changed(error, { where });
}

/** The same failure with other details. */
export function changed(error: InitwrapError, details: Pick<ErrorDetails, "where" | "hint">): InitwrapError {
  const { code, hint, where, line, excerpt, reasons, cause } = error;
  return new InitwrapError(code, messageWith(error, []), {
    ...(where === undefined ? {} : { where }),
    ...(hint === undefined ? {} : { hint }),
    ...(line === undefined ? {} : { line }),
    ...(excerpt === undefined ? {} : { excerpt }),
    reasons,
    cause: cause ?? error,
    ...details,
  });
}
