import type { ImagePlan } from "../../packages/cli/src/image/plan.ts";
import type { Descriptor } from "../../packages/cli/src/model/descriptor.ts";

/** The image that a plan makes, with only the blobs that the plan names: what it forgets is missing, as in a new medium. */
export function transferInto(
  blobs: ReadonlyMap<string, Uint8Array>,
  plan: ImagePlan,
): { readonly root: Descriptor; readonly blobs: Map<string, Uint8Array> } {
  const next = new Map<string, Uint8Array>();
  for (const blob of plan.blobs) {
    const bytes = blob.kind === "document" ? blob.bytes : blobs.get(blob.descriptor.digest);
    if (bytes) next.set(blob.descriptor.digest, bytes);
  }
  return { root: plan.after, blobs: next };
}
