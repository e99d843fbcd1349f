/** The small form of `pnpm stress:init`, which sends a million of each. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { requireRoot, scratch } from "./harness.ts";
import { losses, stress } from "./stress.ts";

test("50,000 signals and 50,000 orphans: none lost, and the memory is what it was", async (context) => {
  requireRoot(context);
  expect(losses(await stress(50_000, 50_000), 50_000, 50_000)).toEqual([]);
});

test("the init's own report counts the same", async (context) => {
  requireRoot(context);
  const file = join(scratch(), "report");
  expect(losses(await stress(5000, 5000, ["--report", file]), 5000, 5000)).toEqual([]);
  expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ forwarded: 5000, reaped: 5000 });
});

test("the count can fail: an init that drops the signal loses them all", async (context) => {
  requireRoot(context);
  const result = await stress(100, 100, ["--rewrite", "40:0"]);
  expect(losses(result, 100, 100)).toContain("arrived is 0 and should be 100");
});
