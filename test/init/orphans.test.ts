import { expect, test } from "vitest";
import { orphans } from "./behaviours/orphans.ts";
import { testBehaviours } from "./behaviours/ours.ts";
import { child, requireInit, run } from "./harness.ts";

testBehaviours(orphans);

for (const [name, namespace] of [
  ["a child", ["-z"]],
  ["a child, with SIGCHLD ignored since,", ["-z", "-i"]],
] as const)
  test(`${name} that was dead before the init was executed is reaped`, async (context) => {
    requireInit(context);
    // Nothing else dies here while the command looks: no SIGCHLD comes to help.
    expect((await run(child("chain", 0), { namespace })).code).toBe(0);
    expect((await run(child("chain", 0), { namespace, init: null })).code).not.toBe(0);
  });
