/**
 * The Debian package: the standalone program, its manual pages and completions, by dpkg-deb of Debian 12 or later.
 *
 * Source: Debian Policy, chapters 5 (control fields), 9 (file system), 12 (documentation).
 */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
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

/**
 * Writes initwrap_VERSION_ARCH.deb to `folder` and gives its path. `program` is the standalone program's path, `extras` has
 * `manuals`, `completions` and `licenses`. Ends this process when dpkg-deb fails.
 */
export function buildDebian({ version, architecture, program, extras, folder }) {
  const debian = debianVersion(version);
  const tree = mkdtempSync(join(tmpdir(), "initwrap-deb-"));
  chmodSync(tree, 0o755);
  const put = (path, bytes, mode = 0o644) => {
    const file = join(tree, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
    chmodSync(file, mode);
  };
  put("usr/bin/initwrap", "", 0o755);
  copyFileSync(program, join(tree, "usr/bin/initwrap"));
  chmodSync(join(tree, "usr/bin/initwrap"), 0o755);
  const documents = "usr/share/doc/initwrap";
  put(`${documents}/copyright`, copyright());
  put(`${documents}/changelog.Debian.gz`, gzipped(Buffer.from(changelog(debian))));
  put(`${documents}/third-party-licenses.gz`, gzipped(Buffer.from(extras.licenses)));
  for (const { name, bytes } of extras.manuals) put(`usr/share/man/man1/${name}.gz`, gzipped(bytes));
  const places = {
    bash: "usr/share/bash-completion/completions/initwrap",
    zsh: "usr/share/zsh/vendor-completions/_initwrap",
    fish: "usr/share/fish/vendor_completions.d/initwrap.fish",
  };
  for (const { shell, bytes } of extras.completions) put(places[shell], bytes);
  put("DEBIAN/control", control(debian, architecture, installedSize(tree)));
  const output = join(folder, `initwrap_${debian}_${architecture}.deb`);
  // The time of every entry is at most this one; gzip, for xz takes a minute for a third less.
  const env = { ...process.env, SOURCE_DATE_EPOCH: "0" };
  const args = ["-Zgzip", "-z6", "--build", "--root-owner-group", tree, output];
  const { status, error, stderr } = spawnSync("dpkg-deb", args, { env, encoding: "utf8" });
  rmSync(tree, { recursive: true });
  if (status !== 0) fail(`dpkg-deb failed: ${error?.message ?? stderr}`);
  return output;
}

/** A release before a release sorts before it: 1.0.0-rc.1 is 1.0.0~rc.1. */
function debianVersion(version) {
  return version.replace("-", "~");
}

function control(version, architecture, size) {
  return `Package: initwrap
Version: ${version}
Architecture: ${architecture}
Maintainer: The initwrap authors <initwrap@example.invalid>
Installed-Size: ${size}
Depends: ${DEPENDS}
Section: admin
Priority: optional
Description: ${DESCRIPTION}
`;
}

/** In KiB. */
function installedSize(tree) {
  const { stdout } = spawnSync("du", ["-sk", "--apparent-size", join(tree, "usr")], { encoding: "utf8" });
  return Number.parseInt(stdout, 10);
}

function changelog(version) {
  return `initwrap (${version}) stable; urgency=medium

  * New release.

 -- The initwrap authors <initwrap@example.invalid>  Thu, 01 Jan 1970 00:00:00 +0000
`;
}

function copyright() {
  const indent = (text) =>
    text
      .trim()
      .split("\n")
      .map((line) => (line === "" ? " ." : ` ${line}`))
      .join("\n");
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: initwrap

Files: *
Copyright: 2026 The initwrap authors
License: MIT
Comment: The program contains Node.js and other software. Their licences are in
 third-party-licenses.gz beside this file.

License: MIT
${indent(readFileSync(join(ROOT, "LICENSE"), "utf8"))}
`;
}
