/** What the shipped files and the running init do not have: anything an attacker could write to and execute. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { initFor, initPlatforms } from "../../packages/init-core/lib/index.ts";
import { requireCapability } from "../support/capability.ts";
import { child, eventually, INIT, requireInit, run, scratch, sleep, start, which } from "./harness.ts";

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

interface Elf {
  readonly type: number;
  readonly entry: number;
  readonly segments: readonly Segment[];
  readonly sections: number;
}

const PT = { LOAD: 1, DYNAMIC: 2, INTERP: 3, TLS: 7, GNU_STACK: 0x6474e551, GNU_RELRO: 0x6474e552 };
const [EXECUTE, WRITE, READ] = [1, 2, 4];
const ET_EXEC = 2;

/** The program headers: elf(5). */
function parse(bytes: Buffer): Elf {
  expect(bytes.toString("latin1", 0, 4)).toBe("\x7fELF");
  const wide = bytes[4] === 2;
  const little = bytes[5] === 1;
  const half = (at: number) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const word = (at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const address = (at: number) =>
    wide ? Number(little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at)) : word(at);
  const table = address(wide ? 32 : 28);
  const size = half(wide ? 54 : 42);
  return {
    type: half(16),
    entry: address(24),
    sections: half(wide ? 60 : 48),
    segments: Array.from({ length: half(wide ? 56 : 44) }, (_, i) => {
      const at = table + i * size;
      return {
        type: word(at),
        flags: word(at + (wide ? 4 : 24)),
        address: address(at + (wide ? 16 : 8)),
        fileSize: address(at + (wide ? 32 : 16)),
        memorySize: address(at + (wide ? 40 : 20)),
      };
    }),
  };
}

const platforms = initPlatforms().map((platform) => [Object.values(platform).join("/"), platform] as const);

test("all eleven platforms are looked at", () => {
  expect(platforms).toHaveLength(11);
});

test.each(platforms)("%s: nothing is writable, nothing is to be linked, and the stack holds no code", (_, platform) => {
  const { type, entry, segments, sections } = parse(initFor(platform).bytes());
  const ofType = (wanted: number) => segments.filter((segment) => segment.type === wanted);
  const loaded = ofType(PT.LOAD);

  expect(loaded.length).toBeGreaterThan(0);
  // No data segment, and so none that is writable and executable: only what is on the stack ever changes.
  for (const { flags, fileSize, memorySize } of loaded) {
    expect(flags & WRITE).toBe(0);
    expect(flags & READ).toBe(READ);
    // No .bss either: memory beyond what the file holds would have to be writable to be of use.
    expect(memorySize).toBe(fileSize);
  }
  const home = loaded.find(({ address, memorySize }) => entry >= address && entry < address + memorySize);
  expect(home?.flags).toBe(READ | EXECUTE);
  expect(loaded.filter(({ flags }) => flags & EXECUTE)).toHaveLength(1);

  expect(ofType(PT.GNU_STACK).map(({ flags }) => flags)).toEqual([READ | WRITE]);

  // Static at a fixed address: no interpreter, no dynamic section, hence no imports and no relocations to apply.
  expect(type).toBe(ET_EXEC);
  for (const absent of [PT.INTERP, PT.DYNAMIC, PT.TLS, PT.GNU_RELRO]) expect(ofType(absent)).toEqual([]);
  expect(sections).toBe(0);
});

interface Mapping {
  readonly permissions: string;
  readonly name: string;
}

function mappings(pid: number): Mapping[] {
  return readFileSync(`/proc/${pid}/maps`, "utf8")
    .split("\n")
    .filter((line) => line !== "") // none of a zombie
    .map((line) => {
      const [, permissions = "", , , , ...name] = line.split(/\s+/);
      return { permissions, name: name.join(" ") };
    });
}

describe("as PID 1", () => {
  beforeEach(requireInit);

  /** As PID 1 with every option that makes it do more, after signals and orphans. */
  test.each([[[]], [["-v", "--grace", "1", "--stop-plan", "USR1:1,TERM", "--report", "/dev/null"]]])(
    "the running init has no memory but its file, its stack and the kernel's: %j",
    async (options) => {
      const running = start(child("chain", 10), { options });
      const pid = await running.pid;
      const seen = new Set<string>();
      let atLeast = 0;
      // Until its end, so that the start, the waiting and the reaping are all looked at.
      const ended = running.ended.then(() => true);
      await eventually(() => readFileSync(`/proc/${pid}/comm`, "utf8") === "initwrap\n");
      for (let over = false; !over; over = await Promise.race([ended, sleep(5).then(() => false)])) {
        try {
          for (const { permissions, name } of mappings(pid)) seen.add(`${permissions} ${name.replace(/^\/.*\//, "")}`);
          atLeast++;
        } catch {}
      }
      expect((await running.ended).code).toBe(0);
      expect(atLeast).toBeGreaterThan(0);
      const own = [...seen].filter((mapping) => !/ \[(vdso|vvar|vvar_vclock|vsyscall)\]$/.test(mapping)).sort();
      expect(own.filter((mapping) => /^.w/.test(mapping))).toEqual(["rw-p [stack]"]);
      expect([...seen].filter((mapping) => /^.wx/.test(mapping))).toEqual([]);
      expect(own.filter((mapping) => mapping.includes("[heap]") || mapping.endsWith(" "))).toEqual([]);
      expect(own).toEqual(expect.arrayContaining(["r-xp initwrap", "rw-p [stack]"]));
    },
  );

  test("a program with a heap is told from one without", async () => {
    // The check can fail: the command is an ordinary C program.
    const running = start(child("pause"));
    const pid = await running.pid;
    const children = () => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    const command = Number(await eventually(children));
    const names = await eventually(() => {
      const found = mappings(command).map(({ name }) => name);
      return found.includes("[heap]") && found;
    });
    expect(names).toContain("[heap]");
    await running.send(15);
    await running.ended;
  });
});

test("it opens the terminal, and a command's file that the kernel cannot execute, and nothing else", async (context) => {
  requireCapability(context, "strace", which("strace") !== undefined);
  const folder = scratch();
  const script = join(folder, "script");
  writeFileSync(script, "exit 3\n", { mode: 0o755 });
  const opened = async (command: string[]) => {
    const log = join(folder, "log");
    const strace = ["-qq", "-f", "-e", "trace=open,openat,execve", "-o", log, INIT, "--", ...command];
    await run(strace, { init: which("strace") ?? "", bare: true });
    const calls = readFileSync(log, "utf8").split("\n");
    const ours = calls.slice(
      0,
      calls.findLastIndex((call) => /execve\(.*= 0$/.test(call)),
    );
    return ours.flatMap((call) => /open(?:at)?\([^"]*"([^"]*)"/.exec(call)?.[1] ?? []);
  };
  expect(await opened(child("exit", 0))).toEqual(["/dev/tty"]);
  expect(await opened([script])).toEqual(["/dev/tty", script]);
});
