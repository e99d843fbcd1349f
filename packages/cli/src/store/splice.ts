/**
 * Replaces the tail of a file in place, so that a kill at any moment loses nothing.
 *
 * 1. The old tail goes into a sidecar file beside it, is fsynced, and gets its name, which nothing may have yet: from then on
 *    the old state can be brought back, and no other process writes to the file.
 * 2. The file is written from the tail's start and cut to its new length, then fsynced.
 * 3. The sidecar is removed: from then on the new state is the state.
 * A run that finds a sidecar of a process that has ended restores the old state first. The sidecar says how the file began and
 * what stood just before the tail, so that one which was left beside another file of the same name is never applied to it.
 * Who may write to the folder may also put a sidecar there: one counts only when it is a file of this user, of the archive's owner, or
 * of root, who could all write to the archive itself.
 *
 * A new tail was made from what the file was when it was read: where it is no longer that, it is left alone, and whoever made
 * the tail is told by a WrittenMeanwhile: read it again, and make another one.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { digestOf } from "../model/digest.ts";
import { changed, InitwrapError } from "../model/errors.ts";
import { whileLocked } from "./lock-file.ts";
import { writeFailure } from "./verify.ts";
import { changedMeanwhile, PATIENCE, WrittenMeanwhile, whileUndisturbed } from "./written-meanwhile.ts";

interface SidecarHeader {
  readonly initwrapSidecar: 1;
  /** Offset at which the tail starts, and the file's whole size, in bytes. */
  readonly tailStart: number;
  readonly size: number;
  /** Digest of the old tail, without the zeros that it ends with. */
  readonly tail: string;
  /** Digests of the file's first bytes and of those just before the tail: the file it belongs to. */
  readonly head: string;
  readonly joint: string;
  readonly pid: number;
}

const PROBE = 4096;

/** A file's end that is larger is not replaced in place: it is held in memory, and written twice. Bytes. */
export const MAX_SPLICED = 64 << 20;

const ZEROS = Buffer.alloc(64 << 10);

/** File systems note the time of a write to the tick of a clock: two in one tick are not told apart. Milliseconds. */
const TICK = 20;

/** No tail that is put back is larger, and so no sidecar: see `MAX_SPLICED`. Bytes. */
const MAX_SIDECAR = MAX_SPLICED + (1 << 20);

/** A lock that has been there for longer than this is nobody's. Milliseconds. */
const LEFT = 60_000;

/** Which file something is, and in which state: another one after every write that comes later than a tick after the last. */
export type FileState = string;

/** The state of an open file. */
export function fileState(fd: number): FileState {
  return stateOf(fstatSync(fd, { bigint: true }));
}

/** The state of what a path leads to; undefined when nothing is there. */
export function stateNamed(path: string): FileState | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found && stateOf(found);
}

function stateOf({ dev, ino, size, mtimeNs }: BigIntStats): FileState {
  return [dev, ino, size, mtimeNs].join(":");
}

/** The state of an open file, when the last write is so long ago that another one would give it another state. */
export async function settledState(fd: number): Promise<FileState> {
  for (let turn = 0; ; turn++) {
    const state = fileState(fd);
    const age = Date.now() - fstatSync(fd).mtimeMs;
    // The clock of another machine may be ahead. What is written to all the time will be seen to be another one.
    if (age < 0 || age > TICK || turn === 20) return state;
    await new Promise((resolve) => setTimeout(resolve, TICK - age + 1));
  }
}

/** Where the sidecar of `path` stands: beside the file itself, by whichever link it is reached. */
export function sidecarOf(path: string): string {
  const file = realpathSync(path);
  const name = basename(file);
  // With a long name's end it would be longer than file systems take.
  const begin = Buffer.byteLength(name) < 220 ? name : `.${digestOf(Buffer.from(name)).slice("sha256:".length)}`;
  return join(dirname(file), `${begin}.initwrap-recovery`);
}

/** True where a run that was changing the file in place has not ended in order, or is at it now. */
export function isHalfWritten(path: string): boolean {
  try {
    return lstatSync(sidecarOf(path), { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

/** True where a run is changing the file in place that has not ended. */
export function isBeingWritten(path: string): boolean {
  try {
    const { header } = parseSidecar(readSidecar(sidecarOf(path), path));
    return header !== undefined && isOurs(header.pid);
  } catch {
    return false;
  }
}

/**
 * Cuts `path` at `tailStart`, a place in bytes, and writes `tail` there. `seen` is the state in which it was read. Gives back
 * how many bytes were written. Throws OUTPUT_NOT_WRITTEN, with the old state restored; as a WrittenMeanwhile where another process
 * is at it, or was since.
 */
export function spliceTail(path: string, seen: FileState, tailStart: number, tail: readonly Uint8Array[]): number {
  let fd: number;
  try {
    fd = openSync(path, "r+");
  } catch (cause) {
    throw writeFailure(cause, path);
  }
  let written = 0;
  try {
    const sidecar = sidecarOf(path);
    const { size } = fstatSync(fd);
    const old = readAt(fd, tailStart, endOfStored(fd, tailStart, size) - tailStart);
    const header: SidecarHeader = {
      initwrapSidecar: 1,
      tailStart,
      size,
      tail: digestOf(old),
      ...probesOf(fd, tailStart),
      pid: process.pid,
    };
    const content = Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), old]);
    claim(path, sidecar, content);
    // From here on no other run writes to it.
    if (fileState(fd) !== seen) {
      removeSidecar(sidecar);
      throw changedMeanwhile("OUTPUT_NOT_WRITTEN", path);
    }
    written += content.length;
    try {
      let at = tailStart;
      for (const part of tail) at += writeAll(fd, part, at);
      ftruncateSync(fd, at);
      fsyncSync(fd);
      written += at - tailStart;
    } catch (cause) {
      // Shrinking back needs no space, and the old tail's blocks were there a moment ago.
      restore(fd, header, old);
      removeSidecar(sidecar);
      throw cause;
    }
    removeSidecar(sidecar);
    removeLeft(sidecar);
    return written;
  } catch (cause) {
    throw writeFailure(cause, path);
  } finally {
    closeSync(fd);
  }
}

/** Gives a sidecar its name, durably. Throws OUTPUT_NOT_WRITTEN where there is one: somebody else is at it. */
function claim(path: string, sidecar: string, content: Uint8Array): void {
  const temporary = `${sidecar}.${process.pid}.new`;
  try {
    writeDurably(temporary, content);
    try {
      linkSync(temporary, sidecar);
    } catch (cause) {
      const { code } = cause as { code?: string };
      // Where nothing is to be linked, a run that cannot see this process took that for something left.
      if (code === "EEXIST" || code === "ENOENT") throw busy(path);
      // A file system without links, FAT for instance. Two that look at the same moment are not told apart there.
      if (lstatSync(sidecar, { throwIfNoEntry: false })) throw busy(path);
      renameSync(temporary, sidecar);
    }
    syncFolder(sidecar);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function busy(path: string, pid?: number): WrittenMeanwhile {
  const who = pid === undefined ? "another initwrap" : `another initwrap (process ${pid})`;
  return new WrittenMeanwhile("OUTPUT_NOT_WRITTEN", `${who} is rewriting ${path}`, {
    where: path,
    hint: "Wait until it has ended.",
  });
}

/**
 * Brings back the state before a splice that was killed. True when it did so. Waits while another process is at it.
 * Throws OUTPUT_NOT_WRITTEN when that one has not ended after `patience` milliseconds (not as a WrittenMeanwhile), or when the sidecar
 * belongs to another file.
 */
export async function recoverTail(path: string, signal?: AbortSignal, patience = PATIENCE): Promise<boolean> {
  if (!isHalfWritten(path)) return false;
  const sidecar = sidecarOf(path);
  let isRecovered = false;
  try {
    await whileUndisturbed(async () => {
      signal?.throwIfAborted();
      if (!isHalfWritten(path)) return;
      // Of two runs that find it one restores, and the other one must not begin while the first goes on to its own work.
      await whileLocked(`${sidecar}-lock`, signal, async () => {
        isRecovered = recover(path, sidecar);
      });
    }, patience);
  } catch (cause) {
    // Who asks has waited long enough.
    if (cause instanceof WrittenMeanwhile) throw changed(cause, {});
    throw writeFailure(cause, sidecar);
  }
  return isRecovered;
}

function recover(path: string, sidecar: string): boolean {
  let content: Buffer;
  try {
    content = readSidecar(sidecar, path);
  } catch (cause) {
    if ((cause as { code?: string }).code === "ENOENT") return false;
    throw writeFailure(cause, sidecar);
  }
  const { header, old } = parseSidecar(content);
  if (!header || digestOf(old) !== header.tail || old.length > header.size - header.tailStart) {
    throw foreign(sidecar, "it is damaged");
  }
  if (header.pid !== process.pid && isOurs(header.pid)) throw busy(path, header.pid);
  const fd = openSync(path, "r+");
  try {
    const { tailStart } = header;
    const { head, joint } = probesOf(fd, tailStart);
    const fits = fstatSync(fd).size >= tailStart && head === header.head && joint === header.joint;
    if (!fits) throw foreign(sidecar, "it belongs to another file of that name");
    restore(fd, header, old);
  } catch (cause) {
    throw writeFailure(cause, path);
  } finally {
    closeSync(fd);
  }
  removeSidecar(sidecar);
  return true;
}

function restore(fd: number, header: SidecarHeader, old: Uint8Array): void {
  writeAll(fd, old, header.tailStart);
  ftruncateSync(fd, header.tailStart + old.length);
  // What is missing is zeros.
  ftruncateSync(fd, header.size);
  fsyncSync(fd);
}

function foreign(sidecar: string, why: string): InitwrapError {
  return new InitwrapError("OUTPUT_NOT_WRITTEN", `${sidecar} cannot be used: ${why}`, {
    where: sidecar,
    hint: "Check the archive with another tool, and remove the sidecar file when the archive is whole.",
  });
}

/** What tells the file from another one of its name: digests of how it begins, and of what stands just before the tail. */
function probesOf(fd: number, tailStart: number): Pick<SidecarHeader, "head" | "joint"> {
  const length = Math.min(PROBE, tailStart);
  return { head: digestOf(readAt(fd, 0, length)), joint: digestOf(readAt(fd, tailStart - length, length)) };
}

/**
 * What stands in a sidecar. A link, a pipe and a device are not followed or waited for. Throws OUTPUT_NOT_WRITTEN for one that is no
 * sidecar of somebody who may write to `path`, and errors of the file system.
 */
function readSidecar(sidecar: string, path: string): Buffer {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  let fd: number;
  try {
    fd = openSync(sidecar, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (cause) {
    const { code } = cause as { code?: string };
    // ENXIO is a socket's.
    if (code === "ELOOP" || code === "ENXIO") throw foreign(sidecar, "it is no file");
    throw cause;
  }
  try {
    const found = fstatSync(fd);
    if (!found.isFile()) throw foreign(sidecar, "it is no file");
    const owners = [0, process.geteuid?.(), statSync(path).uid];
    if (process.geteuid && !owners.includes(found.uid)) {
      throw foreign(sidecar, "it belongs to another user, who may not write to the archive");
    }
    if (found.size > MAX_SIDECAR) throw foreign(sidecar, "it is damaged");
    return readAt(fd, 0, found.size);
  } finally {
    closeSync(fd);
  }
}

/** A line of JSON, and the old tail. The header is undefined where it is damaged. */
function parseSidecar(content: Buffer): { readonly header: SidecarHeader | undefined; readonly old: Buffer } {
  const newline = content.indexOf(0x0a);
  const old = content.subarray(newline + 1);
  try {
    const header = JSON.parse(content.toString("utf8", 0, Math.max(0, newline))) as SidecarHeader;
    const numbers = [header.tailStart, header.size, header.pid];
    const isWhole = header.initwrapSidecar === 1 && numbers.every((n) => Number.isSafeInteger(n) && n >= 0);
    return { header: isWhole ? header : undefined, old };
  } catch {
    return { header: undefined, old };
  }
}

/** True when a process of that id runs and is a Node program: ids are used again, by strangers. */
function isOurs(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (cause) {
    return (cause as { code?: string }).code === "EPERM";
  }
  try {
    // A zombie has no command line: it holds nothing open any more.
    return /node|initwrap/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
  } catch {
    return process.platform !== "linux";
  }
}

function removeSidecar(sidecar: string): void {
  rmSync(sidecar, { force: true });
  syncFolder(sidecar);
}

/**
 * Removes what killed runs left beside the sidecar: one that had no name yet, and a lock. A process in another container is not
 * to be seen from here: one whose file is taken away begins anew.
 */
function removeLeft(sidecar: string): void {
  const folder = dirname(sidecar);
  const begin = basename(sidecar);
  try {
    for (const name of readdirSync(folder)) {
      const end = name.startsWith(begin) ? /^(?:\.(\d{1,10})\.new|-lock[-\w]*)$/.exec(name.slice(begin.length)) : null;
      if (!end || (end[1] !== undefined && isOurs(Number(end[1])))) continue;
      const path = join(folder, name);
      if (end[1] !== undefined || Date.now() - lstatSync(path).mtimeMs > LEFT) rmSync(path, { force: true });
    }
  } catch {
    // The work is done; the next run comes by here again.
  }
}

/** Its name can be guessed: what stands there, a link to elsewhere too, is taken away and never written through. */
function writeDurably(path: string, content: Uint8Array): void {
  rmSync(path, { force: true });
  const fd = openSync(path, "wx", 0o600);
  try {
    writeAll(fd, content, 0);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** A rename is durable once its folder is. */
function syncFolder(path: string): void {
  const fd = openSync(dirname(path), "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, bytes: Uint8Array, at: number): number {
  let done = 0;
  while (done < bytes.length) done += writeSync(fd, bytes, done, bytes.length - done, at + done);
  return done;
}

/** Where the zeros begin that a file of `size` bytes ends with, to a block: there may be gigabytes. Not before `from`. */
function endOfStored(fd: number, from: number, size: number): number {
  let end = size;
  while (end > from) {
    const start = Math.max(from, end - ZEROS.length);
    const block = readAt(fd, start, end - start);
    if (!block.equals(ZEROS.subarray(0, block.length))) break;
    end = start;
  }
  return end;
}

function readAt(fd: number, at: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const got = readSync(fd, bytes, done, length - done, at + done);
    if (got === 0) return bytes.subarray(0, done);
    done += got;
  }
  return bytes;
}
