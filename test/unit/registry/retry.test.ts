import { describe, expect, it } from "vitest";
import { InitwrapError } from "../../../packages/cli/src/model/errors.ts";
import {
  DEFAULT_RETRY,
  isTransientStatus,
  parseRetryAfter,
  retryDelay,
  Transient,
  withRetries,
} from "../../../packages/cli/src/store/registry/retry.ts";

describe("Retry-After", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  it.each([
    [undefined, undefined],
    ["0", 0],
    [" 7 ", 7000],
    ["Thu, 01 Jan 2026 00:00:30 GMT", 30_000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
    ["-1", undefined],
    ["soon", undefined],
    ["99999999999999", undefined],
  ])("%s is %s ms", (header, expected) => {
    expect(parseRetryAfter(header, now)).toBe(expected);
  });
});

describe("the wait before the next attempt", () => {
  it("grows, stays within its bound, and is never the same for everyone", () => {
    for (let attempt = 1; attempt < DEFAULT_RETRY.attempts; attempt++) {
      const bound = Math.min(DEFAULT_RETRY.maxDelay, DEFAULT_RETRY.baseDelay * 2 ** (attempt - 1));
      expect(retryDelay(DEFAULT_RETRY, attempt, undefined, () => 0)).toBe(bound / 4);
      expect(retryDelay(DEFAULT_RETRY, attempt, undefined, () => 1)).toBe(bound);
    }
    expect(retryDelay(DEFAULT_RETRY, DEFAULT_RETRY.attempts, undefined, () => 0)).toBeUndefined();
  });

  it("is at least what the server asks for, and ends the attempts when that is too long", () => {
    expect(retryDelay(DEFAULT_RETRY, 1, 5000, () => 0)).toBe(5000);
    expect(retryDelay(DEFAULT_RETRY, 1, DEFAULT_RETRY.maxRetryAfter + 1, () => 0)).toBeUndefined();
  });
});

describe("retries", () => {
  const policy = { attempts: 3, baseDelay: 1, maxDelay: 1, maxRetryAfter: 1 };
  const failure = new InitwrapError("REGISTRY_FAILED", "it failed");

  it("are made for what may pass, and end with the failure itself", async () => {
    let calls = 0;
    const run = withRetries(policy, async () => {
      calls++;
      throw new Transient(failure);
    });
    await expect(run).rejects.toBe(failure);
    expect(calls).toBe(3);
  });

  it("are not made for what lasts", async () => {
    let calls = 0;
    const run = withRetries(policy, async () => {
      calls++;
      throw failure;
    });
    await expect(run).rejects.toBe(failure);
    expect(calls).toBe(1);
  });

  it("end at once when they are aborted", async () => {
    const controller = new AbortController();
    const run = withRetries(
      { ...policy, baseDelay: 60_000, maxDelay: 60_000 },
      async () => {
        setTimeout(() => controller.abort(new Error("stop")), 5);
        throw new Transient(failure);
      },
      controller.signal,
    );
    await expect(run).rejects.toThrow("stop");
  });

  it("are for 408, 429 and the server's own faults", () => {
    expect([408, 429, 500, 502, 503, 504].every(isTransientStatus)).toBe(true);
    expect([200, 400, 401, 403, 404, 413, 501, 505].some(isTransientStatus)).toBe(false);
  });
});
