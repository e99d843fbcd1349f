/**
 * What went wrong at a registry, in words that are safe to print.
 *
 * Everything a registry sends is a stranger's text: control characters are taken out, lengths are bounded, and queries of
 * URLs, which hold upload states and signatures, are never shown.
 */
import { type ErrorCode, type ErrorDetails, InitwrapError } from "../../model/errors.ts";

/** The part of an error body that is used. Source: distribution-spec, "Error Codes". */
export interface RegistryComplaint {
  /** Such as `MANIFEST_UNKNOWN`; empty when the registry gave none. */
  readonly code: string;
  readonly message: string;
}

/** Why an exchange did not bring a response. `retryable` ones may succeed when the same is asked again. */
export class ExchangeError extends Error {
  override readonly name = "ExchangeError";
  readonly retryable: boolean;
  readonly hint: string | undefined;

  constructor(message: string, details: { retryable: boolean; hint?: string | undefined; cause?: unknown }) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.retryable = details.retryable;
    this.hint = details.hint;
  }
}

/** A URL for people: no user, no query, no fragment. */
export function redactUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}${url.search ? "?..." : ""}`;
}

/** A stranger's text on one line: control and bidirectional characters out, at most `limit` characters. */
export function printable(text: string, limit = 300): string {
  const clean = text
    .replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]+/g, " ")
    .replace(/\s+/g, " ")
    .trim();
  return clean.length > limit ? `${clean.slice(0, limit)}...` : clean;
}

/** The complaints in an error body; none when the body is not in the specified form. */
export function parseComplaints(body: Uint8Array): readonly RegistryComplaint[] {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder().decode(body));
  } catch {
    return [];
  }
  const errors = (document as { errors?: unknown } | null)?.errors;
  if (!Array.isArray(errors)) return [];
  return errors.slice(0, 5).map((entry: { code?: unknown; message?: unknown } | null) => ({
    code: typeof entry?.code === "string" ? printable(entry.code, 64) : "",
    message: typeof entry?.message === "string" ? printable(entry.message) : "",
  }));
}

/** An answer that is no success. */
export class ResponseFailure extends InitwrapError {
  readonly status: number;
  readonly complaints: readonly RegistryComplaint[];

  constructor(
    code: ErrorCode,
    message: string,
    details: ErrorDetails,
    status: number,
    complaints: readonly RegistryComplaint[],
  ) {
    super(code, message, details);
    this.status = status;
    this.complaints = complaints;
  }
}

/** What was asked, for the message of a failure. */
export interface Asked {
  readonly method: string;
  readonly url: URL;
  /** The registry's host, or the image reference, for `where`. */
  readonly where: string;
}

/**
 * The error for a response that is no success. 401 and 403 become AUTH_REQUIRED, 404 IMAGE_NOT_FOUND, all else
 * REGISTRY_FAILED. The registry's own code and words are in the message; `cause` holds nothing that could be secret.
 */
export function responseError(asked: Asked, status: number, complaints: readonly RegistryComplaint[]): ResponseFailure {
  const said = complaints.map(({ code, message }) => [code, message].filter(Boolean).join(": ")).join("; ");
  const message = `${asked.url.host} answered ${status} to ${asked.method} ${redactUrl(asked.url)}${said ? `: ${said}` : ""}`;
  const failure = (code: ErrorCode, hint?: string): ResponseFailure =>
    new ResponseFailure(code, message, { where: asked.where, ...(hint ? { hint } : {}) }, status, complaints);
  if (status === 401 || status === 403) {
    return failure(
      "AUTH_REQUIRED",
      `Log in with \`docker login\` or \`podman login\`, and check that the account may use this repository; a repository that does not exist is often answered the same way.`,
    );
  }
  if (status === 404) return failure("IMAGE_NOT_FOUND");
  const isIncomplete = complaints.some(({ code }) => code === "MANIFEST_BLOB_UNKNOWN" || code === "BLOB_UNKNOWN");
  const hint = isIncomplete
    ? "The registry takes no manifest that names what it does not hold: the image is not complete in its source."
    : status === 429
      ? "The registry limits how often it may be asked: wait, or log in for a higher limit."
      : status >= 500
        ? "The registry failed; the same call may succeed later."
        : status === 413
          ? "The registry, or a proxy in front of it, takes no upload of this size."
          : undefined;
  return failure("REGISTRY_FAILED", hint);
}

/** The error for an exchange that brought no response. */
export function exchangeFailure(asked: Asked, error: unknown): InitwrapError {
  if (error instanceof InitwrapError) return error;
  const known = error instanceof ExchangeError ? error : undefined;
  const reason = known?.message ?? (error instanceof Error ? error.message : String(error));
  return new InitwrapError("REGISTRY_FAILED", `${asked.method} ${redactUrl(asked.url)} failed: ${printable(reason)}`, {
    where: asked.where,
    ...(known?.hint ? { hint: known.hint } : {}),
    cause: error,
  });
}
