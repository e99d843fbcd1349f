/**
 * How fast a host is asked. As fast as the run can, until the host answers 429: from then on its requests keep a distance
 * in time, which grows with each further 429 and shrinks with each other answer.
 *
 * Retries alone are no answer to a limit: every request of a fleet would spend its attempts at the same moments, and some
 * would have none left. So what one request is told holds for all requests of the run to that host.
 */
import { monotonic } from "../monotonic.ts";
import { pause } from "./retry.ts";

/** Milliseconds between two requests, after the first 429. */
const FIRST_GAP = 20;
const GROWTH = 4;
const LONGEST_GAP = 500;
const DECAY = 0.95;
/** A shorter distance is none. */
const NO_GAP = 2;

/** The pace of all requests of a run to one host. */
export class HostPace {
  #gap = 0;
  /** When the next request may go, and until when none may. Milliseconds on the monotonic clock. */
  #next = 0;
  #closed = 0;
  #slowed = 0;

  /** Waits until a request may go. Returns when it goes, which `limited` takes. Throws the signal's reason. */
  async turn(signal?: AbortSignal): Promise<number> {
    for (;;) {
      const now = monotonic();
      const at = Math.max(now, this.#next, this.#closed);
      this.#next = at + this.#gap;
      if (at > now) await pause(at - now, signal);
      // Meanwhile another request may have been told to wait.
      if (this.#closed <= Math.max(at, monotonic())) return monotonic();
    }
  }

  /** The host has answered 429 to the request that went at `went`; it asks for a wait of `retryAfter` milliseconds, or for none. */
  limited(went: number, retryAfter: number): void {
    const now = monotonic();
    this.#closed = Math.max(this.#closed, now + retryAfter);
    // What was on its way already says nothing of the new pace.
    if (went < this.#slowed) return;
    this.#slowed = now;
    this.#gap = Math.min(LONGEST_GAP, Math.max(FIRST_GAP, this.#gap * GROWTH));
  }

  /** The host has answered something else. */
  passed(): void {
    this.#gap = this.#gap * DECAY < NO_GAP ? 0 : this.#gap * DECAY;
  }
}
