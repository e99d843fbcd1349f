import { beforeEach, expect, test } from "vitest";
import { Subject } from "./behaviours/behaviour.ts";
import { inherit, state } from "./behaviours/inherit.ts";
import { testBehaviours } from "./behaviours/ours.ts";
import { INIT, requireInit } from "./harness.ts";

testBehaviours(inherit);

beforeEach(requireInit);

test("LISTEN_PID that does not name the init stays", async () => {
  for (const value of ["12", "1x", "", "99999999999"])
    expect((await state(new Subject(INIT), { env: { LISTEN_PID: value } }))["listen"]).toBe(value);
});
