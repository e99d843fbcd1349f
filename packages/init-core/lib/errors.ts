/** Why this package could not do what it was asked: stable codes, for callers that show their own words. */
export type InitCoreErrorCode =
  /** There is no init for the platform: not Linux, or an architecture without a build. */
  | "E_NO_INIT"
  /** The package's own files are missing or are not what their checksums say. */
  | "E_INIT_DAMAGED"
  /** There is no native addon for the platform this Node.js runs on. */
  | "E_NO_ADDON"
  /** The init would refuse this command line; the message is the init's own. */
  | "E_BAD_OPTIONS"
  /** `supervise` was called on a worker thread; only the main thread adopts orphans. */
  | "E_NOT_MAIN_THREAD"
  /** `supervise` was called while this process has child processes, whose exit codes it would take. */
  | "E_HAS_CHILDREN"
  /** The other threads of this process could not be made to stand still: `/proc` is not mounted, or one of them hangs. */
  | "E_CANNOT_STOP_THREADS"
  /** The kernel refuses to start another process. */
  | "E_CANNOT_FORK";

/** Every error this package throws on purpose. */
export class InitCoreError extends Error {
  override readonly name = "InitCoreError";
  readonly code: InitCoreErrorCode;

  constructor(code: InitCoreErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
