/**
 * The release's software bill of materials: each artefact with its hash, and what is inside.
 *
 * CycloneDX 1.6, JSON (https://cyclonedx.org/docs/1.6/json/), without a serial number, which is optional, and of the sources' time:
 * the same release makes the same file. The inits' own is packages/init-core/inits/sbom.cdx.json, whose components are part of this one.
 */
import { spawnSync } from "node:child_process";

/**
 * The text of initwrap-VERSION.cdx.json.
 *
 * `artefacts`: `{ name, sha256, kind }`, where kind is `npm`, `npm-inits`, `program`, `image` or `other`.
 * `bundled`: the npm packages in the CLI's bundle. `node`: Node.js's `{ version }`. `inits`: the inits' own document. `author`, `NAME
 * <ADDRESS>`, and `repository`, an address: who made it of what. `date`: when that was, in seconds since 1970.
 */
export function releaseSbom({ version, artefacts, bundled, node, inits, author, repository, date }) {
  const release = `pkg:generic/initwrap@${version}`;
  const packages = bundled.map(({ name, version: its, license }) => {
    const purl = `pkg:npm/${name.replace("@", "%40")}@${its}`;
    const [, group, short] = /^(@[^/]+)\/(.+)$/.exec(name) ?? [undefined, undefined, name];
    return library({
      purl,
      ...(group ? { group } : {}),
      name: short,
      version: its,
      licenses: [{ license: { id: license } }],
    });
  });
  const runtime = library({
    purl: `pkg:generic/node@${node.version}`,
    name: "node",
    version: node.version,
    licenses: [{ license: { id: "MIT" } }],
  });
  const shared = debianLibraries();
  const inside = {
    npm: packages,
    "npm-inits": inits.components,
    program: [runtime, ...packages, ...inits.components],
    image: [runtime, ...shared, ...packages, ...inits.components],
    other: [],
  };
  const files = artefacts.map(({ name, sha256, kind }) => ({
    type: kind === "image" ? "container" : "file",
    "bom-ref": `${release}#${name}`,
    name,
    version,
    hashes: [{ alg: "SHA-256", content: sha256 }],
    licenses: [{ license: { id: "MIT" } }],
    properties: [{ name: "initwrap:artefact", value: kind }],
  }));
  const components = [...files, runtime, ...packages, ...shared, ...inits.components];
  const document = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      timestamp: new Date(date * 1000).toISOString(),
      authors: [personOf(author)],
      component: {
        type: "application",
        "bom-ref": release,
        name: "initwrap",
        version,
        purl: release,
        externalReferences: [{ type: "vcs", url: repository }],
      },
    },
    components,
    dependencies: [
      { ref: release, dependsOn: files.map((file) => file["bom-ref"]) },
      ...artefacts.map(({ name, kind }) => ({
        ref: `${release}#${name}`,
        dependsOn: inside[kind].map((one) => one["bom-ref"]),
      })),
    ],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** `NAME <ADDRESS>`, as package.json has it. */
function personOf(author) {
  const [, name, email] = /^(.+) <(.+)>$/.exec(author);
  return { name, email };
}

function library({ purl, ...rest }) {
  return { type: "library", "bom-ref": purl, ...rest, purl };
}

/** Debian's packages whose libraries are in the image: this machine's, and the cross packages of the other architecture. */
function debianLibraries() {
  const names = ["libc6", "libgcc-s1", "libstdc++6"].flatMap((name) => [
    name,
    `${name}-arm64-cross`,
    `${name}-amd64-cross`,
  ]);
  const format = "${db:Status-Status} ${Package} ${Version} ${Architecture}\n";
  const { stdout } = spawnSync("dpkg-query", ["-W", "-f", format, ...names], { encoding: "utf8" });
  return stdout
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([status]) => status === "installed")
    .map(([, name, version, architecture]) =>
      library({
        purl: `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`,
        name,
        version,
      }),
    );
}
