/** Python: uv, Poetry or pip. The server is the one that the project depends on; none is added. */

import { isRecord } from "../model/record.ts";
import { procfileCommand } from "./procfile.ts";
import { has, type Project, present, stringAt, stringsAt, table, textOf, versionFile } from "./project.ts";
import { type Recipe, type Stack, settleVersion, startUnknown, type Wishes } from "./recipe.ts";
import { parseToml } from "./toml.ts";
import { execForm, plainName } from "./words.ts";

type Tool = "pip" | "poetry" | "uv";
type Document = Readonly<Record<string, unknown>>;

const VERSIONS = { candidates: ["3.10", "3.11", "3.12", "3.13", "3.14"], preferred: "3.13" };

/** Files that people start by name. */
const SCRIPTS = ["main.py", "app.py", "server.py", "run.py", "bot.py"];

/** Debian's packages with what a distribution without wheels needs at run time. */
const LIBRARIES: Readonly<Record<string, string>> = { psycopg2: "libpq5", mysqlclient: "libmariadb3" };

const IGNORE = [
  "**/__pycache__",
  "**/*.py[cod]",
  "**/.venv",
  "**/venv",
  "**/.pytest_cache",
  "**/.mypy_cache",
  "**/.ruff_cache",
  "**/.coverage",
];

export const PYTHON_STACKS: readonly Stack[] = (["pip", "poetry", "uv"] as const).map((tool) => ({
  name: `python-${tool}`,
  evidence(project) {
    const files = evidenceOf(project);
    return files.length > 0 && toolsOf(project).includes(tool) ? files : [];
  },
  recipe: (project, wishes) => recipe(project, wishes, tool),
}));

function evidenceOf(project: Project): readonly string[] {
  const declared = present(project, "pyproject.toml", "requirements.txt", "uv.lock", "poetry.lock", "manage.py");
  return declared.length > 0 ? declared : present(project, ...SCRIPTS);
}

function toolsOf(project: Project): readonly Tool[] {
  const locks: Tool[] = [];
  if (has(project, "uv.lock")) locks.push("uv");
  if (has(project, "poetry.lock")) locks.push("poetry");
  if (locks.length > 0) return locks;
  const tool = table(pyproject(project), "tool");
  if (tool["poetry"] !== undefined) return ["poetry"];
  return tool["uv"] !== undefined && !has(project, "requirements.txt") ? ["uv"] : ["pip"];
}

function pyproject(project: Project): Document {
  return has(project, "pyproject.toml") ? parseToml(textOf(project, "pyproject.toml"), "pyproject.toml") : {};
}

function recipe(project: Project, wishes: Wishes, tool: Tool): Recipe {
  const document = pyproject(project);
  const version = settleVersion("Python", wishes, rangeOf(project, document), VERSIONS);
  const port = wishes.port ?? 8000;
  const dependencies = dependenciesOf(project, document);
  const start = wishes.start ?? startOf(project, document, dependencies, port);
  if (start === undefined) {
    throw startUnknown(
      "the project does not say how its server is started",
      'Add a server such as gunicorn or uvicorn to its dependencies, or say what starts it: --start \'["python", "app.py"]\'',
    );
  }
  const requirements = textOf(project, "requirements.txt");
  const hasRequirements = tool === "pip" && has(project, "requirements.txt");
  const buildable = document["build-system"] !== undefined || (tool === "poetry" && isPoetryPackage(document));
  const libraries = Object.keys(LIBRARIES).filter((name) => dependencies.has(name));
  const locked = { uv: has(project, "uv.lock"), poetry: has(project, "poetry.lock"), pip: isPinned(requirements) }[
    tool
  ];
  // What names files of the project cannot be installed before these are there.
  const copyAllFirst =
    tool === "pip"
      ? hasRequirements &&
        /^\s*(?:-[rce]\b|--(?:requirement|constraint|editable|find-links)\b|\.{0,2}\/|\.)/m.test(requirements)
      : dependsOnFolders(document);
  return {
    stack: `python-${tool}`,
    template: "python",
    runtime: `Python ${version}`,
    start,
    port,
    locked,
    data: {
      image: `python:${version}-slim-trixie`,
      buildImage: `python:${version}-trixie`,
      pip: tool === "pip",
      poetry: tool === "poetry",
      uv: tool === "uv",
      // A project without dependencies is its own files, and needs no environment.
      plain: tool === "pip" && !hasRequirements && !buildable && dependencies.size === 0,
      requirements: hasRequirements,
      copyAllFirst,
      // What is left to install when all files are there.
      lastStep: buildable || copyAllFirst,
      manifests: present(project, "pyproject.toml", `${tool}.lock`, `${tool}.toml`).join(" "),
      locked,
      project: tool === "pip" ? !hasRequirements && document["project"] !== undefined : buildable,
      packages: libraries.map((name) => LIBRARIES[name]).join(" "),
      port: String(port),
      command: execForm(start),
    },
    ignore: IGNORE,
  };
}

function rangeOf(project: Project, document: Document): string | undefined {
  const file = versionFile(project, ".python-version") ?? versionFile(project, "runtime.txt")?.replace(/^python-/, "");
  return (
    file ??
    stringAt(table(document, "project"), "requires-python") ??
    stringAt(table(document, "tool", "poetry", "dependencies"), "python")
  );
}

/** The names of what is depended on, as the index writes them. */
function dependenciesOf(project: Project, document: Document): ReadonlySet<string> {
  const lines = [
    ...textOf(project, "requirements.txt").split("\n"),
    ...stringsAt(table(document, "project"), "dependencies"),
    ...Object.keys(table(document, "tool", "poetry", "dependencies")).filter((name) => name !== "python"),
  ];
  const names = lines.flatMap((line) => /^\s*([A-Za-z0-9][\w.-]*)/.exec(line)?.[1] ?? []);
  if (lines.some((line) => /^\s*fastapi\s*\[[^\]]*\b(standard|all)\b/i.test(line))) names.push("uvicorn");
  return new Set(names.map((name) => name.toLowerCase().replace(/[-_.]+/g, "-")));
}

/** Whether a dependency is a folder or file of the project, or a member of its workspace. */
function dependsOnFolders(document: Document): boolean {
  const uv = table(document, "tool", "uv");
  const sources = [
    ...Object.values(table(document, "tool", "poetry", "dependencies")),
    ...Object.values(table(uv, "sources")),
  ].flat();
  const names = stringsAt(table(document, "project"), "dependencies");
  return (
    uv["workspace"] !== undefined ||
    sources.some((source) => isRecord(source) && (source["path"] !== undefined || source["workspace"] === true)) ||
    names.some((name) => /@\s*(?:file:|\.)/.test(name))
  );
}

function isPinned(requirements: string): boolean {
  const lines = requirements.split("\n").filter((line) => /^\s*[A-Za-z0-9]/.test(line));
  return lines.every((line) => /==|@/.test(line));
}

function isPoetryPackage(document: Document): boolean {
  const poetry = table(document, "tool", "poetry");
  return poetry["package-mode"] !== false && document["build-system"] !== undefined;
}

function startOf(
  project: Project,
  document: Document,
  dependencies: ReadonlySet<string>,
  port: number,
): readonly string[] | undefined {
  return (
    procfileCommand(project, port) ?? serverOf(project, dependencies, port) ?? scriptOf(project, document, dependencies)
  );
}

/** A web application in front of the server that the project depends on. */
function serverOf(project: Project, dependencies: ReadonlySet<string>, port: number): readonly string[] | undefined {
  const bind = `0.0.0.0:${port}`;
  const uvicorn = (app: string) => ["uvicorn", "--host", "0.0.0.0", "--port", String(port), app];
  const gunicorn = (app: string) => ["gunicorn", "--bind", bind, app];
  for (const kind of ["asgi", "wsgi"] as const) {
    const server = kind === "asgi" ? uvicorn : gunicorn;
    if (!dependencies.has(kind === "asgi" ? "uvicorn" : "gunicorn")) continue;
    const module = project.paths.find((path) => new RegExp(`^([^/]+/)?${kind}\\.py$`).test(path));
    if (has(project, "manage.py") && module !== undefined) return server(`${moduleOf(module)}:application`);
    const found = applicationOf(project, kind === "asgi" ? "FastAPI|Starlette|Litestar|Quart" : "Flask|Bottle|Falcon");
    if (found !== undefined) return server(found);
  }
  return undefined;
}

/** `module:variable` of the first file that makes an application at its top level. */
function applicationOf(project: Project, classes: string): string | undefined {
  const assignment = new RegExp(`^(\\w+)(?:\\s*:[^=\\n]+)?\\s*=\\s*(?:\\w+\\.)?(?:${classes})\\(`, "m");
  const depth = (path: string) => path.split("/").length;
  const files = [...project.texts.keys()]
    .filter((path) => path.endsWith(".py"))
    .toSorted((a, b) => depth(a) - depth(b));
  for (const path of files) {
    const name = assignment.exec(textOf(project, path))?.[1];
    if (name !== undefined) return `${moduleOf(path)}:${name}`;
    if (/^def create_app\(\s*\)/m.test(textOf(project, path)) && classes.includes("Flask")) {
      return `${moduleOf(path)}:create_app()`;
    }
  }
  return undefined;
}

function moduleOf(path: string): string {
  const parts = path.replace(/\.py$/, "").split("/");
  if (parts.at(-1) === "__init__") parts.pop();
  return parts.map((part) => plainName(part, "Python module")).join(".");
}

function scriptOf(
  project: Project,
  document: Document,
  dependencies: ReadonlySet<string>,
): readonly string[] | undefined {
  // Their own servers are for development, by their own documentation.
  const web = ["flask", "django", "fastapi", "starlette", "litestar", "quart", "bottle", "falcon"];
  if (has(project, "manage.py") || web.some((name) => dependencies.has(name))) return undefined;
  const scripts = Object.keys({
    ...table(document, "project", "scripts"),
    ...table(document, "tool", "poetry", "scripts"),
  });
  if (scripts.length === 1 && document["build-system"] !== undefined)
    return [plainName(scripts[0] as string, "script")];
  const files = present(project, ...SCRIPTS);
  if (files.length === 1) return ["python", files[0] as string];
  if (has(project, "__main__.py")) return ["python", "__main__.py"];
  const packages = project.paths.flatMap((path) => /^([^/]+)\/__main__\.py$/.exec(path)?.[1] ?? []);
  return packages.length === 1 ? ["python", "-m", plainName(packages[0] as string, "Python package")] : undefined;
}
