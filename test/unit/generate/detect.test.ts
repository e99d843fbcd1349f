/** What each kind of project is taken for, and what is refused instead of guessed. */
import { describe, expect, it } from "vitest";
import { cook, detectStacks } from "../../../packages/cli/src/generate/detect.ts";
import { projectOf } from "../../../packages/cli/src/generate/project.ts";
import type { Wishes } from "../../../packages/cli/src/generate/recipe.ts";
import { InitwrapError } from "../../../packages/cli/src/model/errors.ts";

type Files = Readonly<Record<string, string>>;

const json = (value: unknown) => JSON.stringify(value);
const stacks = (files: Files) => detectStacks(projectOf(files)).map(({ stack }) => stack);
const recipe = (files: Files, wishes: Wishes = {}, stack?: string) => cook(projectOf(files), wishes, stack).recipe;

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof InitwrapError) return error.code;
    throw error;
  }
  return "none";
}

describe("the stack", () => {
  it.each<[string, Files, readonly string[]]>([
    ["nothing", { "README.md": "" }, []],
    ["npm by its lockfile", { "package.json": "{}", "package-lock.json": "{}", "index.js": "" }, ["node-npm"]],
    ["npm without a lockfile", { "package.json": "{}", "index.js": "" }, ["node-npm"]],
    ["pnpm", { "package.json": "{}", "pnpm-lock.yaml": "", "index.js": "" }, ["node-pnpm"]],
    ["Yarn", { "package.json": "{}", "yarn.lock": "", "index.js": "" }, ["node-yarn"]],
    ["Bun, text and binary", { "package.json": "{}", "bun.lock": "", "bun.lockb": "", "index.js": "" }, ["node-bun"]],
    [
      "packageManager before lockfiles",
      { "package.json": json({ packageManager: "pnpm@10.1.0", main: "a.js" }), "a.js": "", "yarn.lock": "" },
      ["node-pnpm"],
    ],
    [
      "two lockfiles",
      { "package.json": "{}", "index.js": "", "yarn.lock": "", "package-lock.json": "{}" },
      ["node-npm", "node-yarn"],
    ],
    ["pip by requirements", { "requirements.txt": "flask" }, ["python-pip"]],
    ["pip by a script alone", { "main.py": "" }, ["python-pip"]],
    ["Poetry by its table", { "pyproject.toml": "[tool.poetry]\nname = 'a'" }, ["python-poetry"]],
    ["uv by its lockfile", { "pyproject.toml": "", "uv.lock": "" }, ["python-uv"]],
    ["uv and Poetry", { "pyproject.toml": "", "uv.lock": "", "poetry.lock": "" }, ["python-poetry", "python-uv"]],
    ["Go", { "go.mod": "module a" }, ["go"]],
    ["Rust", { "Cargo.toml": "" }, ["rust"]],
    ["Maven", { "pom.xml": "" }, ["java-maven"]],
    ["Gradle in Kotlin", { "settings.gradle.kts": "" }, ["java-gradle"]],
    [".NET below the root", { "src/App/App.csproj": "<Project/>" }, ["dotnet"]],
    ["Ruby", { Gemfile: "" }, ["ruby"]],
    ["PHP without Composer", { "index.php": "" }, ["php"]],
    ["a page", { "index.html": "" }, ["static"]],
    ["a page beside a server", { "index.html": "", "go.mod": "module a" }, ["go"]],
    [
      "assets of a Rails application",
      { Gemfile: "", "package.json": json({ scripts: { build: "esbuild" } }) },
      ["ruby"],
    ],
    [
      "a server and another",
      { Gemfile: "", "package.json": json({ scripts: { start: "node a.js" } }) },
      ["node-npm", "ruby"],
    ],
    [
      "a site with a build",
      { "package.json": json({ scripts: { build: "vite build" }, devDependencies: { vite: "7" } }) },
      ["static"],
    ],
  ])("is known for %s", (_, files, expected) => {
    expect(stacks(files)).toEqual(expected);
  });

  it("is refused when nothing or several things are there, and settled by name", () => {
    const both = {
      "package.json": json({ main: "a.js" }),
      "a.js": "",
      "go.mod": "module m\n",
      "main.go": "package main\n",
      Gemfile: "",
    };
    const two = { ...both, "package.json": json({ scripts: { start: "node a.js" } }) };
    expect(refusal(() => recipe({}))).toBe("STACK_UNKNOWN");
    expect(refusal(() => recipe(two))).toBe("STACK_AMBIGUOUS");
    expect(recipe(two, {}, "go").stack).toBe("go");
    expect(recipe(two, {}, "node").stack).toBe("node-npm");
    expect(refusal(() => recipe(two, {}, "rust"))).toBe("STACK_UNKNOWN");
    expect(refusal(() => recipe(two, {}, "cobol"))).toBe("USAGE");
    expect(refusal(() => recipe({ "package.json": "{}", "yarn.lock": "", "bun.lock": "" }, {}, "node"))).toBe(
      "STACK_AMBIGUOUS",
    );
  });
});

describe("the command", () => {
  const node = (scripts: object, more: Files = {}, rest: object = {}) => ({
    "package.json": json({ scripts, ...rest }),
    ...more,
  });
  it.each<[string, Files, readonly string[] | "START_UNKNOWN"]>([
    ["a plain start script", node({ start: "node server.js --x 'a b'" }), ["node", "server.js", "--x", "a b"]],
    ["a start script of a dependency", node({ start: "next start" }), ["node_modules/.bin/next", "start"]],
    ["a start script for a shell", node({ start: "NODE_ENV=production node a.js" }), ["npm", "start"]],
    ["a start script with a variable", node({ start: "node a.js $PORT" }), ["npm", "start"]],
    ["a start script that calls another", node({ start: "npm run serve" }), ["npm", "start"]],
    ["a start script with a prelude", node({ prestart: "x", start: "node a.js" }), ["npm", "start"]],
    ["main without its ending", node({}, { "lib/a.js": "" }, { main: "lib/a" }), ["node", "lib/a.js"]],
    ["server.js, which npm would take", node({}, { "server.js": "", "index.js": "" }), ["node", "server.js"]],
    ["nothing in Node", node({}), "START_UNKNOWN"],
    ["two candidates in Node", node({}, { "index.js": "", "app.js": "" }), "START_UNKNOWN"],
    [
      "a Procfile",
      { "requirements.txt": "", Procfile: "web: hypercorn a:app --bind :$PORT\n" },
      ["hypercorn", "a:app", "--bind", ":8000"],
    ],
    [
      "Django with gunicorn",
      { "manage.py": "", "requirements.txt": "Django\ngunicorn", "shop/wsgi.py": "" },
      ["gunicorn", "--bind", "0.0.0.0:8000", "shop.wsgi:application"],
    ],
    [
      "Django with uvicorn",
      { "manage.py": "", "requirements.txt": "django\nuvicorn[standard]>=0.3", "shop/asgi.py": "" },
      ["uvicorn", "--host", "0.0.0.0", "--port", "8000", "shop.asgi:application"],
    ],
    ["Django without a server", { "manage.py": "", "requirements.txt": "django", "shop/wsgi.py": "" }, "START_UNKNOWN"],
    [
      "FastAPI's own extra",
      { "requirements.txt": "fastapi[standard]", "app/main.py": "app = FastAPI()\n" },
      ["uvicorn", "--host", "0.0.0.0", "--port", "8000", "app.main:app"],
    ],
    [
      "a Flask factory",
      { "requirements.txt": "flask\ngunicorn", "shop/__init__.py": "def create_app():\n" },
      ["gunicorn", "--bind", "0.0.0.0:8000", "shop:create_app()"],
    ],
    [
      "Flask's development server",
      { "requirements.txt": "flask", "app.py": "app = Flask(__name__)\n" },
      "START_UNKNOWN",
    ],
    ["a package", { "requirements.txt": "", "bot/__main__.py": "" }, ["python", "-m", "bot"]],
    ["two scripts", { "main.py": "", "app.py": "" }, "START_UNKNOWN"],
    [
      "Go at the root",
      { "go.mod": "module example.com/shop/v3\n", "main.go": "package main\n" },
      ["/usr/local/bin/shop"],
    ],
    ["Go under cmd", { "go.mod": "module m\n", "cmd/api/x.go": "// c\npackage main\n" }, ["/usr/local/bin/api"]],
    [
      "two Go programs",
      { "go.mod": "module m\n", "cmd/a/x.go": "package main\n", "cmd/b/x.go": "package main\n" },
      "START_UNKNOWN",
    ],
    [
      "two Go programs, one called as the module",
      { "go.mod": "module m/b\n", "cmd/a/x.go": "package main\n", "cmd/b/x.go": "package main\n" },
      ["/usr/local/bin/b"],
    ],
    ["a Go library", { "go.mod": "module m\n", "a.go": "package m\n" }, "START_UNKNOWN"],
    [
      "a Rust binary of another name",
      { "Cargo.toml": '[package]\nname = "a"\n[[bin]]\nname = "served"\npath = "src/main.rs"\n', "src/main.rs": "" },
      ["/usr/local/bin/served"],
    ],
    ["src/bin", { "Cargo.toml": '[package]\nname = "a"\n', "src/bin/worker.rs": "" }, ["/usr/local/bin/worker"]],
    [
      "default-run",
      { "Cargo.toml": '[package]\nname = "a"\ndefault-run = "a"\n', "src/main.rs": "", "src/bin/x.rs": "" },
      ["/usr/local/bin/a"],
    ],
    [
      "a Rust workspace",
      {
        "Cargo.toml": "[workspace]\n",
        "crates/srv/Cargo.toml": '[package]\nname = "srv"\n',
        "crates/srv/src/main.rs": "",
      },
      ["/usr/local/bin/srv"],
    ],
    ["a Rust library", { "Cargo.toml": '[package]\nname = "a"\n', "src/lib.rs": "" }, "START_UNKNOWN"],
    [
      "Quarkus",
      { "pom.xml": "<artifactId>quarkus-maven-plugin</artifactId>" },
      ["java", "-XX:MaxRAMPercentage=75", "-jar", "quarkus-run.jar"],
    ],
    ["a Maven library", { "pom.xml": "<project/>" }, "START_UNKNOWN"],
    [
      "a commented plugin",
      { "pom.xml": "<!-- <artifactId>spring-boot-maven-plugin</artifactId> -->" },
      "START_UNKNOWN",
    ],
    [
      "a Gradle application",
      { "build.gradle": "plugins { id 'application' }", "settings.gradle": "rootProject.name = 'x'" },
      ["bin/x"],
    ],
    [
      "a plugin that is only declared",
      { "build.gradle.kts": 'plugins { id("org.springframework.boot") version "3" apply false }' },
      "START_UNKNOWN",
    ],
    [
      "an assembly of another name",
      { "a/A.csproj": '<Project Sdk="Microsoft.NET.Sdk.Web"><AssemblyName>B</AssemblyName></Project>' },
      ["dotnet", "B.dll"],
    ],
    [
      "Rack with Puma",
      { Gemfile: 'gem "puma"', "config.ru": "" },
      ["bundle", "exec", "puma", "--bind", "tcp://0.0.0.0:9292"],
    ],
    ["Ruby without a server", { Gemfile: "" }, "START_UNKNOWN"],
    ["PHP without a page", { "composer.json": "{}" }, "START_UNKNOWN"],
  ])("is found for %s", (_, files, expected) => {
    if (expected === "START_UNKNOWN") expect(refusal(() => recipe(files))).toBe(expected);
    else expect(recipe(files).start).toEqual(expected);
  });

  it("is the user's, where the user says so", () => {
    const files = { "go.mod": "module m\n", "cmd/a/x.go": "package main\n", "cmd/b/x.go": "package main\n" };
    expect(recipe(files, { program: "b", port: 9 })).toMatchObject({ start: ["/usr/local/bin/b"], port: 9 });
    expect(refusal(() => recipe(files, { program: "c" }))).toBe("USAGE");
    expect(recipe({ "requirements.txt": "" }, { start: ["python", "x.py"] }).data["command"]).toBe(
      '["python", "x.py"]',
    );
    expect(refusal(() => recipe({ "index.html": "" }, { start: ["x"] }))).toBe("USAGE");
  });
});

describe("the version", () => {
  it.each<[string, Files, string]>([
    ["no wish", { "package.json": "{}", "index.js": "" }, "Node 24"],
    ["a range with the usual one", { "package.json": json({ engines: { node: ">=20" } }), "index.js": "" }, "Node 24"],
    ["a range without it", { "package.json": json({ engines: { node: "^22.1 || ^23" } }), "index.js": "" }, "Node 22"],
    [
      ".nvmrc before engines",
      { "package.json": json({ engines: { node: ">=20" } }), "index.js": "", ".nvmrc": "v22.3.0\n" },
      "Node 22",
    ],
    ["an alias", { "package.json": "{}", "index.js": "", ".nvmrc": "lts/*" }, "Node 24"],
    ["a line out of support", { "package.json": json({ engines: { node: "18.x" } }), "index.js": "" }, "Node 18"],
    [
      "requires-python",
      { "pyproject.toml": '[project]\nrequires-python = ">=3.9,<3.13"', "main.py": "" },
      "Python 3.12",
    ],
    [".python-version", { "requirements.txt": "", "main.py": "", ".python-version": "3.11.4" }, "Python 3.11"],
    ["go.mod", { "go.mod": "module m\ngo 1.21\n", "main.go": "package main\n" }, "Go 1.27"],
    ["a newer go.mod", { "go.mod": "module m\ngo 1.30\n", "main.go": "package main\n" }, "Go 1.30"],
    ["Java 1.8", { "pom.xml": "<java.version>1.8</java.version><mainClass>a</mainClass>" }, "Java 8"],
    ["a Java between", { "pom.xml": "<java.version>19</java.version><mainClass>a</mainClass>" }, "Java 21"],
    [
      ".NET",
      { "A.csproj": '<Project Sdk="Microsoft.NET.Sdk.Web"><TargetFramework>net8.0</TargetFramework></Project>' },
      ".NET 8.0",
    ],
    ["Ruby", { Gemfile: 'ruby "~> 3.3"\ngem "puma"', "config.ru": "" }, "Ruby 3.4"],
    ["PHP", { "composer.json": json({ require: { php: "^8.2 | ^8.3" } }), "index.php": "" }, "PHP 8.4"],
  ])("follows %s", (_, files, expected) => {
    expect(recipe(files).runtime).toBe(expected);
  });

  it("is the user's, and must be one", () => {
    const files = { "package.json": "{}", "index.js": "" };
    expect(recipe(files, { runtime: "26" }).runtime).toBe("Node 26");
    expect(refusal(() => recipe(files, { runtime: "26\nRUN x" }))).toBe("USAGE");
  });
});

describe("the installation", () => {
  const node = (pkg: object, more: Files = {}) => ({
    "package.json": json({ scripts: { start: "node a.js" }, ...pkg }),
    ...more,
  });
  const berry = (version: number) => ({ "yarn.lock": `__metadata:\n  version: ${version}\n  cacheKey: 10c0\n` });
  it.each<[string, Files, Readonly<Record<string, unknown>>]>([
    [
      "the manager that devEngines names",
      node({ devEngines: { packageManager: { name: "pnpm", version: "11.2.0" } } }, { "pnpm-lock.yaml": "" }),
      { manager: "pnpm", tool: "npm install --global pnpm@11.2.0" },
    ],
    [
      "devEngines with a range",
      node({ devEngines: { packageManager: { name: "pnpm", version: "^10" } } }, { "pnpm-lock.yaml": "" }),
      { manager: "pnpm", tool: "npm install --global pnpm@10" },
    ],
    ["Yarn 1", node({}, { "yarn.lock": "# yarn lockfile v1\n" }), { install: expect.stringMatching(/--production$/) }],
    ["Yarn 4.0", node({}, berry(8)), { tool: expect.stringMatching(/cli-dist@4\.13$/) }],
    ["Yarn 4.15", node({}, berry(10)), { tool: expect.stringMatching(/cli-dist@4$/) }],
    ["Yarn 3", node({}, berry(6)), { tool: expect.stringMatching(/cli-dist@3$/) }],
    ["Bun's release", node({ packageManager: "bun@1.3.0" }), { bun: "oven/bun:1.3.0-slim" }],
    [
      "a package's own hook, which development's packages must be there for",
      node({ scripts: { start: "node a.js", prepare: "husky" } }, { "package-lock.json": "{}" }),
      { copyAllFirst: true, install: "npm ci", build: "", prune: "npm prune --omit=dev" },
    ],
    [
      "a pnpm workspace",
      node({}, { "pnpm-lock.yaml": "", "pnpm-workspace.yaml": "packages:\n  - packages/*\n" }),
      { copyAllFirst: true },
    ],
    ["Yarn's cache", node({}, { ...berry(10), ".yarn/cache/a.zip": "" }), { copyAllFirst: false }],
    ["Yarn's plugins", node({}, { ...berry(10), ".yarn/plugins/a.cjs": "" }), { copyAllFirst: true }],
    [
      "Poetry with a folder of the project",
      { "pyproject.toml": '[tool.poetry.dependencies]\na = { path = "a" }\n', "poetry.lock": "", "main.py": "" },
      { copyAllFirst: true, lastStep: true },
    ],
    [
      "a uv workspace",
      { "pyproject.toml": '[tool.uv.workspace]\nmembers = ["a"]\n', "uv.lock": "", "main.py": "" },
      { copyAllFirst: true, lastStep: true },
    ],
    [
      "uv without either",
      { "pyproject.toml": "[tool.uv]\n", "uv.lock": "", "uv.toml": "", "main.py": "" },
      { copyAllFirst: false, lastStep: false, manifests: "pyproject.toml uv.lock uv.toml" },
    ],
    [
      "Composer with a folder of the project",
      { "composer.json": json({ repositories: { a: { type: "path", url: "a" } } }), "index.php": "" },
      { copyAllFirst: true },
    ],
    [
      "Composer with a repository elsewhere",
      { "composer.json": json({ repositories: [{ type: "composer", url: "https://a" }, false] }), "index.php": "" },
      { copyAllFirst: false },
    ],
    ["a gemspec", { Gemfile: 'gemspec\ngem "puma"\n', "config.ru": "" }, { copyAllFirst: true }],
    ["a gem's folder", { Gemfile: 'gem "a", path: "a"\ngem "puma"\n', "config.ru": "" }, { copyAllFirst: true }],
    ["gems alone", { Gemfile: 'gem "puma"\n', "config.ru": "" }, { copyAllFirst: false }],
    [
      "NuGet's lockfile",
      { "a/A.csproj": '<Project Sdk="Microsoft.NET.Sdk.Web"/>', "a/packages.lock.json": "{}" },
      { lockfile: true },
    ],
  ])("fits %s", (_, files, expected) => {
    expect(recipe(files).data).toMatchObject(expected);
  });
});

describe("what cannot be read", () => {
  it.each<[string, Files]>([
    ["package.json", { "package.json": "{" }],
    ["a package.json that is a list", { "package.json": "[]" }],
    ["pyproject.toml", { "pyproject.toml": "[project\n" }],
    ["Cargo.toml", { "Cargo.toml": "a = " }],
  ])("is named: %s", (_, files) => {
    expect(refusal(() => recipe(files))).toBe("PROJECT_INVALID");
  });
});
