/**
 * The Debian package: the standalone program, its manual pages and completions, by dpkg-deb of Debian 12 or later.
 *
 * Source: Debian Policy, chapters 5 (control fields), 9 (file system), 12 (documentation).
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { fail, ROOT } from "../workspace.mjs";
import { gzipped } from "./archive.mjs";

/** The libraries of Node.js's official builds for Linux: what BUILDING.md of Node.js 24 names as the oldest. */
const DEPENDS = "libc6 (>= 2.28), libgcc-s1 | libgcc1, libstdc++6 (>= 8)";

const DESCRIPTION = `puts an init in front of what a container image or a Dockerfile runs
 initwrap rewrites a Dockerfile or a container image so that PID 1 forwards
 signals and reaps orphans: its ENTRYPOINT becomes a small init, with the
 original command below it, unchanged. Everything else stays as it was, byte
 for byte. It works on Dockerfiles, images of Docker and podman, registries,
 OCI layouts and archives.`;

/** What lintian minds, and why it is so. */
const OVERRIDES = [
  ["the program is Node.js, whose own copies of its libraries are part of it", "embedded-library"],
  ["it is what Node.js's official builds are", "hardening-no-pie"],
  ["its sections are left out with its symbols: the system's loader reads segments", "elf-error"],
];

/**
 * Writes initwrap_VERSION_ARCH.deb to `folder` and gives its path. `program` is the standalone program's path, `extras` has
 * `manuals`, `completions` and `licenses`; `author` is the maintainer, `NAME <ADDRESS>`, and `date` the time of everything, in
 * seconds since 1970. Ends this process when dpkg-deb fails.
 */
export async function buildDebian({ version, architecture, program, extras, folder, author, homepage, date }) {
  const debian = debianVersion(version);
  const tree = mkdtempSync(join(tmpdir(), "initwrap-deb-"));
  chmodSync(tree, 0o755);
  const put = (path, bytes, mode = 0o644) => {
    const file = join(tree, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
    chmodSync(file, mode);
  };
  const putPacked = async (path, text) => put(`${path}.gz`, await gzipped(Buffer.from(text), 9));
  put("usr/bin/initwrap", "", 0o755);
  copyFileSync(program, join(tree, "usr/bin/initwrap"));
  chmodSync(join(tree, "usr/bin/initwrap"), 0o755);
  const documents = "usr/share/doc/initwrap";
  put(`${documents}/copyright`, copyright());
  await putPacked(`${documents}/changelog`, changelog(debian, author, date));
  await putPacked(`${documents}/third-party-licenses`, extras.licenses);
  put("usr/share/lintian/overrides/initwrap", overrides());
  for (const { name, bytes } of extras.manuals) await putPacked(`usr/share/man/man1/${name}`, bytes);
  const places = {
    bash: "usr/share/bash-completion/completions/initwrap",
    zsh: "usr/share/zsh/vendor-completions/_initwrap",
    fish: "usr/share/fish/vendor_completions.d/initwrap.fish",
  };
  for (const { shell, bytes } of extras.completions) put(places[shell], bytes);
  const files = filesIn(tree);
  put("DEBIAN/md5sums", files.map((file) => `${md5(join(tree, file))}  ${file}\n`).join(""));
  put("DEBIAN/control", control({ version: debian, architecture, author, homepage, size: installedSize(tree, files) }));
  const output = join(folder, `initwrap_${debian}_${architecture}.deb`);
  // The time of every entry is at most this one; gzip, for xz takes a minute for a third less.
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(date) };
  const args = ["-Zgzip", "-z6", "--build", "--root-owner-group", tree, output];
  await promisify(execFile)("dpkg-deb", args, { env }).catch(({ message }) => fail(`dpkg-deb failed: ${message}`));
  rmSync(tree, { recursive: true });
  return output;
}

/** A release before a release sorts before it: 1.0.0-rc.1 is 1.0.0~rc.1. */
function debianVersion(version) {
  return version.replace("-", "~");
}

function control({ version, architecture, author, homepage, size }) {
  return `Package: initwrap
Version: ${version}
Architecture: ${architecture}
Maintainer: ${author}
Installed-Size: ${size}
Depends: ${DEPENDS}
Section: admin
Priority: optional
Homepage: ${homepage}
Description: ${DESCRIPTION}
`;
}

/** The files' paths below the package's folder, sorted. */
function filesIn(tree) {
  return readdirSync(join(tree, "usr"), { recursive: true })
    .map((name) => join("usr", name))
    .filter((name) => statSync(join(tree, name)).isFile())
    .sort();
}

/** In KiB, each file for itself, as Policy 5.6.20 counts. */
function installedSize(tree, files) {
  return files.reduce((sum, file) => sum + Math.ceil(statSync(join(tree, file)).size / 1024), 0);
}

/** What dpkg --verify compares. */
function md5(file) {
  return createHash("md5").update(readFileSync(file)).digest("hex");
}

function overrides() {
  return OVERRIDES.map(([reason, tag]) => `# ${reason}\ninitwrap: ${tag} *\n`).join("");
}

function changelog(version, author, date) {
  const time = new Date(date * 1000).toUTCString().replace("GMT", "+0000");
  return `initwrap (${version}) stable; urgency=medium

  * New release.

 -- ${author}  ${time}
`;
}

function copyright() {
  const license = readFileSync(join(ROOT, "LICENSE"), "utf8");
  const [, holders] = /^Copyright (?:\(c\) )?(.+)$/m.exec(license);
  const indented = license
    .trim()
    .split("\n")
    .map((line) => (line === "" ? " ." : ` ${line}`));
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: initwrap

Files: *
Copyright: ${holders}
License: MIT
Comment: The program contains Node.js and other software. Their licences are in
 third-party-licenses.gz beside this file.

License: MIT
${indented.join("\n")}
`;
}
