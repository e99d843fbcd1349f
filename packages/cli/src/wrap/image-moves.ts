/**
 * How each blob of a plan gets to where it goes, as far as that is known before anybody is asked: what a dry run says. A
 * target that has a blob already is found out when it is written to, so the bytes are an upper bound. Two things are found
 * out late too and go beyond it: a registry that refuses to mount, and a file system that cannot link.
 */
import type { ImagePlan, PlannedBlob } from "../image/plan.ts";
import { isIndexType, isManifestType } from "../model/media-types.ts";
import { parseReference } from "../model/reference.ts";
import { type Locator, samePlace } from "../store/locator.ts";

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
  /** All names have the result already. */
  readonly present: boolean;
  /** Names of the result. */
  readonly names: readonly string[];
}

/** The way of every blob, in the plan's order. Nothing moves for an image that stays what and where it is. */
export function planMoves({ plan, source, target, sameStore, present }: Planned): readonly PlannedMove[] {
  if (present) return plan.blobs.map((blob) => ({ blob, way: "skip" }));
  const carried = sameStore ? "skip" : carriedWay(source, target);
  return plan.blobs.map((blob) => ({
    blob,
    way: blob.kind !== "carried" ? "write" : carried === "mount" && isDocument(blob) ? "copy" : carried,
  }));
}

/** Bytes of blobs that are written or sent at most; what an archive or a layout has around them is not counted. */
export function bytesToMove(planned: Planned): number {
  const moves = planMoves(planned);
  const sum = moves.reduce(
    (bytes, { blob, way }) => bytes + (way === "write" || way === "copy" ? blob.descriptor.size : 0),
    0,
  );
  return sum + namingBytes(planned, moves);
}

/** A registry gives a name by taking the root manifest once more, also one that it holds. */
function namingBytes({ plan, source, target, names, present }: Planned, moves: readonly PlannedMove[]): number {
  if (target.scheme !== "registry" || present || (!plan.changed && samePlace(source, target))) return 0;
  const root = moves.find(({ blob }) => blob.descriptor.digest === plan.after.digest);
  const isCounted = root?.way === "write" || root?.way === "copy";
  return plan.after.size * (Math.max(1, names.length) - (isCounted ? 1 : 0));
}

/** Registries mount blobs, and no manifests. Source: distribution-spec, "Mounting a blob from another repository". */
function isDocument({ descriptor: { mediaType } }: PlannedBlob): boolean {
  return isManifestType(mediaType) || isIndexType(mediaType);
}

/** Media that write to a path of the file system. */
export const PATH_SCHEMES: ReadonlySet<string> = new Set(["oci", "oci-archive", "docker-archive"]);

function carriedWay(source: Locator, target: Locator): Way {
  if (source.scheme === "registry" && target.scheme === "registry") {
    const [from, to] = [source, target].map(({ location }) => parseReference(location.replace(/^\/\//, "")));
    if (!from || !to || from.registry !== to.registry) return "copy";
    return from.repository === to.repository ? "skip" : "mount";
  }
  if (samePlace(source, target)) return "skip";
  if (source.scheme === "oci" && target.scheme === "oci") return "link";
  return "copy";
}
