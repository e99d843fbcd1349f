/**
 * From files, folders and globs to the Dockerfiles they mean.
 *
 * A file is taken as it is named. A folder gives what is named as a Dockerfile in it and below; a glob gives what it matches.
 * Both leave out `.git`, `node_modules`, `*.dockerignore`, and what `.gitignore` files leave out, those of the folders above up
 * to the repository's root included. Links to folders are not followed.
 * Source: git's documentation, gitignore(5).
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join, normalize, relative, resolve, sep } from "node:path";
import ignore, { type Ignore } from "ignore";
import picomatch from "picomatch";
import { InitwrapError } from "../model/errors.ts";

/** `Dockerfile`, `Dockerfile.web`, `web.Dockerfile`, and the same with `Containerfile`. */
const DOCKERFILE_NAME = /^(?:(?:docker|container)file(?:\..+)?|.+\.(?:docker|container)file)$/i;
/** Files that carry such a name and are something else: ignore files, templates, and what editors leave behind. */
const OTHER_NAME =
  /\.(?:dockerignore|containerignore|j2|jinja2?|tmpl|tpl|template|erb|hbs|in|orig|rej|bak|sw[a-p]|md|sh)$|~$/i;
const IGNORE_NAME = /\.(?:docker|container)ignore$/i;
const SKIPPED_FOLDERS = new Set([".git", "node_modules"]);

/**
 * The files that `inputs` mean, in the order of the inputs and by name within each, none twice. Throws INPUT_NOT_FOUND when an
 * input is not there or gives nothing, and INPUT_UNREADABLE.
 */
export async function findDockerfiles(
  inputs: readonly string[],
  folder: string = process.cwd(),
): Promise<readonly string[]> {
  const found = new Map<string, string>();
  for (const input of inputs) {
    for (const file of await expand(input, folder)) {
      const identity = resolve(folder, file);
      if (!found.has(identity)) found.set(identity, file);
    }
  }
  return [...found.values()];
}

async function expand(input: string, folder: string): Promise<readonly string[]> {
  const path = resolve(folder, input);
  const facts = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw unreadable(input, error);
  });
  if (facts?.isDirectory()) {
    const files = await walk(path, (name) => DOCKERFILE_NAME.test(name) && !OTHER_NAME.test(name));
    if (files.length === 0) throw nothing(input, "the folder holds no file named as a Dockerfile");
    return files.map((file) => join(input, file));
  }
  // A name with brackets in it may be a file's own.
  if (facts !== undefined) return [input];
  if (!isGlob(input)) throw nothing(input, `there is no file ${input}`);
  const { base, glob } = picomatch.scan(input.split(sep).join("/"));
  const matches = picomatch(glob, { dot: true });
  const start = resolve(folder, base);
  const files = (await isFolder(start))
    ? await walk(start, (name, file) => matches(file) && !IGNORE_NAME.test(name))
    : [];
  if (files.length === 0) throw nothing(input, `no file matches ${input}`);
  return files.map((file) => (base === "" ? normalize(file) : join(base, file)));
}

function isGlob(input: string): boolean {
  return picomatch.scan(input.split(sep).join("/")).isGlob;
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

/** One `.gitignore`, and the folder whose files it speaks of. */
interface Rules {
  readonly folder: string;
  readonly rules: Ignore;
}

/** The files below `root` that `wanted` takes, as paths from `root`, sorted. */
async function walk(root: string, wanted: (name: string, file: string) => boolean): Promise<readonly string[]> {
  const found: string[] = [];
  const visit = async (folder: string, above: readonly Rules[]): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      throw unreadable(folder, error);
    });
    const own = entries.some(({ name }) => name === ".gitignore") ? await rulesOf(folder) : undefined;
    const rules = own === undefined ? above : [...above, own];
    await Promise.all(
      entries.map(async (entry) => {
        const path = join(folder, entry.name);
        if (entry.isDirectory()) {
          if (!SKIPPED_FOLDERS.has(entry.name) && !ignored(`${path}/`, rules)) await visit(path, rules);
          return;
        }
        const file = relative(root, path).split(sep).join("/");
        if (!wanted(entry.name, file) || ignored(path, rules)) return;
        const linked = entry.isSymbolicLink() && (await stat(path).catch(() => undefined))?.isFile();
        if (entry.isFile() || linked) found.push(file);
      }),
    );
  };
  await visit(root, await rulesAbove(root));
  return found.sort((a, b) => (a < b ? -1 : 1));
}

/** What the innermost `.gitignore` says that says anything. */
function ignored(path: string, rules: readonly Rules[]): boolean {
  for (const { folder, rules: own } of rules.toReversed()) {
    const inside = relative(folder, path).split(sep).join("/");
    const result = own.test(path.endsWith("/") ? `${inside}/` : inside);
    if (result.ignored) return true;
    if (result.unignored) return false;
  }
  return false;
}

/** The rules of the folders above `root`, up to the one that holds `.git`; none when there is no repository. */
async function rulesAbove(root: string): Promise<readonly Rules[]> {
  const above: Rules[] = [];
  for (let folder = root; ; folder = dirname(folder)) {
    if (folder !== root) {
      const own = await rulesOf(folder);
      if (own !== undefined) above.unshift(own);
    }
    if ((await stat(join(folder, ".git")).catch(() => undefined)) !== undefined) return above;
    if (dirname(folder) === folder) return [];
  }
}

async function rulesOf(folder: string): Promise<Rules | undefined> {
  const text = await readFile(join(folder, ".gitignore"), "utf8").catch(() => undefined);
  return text === undefined ? undefined : { folder, rules: ignore().add(text) };
}

function nothing(input: string, message: string): InitwrapError {
  return new InitwrapError("INPUT_NOT_FOUND", message, {
    where: input,
    hint: "Give a Dockerfile's path, a folder, a glob in quotes, or - to read standard input.",
  });
}

function unreadable(path: string, error: NodeJS.ErrnoException): InitwrapError {
  return new InitwrapError("INPUT_UNREADABLE", `${path} cannot be read (${error.code})`, { where: path, cause: error });
}
