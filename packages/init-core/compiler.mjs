/**
 * The compiler of the freestanding programs: clang 19 and lld 19, for every architecture that has a folder in src/sys with an
 * arch.h and a targets.json (platform, clang triple, extra flags). One translation unit each: the compiler sees everything, and
 * the result does not depend on the order of the link.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const root = import.meta.dirname;
const FLAGS = [
  "-std=c11",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-Oz",
  "-fno-jump-tables",
  "-ffreestanding",
  "-fno-builtin",
  "-fno-stack-protector",
  "-fno-asynchronous-unwind-tables",
  "-fno-unwind-tables",
  "-fno-strict-aliasing",
  "-fno-ident",
  "-fno-pic",
  "-ffunction-sections",
  "-fdata-sections",
  "-nostdlibinc",
  "-DINITWRAP_FREESTANDING",
  "-nostdlib",
  "-static",
  "-fuse-ld=lld-19",
  "-Wl,--gc-sections,--icf=all,--build-id=none,-z,noexecstack,-z,norelro,-e,_start,-s,-T,src/init.ld",
];

/** `{ platform, triple, flags, architecture }` of every target, in the platforms' order. */
function targets() {
  const sys = join(root, "src/sys");
  return readdirSync(sys)
    .filter((architecture) => existsSync(join(sys, architecture, "targets.json")))
    .flatMap((architecture) =>
      JSON.parse(readFileSync(join(sys, architecture, "targets.json"), "utf8")).map((target) => ({
        ...target,
        architecture,
      })),
    )
    .sort((a, b) => (a.platform < b.platform ? -1 : 1));
}

/** Compiles C files, named from this folder, for every target: `{ target, bytes }` of each. */
export function compileForAll(sources) {
  const clang = find("clang-19");
  const unit = sources.map((name) => `#include "${name}"\n`).join("");
  const scratch = mkdtempSync(join(tmpdir(), "initwrap-build-"));
  try {
    return targets().map((target) => {
      const to = join(scratch, target.platform);
      const includes = ["-I.", `-Isrc/sys/${target.architecture}`, "-Isrc"];
      const options = [`--target=${target.triple}`, ...target.flags, ...FLAGS, ...includes, "-x", "c", "-", "-o", to];
      execFileSync(clang, options, { cwd: root, input: unit, stdio: ["pipe", "inherit", "inherit"] });
      return { target, bytes: readFileSync(to) };
    });
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function find(program) {
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    const file = join(directory, program);
    if (existsSync(file)) return file;
  }
  throw new Error(`${program} is not in PATH; on Debian: apt-get install --no-install-recommends clang-19 lld-19`);
}
