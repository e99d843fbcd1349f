/**
 * The three measurements of `initwrap probe`, each of one image in one container, and none of them an estimate.
 *
 * - *Stop*: the container is left alone, as the user's would be: nothing is put into it. The engine is told to stop it, with a
 *   grace, and the times are those of its own events, from the signal that it sent to the end that it saw: what the client or a
 *   busy socket adds is not in them.
 * - *Signals*: each is sent to PID 1, as `docker kill --signal` does, and what follows is looked at. Whether a program without a
 *   handler ends is the kernel's decision, and it differs for PID 1, so it is tried and not deduced. That a handler ran cannot
 *   be seen from outside; that there is one stands in /proc, where the prober reads it.
 * - *Zombies*: the prober, put into the container's own file system, starts orphans by `exec`, so that PID 1 is the image's own
 *   program. Whether that reaps is what is asked; a stand-in would give the kernel's answer for every image.
 *
 * The prober lies in the container, which is a throw-away copy of the image already; a layer more would be an image more.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { InitwrapError } from "../model/errors.ts";
import {
  type ContainerProcess,
  type CurvePoint,
  ProberFailure,
  parseCurve,
  parseProcesses,
} from "../model/prober-output.ts";
import type { DockerEngine } from "../store/docker-engine.ts";
import { EngineContainer } from "../store/engine-container.ts";
import type { EngineImage } from "./probe-images.ts";

/** How the containers are run. Times are seconds. */
export interface RunSettings {
  /** Instead of the image's CMD; absent for that. */
  readonly cmd?: readonly string[];
  /** `NAME=VALUE`. */
  readonly env: readonly string[];
  readonly network?: string;
  /** Between the stop signal and KILL. */
  readonly grace: number;
  /** It is ready when it has printed this... */
  readonly ready?: string;
  /** ...in so many seconds; without `ready` it is ready after `delay`. */
  readonly timeout: number;
  readonly delay: number;
  readonly orphans: number;
}

/** How a container ended when it was asked to. */
export interface StopMeasure {
  readonly signal: string;
  /** From the signal to the end, in milliseconds. */
  readonly milliseconds: number;
  readonly exitCode: number;
  /** Milliseconds after the signal at which the engine sent KILL; null when it did not need to. */
  readonly killedAfter: number | null;
}

/**
 * - `ended`: the container ended, as a program without a handler does;
 * - `handled`: the program has a handler, and went on;
 * - `ignored`: the program has said that it ignores the signal;
 * - `lost`: it should have ended the program, and nothing happened.
 */
export type SignalOutcome = "ended" | "handled" | "ignored" | "lost";

export interface SignalMeasure {
  readonly signal: string;
  readonly outcome: SignalOutcome;
  readonly exitCode: number | null;
}

export interface OrphanMeasure {
  readonly started: number;
  /** What is left at the end, when every orphan has been dead for a second. */
  readonly zombies: number;
  readonly curve: readonly CurvePoint[];
  /** At the end, zombies included. */
  readonly processes: readonly Process[];
}

export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly commandLine: readonly string[];
  readonly zombie: boolean;
}

export interface Measures {
  readonly stop: StopMeasure;
  readonly signals: readonly SignalMeasure[];
  readonly orphans: OrphanMeasure;
}

/** An image in an engine, and what looks at it from within. */
export interface Subject {
  readonly engine: DockerEngine;
  readonly image: EngineImage;
  /** What people call it in a message: `as it is`, `with the init`. */
  readonly title: string;
  /** True when PID 1 is an init, and the program its child. */
  readonly hasInit: boolean;
  readonly stopSignal: string;
  readonly prober: Uint8Array;
  /** What to do when it ends by itself. */
  readonly hint: string;
  readonly settings: RunSettings;
  readonly signal?: AbortSignal;
}

/** Signals whose default is to end a program, by their numbers on every architecture that an engine runs on. */
const SIGNALS = { HUP: 1, INT: 2, QUIT: 3, USR1: 10, USR2: 12, TERM: 15 } as const;

const PROBER = "initwrap-prober";
/** In which the orphans end, and for which they are watched beyond. Milliseconds. */
const OVER = 1500;
const WATCH = 1000;
/** After which a signal that did nothing has done nothing, for a program that should not, and should, have ended. Milliseconds. */
const QUIET = 500;
const PATIENCE = 10_000;
const POLL = 30;

export async function measureStop(subject: Subject): Promise<StopMeasure> {
  return inContainer(subject, async (container) => {
    await startReady(container, subject);
    const events = await container.stop(subject.settings.grace);
    const sent = events.find(({ action }) => action === "kill");
    const ended = events.findLast(({ action }) => action === "die");
    const { running, exitCode } = await container.state();
    if (!sent || !ended || running) {
      const heard = events.map(({ action }) => action).join(", ");
      throw new InitwrapError("DAEMON_FAILED", `the engine did not tell how the container ended: ${heard}`, {
        where: subject.engine.address,
      });
    }
    const last = events.findLast(({ action, attributes }) => action === "kill" && attributes["signal"] === "9");
    const killed = last !== undefined && last !== sent ? last : undefined;
    return {
      signal: subject.stopSignal,
      // The engine tells of a signal when it has been sent, and of an end when it sees it: the first may come second.
      milliseconds: Math.max(0, Math.round(ended.at - sent.at)),
      exitCode,
      killedAfter: killed ? Math.round(killed.at - sent.at) : null,
    };
  });
}

export async function measureSignals(subject: Subject): Promise<readonly SignalMeasure[]> {
  return inContainer(subject, async (container) => {
    await container.putProgram(PROBER, subject.prober);
    const measures: SignalMeasure[] = [];
    for (const [name, number] of Object.entries(SIGNALS)) {
      if (!(await container.state()).running) await startReady(container, subject);
      const program = programOf(await processesIn(container), subject.hasInit);
      await container.kill(`SIG${name}`);
      const isCaught = program?.caught.has(number) ?? false;
      const isIgnored = program?.ignored.has(number) ?? false;
      // Not the verdict: only how long it is worth to wait for one.
      const mayEnd = !isCaught && !isIgnored && subject.hasInit;
      const exitCode = await endOf(container, mayEnd ? PATIENCE : QUIET, subject.signal);
      const stays = isCaught ? "handled" : isIgnored ? "ignored" : "lost";
      measures.push({ signal: `SIG${name}`, outcome: exitCode === null ? stays : "ended", exitCode });
    }
    return measures;
  });
}

export async function measureOrphans(subject: Subject): Promise<OrphanMeasure> {
  return inContainer(subject, async (container) => {
    const { orphans } = subject.settings;
    await container.putProgram(PROBER, subject.prober);
    await startReady(container, subject);
    const words = ["orphans", orphans, OVER, WATCH].map(String);
    const curve = await read(container, words, parseCurve);
    const processes = await processesIn(container);
    return {
      started: orphans,
      zombies: curve.at(-1)?.zombies ?? 0,
      curve,
      processes: processes.map(({ pid, parent, name, commandLine, isZombie }) => ({
        pid,
        parent,
        name,
        commandLine,
        zombie: isZombie,
      })),
    };
  });
}

async function inContainer<T>(subject: Subject, work: (container: EngineContainer) => Promise<T>): Promise<T> {
  const { engine, image, settings, signal } = subject;
  signal?.throwIfAborted();
  const container = await EngineContainer.create(engine, {
    ...image,
    purpose: "probe",
    env: settings.env,
    ...(settings.cmd ? { cmd: settings.cmd } : {}),
    ...(settings.network === undefined ? {} : { network: settings.network }),
  });
  try {
    signal?.throwIfAborted();
    return await work(container);
  } finally {
    await container.remove();
  }
}

/** Starts it and waits until it is ready. Throws NOT_MEASURED when it ends by itself or never is. */
async function startReady(container: EngineContainer, subject: Subject): Promise<void> {
  const { settings, title, hint, signal } = subject;
  const options = signal ? { signal } : {};
  const { ready } = settings;
  // Counted, for the log's times begin before the engine's time of the start.
  const printed = ready === undefined ? 0 : (await container.output()).length;
  try {
    await container.start();
  } catch (cause) {
    if (!(cause instanceof InitwrapError) || cause.code !== "DAEMON_FAILED") throw cause;
    throw new InitwrapError("NOT_MEASURED", `the container ${title} could not be started: ${cause.message}`, { cause });
  }
  const begin = performance.now();
  const limit = (ready === undefined ? settings.delay : settings.timeout) * 1000;
  for (;;) {
    const { running, exitCode } = await container.state();
    if (!running) {
      const said = await container.output().catch(() => "");
      throw new InitwrapError(
        "NOT_MEASURED",
        `the container ${title} ended by itself with exit code ${exitCode}, before it could be stopped`,
        {
          hint,
          ...(said.trim() === "" ? {} : { excerpt: lastLines(said) }),
        },
      );
    }
    if (ready !== undefined && (await container.output()).includes(ready, printed)) return;
    const left = limit - (performance.now() - begin);
    if (left <= 0) break;
    await sleep(Math.min(left, 100), undefined, options);
  }
  if (ready === undefined) return;
  throw new InitwrapError("NOT_MEASURED", `the container ${title} did not print ${JSON.stringify(ready)} in time`, {
    hint: `It had ${settings.timeout} s: give it more with --timeout, or name another text with --ready.`,
  });
}

/** Of what a container printed, without what would steer the terminal. */
function lastLines(said: string): string {
  const lines = said.trimEnd().split("\n").slice(-5);
  return lines.map((line) => line.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "").slice(-500)).join("\n");
}

/** Its exit code once it has ended; null when it still runs after so many milliseconds. */
async function endOf(container: EngineContainer, limit: number, signal?: AbortSignal): Promise<number | null> {
  const begin = performance.now();
  for (;;) {
    const { running, exitCode } = await container.state();
    if (!running) return exitCode;
    if (performance.now() - begin > limit) return null;
    await sleep(POLL, undefined, signal ? { signal } : {});
  }
}

/** The image's own program: PID 1, or the first child of an init there. */
function programOf(processes: readonly ContainerProcess[], hasInit: boolean): ContainerProcess | undefined {
  return processes.find(({ pid, parent }) => (hasInit ? parent === 1 : pid === 1));
}

function processesIn(container: EngineContainer): Promise<readonly ContainerProcess[]> {
  return read(container, ["processes"], parseProcesses);
}

/** What the prober answers; once more when the engine lost a part of it. Throws DAEMON_FAILED. */
async function read<T>(container: EngineContainer, words: readonly string[], parse: (output: string) => T): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return parse(await container.execute([`/${PROBER}`, ...words], OVER + WATCH + 60_000));
    } catch (cause) {
      if (!(cause instanceof ProberFailure)) throw cause;
      if (tries < 2) continue;
      throw new InitwrapError("DAEMON_FAILED", cause.message, { cause });
    }
  }
}
