/** The outermost of a run: whatever it fails with is shown, and becomes its exit code. */
import { EXIT } from "../model/errors.ts";
import { presentError } from "./present-error.ts";
import { beforeDashes } from "./words.ts";

/** Does the work of a command line and sets `process.exitCode`. Never rejects. */
export async function presented(argv: readonly string[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    // process.exitCode may hold a leftover of a command that failed half-way; the error that ended the run decides.
    process.exitCode = presentError(error, { json: beforeDashes(argv).includes("--json") });
  }
  process.exitCode ??= EXIT.done;
}
