// The software bill of materials of the inits: one CycloneDX component for each shipped file.
//
// CycloneDX 1.6, JSON (https://cyclonedx.org/docs/1.6/json/). Without a serial number or a timestamp, which are optional:
// the same inits make the same file, byte for byte, so that `build.mjs --check` covers it. An init is freestanding and
// has nothing linked in, which `dependencies` (none) and `compositions` (complete) say.

import { createHash } from "node:crypto";

const hashes = (bytes) => [{ alg: "SHA-256", content: createHash("sha256").update(bytes).digest("hex") }];
const licenses = [{ license: { id: "MIT" } }];

/**
 * The text of inits/sbom.cdx.json.
 *
 * @param {{ version: string, inits: readonly { platform: string, bytes: Buffer, layer: Buffer }[] }} release
 *   `platform` is the name of the folder, as linux-arm-v7; `layer` is the packed layer as committed.
 * @returns {string}
 */
export function sbom({ version, inits }) {
  // A package URL (https://github.com/package-url/purl-spec); a file of the package is its subpath.
  const purl = `pkg:npm/%40initwrap/init-core@${version}`;
  const components = inits.map(({ platform, bytes, layer }) => ({
    type: "application",
    "bom-ref": `${purl}#inits/${platform}/initwrap`,
    name: "initwrap",
    version,
    description: `Container init for ${platform.replaceAll("-", "/")}, a static file that is complete in itself`,
    hashes: hashes(bytes),
    licenses,
    purl: `${purl}#inits/${platform}/initwrap`,
    components: [
      {
        type: "file",
        "bom-ref": `${purl}#inits/${platform}/layer.tar.gz`,
        name: `inits/${platform}/layer.tar.gz`,
        version,
        description: "The image layer that holds the init and nothing else",
        "mime-type": "application/vnd.oci.image.layer.v1.tar+gzip",
        hashes: hashes(layer),
        licenses,
        purl: `${purl}#inits/${platform}/layer.tar.gz`,
      },
    ],
    properties: [{ name: "initwrap:platform", value: platform.replaceAll("-", "/") }],
  }));
  const references = components.map((component) => component["bom-ref"]);
  const document = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: { type: "library", "bom-ref": purl, group: "@initwrap", name: "init-core", version, licenses, purl },
    },
    components,
    dependencies: [{ ref: purl, dependsOn: references }, ...references.map((ref) => ({ ref, dependsOn: [] }))],
    compositions: [{ aggregate: "complete", assemblies: references, dependencies: references }],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
