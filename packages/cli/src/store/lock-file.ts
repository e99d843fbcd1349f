/**
 * A lock among processes on one folder, also one of a network: a file that only one of them can make.
 *
 * It is held for the milliseconds in which a small file is read, changed and renamed. A process that is killed meanwhile
 * leaves it behind: a lock that stays the same one for longer than anybody holds one is taken away. How long is measured by
 * the one who waits, for clocks differ.
 */
import { type BigIntStats, constants } from "node:fs";
import { link, lstat, open, rename, rm } from "node:fs/promises";
import { InitwrapError } from "../model/errors.ts";

/** Milliseconds after which an unchanged lock is nobody's. */
const STALE = 5000;
const PAUSE = 20;

/** Runs `action` while no other process runs one under the lock at `path`. Throws what it throws, and errors of the file system. */
export async function whileLocked(
  path: string,
  signal: AbortSignal | undefined,
  action: () => Promise<void>,
): Promise<void> {
  await take(path, signal);
  try {
    await action();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string, signal: AbortSignal | undefined): Promise<void> {
  let seen: { readonly lock: string; readonly since: number } | undefined;
  for (;;) {
    signal?.throwIfAborted();
    try {
      await (await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY)).close();
      return;
    } catch (cause) {
      if ((cause as { code?: string }).code !== "EEXIST") throw cause;
    }
    const lock = await identityOf(path);
    if (lock === undefined) continue;
    if (seen?.lock !== lock) seen = { lock, since: performance.now() };
    else if (performance.now() - seen.since > STALE) await remove(path, lock);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

/**
 * Takes a stale lock away: under another name first, for by now it may be somebody's new one, which is put back. Throws
 * OUTPUT_NOT_WRITTEN for one that cannot be taken away, or is no lock.
 */
async function remove(path: string, lock: string): Promise<void> {
  const aside = `${path}-${process.pid}-${Date.now().toString(36)}`;
  const found = await lstat(path).catch(() => undefined);
  if (found?.isDirectory()) throw stuck(path, "it is a folder");
  try {
    await rename(path, aside);
  } catch (cause) {
    if ((cause as { code?: string }).code === "ENOENT") return;
    throw stuck(path, "it cannot be removed", cause);
  }
  if ((await identityOf(aside)) !== lock) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

/** Of another user in a folder for everybody, for instance. */
function stuck(path: string, why: string, cause?: unknown): InitwrapError {
  return new InitwrapError("OUTPUT_NOT_WRITTEN", `the lock ${path} is nobody's, and ${why}`, {
    where: path,
    hint: "Remove it, or write to another folder.",
    cause,
  });
}

async function identityOf(path: string): Promise<string | undefined> {
  const found: BigIntStats | undefined = await lstat(path, { bigint: true }).catch(() => undefined);
  return found && `${found.dev}:${found.ino}:${found.mtimeNs}`;
}
