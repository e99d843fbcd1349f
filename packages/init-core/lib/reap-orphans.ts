/**
 * Reaps the orphans that a Node.js process has adopted, and nothing else.
 *
 * A child that somebody in this process has started must be left to them: who waits for it takes its exit code away from
 * libuv, and spawnSync then waits for ever. So a dead child is taken only if all of this holds:
 *
 * 1. **It is the main thread's.** The kernel gives orphans to the main thread, while a child belongs to the thread that
 *    started it. waitid(2) is asked with __WNOTHREAD, so whatever worker threads and threads of addons have started cannot
 *    be taken by mistake.
 * 2. **No ChildProcess is waiting for it.** Node's diagnostics channel tells of each as it is made; spawn has set its pid
 *    before any other JavaScript runs, and libuv has waited for it before its exit code is set.
 * 3. **It was not forked by this process.** Every child of fork(3), which is how libuv and most addons start one, notes its
 *    pid before it does anything else: so a dead one has done so (or was killed within its first microseconds).
 * 4. **It has been dead for GRACE.** What is left are children that an addon has started on the main thread by posix_spawn or
 *    vfork: who blocks in waitpid or answers to SIGCHLD has collected by then.
 *
 * Everything here runs on the main thread, so never during a spawnSync, whose child no rule needs to know.
 */
import type { ChildProcess } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import { loadAddon } from "./addon.ts";

/** Milliseconds for which a dead child is left to others. */
const GRACE = 100;
/** Milliseconds from a SIGCHLD to the look at who has died: a burst of them is one look. */
const DELAY = 20;

/** Starts reaping, for the life of the process. Keeps no event loop alive. */
export function reapOrphans(): void {
  const { watchForks, takeForks, isDead, isChild, collect } = loadAddon();
  const children = `/proc/self/task/${process.pid}/children`;
  const spawned = new Set<ChildProcess>();
  const forked = new Set<number>();
  /** Dead children of nobody we know, and since when. */
  const unclaimed = new Map<number, number>();
  let planned = false;
  let again = false;

  const giveUp = (why: string) =>
    process.emitWarning(`orphans are not reaped: ${why}`, { code: "INITWRAP_NO_CHILDREN" });
  // Without the notes the third rule would not hold: rather zombies than one exit code taken.
  if (!watchForks()) {
    giveUp("there is no memory to note children in");
    return;
  }
  subscribe("child_process", (message) => {
    spawned.add((message as { process: ChildProcess }).process);
  });

  const look = (): void => {
    planned = false;
    // Before the notes are read: a child that is dead here has written its own.
    const dead = new Set(pidsOf(children).filter((pid) => isDead(pid)));
    for (const pid of takeForks()) forked.add(pid);
    for (const pid of forked) if (!isChild(pid)) forked.delete(pid);
    const waitedFor = new Set<number>();
    for (const child of spawned) {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) spawned.delete(child);
      else waitedFor.add(child.pid);
    }
    const now = performance.now();
    for (const pid of unclaimed.keys()) if (!dead.has(pid)) unclaimed.delete(pid);
    for (const pid of dead) {
      if (forked.has(pid) || waitedFor.has(pid)) {
        unclaimed.delete(pid);
        continue;
      }
      const since = unclaimed.get(pid) ?? now;
      unclaimed.set(pid, since);
      if (now - since >= GRACE && collect(pid)) unclaimed.delete(pid);
    }
    // Always once more: the list of children may miss some while it changes (proc(5)).
    if (again || unclaimed.size > 0) plan(GRACE);
    again = false;
  };
  const plan = (delay: number): void => {
    if (planned) return;
    planned = true;
    // The look itself behind the loop's next poll: after a long pause those who answer to SIGCHLD come first.
    setTimeout(() => setImmediate(look), delay).unref();
  };
  try {
    look();
  } catch {
    giveUp(`${children} cannot be read`);
    return;
  }
  process.on("SIGCHLD", () => {
    again = true;
    plan(DELAY);
  });
  // Those that died between the first look and the listener.
  plan(DELAY);
}

function pidsOf(file: string): number[] {
  return readFileSync(file, "latin1").split(" ").filter(Boolean).map(Number);
}
