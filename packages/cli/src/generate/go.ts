/** Go: one static binary, cross-compiled on the build machine, in an image with nothing else. */
import { has, hasFolder, type Project, present, textOf } from "./project.ts";
import { type Recipe, type Stack, settleProgram, settleVersion, startUnknown, type Wishes } from "./recipe.ts";
import { execForm, plainName } from "./words.ts";

const VERSIONS = { candidates: ["1.26", "1.27"], preferred: "1.27" };

/** Modules that are bindings of C libraries. */
const CGO =
  /^\s*(?:require\s+)?(?:github\.com\/(?:mattn\/go-sqlite3|confluentinc\/confluent-kafka-go|h2non\/bimg|go-gl\/|pebbe\/zmq4))/m;

export const GO: Stack = {
  name: "go",
  evidence: (project) => present(project, "go.mod", "go.sum"),
  recipe,
};

function recipe(project: Project, wishes: Wishes): Recipe {
  const mod = textOf(project, "go.mod");
  const needs = /^go\s+(\d+\.\d+)/m.exec(mod)?.[1];
  const version = settleVersion("Go", wishes, needs === undefined ? undefined : `>=${needs}`, VERSIONS);
  const program = programOf(project, mod, wishes);
  const cgo = CGO.test(mod);
  const port = wishes.port ?? 8080;
  const start = wishes.start ?? [`/usr/local/bin/${program.name}`];
  return {
    stack: "go",
    template: "go",
    runtime: `Go ${version}`,
    start,
    port,
    locked: has(project, "go.sum") || !/^\s*require\b/m.test(mod),
    data: {
      image: `golang:${version}-trixie`,
      manifests: present(project, "go.mod", "go.sum").join(" "),
      // Vendored modules are there, and a replacement or a workspace names folders of the project.
      download:
        /^\s*require\b/m.test(mod) &&
        !hasFolder(project, "vendor") &&
        !has(project, "go.work") &&
        !/=>\s*\.{1,2}\//.test(mod),
      cgo,
      path: program.path,
      name: program.name,
      port: String(port),
      command: execForm(start),
    },
    ignore: ["bin", "**/*_test.go", "**/testdata"],
  };
}

/** The main package: at the root, or the one under `cmd/`. */
function programOf(project: Project, mod: string, wishes: Wishes): { readonly path: string; readonly name: string } {
  const module = /^module\s+"?([^\s"]+)/m.exec(mod)?.[1] ?? "";
  const parts = module.split("/").filter((part) => !/^v\d+$/.test(part));
  const own = parts.at(-1) || "app";
  const isMain = (path: string) =>
    path.endsWith(".go") && !path.endsWith("_test.go") && /^package main\b/m.test(textOf(project, path));
  const atRoot = project.paths.some((path) => !path.includes("/") && isMain(path));
  const commands = new Set(
    project.paths.flatMap((path) => (isMain(path) ? (/^cmd\/([^/]+)\/[^/]+$/.exec(path)?.[1] ?? []) : [])),
  );
  if (atRoot && (wishes.program === undefined || wishes.program === own))
    return { path: ".", name: plainName(own, "program") };
  const name = settleProgram([...commands, ...(atRoot ? [own] : [])], wishes, own);
  if (name === undefined) {
    throw startUnknown(
      "there is no main package, neither at the root nor under cmd/",
      "initwrap generate is for programs.",
    );
  }
  return { path: `./cmd/${plainName(name, "program")}`, name };
}
