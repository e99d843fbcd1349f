/**
 * How each blob of a plan gets to where it goes, as far as that is known before anybody is asked: what a dry run says. A
 * target that has a blob already is found out when it is written to, so the bytes are an upper bound.
 */
import type { ImagePlan, PlannedBlob } from "../image/plan.ts";
import { parseReference } from "../model/reference.ts";
import type { Locator } from "../store/locator.ts";

/** `write`: new. `skip`: where it is. `mount`: taken over within a registry. `link`: shared, where the file system can. `copy`: streamed. */
export type Way = "write" | "skip" | "mount" | "link" | "copy";

export interface PlannedMove {
  readonly blob: PlannedBlob;
  readonly way: Way;
}

interface Planned {
  readonly plan: ImagePlan;
  readonly source: Locator;
  readonly target: Locator;
  /** The layers stay in the store of one engine, or in one layout. */
  readonly sameStore: boolean;
}

/** The way of every blob, in the plan's order. Nothing moves for an image that stays what and where it is. */
export function planMoves({ plan, source, target, sameStore }: Planned): readonly PlannedMove[] {
  const carried = sameStore ? "skip" : carriedWay(source, target);
  return plan.blobs.map((blob) => ({ blob, way: blob.kind === "carried" ? carried : "write" }));
}

/** Bytes that are written or sent at most. */
export function bytesToMove(moves: readonly PlannedMove[]): number {
  return moves.reduce((sum, { blob, way }) => sum + (way === "write" || way === "copy" ? blob.descriptor.size : 0), 0);
}

/** Media that write to a path of the file system. */
export const PATH_SCHEMES: ReadonlySet<string> = new Set(["oci", "oci-archive", "docker-archive"]);

function carriedWay(source: Locator, target: Locator): Way {
  if (source.scheme === "registry" && target.scheme === "registry") {
    const [from, to] = [source, target].map(({ location }) => parseReference(location.replace(/^\/\//, "")));
    if (!from || !to || from.registry !== to.registry) return "copy";
    return from.repository === to.repository ? "skip" : "mount";
  }
  if (source.scheme === target.scheme && source.location === target.location) return "skip";
  if (source.scheme === "oci" && target.scheme === "oci") return "link";
  return "copy";
}
