/**
 * The upstream sources of other inits, from Debian's source packages: nothing of theirs is kept in this repository. They
 * are fetched by apt, which checks the signatures, from the mirror this machine uses, and kept under .cache.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { codename, mirrorOf } from "../../../scripts/mirror.mjs";

const CACHE = join(import.meta.dirname, "../../../.cache/peers");

/**
 * The unpacked upstream source of a Debian source package, or undefined where it cannot be had: no apt, no mirror, no
 * network.
 * Only the upstream archive is asked for, without Debian's own files.
 */
export function peerSource(name: string): string | undefined {
  const folder = join(CACHE, name);
  if (existsSync(folder)) return folder;
  const release = existsSync("/usr/bin/apt-get") ? codename() : undefined;
  const address = release && mirrorOf(release);
  if (!address) return undefined;
  mkdirSync(CACHE, { recursive: true });
  const work = mkdtempSync(join(CACHE, `${name}-`));
  try {
    for (const part of ["lists/partial", "cache/archives/partial", "sources", "unpacked"])
      mkdirSync(join(work, part), { recursive: true });
    writeFileSync(join(work, "sources/source.list"), `deb-src ${address} ${release} main\n`);
    const options = [
      "Dir::Etc::sourcelist=/dev/null",
      `Dir::Etc::sourceparts=${work}/sources`,
      `Dir::State::lists=${work}/lists`,
      `Dir::Cache=${work}/cache`,
      "APT::Sandbox::User=root",
      "Acquire::Retries=3",
    ].flatMap((option) => ["-o", option]);
    const apt = (...args: string[]) =>
      spawnSync("apt-get", ["-q", ...options, ...args], { cwd: work, stdio: ["ignore", "ignore", 2] }).status === 0;
    if (!apt("update") || !apt("source", "--download-only", "--tar-only", name)) return undefined;
    const archive = readdirSync(work).find((file) => file.includes(".orig.tar."));
    if (archive === undefined) return undefined;
    execFileSync("tar", ["-xf", join(work, archive), "-C", join(work, "unpacked"), "--strip-components=1"]);
    renameSync(join(work, "unpacked"), folder);
    return folder;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
