import { OCI_INDEX } from "../../packages/cli/src/model/media-types.ts";
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
