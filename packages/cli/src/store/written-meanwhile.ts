/**
 * What is read while another process writes to it: it is read again, and what was to be made of it is made of the new state.
 *
 * Whoever is disturbed has written nothing, and one that disturbs has got its work done. So of several that begin at the same moment
 * each has its turn, without a lock that somebody could leave behind.
 */
import { type ErrorCode, InitwrapError } from "../model/errors.ts";

/** How long one tries again, or waits for another one. Milliseconds; a rewrite takes some ten. */
export const PATIENCE = 20_000;
const PAUSE = 20;

/** Another process wrote to what was read, or is at it. The code says what came of it: not read, or not written. */
export class WrittenMeanwhile extends InitwrapError {}

/** What is thrown for a file that is no longer what it was when it was read. `cause` is how that was noticed. */
export function changedMeanwhile(code: ErrorCode, path: string, cause?: unknown): WrittenMeanwhile {
  return new WrittenMeanwhile(code, `${path} was changed while it was read`, {
    where: path,
    hint: "Another process wrote to it. Try again.",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Runs `work`, and again as long as it throws a WrittenMeanwhile, for `patience` milliseconds. Throws what it throws at last. */
export async function whileUndisturbed<T>(work: () => Promise<T>, patience: number = PATIENCE): Promise<T> {
  let since: number | undefined;
  for (;;) {
    try {
      return await work();
    } catch (cause) {
      if (!(cause instanceof WrittenMeanwhile)) throw cause;
      since ??= performance.now();
      if (performance.now() - since > patience) throw cause;
      // Of several that begin anew at the same moment one is first.
      await new Promise((resolve) => setTimeout(resolve, PAUSE * (1 + Math.random())));
    }
  }
}
