/**
 * The init in the build context: the files under `.initwrap/`, and the `.dockerignore` that may hide them.
 *
 * `<Dockerfile>.dockerignore` counts before the context's own, as BuildKit has it.
 */
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { hiddenBy, parseIgnore } from "../dockerfile/ignore.ts";
import { CONTEXT_FOLDER, contextPath, newerLevels } from "../dockerfile/injection.ts";
import { InitwrapError } from "../model/errors.ts";
import type { Platform } from "../model/platform.ts";
import { makeFolder } from "../store/make-folder.ts";
import { notWritten, writeAtomically } from "./dockerfile-file.ts";
import { initBytes } from "./dockerfile-inits.ts";

/** A file that a build context must hold; `path` is from the context's root, with `/`. */
export interface ContextFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface IgnoreFinding {
  /** The ignore file. */
  readonly path: string;
  /** The hidden file, and the line that hides it. */
  readonly file: string;
  readonly line: number;
  /** The ignore file's text with the exception at its end. */
  readonly amended: string;
}

/** The files that `copy` lines of context mode name. With several platforms each level of an architecture has one. */
export function contextFiles(platforms: readonly Platform[]): readonly ContextFile[] {
  return platforms.flatMap((platform) => {
    const bytes = initBytes(platform);
    const levels = platforms.length > 1 ? newerLevels(platform, platforms) : [];
    const paths = [contextPath(platform), ...levels.map((level) => `${CONTEXT_FOLDER}/linux-${level}/initwrap`)];
    return paths.map((path) => ({ path, bytes }));
  });
}

/** The ignore file that a build of `dockerfile` in `context` reads, or undefined. `dockerfile` is undefined for stdin. */
export async function findIgnoreFile(
  context: string,
  dockerfile: string | undefined,
): Promise<{ path: string; text: string } | undefined> {
  const own = dockerfile === undefined ? [] : [join(dirname(dockerfile), `${basename(dockerfile)}.dockerignore`)];
  for (const path of [...own, join(context, ".dockerignore")]) {
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
      throw new InitwrapError("INPUT_UNREADABLE", `${path} cannot be read (${error.code})`, {
        where: path,
        cause: error,
      });
    });
    if (text !== undefined) return { path, text };
  }
  return undefined;
}

/** What hides the init from the build, or undefined. */
export async function ignoredInit(
  context: string,
  dockerfile: string | undefined,
  files: readonly ContextFile[],
): Promise<IgnoreFinding | undefined> {
  const ignore = await findIgnoreFile(context, dockerfile);
  if (ignore === undefined) return undefined;
  const patterns = parseIgnore(ignore.text);
  for (const { path: file } of files) {
    const line = hiddenBy(patterns, file);
    if (line === undefined) continue;
    const ending = /\r\n/.test(ignore.text) ? "\r\n" : "\n";
    const gap = ignore.text === "" || ignore.text.endsWith("\n") ? "" : ending;
    return { path: ignore.path, file, line, amended: `${ignore.text}${gap}!${CONTEXT_FOLDER}${ending}` };
  }
  return undefined;
}

/** The context's files that are missing, differ, or cannot be executed by everyone. */
export async function staleFiles(context: string, files: readonly ContextFile[]): Promise<readonly ContextFile[]> {
  const states = await Promise.all(
    files.map(async ({ path, bytes }) => {
      const target = join(context, path);
      const [old, facts] = await Promise.all([readFile(target), stat(target)]).catch(() => []);
      // COPY keeps the mode, and the container's user may be anyone.
      return old !== undefined && Buffer.compare(old, bytes) === 0 && ((facts?.mode ?? 0) & 0o555) === 0o555;
    }),
  );
  return files.filter((_, index) => !states[index]);
}

/** Writes the files, executable. Throws OUTPUT_NOT_WRITTEN. */
export async function writeContextFiles(
  context: string,
  files: readonly ContextFile[],
  signal?: AbortSignal,
): Promise<void> {
  for (const { path, bytes } of files) {
    const target = join(context, path);
    try {
      await makeFolder(dirname(target));
    } catch (error) {
      throw notWritten(target, error);
    }
    await writeAtomically(target, bytes, { mode: 0o755, ...(signal ? { signal } : {}) });
  }
}
