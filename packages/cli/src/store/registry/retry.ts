/**
 * When to ask again, how long to wait before, and when to give up. Everything is bounded: attempts, one wait, and the sum.
 *
 * Sources: RFC 9110, sections 15.5.9 (408) and 10.2.3 (Retry-After); RFC 6585, section 4 (429).
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { InitwrapError } from "../../model/errors.ts";

/** All times in milliseconds. */
export interface RetryPolicy {
  /** How often the same thing is asked at most, the first time included. */
  readonly attempts: number;
  /** The longest first wait; it doubles with each attempt. */
  readonly baseDelay: number;
  readonly maxDelay: number;
  /** A Retry-After beyond this is not waited for. */
  readonly maxRetryAfter: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 5, baseDelay: 400, maxDelay: 10_000, maxRetryAfter: 60_000 };

/** A failure that may pass. When it does not, `failure` is what the caller sees. */
export class Transient extends Error {
  override readonly name = "Transient";
  readonly failure: InitwrapError;
  /** What the server asked to wait, in milliseconds. */
  readonly retryAfter: number | undefined;

  constructor(failure: InitwrapError, retryAfter?: number) {
    super(failure.message, { cause: failure });
    this.failure = failure;
    this.retryAfter = retryAfter;
  }
}

/** True for the statuses that say "not now": 408, 429, and 5xx except "not implemented" and "version not supported". */
export function isTransientStatus(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 505);
}

/** Reads Retry-After, seconds or an HTTP date, into milliseconds from `now`. Undefined when it is neither. */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = /[A-Za-z]{3}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/**
 * The wait before attempt number `attempt` + 1 in milliseconds, or undefined to give up.
 * Full jitter (a random share of an exponentially growing bound) keeps a fleet of CI jobs from coming back together.
 */
export function retryDelay(
  policy: RetryPolicy,
  attempt: number,
  retryAfter: number | undefined,
  random: () => number,
): number | undefined {
  if (attempt >= policy.attempts) return undefined;
  if (retryAfter !== undefined) {
    if (retryAfter > policy.maxRetryAfter) return undefined;
    // A little more than asked for, so that not everyone returns in the same millisecond.
    return retryAfter + random() * policy.baseDelay;
  }
  const bound = Math.min(policy.maxDelay, policy.baseDelay * 2 ** (attempt - 1));
  return bound * (0.25 + 0.75 * random());
}

/**
 * Runs `operation` until it does not throw a `Transient`. Any other error passes through at once; when no attempt is
 * left, the transient's `failure` is thrown. `signal` ends a wait at once, with its reason.
 */
export async function withRetries<T>(
  policy: RetryPolicy,
  operation: (attempt: number) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await operation(attempt);
    } catch (error) {
      if (!(error instanceof Transient)) throw error;
      const delay = retryDelay(policy, attempt, error.retryAfter, Math.random);
      if (delay === undefined) throw error.failure;
      await pause(delay, signal);
    }
  }
}

/** Waits; throws the signal's reason when it is aborted meanwhile. Milliseconds. */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await sleep(milliseconds, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
}
