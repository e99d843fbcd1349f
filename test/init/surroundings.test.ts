import { testBehaviours } from "./behaviours/ours.ts";
import { surroundings } from "./behaviours/surroundings.ts";

testBehaviours(surroundings);
