/** What a run of `initwrap image` says: one JSON document, or lines for people. It formats, and decides nothing. */
import type { ImageState, PlatformPlan } from "../image/plan.ts";
import { digestHex } from "../model/digest.ts";
import { familiarReference, parseReference } from "../model/reference.ts";
import type { WrapImageResult } from "./image.ts";

/** The `--json` document, version 1. Digests are full; sizes are bytes; names are full references. */
export function imageDocument(result: WrapImageResult): { readonly version: 1 } & Record<string, unknown> {
  const { plan, receipt } = result;
  return {
    version: 1,
    command: "image",
    action: plan.action,
    changed: plan.changed,
    applied: receipt !== undefined,
    source: `${result.source.scheme}:${result.source.location}`,
    target: `${result.target.scheme}:${result.target.location}`,
    names: result.names,
    digest: result.digest,
    before: plan.before,
    after: plan.after,
    platforms: plan.platforms,
    blobs: plan.blobs.map(({ kind, descriptor }) => ({ kind, ...descriptor })),
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
    diagnostics: plan.diagnostics,
  };
}

/** The product line: `name@sha256:…`, or the digest alone for an image without a name. */
export function resultLine(result: WrapImageResult): string {
  const reference = result.names[0] === undefined ? undefined : parseReference(result.names[0]);
  return reference ? `${familiarReference(reference)}@${result.digest}` : result.digest;
}

/** `--metadata-file`, with the keys that buildx uses. */
export function metadataDocument(result: WrapImageResult): Record<string, unknown> {
  const config = result.plan.platforms[0]?.after.config;
  return {
    ...(config ? { "containerimage.config.digest": config } : {}),
    "containerimage.descriptor": result.plan.after,
    "containerimage.digest": result.digest,
    ...(result.names.length > 0 ? { "image.name": result.names.join(",") } : {}),
  };
}

/** The plan for people: per platform what runs now and what will, and what it costs. */
export function imagePlanLines(result: WrapImageResult): readonly string[] {
  const { plan, receipt } = result;
  const lines = plan.platforms.flatMap(platformLines);
  const fresh = plan.blobs.filter((blob) => blob.kind !== "carried");
  const bytes = fresh.reduce((sum, blob) => sum + blob.descriptor.size, 0);
  if (plan.changed) {
    lines.push(`${result.digest}`);
    lines.push(
      receipt
        ? `${receipt.put.length} blobs written, ${receipt.skipped.length} kept, ${size(receipt.bytesMoved)} moved`
        : `${fresh.length} blobs to write (${size(bytes)}), ${plan.blobs.length - fresh.length} kept`,
    );
  }
  return lines;
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
