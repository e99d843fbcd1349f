/**
 * `node --import @initwrap/init-core/register app.js`: lets a Node.js program be PID 1 of a container. Importing does it:
 *
 * - Orphans are reaped. Not being PID 1, the process becomes a subreaper first.
 * - As PID 1, `SIGTERM` and the others end the process unless the program listens to them, as they would elsewhere.
 *
 * @module
 * @throws {InitCoreError} `E_NO_ADDON` where there is no prebuilt addon.
 */
import { constants } from "node:os";
import { isMainThread } from "node:worker_threads";
import { loadAddon } from "./addon.ts";
import { reapOrphans } from "./reap-orphans.ts";

/** Those that end a process by default and that are sent to containers. SIGUSR1 is Node's own: it starts the inspector. */
const ENDING = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR2", "SIGALRM", "SIGTERM"] as const;

/**
 * For PID 1 the kernel drops a signal whose action is the default, so they get a handler in C, which ends the process without
 * the event loop. A listener of the program's replaces it: libuv sets its own. When the last one is removed libuv sets the
 * default, so the handler is set again; Node's own reaction to the removal, which tells libuv, was registered before this.
 */
function endBySignals(): void {
  const { endBy } = loadAddon();
  for (const name of ENDING) if (process.listenerCount(name) === 0) endBy(constants.signals[name]);
  process.on("removeListener", (event) => {
    const name = ENDING.find((one) => one === event);
    if (name !== undefined && process.listenerCount(name) === 0) endBy(constants.signals[name]);
  });
}

// A worker thread is given the same --import, and shares the process that the main thread has seen to.
if (isMainThread) {
  if (process.pid === 1) endBySignals();
  else loadAddon().becomeSubreaper();
  reapOrphans();
}
