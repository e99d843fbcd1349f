/**
 * Where apt gets this machine's packages from. It is asked instead of naming a mirror: a machine may have one of its own,
 * and no other.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** The release's code name, from os-release(5). */
export function codename() {
  return /^VERSION_CODENAME=(\w+)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
}

/** The address of the mirror that the release of that code name comes from, or undefined when apt names none. */
export function mirrorOf(name) {
  const { stdout } = spawnSync("apt-get", ["indextargets", "--format", "$(REPO_URI)", `Codename: ${name}`], {
    encoding: "utf8",
  });
  return stdout?.split("\n")[0] || undefined;
}
