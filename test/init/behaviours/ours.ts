import { beforeEach, describe, expect, test } from "vitest";
import { requireCapability } from "../../support/capability.ts";
import { INIT, requireInit, requireRoot, which } from "../harness.ts";
import { OURS, readTable, waysOf, wordsOf } from "../matrix.ts";
import { type BehaviourGroup, Subject } from "./behaviour.ts";

/** The shipped init has each of the behaviours, with the words that docs/behaviours.md says. */
export function testBehaviours({ title, behaviours }: BehaviourGroup): void {
  describe(title, () => {
    beforeEach(requireInit);
    for (const behaviour of behaviours) {
      test(behaviour.title, async (context) => {
        if (behaviour.needs === "root") requireRoot(context);
        else if (behaviour.needs) requireCapability(context, behaviour.needs, which(behaviour.needs) !== undefined);
        const [way] = waysOf(behaviour, OURS);
        expect(readTable().rows.get(behaviour.title)?.[0]).toBe(wordsOf(way!) || "yes");
        const init = new Subject(INIT, way!.options, way!.variables);
        try {
          await behaviour.probe(init);
        } finally {
          init.end();
        }
      });
    }
  });
}
