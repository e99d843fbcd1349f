import type { BehaviourGroup } from "./behaviour.ts";
import { exitStatus } from "./exit-status.ts";
import { group } from "./group.ts";
import { inherit } from "./inherit.ts";
import { orphans } from "./orphans.ts";
import { signals } from "./signals.ts";
import { startupWindow } from "./startup-window.ts";
import { stop } from "./stop.ts";
import { surroundings } from "./surroundings.ts";
import { terminal } from "./terminal.ts";
import { translation } from "./translation.ts";

/** The rows of docs/behaviours.md, in its order. */
export const behaviourGroups: readonly BehaviourGroup[] = [
  signals,
  startupWindow,
  orphans,
  exitStatus,
  inherit,
  terminal,
  group,
  stop,
  translation,
  surroundings,
];
