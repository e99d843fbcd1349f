/**
 * Whether an image in a file or a folder is whole: each blob that the result takes over is there, with its size. Nothing is
 * read. A plan refuses so what a run would, before anybody counts on it.
 */
import type { ImagePlan } from "../image/plan.ts";
import { InitwrapError } from "../model/errors.ts";
import type { Source } from "../store/contract.ts";
import { isForeign } from "../store/transfer.ts";

/** Throws IMAGE_NOT_FOUND for a blob that is missing, BLOB_CORRUPT for one of another size. */
export async function checkCarried(plan: ImagePlan, source: Source, where: string): Promise<void> {
  for (const { kind, descriptor } of plan.blobs) {
    if (kind !== "carried") continue;
    const region = await source.region?.(descriptor);
    await region?.close();
    if (region?.size === descriptor.size) continue;
    if (region) {
      throw new InitwrapError(
        "BLOB_CORRUPT",
        `${descriptor.digest} has ${region.size} bytes, and its descriptor says ${descriptor.size}`,
        { where, hint: "The image is damaged: save or copy it again." },
      );
    }
    if (isForeign(descriptor)) continue;
    throw new InitwrapError("IMAGE_NOT_FOUND", `the image's ${descriptor.digest} is missing`, {
      where,
      hint: "The image is not whole: save or copy it again, or leave that platform out with --platform.",
    });
  }
}
