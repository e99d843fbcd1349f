import { NewFile } from "../store/atomic-file.ts";
import { writeFailure } from "../store/verify.ts";

/** Writes a small file whole or not at all. Throws OUTPUT_NOT_WRITTEN. */
export async function writeWhole(path: string, text: string): Promise<void> {
  try {
    const file = await NewFile.create(path, undefined);
    try {
      await file.write(new TextEncoder().encode(text));
      await file.commit();
    } finally {
      await file.discard();
    }
  } catch (cause) {
    throw writeFailure(cause, path);
  }
}
