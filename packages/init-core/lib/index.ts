/**
 * The shipped inits, their ready-packed image layers, and the init's own reading of a command line
 * and its way of running one.
 *
 * @module
 */
export { InitCoreError, type InitCoreErrorCode } from "./errors.ts";
export { type Init, initFor, initPlatforms } from "./init.ts";
export { type Duration, type InitOptions, parseOptions } from "./parse-options.ts";
export type { InitPlatform } from "./platform.ts";
export { type Prober, proberFor } from "./prober.ts";
export { type SuperviseOptions, type Supervision, supervise } from "./supervise.ts";
