/**
 * Many images in one process: a bounded number at a time, one pool of connections, one cache of tokens.
 *
 * One failure does not stop the others. There is no file that remembers how far a run came: what a name refers to at its
 * registry is the memory. A run that is started again asks for each name's digest, and passes over those that are there.
 */
import { EXIT, type Exit, InitwrapError } from "../model/errors.ts";
import { openSession } from "../store/registry/medium.ts";
import { type WrapImageRequest, type WrapImageResult, wrapImage } from "./image.ts";
import type { ListedImage } from "./image-list.ts";
import { checkInitOptions } from "./init-options.ts";

export interface FleetRequest
  extends Omit<WrapImageRequest, "source" | "output" | "names" | "session" | "skipPresent"> {
  readonly images: readonly ListedImage[];
  /** How many at a time. */
  readonly jobs: number;
  /** Begin no other image after the first failure; those at work are finished. */
  readonly failFast: boolean;
  /** Called when an image is done or has failed. */
  readonly onOutcome?: (outcome: FleetOutcome) => void;
}

/** How one image of a list ended. */
export type FleetOutcome = { readonly image: ListedImage } & (
  | { readonly kind: "done"; readonly result: WrapImageResult }
  | { readonly kind: "failed"; readonly error: Error; readonly exit: Exit }
  /** The run was interrupted while it was at work: its names are as they were. */
  | { readonly kind: "interrupted" }
  | { readonly kind: "not-started" }
);

/** Runs the list; the outcomes are in its order. Throws USAGE for what is wrong with all of them, and nothing for one. */
export async function wrapFleet(request: FleetRequest): Promise<readonly FleetOutcome[]> {
  const { images, jobs, failFast, onOutcome, ...shared } = request;
  checkInitOptions(request.initOptions ?? []);
  const { signal } = request;
  const session = openSession(
    {
      env: request.env ?? process.env,
      ...(request.insecureRegistries ? { insecureRegistries: request.insecureRegistries } : {}),
      ...(signal ? { signal } : {}),
    },
    jobs,
  );
  const outcomes: FleetOutcome[] = images.map((image) => ({ image, kind: "not-started" }));
  /** What is being written to a path, by path: the next one there waits for it. */
  const places = new Map<string, Promise<void>>();
  let stopped = false;

  const one = async (image: ListedImage): Promise<FleetOutcome> => {
    try {
      const result = await wrapImage({
        ...shared,
        source: image.source,
        names: image.names,
        session,
        skipPresent: true,
        ...(image.output === undefined ? {} : { output: image.output }),
      });
      return { image, kind: "done", result: withoutBytes(result) };
    } catch (error) {
      if (signal?.aborted) return { image, kind: "interrupted" };
      if (failFast) stopped = true;
      return { image, kind: "failed", error: error as Error, exit: exitOf(error) };
    }
  };

  const next = images.entries();
  const worker = async (): Promise<void> => {
    for (const [at, image] of next) {
      if (stopped || signal?.aborted) return;
      const { place } = image;
      let free = (): void => {};
      if (place !== undefined) {
        const before = places.get(place);
        places.set(place, new Promise((resolve) => (free = resolve)));
        await before;
      }
      const outcome: FleetOutcome = stopped || signal?.aborted ? { image, kind: "not-started" } : await one(image);
      free();
      outcomes[at] = outcome;
      onOutcome?.(outcome);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(jobs, images.length) }, worker));
  } finally {
    await session.close();
  }
  return outcomes;
}

/** From what only a person can settle to what another run may get over. */
const GRAVITY: readonly Exit[] = [EXIT.bug, EXIT.output, EXIT.auth, EXIT.refused, EXIT.input, EXIT.usage, EXIT.remote];

/** The one exit code of a list: the gravest failure's. 6 means that every failure may pass when the call is repeated. */
export function fleetExit(outcomes: readonly FleetOutcome[]): Exit {
  const exits = new Set(outcomes.map((outcome) => (outcome.kind === "failed" ? outcome.exit : EXIT.done)));
  return GRAVITY.find((exit) => exits.has(exit)) ?? EXIT.done;
}

/** Of thousands of results the documents that are written by now would fill the memory. */
function withoutBytes(result: WrapImageResult): WrapImageResult {
  const { plan } = result;
  const blobs = plan.blobs.map((blob) => (blob.kind === "document" ? { ...blob, bytes: NO_BYTES } : blob));
  return { ...result, plan: { ...plan, blobs } };
}

const NO_BYTES = new Uint8Array();

function exitOf(error: unknown): Exit {
  return error instanceof InitwrapError ? error.exit : EXIT.bug;
}
