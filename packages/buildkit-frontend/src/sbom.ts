/**
 * The init's entry in a build's SBOM. BuildKit scans what a Dockerfile made, before the init is added; so the init's own
 * document goes beside the scanner's, as a second attestation of the same predicate type and the same subject.
 *
 * Source: SPDX 2.3; github.com/moby/buildkit, docs/attestations/attestation-storage.md and frontend/gateway/pb/gateway.proto.
 */
import { hash } from "node:crypto";
import { INIT_PATH } from "../../cli/src/model/compose.ts";
import type { Init } from "../../init-core/lib/init.ts";
import { initName } from "../../init-core/lib/platform.ts";
import {
  allBytesOf,
  bytesField,
  decode,
  encode,
  type Message,
  mapFields,
  messageField,
  textField,
  textOf,
} from "./protobuf.ts";

/** An SPDX document as an in-toto predicate. */
const SPDX = "https://spdx.dev/Document";
/** The file in the attestation's file system. */
export const SBOM_FILE = "/initwrap.spdx.json";

/** The fields of pb.Attestations and pb.Attestation; a kind of 0 is an in-toto predicate, a subject of 0 the image itself. */
const ATTESTATION = 1;
const FIELD = { metadata: 2, ref: 3, path: 4, predicateType: 5, subjects: 6 } as const;

/** Whether there is an SBOM among a platform's attestations (pb.Attestations). */
export function hasSbom(attestations: Uint8Array): boolean {
  return allBytesOf(decode(attestations), ATTESTATION).some((one) => textOf(decode(one), FIELD.predicateType) === SPDX);
}

/** The attestations with one more, whose document is {@link SBOM_FILE} in the snapshot `ref`. */
export function withSbom(attestations: Uint8Array, ref: string): Uint8Array {
  const attestation: Message = [
    ...mapFields(FIELD.metadata, [["reason", "sbom"]]),
    messageField(FIELD.ref, [textField(1, ref)]),
    textField(FIELD.path, SBOM_FILE),
    textField(FIELD.predicateType, SPDX),
    bytesField(FIELD.subjects, encode([])),
  ];
  return encode([...decode(attestations), messageField(ATTESTATION, attestation)]);
}

/** The document for one platform's init. `created` is a time in RFC 3339, 1970 without one. */
export function spdxOf(init: Init, created = "1970-01-01T00:00:00Z"): Buffer {
  const { version, sha256 } = init;
  const sha1 = hash("sha1", init.bytes(), "hex");
  const licence = { licenseConcluded: "MIT", copyrightText: "NOASSERTION" };
  const [document, packageId, file] = ["SPDXRef-DOCUMENT", "SPDXRef-Package-initwrap", "SPDXRef-File-initwrap"];
  return Buffer.from(
    JSON.stringify({
      spdxVersion: "SPDX-2.3",
      dataLicense: "CC0-1.0",
      SPDXID: document,
      name: `initwrap-${version}`,
      documentNamespace: `https://spdx.org/spdxdocs/initwrap-${version}-${sha256}`,
      creationInfo: { created, creators: [`Tool: initwrap-${version}`] },
      packages: [
        {
          SPDXID: packageId,
          name: "initwrap",
          versionInfo: version,
          downloadLocation: "NOASSERTION",
          filesAnalyzed: true,
          // The SHA-1 of the files' SHA-1, of which there is one.
          packageVerificationCode: { packageVerificationCodeValue: hash("sha1", sha1, "hex") },
          licenseDeclared: "MIT",
          licenseInfoFromFiles: ["MIT"],
          ...licence,
          checksums: [{ algorithm: "SHA256", checksumValue: sha256 }],
          externalRefs: [
            {
              referenceCategory: "PACKAGE-MANAGER",
              referenceType: "purl",
              referenceLocator: `pkg:npm/%40initwrap/init-core@${version}#inits/${initName(init.platform)}/initwrap`,
            },
          ],
        },
      ],
      files: [
        {
          SPDXID: file,
          fileName: `.${INIT_PATH}`,
          fileTypes: ["BINARY"],
          checksums: [
            { algorithm: "SHA1", checksumValue: sha1 },
            { algorithm: "SHA256", checksumValue: sha256 },
          ],
          licenseInfoInFiles: ["MIT"],
          ...licence,
        },
      ],
      relationships: [
        { spdxElementId: document, relationshipType: "DESCRIBES", relatedSpdxElement: packageId },
        { spdxElementId: packageId, relationshipType: "CONTAINS", relatedSpdxElement: file },
      ],
    }),
  );
}
