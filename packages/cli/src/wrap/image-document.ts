/** What a run of `initwrap image` says: one JSON document, or lines for people. It formats, and decides nothing. */
import type { ImageState, PlatformPlan } from "../image/plan.ts";
import { digestHex } from "../model/digest.ts";
import { isIndexType } from "../model/media-types.ts";
import { familiarReference, parseReference } from "../model/reference.ts";
import type { WrapImageResult } from "./image.ts";
import { bytesToMove, planMoves, type Way } from "./image-moves.ts";

/** The `--json` document, version 1. Digests are full; sizes are bytes; names are full references. */
export function imageDocument(result: WrapImageResult): { readonly version: 1 } & Record<string, unknown> {
  const { plan, receipt } = result;
  const moves = planMoves(result);
  return {
    version: 1,
    command: "image",
    action: plan.action,
    changed: plan.changed,
    applied: receipt !== undefined,
    present: result.present,
    pathVerified: result.pathVerified,
    source: `${result.source.scheme}:${result.source.location}`,
    target: `${result.target.scheme}:${result.target.location}`,
    names: result.names,
    digest: result.digest,
    before: plan.before,
    after: plan.after,
    platforms: plan.platforms,
    blobs: moves.map(({ blob: { kind, descriptor }, way }) => ({ kind, way, ...descriptor })),
    bytesToMove: bytesToMove(result),
    ...(receipt
      ? {
          receipt: {
            digest: receipt.digest,
            names: receipt.names,
            put: receipt.put.map((one) => one.digest),
            skipped: receipt.skipped.map((one) => one.digest),
            bytesMoved: receipt.bytesMoved,
          },
        }
      : {}),
    attachments: result.attachments,
    diagnostics: result.diagnostics,
  };
}

/** The product line: `name@sha256:…`, or the digest alone for an image without a name. */
export function resultLine(result: WrapImageResult): string {
  const reference = result.names[0] === undefined ? undefined : parseReference(result.names[0]);
  if (!reference) return result.digest;
  const { digest, ...named } = reference;
  const name = familiarReference(named);
  // An image that was meant by its digest has no tag, and `latest` would be a guess.
  return `${digest === undefined || named.tag !== undefined ? name : name.replace(/:latest$/, "")}@${result.digest}`;
}

/** The digest of the one config of a result that is no index: the image ID. */
function imageId({ plan }: WrapImageResult): string | undefined {
  return isIndexType(plan.after.mediaType) ? undefined : (plan.platforms[0]?.after.config ?? undefined);
}

/** `--iidfile`, as buildx writes it: the image ID, or the index's digest for an image of several platforms. */
export function imageIdLine(result: WrapImageResult): string {
  return imageId(result) ?? result.digest;
}

/** `--metadata-file`, with the keys that buildx uses, and one of ours: whether the result is another image than the source. */
export function metadataDocument(result: WrapImageResult): Record<string, unknown> {
  const config = imageId(result);
  return {
    ...(config ? { "containerimage.config.digest": config } : {}),
    "containerimage.descriptor": result.plan.after,
    "containerimage.digest": result.digest,
    ...(result.names.length > 0 ? { "image.name": result.names.join(",") } : {}),
    "initwrap.changed": result.plan.changed,
  };
}

/** The plan for people: per platform what runs now and what will, and what it costs. */
export function imagePlanLines(result: WrapImageResult): readonly string[] {
  const { plan, receipt } = result;
  const lines = plan.platforms.flatMap(platformLines);
  if (plan.changed) lines.push(`digest ${oldDigest(result)}`, `    -> ${result.digest}`);
  if (receipt) {
    const { put, skipped, bytesMoved } = receipt;
    lines.push(
      `${put.length} ${put.length === 1 ? "blob" : "blobs"} written, ${skipped.length} kept, ${size(bytesMoved)} moved`,
    );
  } else if (result.writes) lines.push(costLine(result));
  return lines;
}

/** What the result's digest takes the place of: a digest, or an image ID where the place knows images by their configs. */
function oldDigest({ plan, digest }: WrapImageResult): string {
  const kept = plan.platforms.find(({ after }) => after.config === digest);
  return kept?.before.config ?? plan.before.digest;
}

const WAY_WORDS: Readonly<Record<Way, string>> = {
  write: "to write",
  copy: "to copy",
  mount: "to mount",
  link: "to link",
  skip: "to skip",
};

/** `3 blobs to write, 8 to mount; at most 26.4 kB to move`. */
function costLine(result: WrapImageResult): string {
  const moves = planMoves(result);
  const parts = (Object.keys(WAY_WORDS) as Way[]).flatMap((way) => {
    const count = moves.filter((move) => move.way === way).length;
    return count === 0 ? [] : [`${count} ${WAY_WORDS[way]}`];
  });
  return `blobs: ${parts.join(", ")}; at most ${size(bytesToMove(result))} to move`;
}

function platformLines(plan: PlatformPlan): readonly string[] {
  if (plan.action === "unchanged") return [`${plan.platform}: nothing to do, it runs ${argv(plan.before)}`];
  if (plan.action === "left-alone" || plan.action === "absent") return [`${plan.platform}: ${plan.action}`];
  return [
    `${plan.platform}: ${plan.action}`,
    `  - ${argv(plan.before)}`,
    `  + ${argv(plan.after)}`,
    `  image ${short(plan.before.config)} -> ${short(plan.after.config)}`,
  ];
}

function argv(state: ImageState): string {
  return `ENTRYPOINT ${JSON.stringify(state.entrypoint)} CMD ${JSON.stringify(state.cmd)}`;
}

function short(digest: ImageState["config"]): string {
  return digest === null ? "none" : digestHex(digest).slice(0, 12);
}

export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}
