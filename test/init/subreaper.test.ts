import { beforeEach, expect, test } from "vitest";
import { child, requireInit, run } from "./harness.ts";

beforeEach(requireInit);

test("when it is not PID 1 it becomes a subreaper by itself, silently", async () => {
  for (const name of ["initwrap", "dumb-init", "catatonit"]) {
    const outcome = await run(child("orphans", 20), { name, namespace: ["-n"] });
    expect(outcome, name).toEqual({ code: 0, stdout: "", stderr: "" });
  }
});

test("as tini it adopts only with -s or TINI_SUBREAPER, and warns otherwise", async () => {
  const warned = await run(child("exit", 0), { name: "tini", namespace: ["-n"] });
  expect(warned.stderr).toContain("Tini is not running as PID 1 and isn't registered as a child subreaper.\n");
  expect(warned.stderr).toContain("zombie reaping won't work");
  expect((await run(child("exit", 0), { name: "tini", namespace: ["-n"], env: { TINI_VERBOSITY: "0" } })).stderr).toBe(
    "",
  );
  expect((await run(child("orphans", 20), { name: "tini", namespace: ["-n"], options: ["-s"] })).code).toBe(0);
  expect((await run(child("orphans", 20), { name: "tini", namespace: ["-n"], env: { TINI_SUBREAPER: "" } })).code).toBe(
    0,
  );
});
