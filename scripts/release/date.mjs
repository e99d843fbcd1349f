/**
 * The time of everything in a release that has to have one: when its sources were committed, or what SOURCE_DATE_EPOCH says. So
 * the same sources give the same files whenever they are built.
 *
 * Source: https://reproducible-builds.org/specs/source-date-epoch/
 */
import { spawnSync } from "node:child_process";
import { fail, ROOT } from "../workspace.mjs";

/** In whole seconds since 1970. Ends this process when nothing says it. */
export function sourceDate() {
  const said = process.env.SOURCE_DATE_EPOCH;
  if (said !== undefined) {
    if (!/^\d{1,11}$/.test(said))
      fail(`SOURCE_DATE_EPOCH is ${JSON.stringify(said)}, and has to be seconds since 1970`);
    return Number(said);
  }
  // A container's checkout may belong to another user, whose repository git would not read.
  const git = ["-c", `safe.directory=${ROOT}`, "-C", ROOT, "log", "--max-count=1", "--format=%ct"];
  const { status, stdout } = spawnSync("git", git, { encoding: "utf8" });
  if (status !== 0) fail("this is no clone of the repository: SOURCE_DATE_EPOCH has to say when the sources are from");
  return Number(stdout);
}
