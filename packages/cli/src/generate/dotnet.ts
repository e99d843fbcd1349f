/** .NET: `dotnet publish` of one project, on the runtime that it needs. */
import { has, type Project, textOf } from "./project.ts";
import { type Recipe, type Stack, settleProgram, settleVersion, startUnknown, type Wishes } from "./recipe.ts";
import { execForm, plainPath, shellWord } from "./words.ts";

const VERSIONS = { candidates: ["8.0", "9.0", "10.0"], preferred: "10.0" };

export const DOTNET: Stack = {
  name: "dotnet",
  evidence: (project) => {
    const projects = projectFiles(project);
    return projects.length === 0 ? [] : [...project.paths.filter((path) => /^[^/]+\.slnx?$/.test(path)), ...projects];
  },
  recipe,
};

function projectFiles(project: Project): readonly string[] {
  return project.paths.filter((path) => /\.(cs|fs|vb)proj$/.test(path) && project.texts.has(path));
}

function recipe(project: Project, wishes: Wishes): Recipe {
  const files = new Map(
    projectFiles(project)
      .filter((path) => isProgram(textOf(project, path)))
      .map((path) => [nameOf(path), path]),
  );
  const name = settleProgram([...files.keys()], wishes);
  if (name === undefined)
    throw startUnknown("no project makes a program", "A program has <OutputType>Exe</OutputType> or the Web SDK.");
  const path = files.get(name) as string;
  const text = textOf(project, path);
  const framework = /<TargetFrameworks?>\s*(?:[^<]*;)?net(\d+\.\d+)/.exec(text)?.[1];
  const version = settleVersion(".NET", wishes, framework, VERSIONS);
  const assembly = /<AssemblyName>\s*([\w.-]+)\s*</.exec(text)?.[1] ?? name;
  const port = wishes.port ?? 8080;
  const start = wishes.start ?? ["dotnet", `${assembly}.dll`];
  const web = /Sdk="Microsoft\.NET\.Sdk\.(Web|Worker)"|Microsoft\.AspNetCore\.App/.exec(text) !== null;
  // NuGet keeps it beside the project that it is of.
  const lockfile = has(project, `${path.slice(0, path.lastIndexOf("/") + 1)}packages.lock.json`);
  return {
    stack: "dotnet",
    template: "dotnet",
    runtime: `.NET ${version}`,
    start,
    port,
    locked: lockfile || !/<PackageReference/.test(text),
    data: {
      buildImage: `mcr.microsoft.com/dotnet/sdk:${version}`,
      image: `mcr.microsoft.com/dotnet/${web ? "aspnet" : "runtime"}:${version}`,
      project: shellWord(plainPath(path)),
      lockfile,
      port: String(port),
      command: execForm(start),
    },
    ignore: ["**/bin", "**/obj", "**/.vs", "**/*.user"],
  };
}

/** A test project is a program to the compiler, and not one to be shipped. */
function isProgram(text: string): boolean {
  if (/Microsoft\.NET\.Test\.Sdk|<IsTestProject>\s*true/i.test(text)) return false;
  return /Sdk="Microsoft\.NET\.Sdk\.(Web|Worker)"|<OutputType>\s*Exe\s*</i.test(text);
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/\.\w+proj$/, "");
}
