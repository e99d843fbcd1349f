/**
 * A manifest for an image whose medium keeps none: older `docker save` archives, Docker's graph driver, podman. It is made
 * of the config and of the layers as they are there, and is the same for the same image.
 */
import type { Descriptor } from "../model/descriptor.ts";
import { digestOf } from "../model/digest.ts";
import {
  DOCKER_CONFIG,
  DOCKER_LAYER_TAR,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_LAYER_TAR,
  OCI_MANIFEST,
} from "../model/media-types.ts";

export interface SynthesisOptions {
  /** Docker's media types instead of OCI's; the layers must then be plain tars. */
  readonly isDocker?: boolean;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The manifest's bytes and its descriptor. */
export function synthesizeManifest(
  config: Uint8Array,
  layers: readonly Descriptor[],
  { isDocker = false, annotations = {} }: SynthesisOptions = {},
): { readonly descriptor: Descriptor; readonly bytes: Uint8Array } {
  const mediaType = isDocker ? DOCKER_MANIFEST : OCI_MANIFEST;
  const bytes = new TextEncoder().encode(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: { mediaType: isDocker ? DOCKER_CONFIG : OCI_CONFIG, digest: digestOf(config), size: config.length },
      layers: isDocker ? layers.map((layer) => ({ ...layer, mediaType: DOCKER_LAYER_TAR })) : layers,
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
    }),
  );
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes };
}

/** The layers that a config lists, as plain tars whose sizes are not known: 0. */
export function layersOfConfig(config: Uint8Array): readonly Descriptor[] {
  const { rootfs } = JSON.parse(new TextDecoder().decode(config)) as {
    rootfs?: { diff_ids?: readonly Descriptor["digest"][] | null };
  };
  return (rootfs?.diff_ids ?? []).map((digest) => ({ mediaType: OCI_LAYER_TAR, digest, size: 0 }));
}
