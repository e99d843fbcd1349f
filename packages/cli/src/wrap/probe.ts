/**
 * The use-case behind `initwrap probe`: what does this image lose without an init? It is run as it is and wrapped, both are
 * measured in the same way (probe-measure.ts), and everything that was brought for that is taken away again.
 */
import { proberFor } from "@initwrap/init-core";
import { invocationOf } from "../image/validate.ts";
import type { Diagnostic } from "../model/diagnostics.ts";
import { InitwrapError } from "../model/errors.ts";
import { argvOf, type Invocation } from "../model/invocation.ts";
import { firstProcess } from "../model/pid-one.ts";
import { formatPlatform } from "../model/platform.ts";
import { isShell } from "../model/program-name.ts";
import type { StoreContext } from "../store/contract.ts";
import { checkInitOptions } from "./init-options.ts";
import { type ProbedImages, provideImages } from "./probe-images.ts";
import {
  type Measures,
  measureOrphans,
  measureSignals,
  measureStop,
  type RunSettings,
  type StopMeasure,
  type Subject,
} from "./probe-measure.ts";

export interface ProbeRequest {
  /** A locator: `app:1`, `image.tar`, `oci:folder:tag`, `registry:host/app:1`… */
  readonly source: string;
  /** The init's own options, each one word. */
  readonly initOptions?: readonly string[];
  readonly run: RunSettings;
  readonly env?: StoreContext["env"];
  readonly insecureRegistries?: StoreContext["insecureRegistries"];
  readonly signal?: AbortSignal;
  /** Called with what is done next, in words. */
  readonly onStep?: (step: string) => void;
}

export interface ProbeResult {
  /** Where it was found: SCHEME:LOCATION. */
  readonly source: string;
  readonly names: readonly string[];
  readonly platform: string;
  /** `unchanged`: an init is in front already, and both sides are the same image. */
  readonly action: ProbedImages["action"];
  /** The init that is in front already; null when there is none. */
  readonly init: string | null;
  readonly grace: number;
  readonly before: Side;
  readonly after: Side;
  readonly diagnostics: readonly Diagnostic[];
}

export interface Side extends Measures {
  /** How the engine knew it: the digest of a manifest or an index, or an image ID. */
  readonly image: string;
}

/** Throws NOT_MEASURED for an image that cannot be kept running, and what finding and wrapping it throw. */
export async function probeImage(request: ProbeRequest): Promise<ProbeResult> {
  const { run, signal, onStep = () => {} } = request;
  const initOptions = request.initOptions ?? [];
  checkInitOptions(initOptions);
  const context: StoreContext = {
    env: request.env ?? process.env,
    ...(request.insecureRegistries ? { insecureRegistries: request.insecureRegistries } : {}),
    ...(signal ? { signal } : {}),
  };
  onStep("making the wrapped copy");
  const images = await provideImages(request.source, initOptions, context);
  try {
    const { engine, node, pid1, platform } = images;
    const image = invocationOf(node.config.value);
    const invocation: Invocation = { ...image, ...(run.cmd ? { cmd: run.cmd } : {}) };
    requireCommand(invocation);
    const hasInit = pid1.kind !== "none";
    const shared = {
      engine,
      stopSignal: node.config.value.config?.StopSignal || "SIGTERM",
      hint: isBareShell(invocation) ? SHELL_HINT : HINT,
      prober: proberFor(platform).bytes(),
      settings: run,
      ...(signal ? { signal } : {}),
    };
    const before: Subject = { ...shared, image: images.before, title: "as it is", hasInit };
    const after: Subject = { ...shared, image: images.after, title: "with the init", hasInit: true };
    // One after the other, and nothing beside them: these are times.
    onStep("stopping the image as it is");
    const stopBefore = await measureStop(before);
    onStep("stopping it with the init");
    const stopAfter = await measureStop(after);
    onStep("sending signals, and starting orphans");
    // Counts, which do not depend on what else runs.
    const both = [before, after];
    const orphans = await all(both.map(measureOrphans));
    const signals = await all(both.map(measureSignals));
    return {
      source: `${images.source.scheme}:${images.source.location}`,
      names: images.names,
      platform: formatPlatform(platform),
      action: images.action,
      init: pid1.kind === "none" ? null : pid1.kind === "known" ? pid1.name : "initwrap",
      grace: run.grace,
      before: { image: images.digests.before, stop: stopBefore, signals: signals[0]!, orphans: orphans[0]! },
      after: { image: images.digests.after, stop: stopAfter, signals: signals[1]!, orphans: orphans[1]! },
      diagnostics: [...images.diagnostics, ...lateStop(stopAfter, run.grace, formatPlatform(platform))],
    };
  } finally {
    await images.close();
  }
}

const HINT =
  "Give it what it runs on: arguments behind --, as in `-- sleep 1000`, variables with -e, a network with --network.";
const SHELL_HINT =
  "A shell without a terminal and without a command ends at once: name a command behind --, as in `-- sleep 1000`.";

function isBareShell(invocation: Invocation): boolean {
  const { role, program } = firstProcess(invocation);
  return role === "shell" && program !== null && isShell(program);
}

/** That no init helps: the program itself takes longer than the grace, or does not end on that signal. */
function lateStop({ killedAfter, signal }: StopMeasure, seconds: number, platform: string): readonly Diagnostic[] {
  if (killedAfter === null) return [];
  return [{ code: "STOP_LATE", severity: "warning", args: { platform, seconds, signal } }];
}

function requireCommand(invocation: Invocation): void {
  if (argvOf(invocation).length > 0) return;
  throw new InitwrapError("NOT_MEASURED", "the image has neither ENTRYPOINT nor CMD: there is nothing to run", {
    hint: "Name a command behind --, as in `-- sleep 1000`.",
  });
}

/** Like Promise.all, but only when all have ended: what they brought has to be gone before the images go. */
async function all<T>(works: readonly Promise<T>[]): Promise<readonly T[]> {
  const results = await Promise.allSettled(works);
  return results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}
