/**
 * Starts an image once and stops it, as `docker run` and `docker stop` would.
 *
 * It says what the config cannot: that PID 1 of the running container is an init, and that the image's stop signal ends it
 * in time. The image is run where it is; one that is in no engine is loaded under a name of its own, which is taken away
 * again. An engine that has the image already is not given another name for it.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type ManifestNode, platformOf } from "../image/snapshot.ts";
import type { Pid1 } from "../image/verdict.ts";
import { INIT_PATH } from "../model/compose.ts";
import type { Diagnostic } from "../model/diagnostics.ts";
import { InitwrapError } from "../model/errors.ts";
import { knownInit } from "../model/known-inits.ts";
import { formatPlatform } from "../model/platform.ts";
import type { Root, Source, StoreContext } from "../store/contract.ts";
import { engineEndpoint } from "../store/docker-endpoint.ts";
import { DockerEngine } from "../store/docker-engine.ts";
import { EngineContainer, type FirstProcess } from "../store/engine-container.ts";
import { EngineSource } from "../store/engine-source.ts";
import { mediumOf } from "../store/media.ts";
import { transfer } from "../store/transfer.ts";
import { engineImage } from "./init-file.ts";

export interface RunRequest {
  readonly node: ManifestNode;
  readonly pid1: Pid1;
  /** Seconds that the container has for ending after its stop signal. */
  readonly timeout: number;
}

/** What was seen of one container. */
export interface RunVerdict {
  readonly platform: string;
  readonly signal: string;
  /** PID 1 while it ran; null when it had ended. */
  readonly pid1: FirstProcess | null;
  /** From the signal to the end, in milliseconds; null when it did not end in time or had ended before. */
  readonly stoppedAfter: number | null;
  readonly exitCode: number | null;
  readonly diagnostics: readonly Diagnostic[];
}

/** A program that cannot start has failed by then, and one that can has set its handlers. Milliseconds. */
const SETTLE = 1000;
const POLL = 25;

/** An engine, and the image in it. */
interface Place {
  readonly engine: DockerEngine;
  readonly image: string;
  readonly platform?: string;
}

/** The engine in which an image of `source` is run: its own, else the Docker Engine. The caller closes only the second. */
export function engineOf(
  source: Source,
  context: StoreContext,
): { readonly engine: DockerEngine; readonly own: boolean } {
  if (source instanceof EngineSource) return { engine: source.engine, own: true };
  return { engine: new DockerEngine(engineEndpoint(context.env), context), own: false };
}

/** Runs one platform's image. Throws DAEMON_UNREACHABLE, and what loading the image throws. */
export async function runPlatform(
  engine: DockerEngine,
  source: Source,
  root: Root,
  context: StoreContext,
  request: RunRequest,
): Promise<RunVerdict> {
  if (source instanceof EngineSource) return observe({ engine, ...engineImage(root, request.node) }, context, request);
  const { node } = request;
  const { keepsManifests } = await engine.facts();
  const id = (keepsManifests ? node.descriptor : node.config.descriptor).digest;
  if (await engine.inspect(id)) return observe({ engine, image: id }, context, request);
  const name = `initwrap.invalid/verify:${randomBytes(8).toString("hex")}`;
  try {
    await loadImage(source, node, name, context);
    return await observe({ engine, image: id }, context, request);
  } finally {
    await engine.untag(name);
  }
}

/** Brings one platform's image to the Docker Engine under `name`. Throws what the source and the engine throw. */
export async function loadImage(
  source: Source,
  node: ManifestNode,
  name: string,
  context: StoreContext,
): Promise<void> {
  const sink = await (await mediumOf("docker")).sink(name, { ...context, names: [name], from: source });
  try {
    const { manifest, config, descriptor, bytes } = node;
    const cargo = [
      ...manifest.layers.map((layer) => ({ descriptor: layer })),
      { descriptor: config.descriptor, bytes: () => config.bytes },
      { descriptor, bytes: () => bytes },
    ];
    await transfer(cargo, descriptor, source, sink, context.signal);
  } finally {
    await sink.close();
  }
}

async function observe(place: Place, context: StoreContext, request: RunRequest): Promise<RunVerdict> {
  const { node, timeout } = request;
  const platform = formatPlatform(platformOf(node));
  const signal = node.config.value.config?.StopSignal || "SIGTERM";
  const diagnostics: Diagnostic[] = [];
  const note = (code: Diagnostic["code"], severity: Diagnostic["severity"], args: Diagnostic["args"]): void => {
    diagnostics.push({ code, severity, args: { platform, ...args } });
  };
  const verdict = { platform, signal, pid1: null, stoppedAfter: null, exitCode: null, diagnostics };
  const { engine, ...image } = place;
  const container = await EngineContainer.create(engine, image);
  try {
    context.signal?.throwIfAborted();
    try {
      await container.start();
    } catch (cause) {
      if (!(cause instanceof InitwrapError) || cause.code !== "DAEMON_FAILED") throw cause;
      note("RUN_ENDED", "error", { how: cause.message.replace(REFUSAL, "") });
      return verdict;
    }
    await sleep(SETTLE, undefined, context.signal ? { signal: context.signal } : {});
    const early = await container.state();
    if (!early.running) {
      const said = lastLine(await container.output().catch(() => ""));
      note("RUN_ENDED", "error", { how: `exit code ${early.exitCode}${said === "" ? "" : `, and said: ${said}`}` });
      return { ...verdict, exitCode: early.exitCode };
    }
    const pid1 = await container.firstProcess();
    if (!isExpected(pid1, request.pid1)) note("RUN_PID1", "error", { program: pid1.commandLine });
    const sent = performance.now();
    try {
      await container.kill(signal);
    } catch (cause) {
      // It may have ended by itself a moment ago, which the next look shows.
      if ((await container.state()).running) throw cause;
    }
    for (;;) {
      const { running, exitCode } = await container.state();
      const passed = performance.now() - sent;
      if (!running) return { ...verdict, pid1, exitCode, stoppedAfter: Math.round(passed) };
      if (passed > timeout * 1000) break;
      await sleep(POLL, undefined, context.signal ? { signal: context.signal } : {});
    }
    note("STOP_LATE", "error", { seconds: timeout, signal });
    return { ...verdict, pid1 };
  } finally {
    await container.remove();
  }
}

/** What the engine's words begin with, which says nothing of the image. */
const REFUSAL = /^the engine refused \S+ \(\d+\): (?:failed to create task for container: )?/;

/** Of what a container has printed: the end is where it says why. Characters. */
const MAX_SAID = 300;

function lastLine(output: string): string {
  return output.trimEnd().split("\n").at(-1)!.trim().slice(-MAX_SAID);
}

/** Supervisors replace themselves by programs of other names; the inits that are known stay what they are. */
function isExpected({ commandLine, seenBy }: FirstProcess, pid1: Pid1): boolean {
  const words = commandLine.split(/\s+/);
  if (pid1.kind === "initwrap") return words[0] === INIT_PATH;
  // What the engine started may be a shell that has become the init since.
  if (seenBy === "inspect") return true;
  return pid1.kind === "known" && (knownInit(words) !== undefined || knownInit([pid1.name])?.kind !== "transparent");
}
