/**
 * `node scripts/reproduce.mjs`: builds the release of the committed sources twice, from nothing, and fails unless every file has the
 * same bytes. The second time everything is different that should not matter: the folder, the home, the time and its zone, the
 * language, the umask, and whether anybody may look at what is made.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail, ROOT, run, say } from "./workspace.mjs";

const BUILDS = [
  { folder: "first", umask: "022", env: { TZ: "UTC", LANG: "C", LC_ALL: "C" } },
  { folder: "second, of another name/Zwölf", umask: "077", env: { TZ: "Asia/Kathmandu", LANG: "tr_TR.UTF-8" } },
];

const scratch = mkdtempSync(join(tmpdir(), "initwrap-reproduce-"));
// A container's checkout may belong to another user, whose repository git would not read.
const settings = join(scratch, "gitconfig");
writeFileSync(settings, `[safe]\n\tdirectory = ${ROOT}\n\tdirectory = ${ROOT}/.git\n`);
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
const [first, second] = BUILDS.map(build);
const names = [...new Set([first, second].flatMap((folder) => readdirSync(folder)))].sort();
const different = names.filter((name) => {
  const [one, other] = [first, second].map((folder) => read(join(folder, name)));
  const same = one !== undefined && other !== undefined && one.equals(other);
  process.stdout.write(`${same ? "same     " : "DIFFERENT"} ${sha256(one)} ${name}${same ? "" : place(one, other)}\n`);
  return !same;
});
if (names.length < 10) fail(`a release has more files than ${names.length}`);
if (different.length > 0) fail(`${different.length} of ${names.length} files differ`);

/** The folder with the release that is built in a new clone. */
function build({ folder, umask, env }) {
  const clone = join(scratch, folder, "initwrap");
  const home = join(scratch, folder, "home");
  mkdirSync(home, { recursive: true });
  say(`building in ${clone}`);
  run("git", ["clone", "--quiet", "--no-hardlinks", ROOT, clone], {
    env: { ...process.env, GIT_CONFIG_GLOBAL: settings },
  });
  const script = `umask ${umask}; exec node scripts/release.mjs`;
  const { LANG, LC_ALL, SOURCE_DATE_EPOCH, ...rest } = process.env;
  const { status, stderr } = spawnSync("sh", ["-c", script], {
    cwd: clone,
    env: { ...rest, HOME: home, XDG_CACHE_HOME: join(home, "cache"), ...env },
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (status !== 0) fail(`the release could not be built in ${clone}:\n${stderr}`);
  return join(clone, ".cache/release");
}

function read(file) {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

function sha256(bytes) {
  return bytes === undefined ? "-" : createHash("sha256").update(bytes).digest("hex");
}

/** Where two files part. */
function place(one, other) {
  if (one === undefined || other === undefined) return ": only in one of them";
  const length = Math.min(one.length, other.length);
  let at = 0;
  while (at < length && one[at] === other[at]) at++;
  return `: from byte ${at}, of ${one.length} and ${other.length}`;
}
