/** Signatures and the like beside an image in its layout or archive: found, told of, and not made up. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Descriptor } from "../../../packages/cli/src/model/descriptor.ts";
import { OCI_MANIFEST } from "../../../packages/cli/src/model/media-types.ts";
import { wrapImage } from "../../../packages/cli/src/wrap/image.ts";
import { descriptorOf, legacyArchive, sampleImage, tarOf } from "../../contract/sample-image.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "initwrap-attached-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const image = sampleImage();
const NAME = "org.opencontainers.image.ref.name";
const own = { ...image.root, annotations: { [NAME]: "app" } };
const tagged = (suffix: string): Descriptor => {
  const root = sampleImage({ layers: [suffix] }).root;
  return { ...root, annotations: { [NAME]: `sha256-${image.root.digest.slice(7)}${suffix}` } };
};
const manifestOf = (subject: Descriptor): Buffer =>
  Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType: "application/spdx+json",
      config: image.root,
      layers: [],
      subject,
    }),
  );
const about = manifestOf(image.root);
const aboutOther = manifestOf(sampleImage({ layers: ["other"] }).root);
const blobs = [...image.blobs.map(({ bytes }) => bytes), about, aboutOther];

const CASES: readonly (readonly [what: string, beside: readonly Descriptor[], kinds: readonly string[]])[] = [
  ["nothing", [], []],
  ["a signature of cosign", [tagged(".sig")], ["cosign signature"]],
  ["what cosign saves", [saved("sigs"), saved("atts")], ["cosign signature", "cosign attestation"]],
  ["an SBOM whose subject it is", [descriptorOf(OCI_MANIFEST, about)], ["application/spdx+json"]],
  ["a signature of a kind that no object lacks", [tagged(".constructor"), tagged(".__proto__")], []],
  ["an SBOM of another image", [descriptorOf(OCI_MANIFEST, aboutOther)], []],
  ["another image", [sampleImage({ layers: ["beside"] }).root], []],
];

function saved(what: string): Descriptor {
  return { ...sampleImage({ layers: [what] }).root, annotations: { kind: `dev.cosignproject.cosign/${what}` } };
}

describe.each(["layout", "archive"])("an image in a %s", (medium) => {
  it.each(CASES)("with %s beside it", async (_, beside, kinds) => {
    const index = JSON.stringify({ schemaVersion: 2, manifests: [own, ...beside] });
    const marker = '{"imageLayoutVersion":"1.0.0"}';
    const place = join(folder, `${medium}-${Math.random().toString(36).slice(2)}`);
    const files = blobs.map((bytes) => [`blobs/sha256/${descriptorOf("", bytes).digest.slice(7)}`, bytes] as const);
    if (medium === "archive") writeFileSync(place, tarOf([...files, ["oci-layout", marker], ["index.json", index]]));
    else {
      mkdirSync(join(place, "blobs/sha256"), { recursive: true });
      for (const [name, bytes] of [...files, ["oci-layout", marker], ["index.json", index]] as const) {
        writeFileSync(join(place, name), bytes);
      }
    }
    const source = `${medium === "archive" ? "oci-archive" : "oci"}:${place}:app`;
    const { attachments, diagnostics } = await wrapImage({ source, env: {}, apply: false });
    expect(attachments?.map(({ kind }) => kind)).toEqual(kinds);
    expect(diagnostics).toEqual(
      kinds.length === 0
        ? []
        : [
            {
              code: "SIGNATURE_STALE",
              severity: "warning",
              args: { digest: image.root.digest, count: kinds.length, kinds: kinds.join(", ") },
            },
          ],
    );
  });
});

it("an archive of docker save has no place for any", async () => {
  const tars = [tarOf([["file-0", "hello\n"]]), tarOf([["file-1", "world\n"]])];
  const path = join(folder, "saved.tar");
  writeFileSync(path, legacyArchive(image, ["sample:1"], tars));
  expect(await wrapImage({ source: path, env: {}, apply: false })).toMatchObject({ attachments: [], diagnostics: [] });
});
