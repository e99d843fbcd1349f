/**
 * What a run in a registry does before it knows that it will be needed, so that it takes no time of its own.
 *
 * The wait for the first answer is used to load what every answer needs. When the image's first document is there and does not
 * have the init, the image will most likely be changed; what the change needs is begun then, beside the reading of the rest.
 * Nothing of it can be seen in the registry: it is an upload without content, which is cancelled when it is not used.
 */
import { initFor, initPlatforms } from "@initwrap/init-core";
import type { Descriptor } from "../model/descriptor.ts";
import { digestOf } from "../model/digest.ts";
import type { Source } from "../store/contract.ts";

/** To be called before the first request. It returns at once, and never fails. */
export function loadWhileWaiting(): void {
  // After the request was handed to the system: what is loaded here keeps Node busy for some milliseconds.
  setImmediate(() => {
    digestOf(new Uint8Array());
    try {
      initPlatforms();
    } catch {
      // Whoever needs an init is told.
    }
  });
}

/** False when the root document names one of our layers: such an image may stay as it is. Throws what `read` throws. */
export async function isLikelyNew(source: Source, root: Descriptor): Promise<boolean> {
  const document = Buffer.from(await source.read(root));
  return !initPlatforms()
    .map(initFor)
    .some(({ digest, diffId }) => document.includes(digest) || document.includes(diffId));
}
