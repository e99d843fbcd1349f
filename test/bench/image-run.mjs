/** Contests of `pnpm bench:image`: programs that do the same job take turns, are timed, and their results are compared. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
export const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
export const INITWRAP = `${quote(process.execPath)} ${quote(join(ROOT, "packages/cli/bin/run.js"))}`;

/** Ours, under another time each run: a result that is there already would be no work. The peers take the clock's. */
export const initwrapAt = (number) => `SOURCE_DATE_EPOCH=${1.7e9 + number} ${INITWRAP}`;

/** The largest process's memory in KiB, and what the whole tree wrote to files in blocks of 512 bytes, as the kernel counts. */
const TIME = ["/usr/bin/time", "-f", "\nUSAGE %M %O"];
const hasTime = existsSync(TIME[0]);
/** One run may take so long, in seconds. */
const LIMIT = 240;
/** A peer whose run takes longer than this, in seconds, has one. */
const SLOW = 5;

const began = performance.now();

/** Everything is taken away again before the end: what is interrupted ends as a run that failed. */
let interrupted;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    interrupted = new Error(`interrupted by ${signal}`);
  });
}

/** A line for people who wait. */
export function progress(text) {
  process.stderr.write(`[${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s] ${text}\n`);
}

export const installed = (program) => spawnSync("sh", ["-c", `command -v ${quote(program)}`]).status === 0;
export const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

/**
 * Runs a shell script. `{ seconds, peak, written, stdout }`: `peak` is the largest process's memory in MB, `written` what went
 * to files in bytes; both NaN where GNU time is missing. Throws with the script's last line.
 */
export function run(script, env = {}) {
  const words = [...(hasTime ? TIME : []), "timeout", "--foreground", "-k", "1", String(LIMIT), "sh", "-ec", script];
  const start = process.hrtime.bigint();
  const result = spawnSync(words[0], words.slice(1), {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    env: { ...process.env, ...env },
  });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const [, kilobytes = Number.NaN, blocks = Number.NaN] = /\nUSAGE (\d+) (\d+)\s*$/.exec(result.stderr) ?? [];
  if (result.status !== 0) {
    const lines = result.stderr.split("\n").filter((line) => line.trim() && !/^(USAGE|Command exited)/.test(line));
    throw new Error(seconds >= LIMIT ? `takes more than ${LIMIT} s` : (lines.at(-1) ?? `exit code ${result.status}`));
  }
  return { seconds, peak: Number(kilobytes) / 1024, written: Number(blocks) * 512, stdout: result.stdout };
}

/**
 * Lets contestants take turns, ours being the first, and gives a row for each.
 *
 * A contestant has `program` and `script(number)`, a shell script that does the job under a name of its own. It may have
 * `needs`, the programs it calls; `before(number)` and `after()`, which are not timed; `verify(number)`, which rejects unless
 * the result is what was asked for; `counted(number)`, the script by a way on which bytes are counted, and `bytes(done)`, which
 * says how many there were; `limit`, how many times as long as it ours may take, else `aim` counts; `floor` for one that does less
 * than the job and has no aim; `keen` for one that is measured as often as ours however slow it is.
 *
 * The first run of each is not timed: it warms caches up, is counted and verified. A slow peer has no more than that one, and
 * nobody has where `rounds` is 0.
 */
export async function contest(situation, contestants, { rounds, aim, env = {} }) {
  const notes = new Map();
  const samples = new Map();
  const bytes = new Map();
  let number = 0;
  const once = async (one, script) => {
    // A signal is heard only while nothing runs.
    await new Promise((resolve) => setImmediate(resolve));
    if (interrupted) throw interrupted;
    one.before?.(number);
    return run(script(number), { ...env, ...one.env });
  };
  for (const one of contestants) {
    const missing = one.needs?.find((need) => !installed(need));
    if (missing !== undefined) {
      notes.set(one, `${missing} is not installed`);
      continue;
    }
    try {
      const done = await once(one, one.counted ?? one.script);
      bytes.set(one, one.bytes?.(done));
      await one.verify?.(number);
      const isSlow = one !== contestants[0] && !one.keen && done.seconds > SLOW;
      samples.set(one, isSlow || rounds === 0 ? [done] : []);
      progress(`${situation}: ${one.program}: ${done.seconds.toFixed(3)} s`);
    } catch (error) {
      if (interrupted) throw interrupted;
      if (one === contestants[0]) throw new Error(`${situation}: ${one.program}: ${error.message}`, { cause: error });
      notes.set(one, `fails: ${String(error.message).slice(-110).trim()}`);
      progress(`${situation}: ${one.program} ${notes.get(one)}`);
    }
    one.after?.();
    number++;
  }
  const racing = [...samples].filter(([, taken]) => taken.length === 0);
  for (let round = 0; round < rounds; round++) {
    for (const [one, taken] of round % 2 === 0 ? racing : racing.toReversed()) {
      taken.push(await once(one, one.script));
      one.after?.();
      number++;
    }
    progress(`${situation}: round ${round + 1} of ${rounds}`);
  }
  const [ours] = contestants;
  const times = (one) => samples.get(one).map(({ seconds }) => seconds);
  const own = median(times(ours));
  return contestants.map((one) => {
    const row = { situation, program: one.program };
    if (notes.has(one)) return { ...row, note: notes.get(one) };
    const seconds = median(times(one));
    const limit = one === ours || one.floor ? undefined : (one.limit ?? aim);
    return {
      ...row,
      seconds,
      least: Math.min(...times(one)),
      most: Math.max(...times(one)),
      runs: times(one).length,
      peak: median(samples.get(one).map(({ peak }) => peak)),
      bytes: bytes.get(one),
      ...(one === ours ? {} : { ratio: own / seconds }),
      ...(limit === undefined ? {} : { limit, missed: own / seconds > limit }),
    };
  });
}
