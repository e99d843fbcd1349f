import { testBehaviours } from "./behaviours/ours.ts";
import { stop } from "./behaviours/stop.ts";

testBehaviours(stop);
