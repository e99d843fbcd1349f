/** The foreign inits under qemu-user: the behaviours that emulation allows. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { initFor, initPlatforms } from "../../packages/init-core/lib/index.ts";
import { requireCapability } from "../support/capability.ts";
import { behaviourGroups } from "./behaviours/all.ts";
import { Subject } from "./behaviours/behaviour.ts";
import { child, requireInit, run, scratch, start, which } from "./harness.ts";
import { fails, OURS, waysOf } from "./matrix.ts";

const emulators: Record<string, string> = {
  "386": "qemu-i386",
  amd64: "qemu-x86_64",
  arm: "qemu-arm",
  arm64: "qemu-aarch64",
  loong64: "qemu-loongarch64",
  mips64le: "qemu-mips64el",
  ppc64le: "qemu-ppc64le",
  riscv64: "qemu-riscv64",
  s390x: "qemu-s390x",
};

/** The behaviours that are not about what only the real machine has; those that strace stretches are about its calls. */
const emulable = behaviourGroups
  .flatMap((group) => group.behaviours)
  .filter(({ native, needs }) => native === undefined && needs !== "strace")
  .filter(({ needs }) => needs !== "root" || process.getuid?.() === 0);

/** The titles of those that the init does not have. Side by side, for an emulator takes long to start. */
async function missing(emulator: string, init: string): Promise<string[]> {
  const found: string[] = [];
  const work = [...emulable];
  const worker = async (): Promise<void> => {
    for (let behaviour = work.shift(); behaviour; behaviour = work.shift()) {
      const [way] = waysOf(behaviour, OURS);
      const seconds = 5 * (behaviour.limit ?? 3);
      const once = () => fails(behaviour!, new Subject(emulator, [init, ...way!.options], way!.variables), seconds);
      const reason = (await once()) && (await once());
      if (reason !== undefined) found.push(`${behaviour.title}: ${reason}`);
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  if (emulable.length < 60) found.push("most of the behaviours were left out");
  return found;
}

describe.each(initPlatforms().map((platform) => [Object.values(platform).join("/"), platform] as const))(
  "%s",
  (_, platform) => {
    const emulator = emulators[platform.architecture] ?? "";
    const line = (options: readonly string[], command: readonly string[]) => [
      which(emulator) ?? "",
      initFor(platform).path,
      ...options,
      "--",
      ...command,
    ];
    const outside = { init: null };

    beforeEach((context) => {
      requireInit(context);
      requireCapability(
        context,
        `${emulator} (qemu-user 10, Debian: bookworm-backports)`,
        which(emulator) !== undefined,
      );
    });

    test("exit codes, deaths and missing commands", async () => {
      expect((await run(line([], child("exit", 201)), outside)).code).toBe(201);
      expect((await run(line([], child("die", 9)), outside)).code).toBe(137);
      expect(await run(line([], ["/nonexistent"]), outside)).toMatchObject({
        code: 127,
        stderr: "initwrap: /nonexistent: No such file or directory\n",
      });
      expect(await run(line(["--grace", "x"], ["true"]), outside)).toMatchObject({ code: 125 });
    });

    test("what it says is unpacked", async () => {
      const { path, version } = initFor(platform);
      expect(await run([which(emulator) ?? "", path, "--version"], outside)).toMatchObject({
        code: 0,
        stdout: `initwrap ${version}\n`,
      });
      const help = await run([which(emulator) ?? "", path, "--help"], outside);
      expect(help.stdout).toMatch(/^Usage: initwrap [\s\S]*\n127 not found; 125 initwrap's own failure\.\n$/);
    });

    test("signals are forwarded and rewritten", async () => {
      const running = start(line(["--rewrite", "HUP:INT", "--no-group"], child("signals")), outside);
      await running.output("ready\n");
      await running.send(15);
      await running.output("\n15 -1\n");
      await running.send(1);
      await running.output("\n2 -1\n");
      await running.send(9);
      await running.ended;
    });

    test("orphans are reaped", async () => {
      expect((await run(line([], child("orphans", 20, 500)), outside)).code).toBe(0);
    });

    test("a stop plan keeps its times, and a report is written", async () => {
      const file = join(scratch(), "report");
      const running = start(line(["--stop-plan", "INT:300ms,KILL", "--report", file], child("signals")), outside);
      await running.output("ready\n");
      const before = Date.now();
      await running.send(15);
      const outcome = await running.ended;
      expect(outcome.code).toBe(137);
      expect(Date.now() - before).toBeGreaterThanOrEqual(295);
      expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ exitCode: 137, signal: "SIGKILL", forwarded: 2 });
    });

    test("the other behaviours", { timeout: 180_000 }, async () => {
      expect(await missing(which(emulator) ?? "", initFor(platform).path)).toEqual([]);
    });
  },
);
