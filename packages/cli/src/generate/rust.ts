/** Rust: a release build of one binary, in a small Debian. */
import { has, type Project, present, stringAt, table, textOf } from "./project.ts";
import { type Recipe, type Stack, settleProgram, settleVersion, startUnknown, type Wishes } from "./recipe.ts";
import { parseToml } from "./toml.ts";
import { execForm, plainName } from "./words.ts";

// A rust-toolchain file makes rustup in the image fetch another one.
const VERSIONS = { candidates: ["1.98"], preferred: "1.98" };

export const RUST: Stack = {
  name: "rust",
  evidence: (project) => present(project, "Cargo.toml", "Cargo.lock"),
  recipe,
};

function recipe(project: Project, wishes: Wishes): Recipe {
  const version = settleVersion("Rust", wishes, undefined, VERSIONS);
  const { names, preferred } = binaries(project);
  const name = settleProgram(names, wishes, preferred);
  if (name === undefined) {
    throw startUnknown(
      "the package has no binary: there is neither src/main.rs nor a [[bin]]",
      "initwrap generate is for programs.",
    );
  }
  const port = wishes.port ?? 8080;
  const start = wishes.start ?? [`/usr/local/bin/${plainName(name, "binary")}`];
  const lock = textOf(project, "Cargo.lock");
  return {
    stack: "rust",
    template: "rust",
    runtime: `Rust ${version}`,
    start,
    port,
    locked: has(project, "Cargo.lock"),
    data: {
      image: `rust:${version}-trixie`,
      locked: has(project, "Cargo.lock"),
      name: plainName(name, "binary"),
      packages: /^name = "openssl-sys"$/m.test(lock) ? "ca-certificates libssl3t64" : "ca-certificates",
      port: String(port),
      command: execForm(start),
    },
    ignore: ["**/target"],
  };
}

/** The binaries of the package or of the workspace's members, by Cargo's rules of where they are. */
function binaries(project: Project): { readonly names: readonly string[]; readonly preferred: string | undefined } {
  const names = new Set<string>();
  let preferred: string | undefined;
  for (const path of project.paths.filter((path) => /(^|\/)Cargo\.toml$/.test(path) && project.texts.has(path))) {
    const manifest = parseToml(textOf(project, path), path);
    const folder = path.slice(0, -"Cargo.toml".length);
    const own = stringAt(table(manifest, "package"), "name");
    if (own === undefined) continue;
    const declared = Array.isArray(manifest["bin"]) ? manifest["bin"].map((bin) => stringAt(table(bin), "name")) : [];
    for (const name of declared) if (name !== undefined) names.add(name);
    const paths = Array.isArray(manifest["bin"]) ? manifest["bin"].map((bin) => stringAt(table(bin), "path")) : [];
    if (has(project, `${folder}src/main.rs`) && !paths.includes("src/main.rs")) names.add(own);
    for (const file of project.paths) {
      const name = file.startsWith(`${folder}src/bin/`)
        ? /^([^/]+)(?:\.rs|\/main\.rs)$/.exec(file.slice(`${folder}src/bin/`.length))?.[1]
        : undefined;
      if (name !== undefined) names.add(name);
    }
    // What `cargo run` would take.
    if (folder === "") preferred = stringAt(table(manifest, "package"), "default-run");
  }
  return { names: [...names], preferred };
}
