import { OCI_INDEX } from "../../packages/cli/src/model/media-types.ts";
import { parseReference } from "../../packages/cli/src/model/reference.ts";
import type { RegistrySession } from "../../packages/cli/src/store/registry/session.ts";
import { openRegistrySource } from "../../packages/cli/src/store/registry/source.ts";
import { descriptorOf, type SampleImage, sampleImage } from "../contract/sample-image.ts";

/** An image of two platforms, each with a command of its own. */
export function twoPlatforms(): SampleImage {
  const images = [
    sampleImage({ layers: ["amd64\n"], config: { Entrypoint: ["/amd"], Cmd: null } }),
    sampleImage({ architecture: "arm64", layers: ["arm64\n"], config: { Cmd: ["/arm", "x"] } }),
  ];
  const manifests = images.map(({ root }, at) => ({
    ...root,
    platform: { os: "linux", architecture: ["amd64", "arm64"][at] },
  }));
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
  const root = descriptorOf(OCI_INDEX, bytes);
  return { root, blobs: [...images.flatMap(({ blobs }) => blobs), { descriptor: root, bytes }] };
}

/** Each platform's entrypoint of an index at the registry, and the index's digest. */
export async function readIndex(
  place: string,
  session: RegistrySession,
): Promise<{ digest: string; entrypoints: Record<string, string[]> }> {
  const source = openRegistrySource(parseReference(place)!, { session });
  const document = async (descriptor: Parameters<typeof source.read>[0]) =>
    JSON.parse(new TextDecoder().decode(await source.read(descriptor)));
  try {
    const { descriptor } = await source.root();
    const entrypoints: Record<string, string[]> = {};
    for (const entry of (await document(descriptor)).manifests) {
      const { config } = await document((await document(entry)).config);
      entrypoints[entry.platform.architecture] = config.Entrypoint;
    }
    return { digest: descriptor.digest, entrypoints };
  } finally {
    await source.close();
  }
}

/** What `twoPlatforms` starts when it is wrapped. */
export const WRAPPED = { amd64: ["/initwrap", "--", "/amd"], arm64: ["/initwrap", "--"] };
