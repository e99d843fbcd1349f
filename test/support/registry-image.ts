/** Sample images put into and read back from a registry, by the library. */
import { parseReference, type Reference } from "../../packages/cli/src/model/reference.ts";
import type { RegistrySession } from "../../packages/cli/src/store/registry/session.ts";
import { openRegistrySink } from "../../packages/cli/src/store/registry/sink.ts";
import { openRegistrySource } from "../../packages/cli/src/store/registry/source.ts";
import type { SampleImage } from "../contract/sample-image.ts";
import { again } from "./sample-image.ts";

function reference(place: string): Reference {
  const found = parseReference(place);
  if (!found) throw new Error(`no reference: ${place}`);
  return found;
}

/** Stores the image under `HOST/REPOSITORY:TAG`. */
export async function putImage(place: string, image: SampleImage, session: RegistrySession): Promise<void> {
  const sink = openRegistrySink(reference(place), { session });
  for (const { descriptor, bytes } of image.blobs) await sink.put(descriptor, again(bytes));
  await sink.commit(image.root);
  await sink.close();
}

/** Reads everything that the tag's image refers to, verified; throws when any of it is missing or damaged. */
export async function readWhole(
  place: string,
  session: RegistrySession,
): Promise<{ readonly digest: string; readonly layers: number }> {
  const source = openRegistrySource(reference(place), { session });
  const { descriptor } = await source.root();
  const manifest = JSON.parse(new TextDecoder().decode(await source.read(descriptor)));
  await source.read(manifest.config);
  for (const layer of manifest.layers) for await (const _ of await source.open(layer));
  await source.close();
  return { digest: descriptor.digest, layers: manifest.layers.length };
}
