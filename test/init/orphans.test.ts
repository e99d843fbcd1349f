import { orphans } from "./behaviours/orphans.ts";
import { testBehaviours } from "./behaviours/ours.ts";

testBehaviours(orphans);
