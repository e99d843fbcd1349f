import { beforeEach, expect, test } from "vitest";
import { child, requireInit, requireRoot, run } from "./harness.ts";

beforeEach(requireInit);

test("an orphan is reaped within 50 ms, in the session of the main child or its own", async () => {
  for (let count = 1; count <= 3; count++) expect((await run(child("orphans", count))).code).toBe(0);
});

test("a chain of parents that never wait leaves no zombie", async () => {
  expect((await run(child("chain", 6))).code).toBe(0);
});

test("10,000 orphans pass through a limit of 300 processes", async (context) => {
  requireRoot(context);
  const outcome = await run(child("orphans", 10_000), { namespace: ["-u", "61235", "-p", "300"] });
  expect(outcome).toEqual({ code: 0, stdout: "", stderr: "" });
});

test("a fork bomb against a process limit does not harm the init", async (context) => {
  requireRoot(context);
  const outcome = await run(child("bomb", 500), { namespace: ["-u", "61236", "-p", "100"] });
  expect(outcome).toEqual({ code: 0, stdout: "", stderr: "" });
});

test("the main child's own zombie is left to it", async () => {
  expect((await run(child("own-zombie"))).code).toBe(0);
});
