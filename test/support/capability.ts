/**
 * What a test needs of the machine. Missing where CI=true it fails the test, for CI must have everything; elsewhere the
 * test is skipped under its name, and `npm test` lists it at the end.
 */
export interface SkippableContext {
  skip(note?: string): never | void;
}

/** Goes on only when `available`. */
export function requireCapability(context: SkippableContext, name: string, available: boolean): void {
  if (available) return;
  if (process.env["CI"] === "true") throw new Error(`${name} is missing, and CI must have it`);
  process.stderr.write(`NOT RUN: ${name} is missing\n`);
  context.skip(`${name} is missing`);
}
