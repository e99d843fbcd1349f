/** supervisord need not be PID 1: behind the init it does what it does alone, so that --force may put the init in front. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { requireCapability } from "../support/capability.ts";
import { eventually, INIT, requireInit, requireRoot, scratch, start, which } from "./harness.ts";

const TERM = 15;
const supervisord = which("supervisord");

beforeEach((context) => {
  requireInit(context);
  requireRoot(context);
  requireCapability(context, "supervisord", supervisord !== undefined);
});

/** Two programs that write down which signals they get, one of which leaves an orphan behind. */
function configure(folder: string): string {
  const script = join(folder, "program.sh");
  writeFileSync(
    script,
    `trap 'echo "TERM" >> "$2"; exit 0' TERM\nif [ "$1" = orphaning ]; then (sleep 0.1 &); fi\nsleep 0.3\necho ready > "$2"\nwhile :; do sleep 0.05; done\n`,
  );
  const program = (name: string) =>
    `[program:${name}]\ncommand=/bin/bash ${script} ${name} ${join(folder, name)}\nstdout_logfile=/dev/null\nstdout_logfile_maxbytes=0\n`;
  const file = join(folder, "supervisord.conf");
  const head = `[supervisord]\nnodaemon=true\nuser=root\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile=${join(folder, "pid")}\n`;
  writeFileSync(file, `${head}${program("plain")}${program("orphaning")}`);
  return file;
}

/** What TERM to PID 1 brings about. */
async function behaviour(init: string | null): Promise<unknown> {
  const folder = scratch();
  const running = start([supervisord ?? "", "-n", "-c", configure(folder)], { init });
  const notes = (name: string) => {
    const file = join(folder, name);
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  };
  await eventually(() => notes("plain") !== "" && notes("orphaning") !== "", 15_000);
  await running.send(TERM);
  const { code } = await running.ended;
  return { code, plain: notes("plain"), orphaning: notes("orphaning") };
}

test("its programs get one TERM each and it ends with 0, behind the init as alone", { timeout: 30_000 }, async () => {
  const alone = await behaviour(null);
  expect(alone).toEqual({ code: 0, plain: "ready\nTERM\n", orphaning: "ready\nTERM\n" });
  expect(await behaviour(INIT)).toEqual(alone);
});
