/** inits/sbom.cdx.json: valid CycloneDX, and true of the files beside it. `build.mjs --check` compares it byte for byte. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { expect, test } from "vitest";
import { initFor, initPlatforms } from "../../packages/init-core/lib/index.ts";

const CORE = join(import.meta.dirname, "../../packages/init-core");
const text = readFileSync(join(CORE, "inits/sbom.cdx.json"), "utf8");
const { version } = JSON.parse(readFileSync(join(CORE, "package.json"), "utf8")) as { version: string };

interface Component {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly "bom-ref": string;
  readonly hashes: readonly { alg: string; content: string }[];
  readonly licenses: unknown;
  readonly components?: readonly Component[];
  readonly properties?: readonly { name: string; value: string }[];
}

const document = JSON.parse(text) as {
  components: Component[];
  compositions: { aggregate: string; assemblies: string[] }[];
};

const sha256 = (bytes: Uint8Array) => [{ alg: "SHA-256", content: createHash("sha256").update(bytes).digest("hex") }];

test("the schema of CycloneDX 1.6 accepts it, and would not accept anything", async () => {
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
  expect(await validator.validate(text)).toBeNull();
  const wrong = text.replace('"alg": "SHA-256"', '"alg": "SHA-0"');
  expect(await validator.validate(wrong)).not.toBeNull();
});

test("there is one component for each platform, with the hashes of the shipped files", () => {
  const platforms = initPlatforms();
  expect(document.components).toHaveLength(platforms.length);
  for (const platform of platforms) {
    const init = initFor(platform);
    const name = [platform.os, platform.architecture, platform.variant].filter(Boolean).join("/");
    const file = `pkg:npm/%40initwrap/init-core@${version}#inits/${name.replaceAll("/", "-")}`;
    const component = document.components.find(({ properties }) => properties?.[0]?.value === name);
    expect(component).toMatchObject({
      name: "initwrap",
      version,
      purl: `${file}/initwrap`,
      licenses: [{ license: { id: "MIT" } }],
      hashes: sha256(init.bytes()),
      components: [{ version, purl: `${file}/layer.tar.gz`, hashes: sha256(init.layer()) }],
    });
    expect(document.compositions).toMatchObject([{ aggregate: "complete" }]);
    expect(document.compositions[0]?.assemblies).toContain(component?.["bom-ref"]);
  }
});
