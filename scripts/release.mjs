/**
 * `pnpm release:build`: everything that a release publishes, in `.cache/release/`: the npm packages, the standalone programs, the Debian
 * packages, the container image, the Homebrew formula, the bill of materials, and the checksums of them all.
 *
 * The same sources give the same files, byte for byte, whenever and wherever they are built on the same Debian. Needs what `npm test`
 * needs on Debian 12: dpkg-deb, qemu-user, and the cross packages of the C and C++ libraries.
 *
 * `--url BASE` is where the files will be downloaded from, for the formula; `--output FOLDER` is another place for them;
 * `--fresh` builds the programs again, also when none of their inputs has changed; `--publishable` refuses to build what must not be
 * published, for package.json does not say yet whose it is.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { pack } from "./pack.mjs";
import { placeholders, problems, sources } from "./release/sources.mjs";
import { environment, fail, install, node, ROOT, say } from "./workspace.mjs";

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const json = (path) => JSON.parse(readFileSync(join(ROOT, path), "utf8"));

async function release({ output, url, fresh }) {
  const { buildBinary, bundledPackages, lockedVersion, TARGETS } = await import("./build-binaries.mjs");
  const { nodeProgram } = await import("./node-program.mjs");
  const { gzipped, tarOf } = await import("./release/archive.mjs");
  const { buildDebian } = await import("./release/debian.mjs");
  const { extras } = await import("./release/extras.mjs");
  const { renderFormula } = await import("./release/formula.mjs");
  const { sourceDate } = await import("./release/date.mjs");
  const { buildImage } = await import("./release/image.mjs");
  const { releaseSbom } = await import("./release/sbom.mjs");
  process.umask(0o022);
  const { version, author, homepage, repository } = sources();
  const date = sourceDate();
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output, { recursive: true });
  const artefacts = [];
  const note = (name, kind) => {
    const artefact = { name, kind, sha256: sha256(readFileSync(join(output, name))) };
    artefacts.push(artefact);
    return artefact;
  };

  say("packing the npm packages");
  for (const tarball of pack(output)) {
    const name = basename(tarball);
    note(name, name.includes("init-core") ? "npm-inits" : "npm");
  }

  const bundled = await bundledPackages();
  const built = await Promise.all(TARGETS.map((target) => buildBinary(target, { fresh })));
  const programs = Object.fromEntries(TARGETS.map(({ architecture }, at) => [architecture, built[at]]));
  const runtimes = await Promise.all(TARGETS.map(({ arch }) => nodeProgram(arch, lockedVersion())));
  const more = extras({ bundled, node: resolve(runtimes[0], "../..") });
  say("packing the programs and the image");
  const image = `initwrap-${version}-image.tar`;
  const nameOf = (architecture) => `initwrap-${version}-linux-${architecture}`;
  const [, ...debs] = await Promise.all([
    buildImage({ version, programs, licenses: more.licenses, output: join(output, image), repository, date }),
    ...TARGETS.map(async ({ architecture }) => {
      const program = programs[architecture];
      const stem = nameOf(architecture);
      const archive = gzipped(await tarOf(archiveEntries(stem, program, more), date));
      const common = { version, architecture, program, extras: more, author, homepage, date };
      const deb = await buildDebian({ ...common, folder: output });
      writeFileSync(join(output, `${stem}.tar.gz`), await archive);
      return basename(deb);
    }),
  ]);
  const archives = {};
  for (const { architecture } of TARGETS) archives[architecture] = note(`${nameOf(architecture)}.tar.gz`, "program");
  for (const deb of debs) note(deb, "program");
  note(image, "image");

  const download = ({ name, sha256 }) => ({ url: `${url}/${name}`, sha256 });
  const npm = artefacts.find(({ kind }) => kind === "npm");
  const formula = renderFormula({
    version,
    homepage,
    npm: { url: `https://registry.npmjs.org/initwrap/-/${npm.name}`, sha256: npm.sha256 },
    amd64: download(archives.amd64),
    arm64: download(archives.arm64),
  });
  writeFileSync(join(output, "initwrap.rb"), formula);
  note("initwrap.rb", "other");

  const inits = json("packages/init-core/inits/sbom.cdx.json");
  const runtime = { version: lockedVersion() };
  const bill = releaseSbom({ version, artefacts, bundled, node: runtime, inits, author, repository, date });
  writeFileSync(join(output, `initwrap-${version}.cdx.json`), bill);
  const sums = readdirSync(output)
    .sort()
    .map((name) => `${sha256(readFileSync(join(output, name)))}  ${name}\n`);
  writeFileSync(join(output, "SHA256SUMS"), sums.join(""));
}

/** The folders are those of share/ on every Unix. */
function archiveEntries(stem, program, { manuals, completions, licenses }) {
  const places = {
    bash: "share/bash-completion/completions/initwrap",
    zsh: "share/zsh/site-functions/_initwrap",
    fish: "share/fish/vendor_completions.d/initwrap.fish",
  };
  const file = (path, bytes, mode = 0o644) => ({ path: `${stem}/${path}`, bytes, mode });
  return [
    file("initwrap", readFileSync(program), 0o755),
    file("LICENSE", readFileSync(join(ROOT, "LICENSE"))),
    file("LICENSE.third-party", Buffer.from(licenses)),
    ...manuals.map(({ name, bytes }) => file(`share/man/man1/${name}`, bytes)),
    ...completions.map(({ shell, bytes }) => file(places[shell], bytes)),
  ];
}

if (process.argv[1] === join(ROOT, "scripts/release.mjs")) {
  const { values } = parseArgs({
    options: {
      output: { type: "string", default: join(ROOT, ".cache/release") },
      url: { type: "string" },
      fresh: { type: "boolean", default: false },
      publishable: { type: "boolean", default: false },
    },
  });
  const reasons = [...problems(), ...(values.publishable ? placeholders() : [])];
  if (reasons.length > 0) {
    fail(
      `packages/*/package.json have to be put right first, see docs/release.md:\n${reasons.map((one) => `  ${one}`).join("\n")}`,
    );
  }
  install();
  build();
  if (realpathSync(process.execPath) !== realpathSync(node())) {
    // The CLI's sources are TypeScript: the project's own Node runs them.
    const { status } = spawnSync(node(), process.argv.slice(1), { stdio: "inherit", env: environment() });
    process.exit(status ?? 1);
  }
  const { version, homepage } = sources();
  const output = resolve(process.env.INIT_CWD ?? process.cwd(), values.output);
  await release({
    output,
    fresh: values.fresh,
    url: values.url ?? `${homepage}/releases/download/initwrap@${version}`,
  });
  process.stdout.write(readFileSync(join(output, "SHA256SUMS"), "utf8"));
}
