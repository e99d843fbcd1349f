/**
 * The packages of others whose code is in a bundle, and their licences: who passes on the code passes on these too. A bundle has no
 * comments, so they stand in a file beside it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** The file's name, wherever the code is passed on. */
export const LICENSES = "LICENSE.third-party";

/**
 * A plugin of esbuild's that notes what goes into the bundles it is given to, and `packages`, which gives what that was until now:
 * `{ name, version, license, folder }` of each, sorted by name.
 */
export function notedPackages() {
  const files = new Set();
  return {
    plugin: {
      name: "noted-packages",
      setup({ initialOptions, onEnd }) {
        initialOptions.metafile = true;
        const folder = initialOptions.absWorkingDir ?? process.cwd();
        onEnd(({ metafile }) => {
          for (const input of Object.keys(metafile?.inputs ?? {})) files.add(resolve(folder, input));
        });
      },
    },
    packages: () => packagesOf(files),
  };
}

/** The packages that files under node_modules, by their absolute paths, belong to. */
export function packagesOf(files) {
  const folders = new Set();
  for (const file of files) {
    const [folder] = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? [];
    if (folder !== undefined) folders.add(folder);
  }
  return [...folders]
    .map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      return { name, version, license, folder };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The text of the file: each package's licence under a title. */
export function licenseTexts(packages) {
  return packages
    .map(({ name, version, license, folder }) => {
      const file = readdirSync(folder).find((entry) => /^licen[cs]e(?:[-.][\w.-]+)?$/i.test(entry));
      const text = file === undefined ? `Licence: ${license}` : readFileSync(join(folder, file), "utf8").trim();
      return `== ${[name, version].filter(Boolean).join(" ")} ==\n\n${text}\n`;
    })
    .join("\n");
}
