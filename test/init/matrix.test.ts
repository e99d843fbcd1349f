/** docs/behaviours.md has each behaviour, ours has no gap, and a probe can fail. */
import { expect, test } from "vitest";
import { behaviourGroups } from "./behaviours/all.ts";
import { Subject } from "./behaviours/behaviour.ts";
import { INIT, requireInit } from "./harness.ts";
import { fails, OURS, PEERS, readTable } from "./matrix.ts";

const behaviours = behaviourGroups.flatMap((group) => group.behaviours);
const { names, rows, sums } = readTable();

test("the table has every behaviour once, in order, for every init", () => {
  expect([...rows.keys()]).toEqual(behaviours.map(({ title }) => title));
  expect(new Set(rows.keys()).size).toBe(behaviours.length);
  expect(names).toEqual([OURS, ...PEERS]);
  for (const cells of rows.values()) expect(cells).toHaveLength(names.length);
});

test("ours has no gap, and the sums are what the cells say", () => {
  const count = (column: number) => [...rows.values()].filter((cells) => cells[column] !== "no").length;
  expect(sums).toEqual(names.map((_, column) => count(column)));
  expect(sums[0]).toBe(behaviours.length);
});

test("a probe fails for an init that does not have the behaviour", async (context) => {
  requireInit(context);
  const lossy = () => new Subject(INIT, ["--rewrite", "USR2:0"]);
  const [first] = behaviours;
  expect(await fails(first!, lossy(), 2)).toBe("nothing after 2 s");
  const exits = behaviours.find(({ title }) => title.startsWith("codes 0 to 255"));
  expect(await fails(exits!, new Subject(INIT, ["-e", "7"]), 60)).toContain("Expected values to be strictly");
});
