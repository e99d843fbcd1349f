/**
 * Which settings count in a run. The command line wins over variables, and these over the file; within each, what is said
 * for the command wins over what is said for all. A setting that does not go together with what won, or needs a flag that is
 * not there, is left out: a file says what is usual, and must not be in the way of another call.
 */
import { InitwrapError } from "../model/errors.ts";
import type { CommandReference, FlagReference } from "../reference/command.ts";
import { isShared } from "../reference/settings.ts";
import { isOff, placeText, type Setting, type Settings } from "./setting.ts";

export interface Choice {
  readonly flag: FlagReference;
  readonly setting: Setting;
  /** Why it does not count in this run. */
  readonly unused?: string;
}

/**
 * The settings that concern `command`, by flag. `given` are the flags on the command line, with `false` for those that were
 * switched off; `layers` are strongest first. Throws USAGE or CONFIG_INVALID when two settings of one layer exclude each other.
 */
export function chooseSettings(
  command: CommandReference,
  given: ReadonlyMap<string, boolean>,
  layers: readonly Settings[],
): readonly Choice[] {
  const found = layers.flatMap((layer, rank) =>
    command.flags.flatMap((flag) => {
      const setting = lookUp(command.name, flag.name, layer);
      return setting === undefined || given.has(flag.name) ? [] : [{ flag, setting, rank }];
    }),
  );
  const strongest = found.filter(
    ({ flag, rank }) => !found.some((other) => other.flag.name === flag.name && other.rank < rank),
  );
  const on = new Map([...given].filter(([, isOn]) => isOn).map(([name]) => [name, -1]));
  const places = new Map<string, Setting>();
  const unused = new Map<string, string>();
  for (const { flag, setting, rank } of strongest) {
    if (isOff(flag, setting)) continue;
    const excluding = flag.exclusive.find((name) => on.has(name));
    if (excluding === undefined) {
      on.set(flag.name, rank);
      places.set(flag.name, setting);
    } else if (on.get(excluding) === rank) {
      const other = placeText((places.get(excluding) as Setting).place);
      const code = setting.place.kind === "file" ? "CONFIG_INVALID" : "USAGE";
      throw new InitwrapError(code, `--${flag.name} and --${excluding} (${other}) exclude each other`, {
        where: placeText(setting.place),
        hint: "Set one of them.",
      });
    } else unused.set(flag.name, `not together with --${excluding}`);
  }
  // What needs another may be needed itself.
  for (let changed = true; changed; ) {
    changed = false;
    for (const { flag } of strongest) {
      const missing = flag.dependsOn.find((name) => !on.has(name));
      if (!places.has(flag.name) || missing === undefined) continue;
      unused.set(flag.name, `needs --${missing}`);
      places.delete(flag.name);
      on.delete(flag.name);
      changed = true;
    }
  }
  return strongest.map(({ flag, setting }) => {
    const reason = unused.get(flag.name);
    return reason === undefined ? { flag, setting } : { flag, setting, unused: reason };
  });
}

function lookUp(command: string, flag: string, layer: Settings): Setting | undefined {
  return layer.get(`${command}.${flag}`) ?? (isShared(flag) ? layer.get(flag) : undefined);
}
