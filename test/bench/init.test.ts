/** The figures of the init that do not depend on the machine's mood; timings are for `pnpm bench:init` alone. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeEach, expect, test } from "vitest";
import { requireCapability } from "../support/capability.ts";

const ROOT = join(import.meta.dirname, "../..");
const run = promisify(execFile);

beforeEach((context) => {
  requireCapability(context, "Linux on amd64", process.platform === "linux" && process.arch === "x64");
  requireCapability(context, "root", process.getuid?.() === 0);
});

interface Row {
  readonly aim: number | null;
  readonly values: Readonly<Record<string, number>>;
}

test("calls, instructions, memory and wakeups are within their aims", { timeout: 240_000 }, async () => {
  const bench = join(ROOT, "test/bench/init.mjs");
  const only = "calls,instructions,memory,wakeups";
  const { stdout } = await run(process.execPath, [bench, "--quick", "--no-peers", "--json", "--only", only]);
  const rows = JSON.parse(stdout) as Record<string, Row>;
  for (const key of ["calls", "instructions", "rss", "dirty", "wakeups"]) {
    const row = rows[key];
    expect(row?.values["initwrap"], key).toBeLessThanOrEqual(row?.aim ?? -1);
    expect(row?.values["floor"], key).toBeLessThanOrEqual(row?.aim ?? -1);
  }
});

test("the documented table has every row of the benchmark", () => {
  const titles = [...readFileSync(join(ROOT, "test/bench/init.mjs"), "utf8").matchAll(/title: "([^"]+)"/g)];
  const page = readFileSync(join(ROOT, "docs/benchmarks.md"), "utf8");
  expect(titles.length).toBe(11);
  for (const [, title] of titles) expect(page).toContain(`\n| ${title} | `);
});
